"""Proxies for the tests: the program pproxy in a process of its own, and servers that are none."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness import eventually

USER, PASSWORD = "aladdin", "open:sesame%41"
"""What the proxy program accepts."""

CREDENTIALS = "aladdin:open%3Asesame%2541@"
"""The same as it stands in an address."""

SECRETS = ("aladdin", "sesame", "YWxhZGRpbj")
"""What must never be printed: user, password, and both as HTTP has them."""

# The clients of a test all have one address, so whoever was let in once must not be let in for ever: `authtime`.
_PROGRAM = """
import asyncio, sys
import pproxy

async def serve():
    listener = pproxy.Server(sys.argv[1])
    said = {"rserver": [], "authtime": -1, "verbose": lambda line: print(line, flush=True)}
    server = await listener.start_server(said)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(serve())
"""


class Proxy:
    """A running proxy: HTTP and SOCKS5 on one port, with user and password."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._said = process.stdout
        self.port = int(self._said.readline())
        self._lines: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(ValueError):  # it was closed
            self._lines.extend(self._said)

    def address(self, scheme: str, credentials: str = CREDENTIALS) -> str:
        """The proxy as options and variables of the environment have it."""
        return f"{scheme}://{credentials}127.0.0.1:{self.port}"

    def connections(self, port: int) -> int:
        """How many connections to a port it was asked for so far."""
        return sum(line.endswith(f":{port}\n") for line in self._lines)

    def hosts(self, port: int) -> set[str]:
        """By what names or numbers it was asked for a port."""
        asked = [line.split("-> ")[1] for line in self._lines if line.endswith(f":{port}\n")]
        return {destination.rpartition(":")[0] for destination in asked}

    def wait_connections(self, port: int, count: int) -> None:
        """Waits until it was asked for so many."""
        eventually(lambda: self.connections(port) >= count)


@contextmanager
def running_proxy() -> Iterator[Proxy]:
    """The proxy program, as long as the context lasts."""
    listen = f"http+socks5://127.0.0.1:0/#{USER}:{PASSWORD}"
    command = [sys.executable, "-c", _PROGRAM, listen]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield Proxy(process)
        finally:
            process.kill()


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that answers every connection with these bytes once it has said something, and ends it; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):  # the server is closed, or a client gone
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(4096)
                        client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def mute() -> Iterator[int]:
    """A server that takes connections and says nothing; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def dead() -> int:
    """A port at which nobody listens."""
    with mute() as port:
        return port

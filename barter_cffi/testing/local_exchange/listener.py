"""A port that one exchange has to itself, so that it can refuse connections while the others listen.

The port stays bound for as long as the listener is open: while it refuses, nobody else gets it, and
a client is refused by the operating system, as where a server is down.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable


class Listener:
    """Listens on a free port of `host` and serves each connection with a protocol of `protocol`.

    Used on the server's loop. Raises `OSError` where it cannot bind.
    """

    def __init__(self, protocol: Callable[[], asyncio.Protocol], host: str, tls: ssl.SSLContext | None) -> None:
        self._protocol = protocol
        self._tls = tls
        self._host = host
        self._server: asyncio.Server | None = None
        family, kind, number, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        self._holder = socket.socket(family, kind, number)
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holder.bind(address)
        self.port = int(self._holder.getsockname()[1])

    async def listen(self) -> None:
        """Accepts connections from now on."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                self._protocol, self._host, self.port, reuse_port=True, ssl=self._tls
            )

    def refuse(self) -> None:
        """Refuses connections from now on; those that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        """Gives the port back."""
        self.refuse()
        self._holder.close()

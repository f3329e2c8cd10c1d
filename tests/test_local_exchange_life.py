"""Starting the local exchange, finding it, and ending it with nothing left behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import aiohttp
import pytest
from local_exchange_client import (
    FRAME_TIMEOUT_S,
    TIMEOUT_S,
    connected,
    paused,
    run,
)

from barter_cffi.testing.local_exchange import (
    EXCHANGES,
    LocalExchange,
    markets,
)

__all__ = ["paused"]


def test_leaving_it_ends_connections_threads_and_the_port_within_a_second() -> None:
    before = set(threading.enumerate())
    with LocalExchange(rate=200) as local:
        port = local.port
        raw = socket.create_connection(("127.0.0.1", port))
        raw.sendall(
            b"GET /okx/ws/v5/public HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        local.wait_until(lambda: local.journal.connections("okx").open == 1)
        begun = time.monotonic()
    assert time.monotonic() - begun < 1.0
    assert set(threading.enumerate()) == before
    assert local.journal.connections("okx").open == 0
    with raw, pytest.raises(OSError):
        raw.settimeout(FRAME_TIMEOUT_S)
        while raw.recv(65_536):
            pass
        raise ConnectionResetError("the connection has ended in order")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port)).close()
    local.close()
    with pytest.raises(RuntimeError, match="not running"):
        local.send_text("okx", "{}")


def test_it_is_an_asynchronous_context_manager_too() -> None:
    async def scenario() -> int:
        async with LocalExchange(["kraken"]) as local, connected(local, "kraken") as client:
            assert (await client.frame())["event"] == "systemStatus"
            return local.port

    port = run(scenario())
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port)).close()


def test_starting_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="unknown exchange 'mtgox': the local exchange has binance_spot,"):
        LocalExchange(["mtgox"])
    with pytest.raises(ValueError, match="unknown exchange 'mtgox'"):
        LocalExchange(markets={"mtgox": markets(["btc/usd"])})
    for rate in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="rate must be positive"):
            LocalExchange(rate=rate)
    with pytest.raises(ValueError, match="keepalive_scale must be positive"):
        LocalExchange(keepalive_scale=0)
    local = LocalExchange(["kraken"])
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = local.port
    with local:
        with pytest.raises(OSError):
            LocalExchange(["kraken"], port=local.port).start()
        with pytest.raises(RuntimeError):
            local.start()


def test_endpoints_are_bases_for_each_exchange(paused: LocalExchange) -> None:
    assert set(paused.endpoints) == set(EXCHANGES)
    for name, endpoint in paused.endpoints.items():
        assert endpoint.websocket == f"ws://127.0.0.1:{paused.port}/{name}"
        assert endpoint.rest == f"http://127.0.0.1:{paused.port}/{name}"


def test_unknown_paths_exchanges_and_methods_are_answered(paused: LocalExchange) -> None:
    async def scenario() -> None:
        base = f"http://127.0.0.1:{paused.port}"
        async with aiohttp.ClientSession() as session:
            for path, status in [("/mtgox/ws", 404), ("/", 404), ("/kraken/0/public/Nope", 404)]:
                async with session.get(base + path) as answer:
                    assert answer.status == status
            async with session.post(f"{base}/binance_spot/api/v3/depth") as answer:
                assert (answer.status, answer.headers["Allow"]) == (405, "GET")
        for name in EXCHANGES:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
                async with connected(paused, name, path="/nope"):
                    pass

    run(scenario())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_addresses_and_ends_cleanly(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "barter_cffi.testing.local_exchange", "--exchanges", "kraken", "okx"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            addresses = json.loads(process.stdout.readline())
            assert set(addresses) == {"kraken", "okx"}

            async def scenario() -> Any:
                address = addresses["kraken"]["websocket"]
                async with aiohttp.ClientSession() as session, session.ws_connect(address) as websocket:
                    return await websocket.receive_json(timeout=FRAME_TIMEOUT_S)

            assert run(scenario())["event"] == "systemStatus"
            process.send_signal(number)
            assert process.wait(10) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_the_command_says_when_it_cannot_listen() -> None:
    with LocalExchange(["kraken"]) as local:
        command = [sys.executable, "-m", "barter_cffi.testing.local_exchange", "--port", str(local.port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("python -m barter_cffi.testing.local_exchange: ")

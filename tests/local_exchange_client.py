"""A plain WebSocket and HTTP client of the local exchange, and what its tests share."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from local_exchange_wires import WIRES, Wire

from barter_cffi.testing.local_exchange import EXCHANGES, Kind, LocalExchange

TIMEOUT_S = 20.0
FRAME_TIMEOUT_S = 5.0

PAIRS: list[tuple[str, Kind]] = [(name, kind) for name, exchange in EXCHANGES.items() for kind in exchange.kinds]
pairs = pytest.mark.parametrize(("name", "kind"), PAIRS, ids=[f"{name}-{kind}" for name, kind in PAIRS])
names = pytest.mark.parametrize("name", list(EXCHANGES))


def parse(text: str) -> Any:
    return text if text == "pong" else json.loads(text, parse_float=Decimal)


class Client:
    """One WebSocket to one exchange."""

    def __init__(self, wire: Wire, websocket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self.wire = wire
        self.websocket = websocket
        #: Events that came before the acknowledgement that `subscribed` waited for.
        self.early: list[tuple[Any, ...]] = []

    async def send(self, *messages: Any) -> None:
        for message in messages:
            await self.websocket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def text(self) -> str:
        message = await self.websocket.receive(FRAME_TIMEOUT_S)
        assert message.type is aiohttp.WSMsgType.TEXT, f"expected a text frame, got {message}"
        return str(message.data)

    async def frame(self) -> Any:
        return parse(await self.text())

    async def frame_where(self, wanted: Callable[[Any], Any]) -> Any:
        while True:
            frame = await self.frame()
            if wanted(frame):
                return frame

    async def data_frame(self) -> Any:
        return await self.frame_where(self.wire.decode)

    async def acknowledged(self, count: int) -> list[tuple[Any, ...]]:
        """Waits for acknowledgements; returns the events that came before the last of them."""
        events: list[tuple[Any, ...]] = []
        while count:
            frame = await self.frame()
            assert self.wire.refused(frame) is None, frame
            count -= self.wire.accepted(frame)
            events += self.wire.decode(frame)
        return events

    async def refusal(self) -> str:
        frame = await self.frame_where(self.wire.refused)
        reason = self.wire.refused(frame)
        assert reason is not None
        return reason

    async def events(self, count: int) -> list[tuple[Any, ...]]:
        events: list[tuple[Any, ...]] = []
        while len(events) < count:
            events += self.wire.decode(await self.frame())
        return events

    async def end(self) -> Any:
        """Reads to the end of the connection; returns the message that ended it."""
        while True:
            message = await self.websocket.receive(FRAME_TIMEOUT_S)
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING):
                return message


@contextlib.asynccontextmanager
async def connected(
    local: LocalExchange, name: str, kind: Kind = "trades", path: str | None = None, **options: Any
) -> AsyncIterator[Client]:
    wire = WIRES[name]()
    address = local.addresses[name][0] + (wire.path(kind) if path is None else path)
    async with aiohttp.ClientSession() as session, session.ws_connect(address, **options) as websocket:
        yield Client(wire, websocket)


@contextlib.asynccontextmanager
async def subscribed(
    local: LocalExchange, name: str, kind: Kind = "trades", markets: list[str] | None = None, **options: Any
) -> AsyncIterator[Client]:
    """A client whose subscription was acknowledged."""
    wanted = markets if markets is not None else [next(iter(local.markets(name)))]
    async with connected(local, name, kind, **options) as client:
        requests = client.wire.subscribe(kind, wanted)
        await client.send(*requests)
        one_answer = name.startswith(("binance", "bybit"))
        client.early = await client.acknowledged(1 if one_answer else len(wanted))
        yield client


async def rest(local: LocalExchange, name: str, path: str, **query: Any) -> tuple[int, str, Any]:
    async with aiohttp.ClientSession() as session, session.get(local.addresses[name][1] + path, params=query) as answer:
        return answer.status, await answer.text(), answer.headers


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, TIMEOUT_S))


@pytest.fixture
def paused() -> Iterator[LocalExchange]:
    """Every exchange, without traffic of its own."""
    with LocalExchange(autostart=False) as local:
        yield local

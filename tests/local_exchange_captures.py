"""Captures in cryptofeed's raw format: recorded from the simulation, or written down line by line."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from local_exchange_client import Client, connected, rest, run, subscribed

from barter_cffi.testing.local_exchange import Kind, LocalExchange

#: A line, or (seconds since the start, frame) of a frame that came then.
Line: TypeAlias = str | tuple[float, Any]
#: Where the exchanges are.
WEBSOCKETS = {
    "binance_spot": "wss://stream.binance.com:9443",
    "binance_futures_usd": "wss://fstream.binance.com",
    "bybit_spot": "wss://stream.bybit.com",
    "bybit_perpetuals_usd": "wss://stream.bybit.com",
    "okx": "wss://ws.okx.com:8443",
    "kraken": "wss://ws.kraken.com",
    "coinbase": "wss://ws-feed.exchange.coinbase.com",
    "bitfinex": "wss://api-pub.bitfinex.com",
    "bitmex": "wss://ws.bitmex.com",
    "gateio_spot": "wss://api.gateio.ws",
    "gateio_futures_usd": "wss://fx-ws.gateio.ws",
    "gateio_futures_btc": "wss://fx-ws.gateio.ws",
    "gateio_perpetuals_usd": "wss://fx-ws.gateio.ws",
    "gateio_perpetuals_btc": "wss://fx-ws.gateio.ws",
    "gateio_options": "wss://op-ws.gateio.live",
}
DEPTHS = {
    "binance_spot": ("https://api.binance.com", "/api/v3/depth"),
    "binance_futures_usd": ("https://fapi.binance.com", "/fapi/v1/depth"),
}
OKX = "wss://ws.okx.com:8443/ws/v5/public"
START = 1_600_000_000


def recorded(name: str, kind: Kind, path: Path, count: int = 6) -> list[str]:
    """Writes a capture of the simulated exchange, its first two markets; returns their names."""
    with LocalExchange([name], autostart=False, depth=20) as local:
        markets = list(local.markets(name))[:2]
        lines: list[str] = []

        def stamp() -> str:
            return f"{time.time():.6f}"

        async def listen(client: Client) -> None:
            while True:
                lines.append(f"{stamp()}: {await client.text()}")

        async def scenario() -> None:
            async with connected(local, name, kind) as client:
                url = WEBSOCKETS[name] + client.wire.path(kind)
                lines.append(f"{url} <-> {stamp()}")
                for request in client.wire.subscribe(kind, markets):
                    text = json.dumps(request)
                    lines.append(f"{url} <- {stamp()}: {text}")
                    await client.send(text)
                listening = asyncio.create_task(listen(client))
                for market in markets:
                    await asyncio.to_thread(local.wait_subscribed, name, kind, market)
                    local.emit(name, kind, market, 2)
                for market in markets if kind == "l2" and name in DEPTHS else ():
                    host, depth = DEPTHS[name]
                    _, body, _ = await rest(local, name, depth, symbol=market, limit="100")
                    lines.append(f"{host}{depth}?symbol={market}&limit=100 -> {stamp()}: {body}")
                for _ in range(count):
                    for market in markets:
                        local.emit(name, kind, market)
                local.send_text(name, '{"end":1}')
                await asyncio.to_thread(_wait_for_end, lines)
                listening.cancel()

        run(scenario())
        path.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
        return markets


def _wait_for_end(lines: list[str]) -> None:
    end = time.monotonic() + 5
    while not lines[-1].endswith('{"end":1}'):
        assert time.monotonic() < end, "the recording does not end"
        time.sleep(0.001)


def written(path: Path, *lines: Line) -> Path:
    """Writes a capture; returns its path."""
    path.write_text("".join(f"{_line(line)}\n" for line in lines), encoding="utf-8")
    return path


def frames_of(lines: Iterable[str]) -> list[str]:
    """The texts of the frames among lines."""
    return [line.partition(": ")[2] for line in lines if line[0].isdigit()]


def okx_trade(number: int, market: str = "BTC-USDT") -> dict[str, Any]:
    """A frame of one trade."""
    row = {"instId": market, "tradeId": str(number), "px": f"100.{number}0", "sz": "0.50", "side": "buy", "ts": "1000"}
    return {"arg": {"channel": "trades", "instId": market}, "data": [row]}


def okx_ids(*numbers: int) -> list[str]:
    """The identities of such trades."""
    return [str(number) for number in numbers]


async def trade_ids(local: LocalExchange, name: str, markets: list[str], count: int) -> list[str]:
    """The identities of the trades that a client gets, of which there must be so many."""
    async with subscribed(local, name, markets=markets) as client:
        events = client.early + await client.events(count - len(client.early))
    return [event[2] for event in events]


def _line(line: Line) -> str:
    if isinstance(line, str):
        return line
    seconds, frame = line
    return f"{START + seconds}: {frame if isinstance(frame, str) else json.dumps(frame)}"

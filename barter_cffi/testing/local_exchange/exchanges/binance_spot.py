"""Binance spot: trades, best prices and depth, with the REST depth snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..connection import Connection
from ..events import BestBidAsk, BookSnapshot, BookUpdate, Event, Kind, Trade
from ..market import Market, markets
from ..simulation import Rules
from .base import Reply
from .binance import Binance, levels
from .wire import dumps

_MAX_DEPTH: Final = 5_000


class BinanceSpot(Binance):
    """`stream.binance.com:9443` and `api.binance.com`; all prices and amounts have 8 decimals."""

    name = "binance_spot"
    kinds = ("trades", "l1", "l2")
    rules = Rules(price_decimals=8, amount_decimals=8)
    messages_per_second = 5
    beat_seconds = 20.0
    pong_timeout = 60.0
    depth_path = "/api/v3/depth"
    ticker_path = "/api/v3/ticker/price"

    def default_markets(self) -> Sequence[Market]:
        """Spot pairs against usdt and btc."""
        return markets(["btc/usdt", "eth/usdt", "sol/usdt", "xrp/usdt", "doge/usdt", "bnb/usdt", "eth/btc"])

    def serves(self, connection: Connection, kind: Kind) -> bool:
        """Every stream flows on every path."""
        return True

    def payload(self, kind: Kind, event: Event) -> list[dict[str, object]]:
        """web-socket-streams.md, "Trade Streams", "Individual Symbol Book Ticker Streams" and
        "Diff. Depth Stream"."""
        if isinstance(event, Trade):
            time_ms = event.time_ns // 1_000_000
            return [
                {
                    "e": "trade",
                    "E": time_ms,
                    "s": event.market,
                    "t": event.number,
                    "p": event.price,
                    "q": event.amount,
                    "T": time_ms,
                    "m": event.side == "sell",
                    "M": True,
                }
            ]
        if isinstance(event, BestBidAsk):
            return [
                {
                    "u": event.sequence,
                    "s": event.market,
                    "b": event.bid.price,
                    "B": event.bid.amount,
                    "a": event.ask.price,
                    "A": event.ask.amount,
                }
            ]
        assert isinstance(event, BookUpdate), f"{self.name} sends no {event}"
        return [
            {
                "e": "depthUpdate",
                "E": event.time_ns // 1_000_000,
                "s": event.market,
                "U": event.first_sequence,
                "u": event.sequence,
                "b": levels(event.bids),
                "a": levels(event.asks),
            }
        ]

    def depth_limit(self, text: str | None) -> int | Reply:
        """rest-api.md, "Order book": 100 by default, at most 5,000."""
        if text is None:
            return 100
        if not text.isascii() or not text.isdigit():
            message = "Illegal characters found in parameter 'limit'."
            return Reply(400, dumps({"code": -1100, "msg": message}))
        if int(text) == 0:
            message = "Data sent for parameter 'limit' is not valid."
            return Reply(400, dumps({"code": -1130, "msg": message}))
        return min(int(text), _MAX_DEPTH)

    def depth_body(self, snapshot: BookSnapshot) -> dict[str, object]:
        """rest-api.md, "Order book"."""
        return {
            "lastUpdateId": snapshot.sequence,
            "bids": levels(snapshot.bids),
            "asks": levels(snapshot.asks),
        }

    def notices(self) -> Mapping[str, str]:
        """web-socket-streams.md, "Server Shutdown"."""
        now = self.options.clock() // 1_000_000
        return {"server-shutdown": dumps({"e": "serverShutdown", "E": now})}

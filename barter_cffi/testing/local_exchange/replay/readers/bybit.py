"""Captured frames of Bybit's public streams, version 5."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from ...connection import Subscription
from ...events import BookSnapshot, BookUpdate, Event, Kind
from ..frames import Frame, MarketFrame
from ..verbatim import write
from .base import Reader, first_level, levels, nanoseconds, side_of

_MS: Final = 1_000_000


class BybitReader(Reader):
    """An order book of another depth than clients subscribe to is sent as the one they did."""

    channels: ClassVar[Mapping[Kind, str]] = {"l2": "orderbook.50"}
    market_pattern = re.compile(r"[\w.]+\.([A-Z0-9-]+)")

    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """By `topic`: `publicTrade.BTCUSDT`, `orderbook.50.BTCUSDT`."""
        topic = value.get("topic") if isinstance(value, dict) else None
        if not isinstance(topic, str):
            return None
        channel, _, market = topic.rpartition(".")
        kind: Kind
        if channel == "publicTrade":
            kind, events = "trades", self._trade_rows(value["data"])
        elif channel == "orderbook.1":
            kind, events = "l1", self._top(market, value)
        elif channel.startswith("orderbook."):
            kind, events = "l2", (self._book(market, value),)
        else:
            return None

        def written(chosen: Mapping[str, Subscription]) -> str:
            [subscription] = chosen.values()
            return text if subscription.channel == topic else write({**value, "topic": subscription.channel})

        return MarketFrame(kind, channel, {market: events}, written)

    def _trade_rows(self, rows: list[Any]) -> tuple[Event, ...]:
        return tuple(
            self.trade(row["s"], row["i"], row["p"], row["v"], side_of(row["S"]), nanoseconds(row["T"], _MS))
            for row in rows
        )

    def _top(self, market: str, value: Any) -> tuple[Event, ...]:
        book = value["data"]
        sides = first_level(book["b"]), first_level(book["a"])
        return self.best(market, *sides, int(book["seq"]), nanoseconds(value["ts"], _MS))

    def _book(self, market: str, value: Any) -> Event:
        book, at = value["data"], nanoseconds(value["ts"], _MS)
        number, sequence = int(book["u"]), int(book["seq"])
        sides = levels(book["b"]), levels(book["a"])
        if value["type"] == "snapshot":
            return BookSnapshot(self.exchange, market, sequence, number, *sides, at)
        if value["type"] != "delta":
            raise ValueError(f"a book frame of type {value['type']}")
        return BookUpdate(self.exchange, market, sequence, sequence, sequence - 1, number, *sides, at)

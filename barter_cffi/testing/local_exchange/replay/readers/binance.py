"""Captured frames of Binance spot and USD-M futures, raw or in the wrapper of combined streams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from ...connection import Subscription
from ...events import BookSnapshot, BookUpdate, Event, Kind, Level, Liquidation
from ..frames import Frame, MarketFrame, Word
from ..verbatim import Number, write
from .base import Reader, decimal, levels, nanoseconds, side_of

_MS: Final = 1_000_000
_KINDS: Final[dict[str, Kind]] = {
    "trade": "trades",
    "bookTicker": "l1",
    "depthUpdate": "l2",
    "forceOrder": "liquidations",
}
_BEST_KEYS: Final = {"u", "s", "b", "B", "a", "A"}


class BinanceReader(Reader):
    """The wrapper `{"stream":…,"data":…}` is taken off, and put on for a client that asks for it."""

    channels: ClassVar[Mapping[Kind, str]] = {"l2": "depth@100ms"}
    market_pattern = re.compile(r"([A-Za-z0-9_]+)@.*")

    def market(self, name: str) -> str:
        """Streams are named in lower case."""
        return name.upper()

    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """By `e`, which spot's best prices lack."""
        if not isinstance(value, dict):
            return None
        stream, wrapped = value.get("stream"), "stream" in value and "data" in value
        payload = value["data"] if wrapped else value
        if not isinstance(payload, dict):
            return None
        what = payload.get("e")
        if what == "serverShutdown":
            return Word(write(payload), ends=True)
        if what is None and payload.keys() >= _BEST_KEYS:
            what = "bookTicker"
        kind = _KINDS.get(what) if isinstance(what, str) else None
        if kind is None:
            return None
        market, events = self._read(kind, payload, time_ns)
        raw = write(payload) if wrapped else text

        def written(chosen: Mapping[str, Subscription]) -> str:
            [subscription] = chosen.values()
            if not subscription.connection.state["combined"]:
                return raw
            return f'{{"stream":{write(subscription.channel)},"data":{raw}}}'

        channel = str(stream).partition("@")[2] if wrapped else str(what)
        return MarketFrame(kind, channel, {market: events}, written)

    def snapshot(self, value: Any, market: str, time_ns: int) -> BookSnapshot | None:
        """An answer with `lastUpdateId`; spot's has no time."""
        if not isinstance(value, dict) or "lastUpdateId" not in value:
            return None
        sequence = int(value["lastUpdateId"])
        time_ns = nanoseconds(value["E"], _MS) if "E" in value else time_ns
        sides = levels(value["bids"]), levels(value["asks"])
        return BookSnapshot(self.exchange, market, sequence, 0, *sides, time_ns)

    def book_before(self, update: BookUpdate) -> str | None:
        """As both venues answer it; the time of USD-M's is the update's."""
        time_ms = Number(update.time_ns // _MS)
        times = {"E": time_ms, "T": time_ms} if self.exchange == "binance_futures_usd" else {}
        return write({"lastUpdateId": update.previous_sequence, **times, "bids": [], "asks": []})

    def _read(self, kind: Kind, row: dict[str, Any], time_ns: int) -> tuple[str, tuple[Event, ...]]:
        if kind == "liquidations":
            order = row["o"]
            values = decimal(order["p"]), decimal(order.get("ap", order["p"])), decimal(order["q"])
            side, time_ns = side_of(order["S"]), nanoseconds(order["T"], _MS)
            return order["s"], (Liquidation(self.exchange, order["s"], *values, side, time_ns),)
        market = row["s"]
        if kind == "trades":
            if row.get("X") == "NA":
                return market, ()
            side = side_of("sell" if row["m"] else "buy")
            at = nanoseconds(row["T"], _MS)
            return market, (self.trade(market, decimal(row["t"]), row["p"], row["q"], side, at),)
        if kind == "l1":
            bid, ask = (Level(decimal(row[price]), decimal(row[price.upper()])) for price in "ba")
            at = nanoseconds(row["T"], _MS) if "T" in row else time_ns
            return market, self.best(market, bid, ask, int(row["u"]), at)
        first, last = int(row["U"]), int(row["u"])
        previous = int(row["pu"]) if "pu" in row else first - 1
        sides = levels(row["b"]), levels(row["a"])
        at = nanoseconds(row["E"], _MS)
        return market, (BookUpdate(self.exchange, market, first, last, previous, 0, *sides, at),)

"""Captured frames of Gate's six servers, WebSocket API version 4."""

from __future__ import annotations

import re
from typing import Any, Final

from ...events import Event
from ..frames import Frame, Word
from .base import Reader, by_market, decimal, nanoseconds, side_of, verbatim

_MS: Final = 1_000_000
_SECOND: Final = 1_000_000_000
_CHANNELS: Final = ("spot.trades", "futures.trades", "options.trades")


class GateioReader(Reader):
    """Spot sends one trade a frame, the contract servers lists in which contracts may be mixed."""

    market_pattern = re.compile(r"([A-Z0-9]+_[A-Z0-9]+(?:[-_][A-Z0-9.]+)*)")

    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """Updates of the trades channel, and the notice before an upgrade."""
        if not isinstance(value, dict) or value.get("event") != "update":
            return None
        channel, result = value.get("channel"), value.get("result")
        if isinstance(channel, str) and channel.endswith(".system"):
            return Word(text, ends=isinstance(result, dict) and result.get("type") == "upgrade")
        if channel not in _CHANNELS or result is None:
            return None
        if isinstance(result, dict):
            market = result["currency_pair"]
            return verbatim("trades", channel, market, self._spot(market, result), text)
        read = [(row["contract"], row, self._contract(row)) for row in result]
        frame = by_market("trades", channel, read, lambda _: text, lambda some: {**value, "result": some})
        return frame if read else None

    def _spot(self, market: str, row: dict[str, Any]) -> tuple[Event, ...]:
        side, number = side_of(row["side"]), decimal(row["id"])
        return (self.trade(market, number, row["price"], row["amount"], side, _time_ns(row)),)

    def _contract(self, row: dict[str, Any]) -> tuple[Event, ...]:
        size, number = decimal(row["size"]), decimal(row["id"])
        side = side_of("sell" if size.startswith("-") else "buy")
        return (self.trade(row["contract"], number, row["price"], size, side, _time_ns(row)),)


def _time_ns(row: dict[str, Any]) -> int:
    """`create_time_ms`, which early frames of the contract servers lack."""
    if "create_time_ms" in row:
        return nanoseconds(row["create_time_ms"], _MS)
    return nanoseconds(row["create_time"], _SECOND)

"""Captured frames of BitMEX's trade table."""

from __future__ import annotations

import re
from typing import Any

from ...events import Event
from ..frames import Frame, Greeting, MarketFrame
from .base import Reader, by_market, rfc3339, side_of, verbatim


class BitmexReader(Reader):
    """A frame's rows may be of several instruments; `partial` tells what was before."""

    market_pattern = re.compile(r"\w+:(\w+)")

    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """`{"table":"trade","action":…,"data":[…]}` and the welcome."""
        if not isinstance(value, dict):
            return None
        if "info" in value and "version" in value:
            return Greeting(text)
        if value.get("table") != "trade":
            return None
        history, rows = value["action"] == "partial", value["data"]
        named = value.get("filter", {}).get("symbol")
        if history and not rows and named is not None:
            return verbatim("trades", "trade", named, [], text)
        read = [(row["symbol"], row, self._events(row, history)) for row in rows]
        frame: MarketFrame = by_market("trades", "trade", read, lambda _: text, lambda some: {**value, "data": some})
        return frame if read else None

    def _events(self, row: dict[str, Any], history: bool) -> tuple[Event, ...]:
        side, at = side_of(row["side"]), rfc3339(row["timestamp"])
        return (self.trade(row["symbol"], row["trdMatchID"], row["price"], row["size"], side, at, history=history),)

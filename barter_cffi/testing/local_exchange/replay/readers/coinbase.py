"""Captured frames of Coinbase Exchange's matches channel."""

from __future__ import annotations

import re
from typing import Any

from ...orderflow import opposite
from ..frames import Frame
from .base import Reader, decimal, rfc3339, side_of, verbatim


class CoinbaseReader(Reader):
    """`side` is the maker's; `last_match` happened before the subscription."""

    market_pattern = re.compile(r"([A-Z0-9]+-[A-Z0-9]+)")

    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """`match` and `last_match`."""
        what = value.get("type") if isinstance(value, dict) else None
        if what not in ("match", "last_match"):
            return None
        market, side = value["product_id"], opposite(side_of(value["side"]))
        values = decimal(value["trade_id"]), value["price"], value["size"]
        trade = self.trade(market, *values, side, rfc3339(value["time"]), history=what == "last_match")
        return verbatim("trades", "matches", market, [trade], text)

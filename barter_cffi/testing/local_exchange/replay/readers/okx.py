"""Captured frames of OKX's channel of trades."""

from __future__ import annotations

import re
from typing import Any, Final

from ..frames import Frame, Word
from .base import Reader, nanoseconds, side_of, verbatim

_MS: Final = 1_000_000
#: The notice before a service upgrade.
_UPGRADE: Final = "64008"


class OkxReader(Reader):
    """The last trade, which answers a subscription, comes in the same frames as the others."""

    market_pattern = re.compile(r"([A-Z0-9]+-[A-Z0-9]+(?:-[A-Z0-9]+)*)")

    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """`{"arg":{"channel":"trades","instId":…},"data":[…]}` and notices."""
        if not isinstance(value, dict):
            return None
        if value.get("event") == "notice":
            return Word(text, ends=value.get("code") == _UPGRADE)
        argument = value.get("arg")
        if "data" not in value or not isinstance(argument, dict) or argument.get("channel") != "trades":
            return None
        market = argument["instId"]
        trades = [
            self.trade(market, row["tradeId"], row["px"], row["sz"], side_of(row["side"]), nanoseconds(row["ts"], _MS))
            for row in value["data"]
        ]
        return verbatim("trades", "trades", market, trades, text)

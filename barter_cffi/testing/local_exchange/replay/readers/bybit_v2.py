"""Captured frames of Bybit's public streams before version 5, in the shapes of version 5.

Version 5 carries the same trades and books under other names: `trade.X` is `publicTrade.X`, and
`orderBookL2_25.X`, whose levels have an id and a side each, is `orderbook.50.X`. Its books count
their messages, the former ones did not: here each message is counted from 1, the snapshot.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ..frames import Frame
from ..verbatim import Number, write
from .base import decimal, nanoseconds
from .bybit import BybitReader

_US: Final = 1_000
_MS: Final = 1_000_000


class BybitV2Reader(BybitReader):
    """Rewrites each frame and reads it as version 5's."""

    market_pattern = re.compile(r"[\w.]+\.([A-Z0-9]+)")

    def __init__(self, exchange: str) -> None:
        super().__init__(exchange)
        self._messages: dict[str, int] = {}

    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """By `topic`: `trade.BTCUSDT`, `orderBookL2_25.BTCUSDT`, `orderBook_200.100ms.BTCUSD`."""
        topic = value.get("topic") if isinstance(value, dict) else None
        if not isinstance(topic, str):
            return None
        channel, _, market = topic.rpartition(".")
        if channel == "trade":
            current = self._current_trades(market, value["data"])
        elif channel.startswith("orderBook"):
            current = self._current_book(market, value)
        else:
            return None
        return super().frame(write(current), current, time_ns)

    def _current_trades(self, market: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        current = [
            {
                "T": Number(decimal(row["trade_time_ms"])),
                "s": row["symbol"],
                "S": row["side"],
                "v": str(row["size"]),
                "p": str(row["price"]),
                "L": row["tick_direction"],
                "i": row["trade_id"],
                "BT": False,
            }
            for row in rows
        ]
        latest = current[-1]["T"]
        return {"topic": f"publicTrade.{market}", "type": "snapshot", "ts": latest, "data": current}

    def _current_book(self, market: str, value: dict[str, Any]) -> dict[str, Any]:
        rows = value["data"]
        if value["type"] == "snapshot":
            self._messages[market] = 0
            told = [rows] if isinstance(rows, list) else [rows["order_book"]]
        else:
            told = [rows["delete"], rows["update"], rows["insert"]]
        self._messages[market] = number = self._messages.get(market, 0) + 1
        sides: dict[str, list[list[str]]] = {"Buy": [], "Sell": []}
        for row in (row for some in told for row in some):
            sides[row["side"]].append([str(row["price"]), str(row.get("size", "0"))])
        book = {
            "s": market,
            "b": sides["Buy"],
            "a": sides["Sell"],
            "u": Number(number),
            "seq": Number(decimal(value["cross_seq"])),
        }
        time_ms = Number(nanoseconds(value["timestamp_e6"], _US) // _MS)
        return {"topic": f"orderbook.50.{market}", "type": value["type"], "ts": time_ms, "data": book}

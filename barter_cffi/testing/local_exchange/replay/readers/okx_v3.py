"""Captured frames of OKX's WebSocket API version 3, in the shapes of version 5.

Version 5 carries the same trades under other names: `spot/trade:BTC-USDT` is the channel `trades` of
`BTC-USDT`. The names of its instruments are the same.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ..frames import Frame
from ..verbatim import write
from .base import decimal, rfc3339
from .okx import OkxReader

_MS: Final = 1_000_000


class OkxV3Reader(OkxReader):
    """Rewrites each frame and reads it as version 5's."""

    market_pattern = re.compile(r"\w+/trade:([\w.-]+)")

    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """By `table`: `spot/trade`, `swap/trade`, `futures/trade`, `option/trade`."""
        table = value.get("table") if isinstance(value, dict) else None
        if not isinstance(table, str) or not table.endswith("/trade"):
            return None
        rows = value["data"]
        names = {row["instrument_id"] for row in rows}
        if len(names) != 1:
            raise ValueError(f"a frame of {len(names)} instruments")
        current = {"arg": {"channel": "trades", "instId": names.pop()}, "data": [_current(row) for row in rows]}
        return super().frame(write(current), current, time_ns)


def _current(row: dict[str, Any]) -> dict[str, str]:
    """A trade: its amount is `size`, `qty` of futures and options."""
    return {
        "instId": row["instrument_id"],
        "tradeId": str(row["trade_id"]),
        "px": decimal(row["price"]),
        "sz": decimal(row["size"] if "size" in row else row["qty"]),
        "side": row["side"],
        "ts": str(rfc3339(row["timestamp"]) // _MS),
    }

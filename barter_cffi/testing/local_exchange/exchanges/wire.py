"""What the exchange modules write and read frames with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from ..events import Event, Trade
from ..simulation import SimulatedMarket

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def dumps(value: object) -> str:
    """Compact JSON."""
    return _ENCODER.encode(value)


def parse_object(text: str) -> dict[str, object] | None:
    """The JSON object in a frame, None where the frame is something else."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def texts(value: object) -> list[str] | None:
    """`value` if it is a list of strings."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return None


def trades(events: Sequence[Event]) -> list[Trade]:
    """The trades among events."""
    return [event for event in events if isinstance(event, Trade)]


def number(text: str) -> int | float:
    """A decimal as the JSON number a venue writes: whole numbers without a point."""
    value = float(text)
    return int(value) if value.is_integer() else value


def stable_uuid(*parts: object) -> str:
    """A UUID that depends on the parts alone."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=16).digest()
    return str(UUID(bytes=digest, version=4))


def tick_directions(market: SimulatedMarket, drawn: Sequence[Trade]) -> list[str]:
    """How each of the newest trades moved the price: "PlusTick", "ZeroMinusTick", …"""
    before = {trade.number: trade for trade in market.recent_trades}
    directions = []
    for trade in drawn:
        previous = before.get(trade.number - 1)
        change = Decimal(trade.price) - Decimal(previous.price) if previous is not None else 0
        if change == 0:
            directions.append("ZeroPlusTick" if trade.side == "buy" else "ZeroMinusTick")
        else:
            directions.append("PlusTick" if change > 0 else "MinusTick")
    return directions

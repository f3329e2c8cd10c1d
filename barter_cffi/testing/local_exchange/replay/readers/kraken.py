"""Captured frames of Kraken's WebSocket API version 1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ...connection import Subscription
from ...events import Event, Kind, Level
from ..frames import Frame, Greeting, MarketFrame, Word
from ..verbatim import write
from .base import Reader, decimal, nanoseconds, side_of

_SECOND: Final = 1_000_000_000
_KINDS: Final[dict[str, Kind]] = {"trade": "trades", "spread": "l1"}


class KrakenReader(Reader):
    """The channel's number and the pair become those that the client was told."""

    market_pattern = re.compile(r"([^/\s]+/[^/\s]+)")

    def __init__(self, exchange: str) -> None:
        super().__init__(exchange)
        self._greeted = False

    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """`[channelID, payload, channelName, pair]`, heartbeats and `systemStatus`."""
        if isinstance(value, dict):
            return self._event(text, value.get("event"))
        if not isinstance(value, list) or len(value) != 4:
            return None
        _, payload, channel, market = value
        kind = _KINDS.get(channel)
        if kind is None:
            return None
        events = self._trade_rows(market, payload) if kind == "trades" else self._spread(market, payload)

        def written(chosen: Mapping[str, Subscription]) -> str:
            [subscription] = chosen.values()
            name, _, pair = subscription.channel.partition(" ")
            return write([subscription.channel_id, payload, name, pair])

        return MarketFrame(kind, channel, {market: events}, written)

    def _event(self, text: str, event: object) -> Frame | None:
        if event == "systemStatus" and not self._greeted:
            self._greeted = True
            return Greeting(text)
        return Word(text) if event in ("heartbeat", "systemStatus") else None

    def _trade_rows(self, market: str, rows: list[Any]) -> tuple[Event, ...]:
        return tuple(
            self.trade(market, None, row[0], row[1], side_of(row[3]), nanoseconds(row[2], _SECOND)) for row in rows
        )

    def _spread(self, market: str, row: list[Any]) -> tuple[Event, ...]:
        bid, ask, at, bid_volume, ask_volume = row[:5]
        bid, ask = Level(decimal(bid), decimal(bid_volume)), Level(decimal(ask), decimal(ask_volume))
        return self.best(market, bid, ask, 0, nanoseconds(at, _SECOND))

"""Captured frames of Bitfinex's WebSocket API version 2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ...connection import Subscription
from ...events import Event, Trade
from ..frames import Frame, Greeting, MarketFrame, Word
from ..verbatim import Number, write
from .base import Reader, decimal, nanoseconds

_MS: Final = 1_000_000
#: The server stops or restarts.
_RESTART: Final = "20051"


class BitfinexReader(Reader):
    """Channels are known by the numbers that the captured acknowledgements gave them; they become
    those that the client was told. What a `conf` request added to the frames is left off."""

    market_pattern = re.compile(r"(t[A-Z0-9]+(?::[A-Z0-9]+)?)")

    def __init__(self, exchange: str) -> None:
        super().__init__(exchange)
        self._markets: dict[str, str] = {}

    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """`[chanId, "te", trade]` and its like, snapshots, heartbeats, `info`."""
        if isinstance(value, dict):
            return self._event(text, value)
        if not isinstance(value, list) or len(value) < 2:
            return None
        market = self._markets.get(str(value[0]))
        if market is None:
            return None
        what = value[1]
        if isinstance(what, list):
            rows = reversed(what if not what or isinstance(what[0], list) else [what])
            return self._frame(market, [what], tuple(self._trade(market, row, history=True) for row in rows))
        if what == "hb":
            return self._frame(market, ["hb"], (), heartbeat=True)
        if what not in ("te", "tu"):
            return None
        events = (self._trade(market, value[2]),) if what == "te" else ()
        return self._frame(market, [what, value[2]], events)

    def _event(self, text: str, value: dict[str, Any]) -> Frame | None:
        event, channel = value.get("event"), str(value.get("chanId"))
        if event == "subscribed" and value["channel"] == "trades":
            self._markets[channel] = value["symbol"]
        elif event == "unsubscribed":
            self._markets.pop(channel, None)
        elif event == "info":
            return Word(text, ends=value["code"] == _RESTART) if "code" in value else Greeting(text)
        return None

    def _frame(
        self, market: str, content: list[Any], events: tuple[Event, ...], *, heartbeat: bool = False
    ) -> MarketFrame:
        def written(chosen: Mapping[str, Subscription]) -> str:
            [subscription] = chosen.values()
            return write([subscription.channel_id, *content])

        return MarketFrame("trades", "trades", {market: events}, written, heartbeat)

    def _trade(self, market: str, row: list[Any], *, history: bool = False) -> Trade:
        number, time_ms, amount, price = row[:4]
        if not isinstance(amount, Number):
            raise ValueError(f"{amount!r} is no number")
        side: Any = "sell" if amount.startswith("-") else "buy"
        at = nanoseconds(time_ms, _MS)
        return self.trade(market, decimal(number), price, amount, side, at, history=history)

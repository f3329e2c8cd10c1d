"""When events happen: steady traffic at a rate, or exactly so many on demand.

Every market that anyone has subscribed to ticks at the rate; a tick draws each kind in the same
order whether or not somebody gets it, so what a market does depends on its count of ticks alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from .events import Event, Kind
from .exchanges import Exchange
from .journal import Journal
from .simulation import SimulatedMarket

_LEAST_SLEEP_S: Final = 0.005
#: Ticks that are late by more than this are not made up for.
_MOST_LATE_S: Final = 0.5


class Feed:
    """One market's traffic: its clock of ticks and what is due of each kind."""

    def __init__(self, exchange: Exchange, market: SimulatedMarket, rate: float) -> None:
        self.exchange = exchange
        self.market = market
        self._shares = {kind: min(1.0, exchange.most_per_second.get(kind, rate) / rate) for kind in exchange.kinds}
        self._due: dict[Kind, float] = dict.fromkeys(exchange.kinds, 0.0)
        self._group = 1
        self.next_at: float | None = None

    def tick(self) -> None:
        """Draws and sends what one tick brings."""
        for kind, share in self._shares.items():
            self._due[kind] += share
            while self._due[kind] >= self._group_of(kind):
                self._due[kind] -= self._group_of(kind)
                self.publish(kind, self._group_of(kind))

    def publish(self, kind: Kind, most: int) -> list[Event]:
        """Draws and sends one frame's events, `most` at most."""
        count = min(most, self._group_of(kind))
        events = self.exchange.publish(kind, self.market, count)
        if kind == "trades" and self.exchange.trades_per_frame > 1:
            self._group = self.market.random.randint(1, self.exchange.trades_per_frame)
        return events

    def _group_of(self, kind: Kind) -> int:
        return self._group if kind == "trades" else 1


class Traffic:
    """All feeds of a local exchange. Runs on the server's loop."""

    def __init__(self, exchanges: Iterable[Exchange], journal: Journal, rate: float, running: bool) -> None:
        self.running = running
        self._exchanges = tuple(exchanges)
        self._journal = journal
        self._rate = rate
        self._feeds: dict[tuple[str, str], Feed] = {}

    def feed(self, exchange: Exchange, market: SimulatedMarket) -> Feed:
        """The feed of a market."""
        key = exchange.name, market.name
        found = self._feeds.get(key)
        if found is None:
            found = self._feeds[key] = Feed(exchange, market, self._rate)
        return found

    async def run(self, time: Callable[[], float]) -> None:
        """Makes traffic for ever; `time` gives seconds."""
        period = 1 / self._rate
        while True:
            if self.running:
                with self._journal.lock:
                    self._tick(time(), period)
            await asyncio.sleep(max(_LEAST_SLEEP_S, min(period / 2, 0.05)))

    async def emit(self, exchange: Exchange, kind: Kind, market: SimulatedMarket, count: int) -> list[Event]:
        """Sends exactly `count` events, no faster than the slowest subscriber reads."""
        feed = self.feed(exchange, market)
        sent: list[Event] = []
        while len(sent) < count:
            with self._journal.lock:
                sent += feed.publish(kind, count - len(sent))
                receivers = [each.connection for each in exchange.subscriptions(kind, market.name)]
            for connection in receivers:
                await connection.room()
        return sent

    def _tick(self, now: float, period: float) -> None:
        for exchange in self._exchanges:
            for market in exchange.active_markets():
                feed = self.feed(exchange, market)
                if feed.next_at is None or feed.next_at < now - _MOST_LATE_S:
                    feed.next_at = now
                while feed.next_at <= now:
                    feed.next_at += period
                    feed.tick()

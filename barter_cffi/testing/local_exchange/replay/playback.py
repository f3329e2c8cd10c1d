"""Plays a timeline to one client's connection.

Every subscription gets each captured frame of its kind and market once and in order: from its
place of beginning on, and a subscription that comes while the capture plays first gets what the
others have had. What nobody on the connection subscribed to is not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from ..connection import Connection, Subscription
from .frames import MarketFrame, Word
from .timeline import Answer, Cut, Key, Played, Timeline

#: The capture begins to play when no subscription has come for so long: a client that subscribes
#: market by market gets their frames in the captured order.
SETTLE_S: Final = 0.05
#: How long what follows a captured order book waits for a client to ask for the book.
_SNAPSHOT_WAIT_S: Final = 2.0
_PAUSE_POLL_S: Final = 0.02
#: In a longer wait it is looked whether time passes.
_LONGEST_WAIT_S: Final = 0.5


class Playback:
    """One connection's playback. Runs on the server's loop.

    `speed` is a factor, infinity as fast as the client reads; `running` says whether time passes;
    `asked` how often a market's REST snapshot has been asked for. `position` is the place of what
    is sent next, `done` whether everything was sent, `ending` where to go on after an end that
    the capture tells of.
    """

    def __init__(
        self,
        connection: Connection,
        timeline: Timeline,
        speed: float,
        running: Callable[[], bool],
        asked: Callable[[str], int],
    ) -> None:
        self.position: int | None = None
        self.done = False
        self.ending: int | None = None
        self._connection = connection
        self._timeline = timeline
        self._speed = speed
        self._running = running
        self._asked = asked
        self._subscriptions: dict[Key, Subscription] = {}
        self._begins: dict[Key, int] = {}
        self._asked_before: dict[str, int] = {}
        self._waits_end: dict[str, float] = {}
        self._sources: set[int] = set()
        self._late: set[Key] = set()
        self._changed = asyncio.Event()
        self._settled_at = 0.0
        self._origin: tuple[float, int] | None = None

    def add(self, subscription: Subscription, begin: int) -> None:
        """Plays to a subscription from the place `begin` on."""
        key = subscription.kind, subscription.market.name
        self._subscriptions[key] = subscription
        self._sources |= self._timeline.sources.get(key, set())
        self._begins[key] = begin
        self._asked_before.setdefault(key[1], self._asked(key[1]))
        self._settled_at = self._connection.now + SETTLE_S
        if self.position is not None:
            self._late.add(key)
        self.done = False
        self._changed.set()

    def remove(self, subscription: Subscription) -> None:
        """Plays to a subscription no more."""
        key = subscription.kind, subscription.market.name
        self._late.discard(key)
        self._subscriptions.pop(key, None)

    def begin_of(self, key: Key) -> int | None:
        """Where a subscription began, None where there is none."""
        return self._begins[key] if key in self._subscriptions else None

    def keys(self) -> Collection[Key]:
        """What is subscribed."""
        return tuple(self._subscriptions)

    async def run(self) -> None:
        """Plays until the connection ends; a subscription may come at any time."""
        while self._connection.now < self._settled_at:
            await asyncio.sleep(self._settled_at - self._connection.now)
        self.position = min(self._begins.values())
        while not self._connection.closing:
            self._catch_up()
            if self.position == len(self._timeline.entries):
                self.done = True
                self._connection.journal.changed()
                self._changed.clear()
                await self._changed.wait()
            elif await self._due(self.position):
                with self._connection.journal.lock:
                    if self._running():
                        self._play(self.position)
                        self.position += 1
                await self._connection.room()

    def _catch_up(self) -> None:
        """Sends late subscriptions what came before."""
        if not self._late:
            return
        late, self._late = self._late, set()
        with self._connection.journal.lock:
            for place in range(self.position or 0):
                entry = self._timeline.entries[place]
                if isinstance(entry, Played) and isinstance(entry.frame, MarketFrame):
                    self._send(entry.frame, place, late)

    async def _due(self, place: int) -> bool:
        """Waits for the time of an entry; False where something else is to be done first."""
        entry = self._timeline.entries[place]
        if not self._running():
            paused = self._connection.now
            while not self._running():
                await asyncio.sleep(_PAUSE_POLL_S)
            if self._origin is not None:
                self._origin = self._origin[0] + self._connection.now - paused, self._origin[1]
            return False
        if isinstance(entry, Answer):
            return await self._asked_for(entry, place)
        if entry.source not in self._sources:
            return True
        if self._origin is None:
            self._origin = self._connection.now, entry.time_ns
        began, from_ns = self._origin
        wait = (entry.time_ns - from_ns) / 1e9 / self._speed - (self._connection.now - began)
        return wait <= 0 or await self._nothing_else(wait)

    async def _asked_for(self, answer: Answer, place: int) -> bool:
        """Waits until the book that a subscriber needs here was asked for, or long enough."""
        market = answer.snapshot.market if answer.snapshot is not None else None
        begin = self.begin_of(("l2", market)) if market is not None else None
        if market is None or begin is None or begin > place:
            return True
        end = self._waits_end.setdefault(market, self._connection.now + _SNAPSHOT_WAIT_S)
        left = end - self._connection.now
        return left <= 0 or self._asked(market) > self._asked_before[market] or await self._nothing_else(left)

    async def _nothing_else(self, wait: float) -> bool:
        """Waits so many seconds; False as soon as `add` or `wake` is called, and now and then in a long wait."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), min(wait, _LONGEST_WAIT_S))
        except asyncio.TimeoutError:
            return wait <= _LONGEST_WAIT_S
        return False

    def wake(self) -> None:
        """Something that the playback may wait for has happened."""
        self._changed.set()

    def _play(self, place: int) -> None:
        entry = self._timeline.entries[place]
        if isinstance(entry, Answer) or entry.source not in self._sources:
            return
        if isinstance(entry, Cut):
            self.ending = place + 1
            self._connection.close(1001)
        elif isinstance(entry.frame, MarketFrame):
            self._send(entry.frame, place, self._subscriptions.keys())
        elif isinstance(entry.frame, Word):
            self._connection.send_control(entry.frame.text)
            if entry.frame.ends:
                self.ending = self._timeline.after_cut(place, {entry.source})

    def _send(self, frame: MarketFrame, place: int, keys: Collection[Key]) -> None:
        connection = self._connection
        chosen = {
            market: self._subscriptions[key]
            for market in frame.events
            if (key := (frame.kind, market)) in keys and key in self._subscriptions and self._begins[key] <= place
        }
        if not chosen or connection.closing or connection.muted:
            return
        if frame.heartbeat:
            connection.send_control(frame.write(chosen))
            return
        for market in chosen:
            for event in frame.events[market]:
                connection.journal.event_sent(connection.exchange, frame.kind, event, (connection.number,))
        connection.send_event(frame.write(chosen))

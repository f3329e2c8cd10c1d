"""A venue that replays a capture: it answers requests as its module does, and sends what was captured.

`replaying` makes it of the venue's class. Its markets are those the capture names.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import new_class
from typing import ClassVar, Final, cast

from ..connection import Connection, Subscription
from ..events import Event, Kind, Level
from ..exchanges.base import Exchange, Options, Reply
from ..exchanges.wire import dumps
from ..faults import Faults
from ..journal import Journal
from ..market import Market
from ..simulation import SimulatedMarket
from .names import market_named
from .playback import Playback
from .timeline import Key, Timeline

#: What a request may ask for otherwise than the captured one did.
_PAGING: Final = ("limit", "size", "depth")


class Replaying(Exchange):
    """What replaces the simulation in a venue's class, of which it is made the first base.

    `timeline` and `speed` are set by `replaying`, `running` by the server.
    """

    timeline: ClassVar[Timeline]
    speed: ClassVar[float]

    def __init__(
        self,
        options: Options,
        journal: Journal,
        faults: Faults,
        markets: Iterable[Market] | None = None,
    ) -> None:
        super().__init__(options, journal, faults, ())
        self.instruments = {name: market_named(self.name, name) for name in sorted(self.timeline.markets)}
        self.running: Callable[[], bool] = lambda: True
        self._playbacks: dict[int, Playback] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._resumed: dict[Key, int] = {}
        self._asked: Counter[str] = Counter()

    def greeting(self, connection: Connection) -> list[str]:
        """The captured greeting, else the venue's."""
        return list(self.timeline.greetings) or super().greeting(connection)

    def subscribe(
        self,
        connection: Connection,
        kind: Kind,
        market: SimulatedMarket,
        channel: str,
        channel_id: int = 0,
    ) -> Subscription | None:
        """Subscribes, and has the capture played to the connection."""
        added = super().subscribe(connection, kind, market, channel, channel_id)
        if added is None:
            return None
        playback = self._playbacks.get(connection.number)
        if playback is None:
            playback = Playback(connection, self.timeline, self.speed, lambda: self.running(), self._asked.__getitem__)
            self._playbacks[connection.number] = playback
        playback.add(added, self._resumed.pop((kind, market.name), 0))
        if connection.number not in self._tasks:
            self._tasks[connection.number] = asyncio.create_task(playback.run())
        return added

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """Ends a subscription and what is played to it."""
        subscription, playback = connection.subscriptions.get(channel), self._playbacks.get(connection.number)
        if subscription is not None and playback is not None:
            playback.remove(subscription)
        super().unsubscribe(connection, channel)

    def disconnected(self, connection: Connection) -> None:
        """Where the captured connection had ended, or its end had been announced, the next one with
        the same subscriptions goes on behind it; any other begins at the beginning."""
        super().disconnected(connection)
        playback, task = self._playbacks.pop(connection.number, None), self._tasks.pop(connection.number, None)
        if playback is not None and playback.ending is not None:
            self._resumed.update(dict.fromkeys(playback.keys(), playback.ending))
        if task is not None:
            task.cancel()

    def replay(self, subscription: Subscription, event: Event, frames: object) -> None:
        """Nothing: the capture has what answers a subscription."""

    def active_markets(self) -> list[SimulatedMarket]:
        """None: nothing is simulated."""
        return []

    def rest(self, path: str, query: Mapping[str, str]) -> Reply:
        """The first captured answer to the request, whatever its paging; else the venue's own."""
        for entry in self.timeline.answers:
            if entry.path == path:
                wanted = {name: value for name, value in entry.query.items() if name not in _PAGING}
                if wanted.items() <= query.items():
                    return Reply(200, entry.body)
        return super().rest(path, query)

    def depth(self, market: SimulatedMarket, limit: int) -> Reply:
        """The captured book of the market, whole: of those after the place where its newest
        subscription began and that its updates continue, the last whose time has come, or else the first."""
        self._asked[market.name] += 1
        begin = reached = 0
        for playback in self._playbacks.values():
            playback.wake()
            began = playback.begin_of(("l2", market.name))
            if began is not None:
                begin, reached = began, playback.position or 0
        books = self.timeline.books.get(market.name, [])
        continued = self.timeline.continued(market.name, begin)
        since = [book for book in books if book[0] >= begin and book[2].sequence >= continued] or books[-1:]
        if not since:
            return Reply(404, dumps({"code": -1000, "msg": f"The capture has no depth of {market.name}."}))
        _, answer, snapshot = max(
            (book for book in since if book[0] < reached), default=since[0], key=lambda book: book[0]
        )
        self.journal.event_sent(self.name, "l2", snapshot, ())
        return Reply(200, answer.body)

    def book_at(self, market: str, sequence: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The captured book after the change `sequence`."""
        return self.timeline.book_at(self.resolve(market).name, sequence)

    def played(self) -> bool:
        """Whether there are subscriptions and each was sent all that was captured of it."""
        return bool(self._playbacks) and all(playback.done for playback in self._playbacks.values())


def replaying(venue: type[Exchange], timeline: Timeline, speed: float) -> type[Replaying]:
    """The class of a venue that replays a timeline in place of its simulation.

    `speed` is a factor; 0 and infinity mean as fast as the client reads.
    """
    settings = {"timeline": timeline, "speed": speed or float("inf")}
    made = new_class(f"Replaying{venue.__name__}", (Replaying, venue), exec_body=lambda body: body.update(settings))
    return cast("type[Replaying]", made)

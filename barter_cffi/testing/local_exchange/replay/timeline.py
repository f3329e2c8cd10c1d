"""The captures of one exchange as one sequence of what happened, in the order of its times.

`reading` makes it of files; it is what a replay plays.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..events import BookSnapshot, BookUpdate, Event, Kind, Level
from .frames import Frame, MarketFrame

#: A kind of events of a market.
Key: TypeAlias = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Played:
    """A frame of the captured connection `source`."""

    time_ns: int
    source: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class Answer:
    """A REST answer; `snapshot` where it is the book of the market it was asked for."""

    time_ns: int
    path: str
    query: Mapping[str, str]
    body: str
    snapshot: BookSnapshot | None


@dataclass(frozen=True, slots=True)
class Cut:
    """The captured connection `source` had ended: its client connected anew."""

    time_ns: int
    source: int


Entry: TypeAlias = Played | Answer | Cut


@dataclass(slots=True)
class Timeline:
    """What the captures have of one exchange.

    `entries` is all that happened; `greetings` what came when a connection opened; `markets` the
    markets that requests or frames name; `sources` the captured connections that carried a kind of
    a market. `answers` has the answers that are no books; by market and in order `books` has those
    that are, and `updates` the places of changes and the sequences that they continue.
    """

    exchange: str
    entries: Sequence[Entry] = ()
    greetings: list[str] = field(default_factory=list)
    markets: set[str] = field(default_factory=set)
    sources: dict[Key, set[int]] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    books: dict[str, list[tuple[int, Answer, BookSnapshot]]] = field(default_factory=dict)
    updates: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def events(self, kind: Kind, market: str | None = None) -> list[Event]:
        """The events of a kind, of one market if given, in their order."""
        found: list[Event] = []
        for entry in self.entries:
            if isinstance(entry, Played) and isinstance(entry.frame, MarketFrame) and entry.frame.kind == kind:
                for name, events in entry.frame.events.items():
                    found += events if market in (None, name) else ()
        return found

    def after_cut(self, place: int, sources: set[int]) -> int:
        """The place after the first cut of one of these connections from `place` on, else the end."""
        for at in range(place, len(self.entries)):
            entry = self.entries[at]
            if isinstance(entry, Cut) and entry.source in sources:
                return at + 1
        return len(self.entries)

    def continued(self, market: str, place: int) -> int:
        """The sequence that a book must have at least to be continued by the market's updates from `place` on."""
        updates = self.updates.get(market, [])
        at = bisect_left(updates, (place, 0))
        return updates[at][1] if at < len(updates) else 0

    def book_at(self, market: str, sequence: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """(bids, asks), best first, after the change `sequence`: the newest snapshot not after it,
        and the updates since. Raises `LookupError` where there is no such snapshot."""
        answered = (entry.snapshot for entry in self.entries if isinstance(entry, Answer))
        framed = self.events("l2", market)
        snapshots = [
            each
            for each in (*answered, *framed)
            if isinstance(each, BookSnapshot) and each.market == market and each.sequence <= sequence
        ]
        if not snapshots:
            raise LookupError(f"{self.exchange} {market}: no captured snapshot is as old as {sequence}")
        snapshot = max(snapshots, key=lambda each: each.sequence)
        sides = [{level.price: level for level in side} for side in (snapshot.bids, snapshot.asks)]
        for update in framed:
            if isinstance(update, BookUpdate) and snapshot.sequence < update.sequence <= sequence:
                for side, levels in zip(sides, (update.bids, update.asks), strict=True):
                    side.update({level.price: level for level in levels})
        bids, asks = ([level for level in side.values() if float(level.amount)] for side in sides)
        ordered = sorted(bids, key=_price, reverse=True), sorted(asks, key=_price)
        return tuple(ordered[0]), tuple(ordered[1])


def _price(level: Level) -> float:
    return float(level.price)

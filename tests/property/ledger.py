"""Settles what was sent with what was received: each item comes out once, in its source's order,
or is counted by a `Dropped` that stands where it is missing; and the order book that a reader
rebuilds is the true one after every event.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from barter_cffi.errors import DataError
from barter_cffi.event import BookEvent, BookSnapshotEvent, MarketEvent
from barter_cffi.instrument import Instrument
from barter_cffi.level import Levels
from barter_cffi.notice import Dropped, Reconnecting
from barter_cffi.subscription import SubKind

from .reading import Identity, Received, identities, identity
from .strategies import Broken, Item, Source, source_of

BookState: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]


class Book:
    """An order book with exact numbers, as a reader of the events keeps it."""

    def __init__(self) -> None:
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def apply(self, event: BookEvent) -> None:
        """A snapshot replaces the book; an update sets amounts, and 0 removes a level."""
        if isinstance(event, BookSnapshotEvent):
            self.bids, self.asks = _rows(event.bids), _rows(event.asks)
            return
        for side, levels in ((self.bids, event.bids), (self.asks, event.asks)):
            for level in levels:
                if level.amount_decimal == 0:
                    side.pop(level.price_decimal, None)
                else:
                    side[level.price_decimal] = level.amount_decimal

    def state(self) -> BookState:
        """Both sides, best first, digits and trailing zeros as they are."""
        bids = sorted(self.bids.items(), key=lambda row: -row[0])
        asks = sorted(self.asks.items())
        return (tuple(f"{p}×{a}" for p, a in bids), tuple(f"{p}×{a}" for p, a in asks))


def _rows(levels: Levels) -> dict[Decimal, Decimal]:
    return {level.price_decimal: level.amount_decimal for level in levels}


@dataclass
class _Sent:
    """One item that can be lost: an event, whose number is its `time_received_ns`, or an error."""

    identity: Identity
    place: int
    event: MarketEvent | None
    book: BookState | None


@dataclass
class _Line:
    """What must come in order and without a gap that is not told: a source, or one instrument of
    its order books.
    """

    sent: list[_Sent] = field(default_factory=list)
    passed: int = 0
    markers_passed: int = 0
    told: list[Dropped] = field(default_factory=list)
    """`Dropped` notices received since the last item of this line."""
    truth: Book = field(default_factory=Book)
    seen: Book = field(default_factory=Book)


class _Account:
    """One source. Its items make one line; those of order books one line an instrument, because
    what an instrument lost is replaced by a snapshot, which leaves the others' events in place.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines: dict[Hashable, _Line] = {}
        self.places = 0
        self.markers_sent: list[int] = []
        self.markers_received = 0
        self.dropped = 0
        self.missing = 0

    def send(self, item: Item) -> None:
        self.places += 1
        if isinstance(item, Broken):
            self.markers_sent.append(self.places)
            return
        event = item if isinstance(item, MarketEvent) else None
        line = self.lines.setdefault(self._name(event), _Line())
        state = None
        if isinstance(event, BookEvent):
            line.truth.apply(event)
            state = line.truth.state()
        line.sent.append(_Sent(identity(item), self.places, event, state))

    def receive(self, received: Received) -> None:
        if isinstance(received, Reconnecting):
            self.markers_received += received.merged
            assert self.markers_received <= len(self.markers_sent), "a marker that nobody sent"
        elif isinstance(received, Dropped):
            assert received.count >= 1 and received.reason == "queue_full"
            self.dropped += received.count
            for line in self.lines.values():
                line.told.append(received)
        elif isinstance(received, BookSnapshotEvent) and received.recovered:
            self._receive_recovered(received)
        else:
            self._receive_sent(received)

    def settle(self) -> None:
        """Everything was read: what did not come out was counted."""
        for line in self.lines.values():
            if line.sent and isinstance(line.sent[0].event, BookEvent):
                assert line.passed == len(line.sent), "no snapshot told of a book's last change"
            self._close_gap(line, len(line.sent))
        assert self.missing == self.dropped
        assert self.markers_received == len(self.markers_sent)

    def _name(self, event: MarketEvent | None) -> Hashable:
        if self.source[1] != SubKind.ORDER_BOOKS_L2:
            return self.source
        return event.instrument if event else "errors"

    def _receive_sent(self, received: Received) -> None:
        event = received if isinstance(received, MarketEvent) else None
        line = self.lines[self._name(event)]
        (found,) = identities(received)
        places = (n for n in range(line.passed, len(line.sent)) if line.sent[n].identity == found)
        place = next(places, None)
        assert place is not None, f"changed, twice or out of order: {received!r}"
        if isinstance(event, BookEvent):
            assert place == line.passed, "an event after a loss, before a snapshot of its book"
            line.seen.apply(event)
            assert line.seen.state() == line.sent[place].book
        self._close_gap(line, place)
        markers = sum(marker < line.sent[place].place for marker in self.markers_sent)
        assert self.markers_received == markers, "a marker left its place"
        line.passed = place + 1

    def _receive_recovered(self, snapshot: BookSnapshotEvent) -> None:
        line = self.lines[self._name(snapshot)]
        events = [sent.event for sent in line.sent if isinstance(sent.event, BookEvent)]
        place = [event.sequence for event in events].index(snapshot.sequence)
        last = events[place]
        assert place + 1 >= line.passed, "a snapshot of the past"
        assert (snapshot.time_exchange_ns, snapshot.time_received_ns, snapshot.time_engine_ns) == (
            last.time_exchange_ns,
            last.time_received_ns,
            last.time_engine_ns,
        )
        line.seen.apply(snapshot)
        assert line.seen.state() == line.sent[place].book
        bids, asks = snapshot.bids, snapshot.asks
        best_first = (tuple(f"{b.price_decimal}×{b.amount_decimal}" for b in bids),
                      tuple(f"{a.price_decimal}×{a.amount_decimal}" for a in asks))  # fmt: skip
        assert best_first == line.seen.state(), "levels out of order"
        self._close_gap(line, place + 1)
        line.passed = place + 1

    def _close_gap(self, line: _Line, until: int) -> None:
        """The line's items from `passed` to `until` did not come out: they must be told of."""
        lost, told, line.told = line.sent[line.passed : until], line.told, []
        self.missing += len(lost)
        assert self.missing <= self.dropped, "lost without a word, or told too late"
        assert told or not lost, "the notice of a loss stands elsewhere"
        if len(self.lines) > 1:
            return
        assert sum(notice.count for notice in told) == len(lost)
        for notice in told:
            part, lost = lost[: notice.count], lost[notice.count :]
            self._check_notice(notice, [sent.event for sent in part])

    def _check_notice(self, notice: Dropped, lost: list[MarketEvent | None]) -> None:
        about: set[Instrument | None] = {event.instrument if event else None for event in lost}
        assert notice.instrument == (about.pop() if len(about) == 1 else None)
        first, last = lost[0], lost[-1]
        if first is not None:
            assert notice.first_ns == first.time_exchange_ns
        if last is not None:
            assert notice.last_ns == last.time_exchange_ns


class Ledger:
    """All sources of one stream."""

    def __init__(self) -> None:
        self._accounts: dict[Source, _Account] = {}
        self.unread = 0
        """Items sent that were neither received nor told of: where it is not 0, something waits."""

    def send(self, item: Item) -> None:
        """An item is being injected."""
        source = source_of(item)
        self._accounts.setdefault(source, _Account(source)).send(item)
        self.unread += 1

    def receive(self, received: Received) -> None:
        """An item came out of the stream."""
        if isinstance(received, (Dropped, Reconnecting, DataError)):
            assert received.exchange is not None and received.sub_kind is not None
            source = (received.exchange, received.sub_kind)
        else:
            assert isinstance(received, MarketEvent), received
            source = (received.exchange, received.sub_kind)
        self._accounts[source].receive(received)
        if isinstance(received, Dropped):
            self.unread -= received.count
        elif isinstance(received, Reconnecting):
            self.unread -= received.merged
        elif not (isinstance(received, BookSnapshotEvent) and received.recovered):
            self.unread -= 1

    def settle(self) -> None:
        """The stream was read to its end."""
        for account in self._accounts.values():
            account.settle()
        assert self.unread == 0

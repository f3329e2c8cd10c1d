"""Leads captures through the library and compares what its streams bring with what the captures have: what
`python -m barter_cffi.testing.local_exchange --check` prints, a row for each exchange and kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from os import PathLike
from typing import Any, Final

from barter_cffi import QueueOptions, StreamOptions, init_dynamic_streams
from barter_cffi.errors import BarterError, DataError, RecvTimeoutError
from barter_cffi.event import BookEvent, BookSnapshotEvent, MarketEvent
from barter_cffi.notice import Reconnecting
from barter_cffi.testing.soak.account import Key, key_of
from barter_cffi.testing.soak.run import subscription

from .events import BookSnapshot, BookUpdate, Event, Kind, Trade
from .server import LocalExchange

#: All has come when everything was sent and nothing came for so long after it.
_QUIET_S: Final = 0.25
#: A replay waits less for a client that is to ask for a book.
_STALLED_S: Final = 10.0
#: More events than a capture of an exchange and kind has.
_JOURNAL: Final = 1 << 30
_HEADINGS: Final = ("exchange", "kind", "markets", "captured", "sent", "left out", "received", "errors", "reconnects")


@dataclass
class Checked:
    """One exchange and kind.

    Attributes:
        exchange: whose captures.
        kind: of which events.
        markets: how many markets the captures have such events of.
        captured: events that the captures have.
        sent: events that were sent: of the captured order books only those that the library asked for.
        left_out: those of them that no subscriber needs: trades that the exchange marks as older than the subscription
            or repeats, and updates that a snapshot contains.
        received: events that came.
        errors: what came as errors, in words, and how often.
        reconnects: connections that the captures end.
        problems: what else is not as it should be, in words.
    """

    exchange: str
    kind: Kind
    markets: int
    captured: int
    sent: int = 0
    left_out: int = 0
    received: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    reconnects: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row of the table."""
        counts = (self.markets, self.captured, self.sent, self.left_out, self.received)
        return (self.exchange, self.kind, *map(str, counts), str(self.errors.total()), str(self.reconnects))

    @property
    def wrong(self) -> list[str]:
        """Errors and problems, a line each."""
        errors = [f"{count} × {words}" for words, count in self.errors.most_common()]
        return [f"{self.exchange} {self.kind}: {words}" for words in (*errors, *self.problems)]

    def compare(self, market: str, sent: Sequence[Event], got: Sequence[MarketEvent]) -> None:
        """Counts what came of a market against what was sent, in its order, of a book in the order of the sequence."""
        newest = max((event.sequence for event in sent if isinstance(event, BookSnapshot)), default=-1)
        self.sent += len(sent)
        self.received += len(got)
        came, known = 0, set[Key]()
        for event in sorted(sent, key=_place) if self.kind == "l2" else sent:
            key = _key(event)
            if came < len(got) and key == _key(got[came]):
                came += 1
            elif _is_before(event, newest) or (isinstance(event, Trade) and key in known):
                self.left_out += 1
            else:
                self.problems.append(f"did not come: {event}")
                return
            known.add(key)
        if came < len(got):
            self.problems.append(f"was not sent, or not there: {got[came]}")


def check(captures: Sequence[str | PathLike[str]]) -> Iterator[Checked]:
    """Replays captures as fast as the library reads, one exchange and kind after the other.

    Raises as `LocalExchange` does.
    """
    with LocalExchange(captures=captures, speed=0) as local:
        pairs = [(name, kind) for name in local.addresses for kind in local.kinds(name)]
    for name, kind in pairs:
        with LocalExchange(captures=captures, speed=0, journal_limit=_JOURNAL) as local:
            captured = local.captured(name, kind)
            markets = sorted({event.market for event in captured})
            if not markets:
                continue
            row = Checked(name, kind, len(markets), len(captured))
            _check(local, row, markets)
            unsent = Counter(captured) - Counter(local.journal.sent(name, kind))
            if unsent:
                row.problems.append(f"{unsent.total()} captured events were not sent: {next(iter(unsent))}")
            yield row


def table(rows: Sequence[Checked]) -> str:
    """The rows as aligned text, then what is wrong."""
    lines = [_HEADINGS, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, *(words for row in rows for words in row.wrong)])


def _check(local: LocalExchange, row: Checked, markets: Sequence[str]) -> None:
    name, kind = row.exchange, row.kind
    served = local.markets(name)
    wanted = [replace(subscription(name, served[market], kind), name_exchange=market) for market in markets]
    options = StreamOptions(endpoints=local.endpoints, queue=QueueOptions(policy="block"))
    got: dict[str, list[MarketEvent]] = {market: [] for market in markets}
    try:
        with init_dynamic_streams([wanted], options) as streams:
            stream = streams.select_all(errors="yield")
            assert stream is not None
            for item in _played(local, row, stream):
                if isinstance(item, DataError):
                    row.errors[str(item)] += 1
                elif isinstance(item, Reconnecting):
                    row.reconnects += item.merged
                elif isinstance(item, MarketEvent):
                    got[item.instrument.name_exchange].append(item)
    except BarterError as error:
        row.problems.append(str(error))
    for market in markets:
        row.compare(market, local.journal.sent(name, kind, market), got[market])


def _played(local: LocalExchange, row: Checked, stream: Any) -> Iterator[Any]:
    """The items up to where everything was sent and read."""
    stalled, played = 0.0, False
    while stalled < _STALLED_S:
        try:
            item = stream.recv(timeout=_QUIET_S)
        except RecvTimeoutError:
            if played:
                return
            stalled += _QUIET_S
            with suppress(TimeoutError):
                local.wait_played(row.exchange, 0.0)
                played = True
            continue
        if item is None:
            row.problems.append("the stream ended")
            return
        stalled = 0.0
        yield item
    row.problems.append(f"nothing came for {_STALLED_S:.0f} s though there is more")


def _is_before(event: Event, newest: int) -> bool:
    """Whether no subscriber needs it: it is older than the subscription, or contained in the newest snapshot."""
    if isinstance(event, BookUpdate):
        return event.sequence <= newest
    return isinstance(event, Trade) and event.history


def _place(event: Event) -> tuple[int, bool]:
    assert isinstance(event, (BookSnapshot, BookUpdate))
    return event.sequence, isinstance(event, BookSnapshot)


def _key(event: MarketEvent | Event) -> Key:
    """What is equal of an event that was sent and of the one that came."""
    match event:
        case BookSnapshot() | BookUpdate():
            sent = [[(Decimal(row.price), Decimal(row.amount)) for row in side] for side in (event.bids, event.asks)]
            return event.market, event.sequence, isinstance(event, BookSnapshot), *map(tuple, sent)
        case BookEvent():
            came = [[(row.price_decimal, row.amount_decimal) for row in side] for side in (event.bids, event.asks)]
            market = event.instrument.name_exchange
            return market, event.sequence, isinstance(event, BookSnapshotEvent), *map(tuple, came)
    return key_of(event)

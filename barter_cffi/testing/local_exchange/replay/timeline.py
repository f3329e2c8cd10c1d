"""The captures of one exchange as one sequence of what happened, in the order of its times.

Of each captured connection the order of the lines holds, between them that of the times.
`timelines` reads files, `Timeline` is what a replay plays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from ..events import BookSnapshot, BookUpdate, Event, Kind, Level
from .addresses import exchange_at
from .capture import Record, quoted, records
from .frames import Frame, Greeting, MarketFrame
from .readers import Reader, reader
from .verbatim import parse

_UNREADABLE: Final = (KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError)
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
    a market.
    """

    exchange: str
    entries: Sequence[Entry] = ()
    greetings: list[str] = field(default_factory=list)
    markets: set[str] = field(default_factory=set)
    sources: dict[Key, set[int]] = field(default_factory=dict)

    def frames(self, key: Key) -> Iterator[tuple[int, MarketFrame]]:
        """The frames of a kind of a market, with their places."""
        for place, entry in enumerate(self.entries):
            frame = entry.frame if isinstance(entry, Played) else None
            if isinstance(frame, MarketFrame) and frame.kind == key[0] and key[1] in frame.events:
                yield place, frame

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
        for at, frame in self.frames(("l2", market)):
            for event in frame.events[market]:
                if at >= place and isinstance(event, BookUpdate):
                    return event.previous_sequence
        return 0

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


def timelines(paths: Iterable[str | PathLike[str]]) -> dict[str, Timeline]:
    """The timelines of the exchanges that these files capture.

    `name.0`, `name.1` and so on are parts of one file, whose connections go on from one to the next.
    Connections to addresses of no exchange here are left out.

    Raises `CaptureError`, which names file and line, where a file is not such a capture, or captures
    no exchange that is here; `OSError` where one cannot be read.
    """
    reading = _Reading()
    for parts in _files(paths):
        reading.next_file()
        for path in parts:
            for record in records(path):
                reading.add(record)
    if not reading.timelines and reading.stranger is not None:
        record = reading.stranger
        raise record.error(f"no exchange of the local exchange has this address: {record.url}")
    for exchange, timeline in reading.timelines.items():
        _settle(timeline, sorted(reading.entries[exchange], key=lambda entry: entry.time_ns))
    return reading.timelines


def _files(paths: Iterable[str | PathLike[str]]) -> Iterable[Sequence[Path]]:
    """The parts of each file, in the order of their numbers; files in the order in which they were named."""
    files: dict[Path, list[tuple[int, Path]]] = {}
    for path in map(Path, paths):
        number = path.suffix.removeprefix(".")
        name, part = (path.with_suffix(""), int(number)) if number.isdecimal() else (path, 0)
        files.setdefault(name, []).append((part, path))
    return [[path for _, path in sorted(parts)] for parts in files.values()]


@dataclass(slots=True)
class _Link:
    """A captured connection: its number, and the time of its last record. No record of it is taken
    for earlier than the one above it."""

    reader: Reader
    source: int
    time_ns: int

    def at(self, time_ns: int) -> int:
        self.time_ns = max(self.time_ns, time_ns)
        return self.time_ns


class _Reading:
    """Sorts records by exchange and connection."""

    def __init__(self) -> None:
        self.timelines: dict[str, Timeline] = {}
        self.entries: dict[str, list[Entry]] = {}
        self._open: dict[str, _Link] = {}
        self._newest = ""
        self._sources = 0
        #: The addresses of open connections to none of the exchanges, and the first that opened one.
        self._strangers: set[str] = set()
        self.stranger: Record | None = None

    def next_file(self) -> None:
        """What follows is of another file, whose connections are others."""
        self._open.clear()
        self._strangers.clear()

    def add(self, record: Record) -> None:
        """Adds a record. Raises `CaptureError` where it cannot be."""
        if record.what == "received":
            self._received(record)
        elif record.what == "answer":
            self._answered(record)
        elif record.what == "opened":
            self._opened(record)
        else:
            self._sent(record)

    def _opened(self, record: Record) -> None:
        exchange = exchange_at(record.url)
        if exchange is None:
            self._strangers.add(record.url)
            self.stranger = self.stranger or record
            return
        timeline = self._timeline(exchange)
        before = self._open.get(record.url)
        if before is not None and before.time_ns <= record.time_ns:  # else both were open at once
            self.entries[exchange].append(Cut(record.time_ns, before.source))
        link = _Link(reader(exchange, record.url), self._sources, record.time_ns)
        self._open[record.url], self._newest = link, record.url
        self._sources += 1
        address = urlsplit(record.url)
        named = [address.path, *dict(parse_qsl(address.query)).values()]
        timeline.markets.update(link.reader.requested([name for part in named for name in part.split("/")]))

    def _sent(self, record: Record) -> None:
        link = self._open.get(record.url)
        if record.url in self._strangers:
            return
        if link is None:
            raise record.error(f"a request on a connection that was not opened above: {record.url}")
        link.at(record.time_ns)
        self._newest = record.url
        self.timelines[link.reader.exchange].markets.update(link.reader.requested(_json(record)))

    def _received(self, record: Record) -> None:
        if not self._open and not self._strangers:
            raise record.error("a frame before any connection: no `URL <-> time` above")
        value = _json(record)
        unread: tuple[str, Exception] | None = None
        for url in sorted(self._open, key=lambda url: url != self._newest):
            link = self._open[url]
            try:
                frame = link.reader.frame(record.text, value, record.time_ns)
            except _UNREADABLE as error:
                unread = unread or (link.reader.exchange, error)
                continue
            if frame is not None:
                played = Played(link.at(record.time_ns), link.source, frame)
                self.entries[link.reader.exchange].append(played)
                return
        if unread is not None and not self._strangers:
            exchange, reason = unread
            message = f"not a frame as {exchange} sends it ({reason!r}): {quoted(record.text)}"
            raise record.error(message) from reason

    def _answered(self, record: Record) -> None:
        exchange = exchange_at(record.url)
        if exchange is None:
            return  # of a host that is none of the exchanges': nobody asks for it here
        timeline = self._timeline(exchange)
        address = urlsplit(record.url)
        query = dict(parse_qsl(address.query))
        market = market_asked(query)
        body = _json(record)
        snapshot = None
        if market is not None:
            try:
                snapshot = reader(exchange, "").snapshot(body, market, record.time_ns)
            except _UNREADABLE as error:
                message = f"not an order book as {exchange} answers it ({error!r}): {quoted(record.text)}"
                raise record.error(message) from error
            timeline.markets.update(() if snapshot is None else (market,))
        self.entries[exchange].append(Answer(record.time_ns, address.path, query, record.text, snapshot))

    def _timeline(self, exchange: str) -> Timeline:
        self.entries.setdefault(exchange, [])
        return self.timelines.setdefault(exchange, Timeline(exchange))


def market_asked(query: Mapping[str, str]) -> str | None:
    """The market that a REST request names."""
    names = ("symbol", "currency_pair", "contract", "instId", "pair", "product_id")
    return next((query[name] for name in names if name in query), None)


def _settle(timeline: Timeline, entries: list[Entry]) -> None:
    """Takes greetings apart from the rest and keeps one channel of each kind of a market."""
    channels: dict[Key, Counter[str]] = {}
    for entry in entries:
        if isinstance(entry, Played) and isinstance(entry.frame, MarketFrame):
            for market in entry.frame.events:
                channels.setdefault((entry.frame.kind, market), Counter())[entry.frame.channel] += 1
    preferred = reader(timeline.exchange, "").channels
    chosen = {
        key: preferred[key[0]] if preferred.get(key[0]) in counts else counts.most_common(1)[0][0]
        for key, counts in channels.items()
    }
    kept: list[Entry] = []
    greeted: int | None = None
    for entry in entries:
        if isinstance(entry, Played) and isinstance(entry.frame, Greeting):
            greeted = entry.source if greeted is None else greeted
            if entry.source == greeted:
                timeline.greetings.append(entry.frame.text)
            continue
        if isinstance(entry, Played) and isinstance(entry.frame, MarketFrame):
            keys = [(entry.frame.kind, market) for market in entry.frame.events]
            if all(chosen[key] != entry.frame.channel for key in keys):
                continue
            for key in keys:
                timeline.sources.setdefault(key, set()).add(entry.source)
                timeline.markets.add(key[1])
        kept.append(entry)
    timeline.entries = tuple(_with_books(timeline.exchange, kept))


def _with_books(exchange: str, entries: Sequence[Entry]) -> Iterator[Entry]:
    """The entries, with an empty book before the first update of each market and connection whose book was not
    captured, or only an older one that the updates do not continue."""
    read = reader(exchange, "")
    begun: dict[str, int] = {}
    for place, entry in enumerate(entries):
        if isinstance(entry, Cut):
            begun = {market: source for market, source in begun.items() if source != entry.source}
        elif isinstance(entry, Played) and isinstance(entry.frame, MarketFrame) and entry.frame.kind == "l2":
            for market, events in entry.frame.events.items():
                first = next((event for event in events if isinstance(event, BookUpdate)), None)
                if first is None or market in begun:
                    continue
                begun[market] = entry.source
                body = read.book_before(first)
                if body is not None and not _has_book(entries, place, entry.source, first):
                    snapshot = read.snapshot(parse(body), market, first.time_ns)
                    yield Answer(entry.time_ns, "", {}, body, snapshot)
        yield entry


def _has_book(entries: Sequence[Entry], place: int, source: int, first: BookUpdate) -> bool:
    """Whether a captured book is continued by an update and what follows it on its connection."""
    for at, entry in enumerate(entries):
        if at > place and isinstance(entry, Cut) and entry.source == source:
            return False
        book = entry.snapshot if isinstance(entry, Answer) else None
        if book is not None and book.market == first.market and book.sequence >= first.previous_sequence:
            return True
    return False


def _json(record: Record) -> Any:
    """The JSON of a record; its text where that is none and does not look like any."""
    try:
        return parse(record.text)
    except (ValueError, RecursionError) as error:
        if record.text.lstrip().startswith(("{", "[")):
            raise record.error(f"not JSON ({error}): {quoted(record.text)}") from None
        return record.text


def _price(level: Level) -> float:
    return float(level.price)

"""The captures of one exchange as one sequence of what happened, in the order of its times.

A file is read from its first line to its last; within it the order of the lines holds, between
files that of the times. `timelines` reads files, `Timeline` is what a replay plays.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from ..events import BookSnapshot, BookUpdate, Event, Kind, Level
from .addresses import exchange_at
from .capture import CaptureError, Record, quoted, records
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

    Raises `CaptureError`, which names file and line, where a file is not such a capture; `OSError`
    where one cannot be read.
    """
    made: dict[str, Timeline] = {}
    entries: dict[str, list[list[Entry]]] = {}
    sources = 0
    for path in paths:
        file = _File(made, sources)
        for record in records(path):
            file.add(record)
        sources = file.sources
        for exchange, told in file.entries.items():
            entries.setdefault(exchange, []).append(told)
    for exchange, told_of in entries.items():
        merged = heapq.merge(*told_of, key=lambda entry: entry.time_ns)
        _settle(made[exchange], list(merged))
    return made


class _File:
    """Reads one file into the timelines `made`; its connections are numbered from `sources` on."""

    def __init__(self, made: dict[str, Timeline], sources: int) -> None:
        self.entries: dict[str, list[Entry]] = {}
        self.sources = sources
        self._made = made
        self._open: dict[str, tuple[Reader, int]] = {}
        self._newest: str | None = None
        self._time_ns = 0

    def add(self, record: Record) -> None:
        """Adds one record. Times of a file never go back: a line is not earlier than the one before."""
        self._time_ns = max(self._time_ns, record.time_ns)
        if record.what == "received":
            self._received(record)
        elif record.what == "answer":
            self._answered(record)
        elif record.what == "opened":
            self._opened(record)
        else:
            if record.url not in self._open:
                raise record.error(f"a request on a connection that was not opened: {record.url}")
            self._newest = record.url
            reading, _ = self._open[record.url]
            timeline = self._made[reading.exchange]
            timeline.markets.update(reading.requested(_json(record)))

    def _opened(self, record: Record) -> None:
        exchange = exchange_at(record.url)
        if exchange is None:
            raise record.error(f"no exchange of the local exchange has this address: {record.url}")
        timeline = self._made.setdefault(exchange, Timeline(exchange))
        before = self._open.get(record.url)
        if before is not None:
            self._add(exchange, Cut(self._time_ns, before[1]))
        self._add(exchange)
        reading = reader(exchange, record.url)
        self._open[record.url], self._newest = (reading, self.sources), record.url
        self.sources += 1
        parts = [*urlsplit(record.url).path.split("/"), *dict(parse_qsl(urlsplit(record.url).query)).values()]
        timeline.markets.update(reading.requested([name for part in parts for name in part.split("/")]))

    def _received(self, record: Record) -> None:
        if not self._open:
            raise record.error("a frame before any connection: there is no `URL <-> time` above it")
        value = _json(record)
        unread: tuple[str, Exception] | None = None
        for url in sorted(self._open, key=lambda url: url != self._newest):
            reading, source = self._open[url]
            try:
                frame = reading.frame(record.text, value, record.time_ns)
            except _UNREADABLE as error:
                unread = unread or (reading.exchange, error)
                continue
            if frame is not None:
                self._add(reading.exchange, Played(self._time_ns, source, frame))
                return
        if unread is not None:
            exchange, reason = unread
            message = f"not a frame as {exchange} sends it ({reason!r}): {quoted(record.text)}"
            raise record.error(message) from reason

    def _answered(self, record: Record) -> None:
        exchange = exchange_at(record.url)
        if exchange is None:
            return  # of a host that is none of the exchanges': nobody asks for it here
        timeline = self._made.setdefault(exchange, Timeline(exchange))
        address = urlsplit(record.url)
        query = dict(parse_qsl(address.query))
        market = market_asked(query)
        reading = reader(exchange, "")
        snapshot = None
        if market is not None:
            try:
                snapshot = reading.snapshot(_json(record), market, record.time_ns)
            except _UNREADABLE as error:
                if isinstance(error, CaptureError):
                    raise
                message = f"not an order book as {exchange} answers it ({error!r}): {quoted(record.text)}"
                raise record.error(message) from error
        if snapshot is not None:
            timeline.markets.add(snapshot.market)
        self._add(exchange, Answer(self._time_ns, address.path, query, record.text, snapshot))

    def _add(self, exchange: str, *entries: Entry) -> None:
        self.entries.setdefault(exchange, []).extend(entries)


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
    timeline.entries = tuple(kept)


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

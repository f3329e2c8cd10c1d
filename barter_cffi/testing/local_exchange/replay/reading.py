"""Reads captures: sorts the records of files by exchange and connection, and makes a timeline of each exchange.

Of each captured connection the order of the lines holds, between them that of the times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from ..events import BookUpdate
from .addresses import exchange_at
from .capture import Record, quoted, records
from .frames import Greeting, MarketFrame
from .readers import Reader, reader
from .timeline import Answer, Cut, Entry, Key, Played, Timeline
from .verbatim import parse

_UNREADABLE: Final = (KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError)


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
    for place, entry in enumerate(timeline.entries):
        if isinstance(entry, Answer) and entry.snapshot is not None:
            timeline.books.setdefault(entry.snapshot.market, []).append((place, entry, entry.snapshot))
        elif isinstance(entry, Answer):
            timeline.answers.append(entry)
        elif isinstance(entry, Played) and isinstance(entry.frame, MarketFrame):
            for event in chain.from_iterable(entry.frame.events.values()):
                if isinstance(event, BookUpdate):
                    timeline.updates.setdefault(event.market, []).append((place, event.previous_sequence))


def _with_books(exchange: str, entries: Sequence[Entry]) -> Iterator[Entry]:
    """The entries, with an empty book before the first update of each market and connection whose book was not
    captured, or only an older one that the updates do not continue."""
    read = reader(exchange, "")
    cuts = [(place, entry.source) for place, entry in enumerate(entries) if isinstance(entry, Cut)]
    books: dict[str, list[tuple[int, int]]] = {}
    for place, entry in enumerate(entries):
        if isinstance(entry, Answer) and entry.snapshot is not None:
            books.setdefault(entry.snapshot.market, []).append((place, entry.snapshot.sequence))
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
                end = next((at for at, source in cuts if at > place and source == entry.source), len(entries))
                continued = first.previous_sequence
                captured = any(at < end and sequence >= continued for at, sequence in books.get(market, []))
                body = None if captured else read.book_before(first)
                if body is not None:
                    snapshot = read.snapshot(parse(body), market, first.time_ns)
                    yield Answer(entry.time_ns, "", {}, body, snapshot)
        yield entry


def _json(record: Record) -> Any:
    """The JSON of a record; its text where that is none and does not look like any."""
    try:
        return parse(record.text)
    except (ValueError, RecursionError) as error:
        if record.text.lstrip().startswith(("{", "[")):
            raise record.error(f"not JSON ({error}): {quoted(record.text)}") from None
        return record.text

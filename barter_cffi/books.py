"""Maintained order books: the library keeps them while their connections run, and any thread reads them at any time.
`DynamicStreams.select_books` makes `Books`; `books[instrument]` is a `Book`, a live view.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from barter_cffi._ffi import CLOSED, NO_TIME, TIMEOUT, check, ffi, lib, ready_fd
from barter_cffi._wait import NOW, deadline_after, wait
from barter_cffi.errors import RecvTimeoutError
from barter_cffi.event import BookEvent
from barter_cffi.instrument import Instrument
from barter_cffi.level import LEVEL_BYTES, Level, Levels
from barter_cffi.stream import MarketStream

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_DEPTH_MAX = 1 << 20


class BookState(msgspec.Struct, frozen=True, gc=False):
    """The top of an order book, and its state, as they were at one moment.

    Attributes:
        state: `"live"`, or `"syncing"`: before the first snapshot, and after `Reconnecting`, a gap in the sequence or
            `unsubscribe` until the next one, and for good where the queue was full before the books were selected and
            its policy is `close`. Of a book that is syncing the levels are those from before, if there were any.
        sequence: the exchange's sequence number, None before the first event.
        bids: as many as were asked for, best first.
        asks: as many as were asked for, best first.
        bids_total: bids of the whole book.
        asks_total: asks of the whole book.
        mid_price: average of best bid and ask; the one that is there where one is missing; None where both are.
        volume_weighed_mid_price: the micro-price, each best price weighed with the other side's amount.
        time_exchange_ns: the exchange's time of the last event, nanoseconds since the Unix epoch.
        time_received_ns: when the last event was received, nanoseconds since the Unix epoch.
        time_engine_ns: the matching engine's time, nanoseconds since the Unix epoch.
    """

    state: Literal["live", "syncing"]
    sequence: int | None
    bids: Levels
    asks: Levels
    bids_total: int
    asks_total: int
    mid_price: float | None
    volume_weighed_mid_price: float | None
    time_exchange_ns: int | None
    time_received_ns: int | None
    time_engine_ns: int | None


class Book:
    """A live view of one maintained order book: each property and method reads it as it is then.

    What has to belong together is read at once by `depth`.

    Attributes:
        instrument: whose book it is.
    """

    __slots__ = ("_books", "instrument")

    def __init__(self, books: Books, instrument: Instrument) -> None:
        self._books = books
        self.instrument = instrument

    def depth(self, levels: int | None = None) -> BookState:
        """The top `levels` a side, all unless given, and the state, at one moment.

        Raises:
            ValueError, TypeError: `levels` is not a number from 0 to 1,048,576.
            KeyError: its subscription ended before its first event.
            StreamClosedError: the books are gone.
        """
        if levels is None:
            had, total = -1, 0
            while total > had:  # it may have grown meanwhile
                had = total
                state, rows = self._read(had)
                total = max(state.bids_total, state.asks_total)
            return _state(state, rows, had)
        if isinstance(levels, bool) or not isinstance(levels, int):
            raise TypeError(f"levels must be an int, not {levels!r}")
        if not 0 <= levels <= _DEPTH_MAX:
            raise ValueError(f"levels must be from 0 to {_DEPTH_MAX}, not {levels}")
        return _state(*self._read(levels), levels)

    @property
    def best_bid(self) -> Level | None:
        """The highest bid."""
        return next(iter(self.depth(1).bids), None)

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask."""
        return next(iter(self.depth(1).asks), None)

    @property
    def mid_price(self) -> float | None:
        """Average of best bid and ask; the one that is there where one is missing; None where both are."""
        return self.depth(0).mid_price

    @property
    def volume_weighed_mid_price(self) -> float | None:
        """The micro-price: best bid and ask, each weighed with the other side's amount."""
        return self.depth(0).volume_weighed_mid_price

    @property
    def sequence(self) -> int | None:
        """The exchange's sequence number, None before the first event."""
        return self.depth(0).sequence

    @property
    def time_exchange_ns(self) -> int | None:
        """The exchange's time of the last event, nanoseconds since the Unix epoch."""
        return self.depth(0).time_exchange_ns

    @property
    def state(self) -> Literal["live", "syncing"]:
        """As of `BookState`."""
        return self.depth(0).state

    def arrays(self, levels: int) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]]:
        """The top bids and asks at one moment, each an array of shape (n, 2): price, amount. Needs the extra `numpy`.

        Raises:
            ImportError: numpy is not installed.
        """
        try:
            import numpy
        except ImportError as error:
            raise ImportError("arrays need numpy: pip install barter_cffi[numpy]") from error
        top = self.depth(levels)

        def columns(side: Levels) -> NDArray[numpy.float64]:
            return numpy.column_stack((side.prices, side.amounts)).astype(numpy.float64, copy=False)

        return columns(top.bids), columns(top.asks)

    def __repr__(self) -> str:
        top = self.depth(1)
        best = [f"{side[0].price}" if side else "none" for side in (top.bids, top.asks)]
        return f"<Book of {self.instrument.base}/{self.instrument.quote}, {top.state}, {best[0]} | {best[1]}>"

    def _read(self, depth: int) -> tuple[Any, Any]:
        state = ffi.new("barter_book_state *", {"struct_size": ffi.sizeof("barter_book_state")})
        levels = ffi.new("barter_level[]", 2 * depth)
        found = check(lib.barter_books_read(self._books._handle, self.instrument.index, depth, levels, state))
        if found == lib.BARTER_NOT_FOUND:
            raise KeyError(self.instrument)
        return state, levels


class Books(Mapping[Instrument, Book]):
    """Order books that the library maintains, by instrument; those that are subscribed are there from the start.
    One subscribed later joins them; one unsubscribed stays, and is syncing until it is subscribed again. Without any
    event yet it goes, as does that of a `subscribe` that fails.

    Reading never waits for the exchange. `wait` and `wait_async` sleep until something changes. It ends its connections
    when it is closed, left by `with`, or no longer referenced.

    Attributes:
        notices: what the streams of the books say: `Reconnecting`, `Reconnected`, `Silent`, and errors. It need not be
            read; closing it closes the books.
    """

    def __init__(self, notices: MarketStream[BookEvent]) -> None:
        self.notices = notices
        self._handle = notices._handle
        self._seen = 0

    def __getitem__(self, instrument: Instrument) -> Book:
        # Another set gives the same index to another market.
        if (
            not isinstance(instrument, Instrument)
            or instrument.index not in self._indices()
            or self._known(instrument.index) != instrument
        ):
            raise KeyError(instrument)
        return Book(self, instrument)

    def __iter__(self) -> Iterator[Instrument]:
        return map(self._known, self._indices())

    def __len__(self) -> int:
        return len(self._indices())

    def wait(self, timeout: float | None = None, *, seen: int | None = None) -> int | None:
        """Waits until a book or its state changes, or a notice comes; the number of changes so far, None at the end.

        Args:
            timeout: seconds, from 0 to 1e9; None waits for ever.
            seen: returns at once where there were more changes than that: 0 to begin with, then what was returned.
                Unless given, what was returned last by this object to any thread.

        Raises:
            RecvTimeoutError: nothing changed in time.
            StreamClosedError: the books were closed.
            ValueError, TypeError: the timeout is not such a number.
        """
        deadline = None if timeout is None else deadline_after(timeout)
        version = ffi.new("uint64_t *")
        call = partial(self._look, self._seen if seen is None else seen, version)
        return self._changes(wait(call, deadline), version, timeout)

    async def wait_async(self, timeout: float | None = None, *, seen: int | None = None) -> int | None:
        """As `wait`, without blocking the event loop (asyncio, uvloop or trio). A cancelled call has missed nothing:
        what it would have returned counts as not seen.
        """
        from barter_cffi import aio

        deadline = None if timeout is None else deadline_after(timeout)
        version = ffi.new("uint64_t *")
        since = self._seen if seen is None else seen
        open_fd = partial(ready_fd, lib.barter_books_ready_fd, self._handle)
        await aio.wait_for_next(lambda: check(self._look(since, version, NOW)), open_fd, deadline)
        return self._changes(self._look(since, version, NOW), version, timeout)

    def close(self) -> None:
        """Ends the books and their connections; closing twice is the same as once. Waits and reads then raise."""
        self.notices.close()

    def __enter__(self) -> Books:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Books:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<Books, closed>" if self.notices._closed else f"<Books of {len(self)} instruments>"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def _look(self, seen: int, version: Any, timeout_ns: int) -> int:
        status: int = lib.barter_books_wait(self._handle, seen, timeout_ns, version)
        return status

    def _changes(self, status: int, version: Any, timeout: float | None) -> int | None:
        if check(status) == CLOSED:
            return None
        if status == TIMEOUT:
            raise RecvTimeoutError(f"no book changed within {timeout} s")
        self._seen = int(version[0])
        return self._seen

    def _indices(self) -> list[int]:
        length, cap = ffi.new("size_t *"), 64
        while True:
            indices = ffi.new("uint32_t[]", cap)
            check(lib.barter_books_instruments(self._handle, indices, cap, length))
            if length[0] <= cap:
                return list(indices[0 : length[0]])
            cap = length[0]

    def _known(self, index: int) -> Instrument:
        instruments = self.notices._instruments
        known = instruments.known
        return known[index] if index < len(known) else instruments.refresh()[index]


def _state(state: Any, levels: Any, depth: int) -> BookState:
    return BookState(
        "live" if state.live else "syncing",
        None if state.time_received_ns == NO_TIME else state.sequence,
        _levels(levels, state.bids_len),
        _levels(levels + depth, state.asks_len),
        state.bids_total,
        state.asks_total,
        _number(state.mid_price),
        _number(state.volume_weighed_mid_price),
        _time(state.time_exchange_ns),
        _time(state.time_received_ns),
        _time(state.time_engine_ns),
    )


def _levels(levels: Any, count: int) -> Levels:
    if not count:
        return Levels()
    doubles = ffi.new("double[]", 2 * count)
    check(lib.barter_levels_to_f64(levels, count, doubles))
    columns = memoryview(ffi.buffer(doubles)).cast("d")
    exact = bytes(ffi.buffer(levels, LEVEL_BYTES * count))
    return Levels(tuple(columns[0::2].tolist()), tuple(columns[1::2].tolist()), exact)


def _number(value: float) -> float | None:
    return None if value != value else value


def _time(ns: int) -> int | None:
    return None if ns == NO_TIME else ns

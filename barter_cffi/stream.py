"""A selected stream: items one at a time, or in batches. All ways to read may be mixed from any threads; each item goes
to exactly one caller, in order, and neither Ctrl-C nor a time-out loses one.

What was received waits in two places: `_unread`, the decoded items of the current chunk, and `_chunks`, batches not
decoded yet. A caller that finds both empty takes the turn to receive; others wait for it, each with its own time-out,
and only the one whose turn it is waits in the library, without any lock.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from operator import length_hint
from types import TracebackType
from typing import Any, Generic, Literal, cast

from barter_cffi._ffi import check, ffi, lib, text
from barter_cffi._wait import FOREVER, deadline_after, left_ns, wait
from barter_cffi.batch import CHUNK, Batch, EventT
from barter_cffi.errors import FORKED, DataError, ForkedError, RecvTimeoutError, StreamClosedError
from barter_cffi.instrument import ExchangeId, Instruments
from barter_cffi.metrics import StreamMetrics, stream_metrics
from barter_cffi.notice import Notice
from barter_cffi.record import Records
from barter_cffi.subscription import SubKind

_NOTHING: Iterator[Any] = iter(())
_CLOSED = "the stream was closed"
_ERROR = bytes([lib.BARTER_EVENT_ERROR])


class MarketStream(Generic[EventT]):
    """A stream of market events, notices and errors, made by the `select_…` methods of `DynamicStreams`.

    It is its own iterator: `for item in stream` reads until the stream ends or is closed, and may be left and begun
    again. With `errors="raise"` an error in the stream is raised as `DataError` by `recv`, `try_recv` and `for`, and
    the next call goes on behind it; with `"yield"` it is an item. It ends its connections when it is closed, left by
    `with`, or no longer referenced.

    Attributes:
        exchange: the exchange server, None where several were merged.
        sub_kind: the kind of its events, None where several were merged.
        errors: `"raise"` or `"yield"`.
    """

    def __init__(
        self,
        handle: Any,
        instruments: Instruments,
        exchange: ExchangeId | None,
        sub_kind: SubKind | None,
        errors: Literal["raise", "yield"],
    ) -> None:
        self.exchange = exchange
        self.sub_kind = sub_kind
        self.errors = errors
        self._raises = errors == "raise"
        self._handle = handle
        self._instruments = Instruments(partial(text, lib.barter_stream_instruments, handle), instruments)
        self._unread: Iterator[EventT | Notice | DataError] = _NOTHING
        self._current: Batch[EventT] | None = None
        self._chunks: list[Batch[EventT]] = []
        self._incoming = Records()
        self._lock = threading.Lock()
        self._received = threading.Condition(self._lock)
        self._turn: object | None = None
        self._ended = False
        self._closed = False
        self._process = os.getpid()
        self._owner = ffi.gc(handle, lib.barter_stream_free)
        _streams[:] = [*[other for other in _streams if other() is not None], weakref.ref(self)]

    def recv(self, timeout: float | None = None) -> EventT | Notice | DataError | None:
        """The next item; waits for it. None when the stream has ended, and for ever after.

        Args:
            timeout: seconds, from 0 to 1e9; None waits for ever.

        Raises:
            RecvTimeoutError: nothing arrived in time.
            DataError: an error in the stream, where `errors="raise"`; the next call goes on.
            StreamClosedError: the stream was closed, also by another thread while this one waits.
            ValueError, TypeError: the timeout is not such a number.
            ForkedError: the process is a fork of the one that made the stream.
        """
        deadline = None if timeout is None else deadline_after(timeout)
        while not self._closed:
            # A call that begins after `close` takes nothing, whatever others still put there.
            # Between a step of a `for` over a C iterator and the `return` nothing else runs, no signal handler and no
            # other thread: no item is lost and none is given twice. So it is in all three places that do this.
            for item in self._unread:
                return item
            status = self._refill(deadline)
            if status == lib.BARTER_CLOSED:
                return None
            if status == lib.BARTER_TIMEOUT:
                raise RecvTimeoutError(f"nothing arrived within {timeout} s")
        raise StreamClosedError(_CLOSED)

    def try_recv(self) -> EventT | Notice | DataError | None:
        """The next item if it is there now, else None; never waits.

        An item that another thread's `recv` is just taking is not there. When nothing is left of a stream that has
        ended, `closed` is true.

        Raises:
            DataError, StreamClosedError, ForkedError: as of `recv`.
        """
        while not self._closed:
            for item in self._unread:
                return item
            if self._refill(deadline_after(0)) != lib.BARTER_OK:
                return None
        raise StreamClosedError(_CLOSED)

    def recv_batch(self, max_events: int = 8192, timeout: float | None = None) -> Batch[EventT] | None:
        """What is there, at least one item; waits for it. None when the stream has ended, and for ever after.

        First comes what is left of the chunk that `recv` and `for` read from. Errors are items here, never raised.

        Args:
            max_events: no more items than that; there may be fewer, though more are waiting.
            timeout: as of `recv`.

        Raises:
            RecvTimeoutError, StreamClosedError, ForkedError, ValueError, TypeError: as of `recv`.
        """
        deadline = None if timeout is None else deadline_after(timeout)
        if isinstance(max_events, bool) or not isinstance(max_events, int):
            raise TypeError(f"max_events must be an int, not {max_events!r}")
        if not 1 <= max_events < 1 << 31:
            raise ValueError(f"max_events must be from 1 to 2147483647, not {max_events}")
        self._check_process()
        while not self._closed:
            batch = None
            try:
                with self._lock:
                    items = [*self._unread]
                    try:
                        taken, unread, chunks = self._first_rows(items, max_events)
                        batch, self._unread, self._chunks = taken, unread, chunks
                    except BaseException:
                        self._unread = iter(items)
                        raise
                if batch is not None:
                    return batch
            except BaseException:
                if batch is not None:
                    self._give_back(batch)
                raise
            status = self._fetch(deadline, max_events)
            if status == lib.BARTER_CLOSED:
                return None
            if status == lib.BARTER_TIMEOUT:
                raise RecvTimeoutError(f"nothing arrived within {timeout} s")
        raise StreamClosedError(_CLOSED)

    def __iter__(self) -> MarketStream[EventT]:
        return self

    def __next__(self) -> EventT | Notice | DataError:
        while not self._closed:
            for item in self._unread:
                return item
            try:
                status = self._refill(None)
            except StreamClosedError:
                raise StopIteration from None
            if status == lib.BARTER_CLOSED:
                raise StopIteration
        raise StopIteration

    def metrics(self) -> StreamMetrics:
        """What the stream has come to: counts since it was made, its queue now, and each of its connections.

        Raises:
            StreamClosedError: the stream was closed.
            ForkedError: the process is a fork of the one that made the stream.
        """
        return stream_metrics(text(lib.barter_stream_metrics_json, self._handle), self._instruments)

    def close(self) -> None:
        """Ends the stream and its connections and discards what waits; closing twice is the same as once.

        Waiting and later calls raise `StreamClosedError`, loops end. It never waits for a reader.
        """
        self._closed = True
        self._unread = _NOTHING
        self._chunks = []
        ffi.release(self._owner)

    @property
    def closed(self) -> bool:
        """True only when no later call can return an item: after `close`, or when all of an ended stream was read."""
        return self._closed or (self._ended and not self._chunks and not length_hint(self._unread))

    def __enter__(self) -> MarketStream[EventT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        of = f"{self.sub_kind or 'several kinds'} of {self.exchange or 'several exchanges'}"
        return f"<MarketStream, {of}, {'closed' if self.closed else 'open'}>"

    def _refill(self, deadline: int | None) -> int:
        """As `_fetch`, and what was received is decoded and can be taken; another thread may be faster."""
        self._check_process()
        status = self._fetch(deadline, CHUNK)
        if status == lib.BARTER_OK:
            self._open_chunk()
        return status

    def _open_chunk(self) -> None:
        """Decodes the first waiting chunk up to the first error that is to be raised, or raises that error.

        Nothing happens when another thread has opened it. What is raised is in no list of the stream's: its traceback
        would tie the stream to frames that have done with it.
        """
        failed: Batch[EventT] | None = None
        try:
            with self._lock:
                if length_hint(self._unread) or not self._chunks:
                    return
                chunk, *waiting = self._chunks
                length = min(len(chunk), CHUNK)
                place = chunk._kinds().find(_ERROR, 0, length) if self._raises else -1
                stop = length if place < 0 else max(place, 1)
                first, items = chunk._part(0, stop), chunk._decode(0, stop)
                if stop < len(chunk):
                    waiting.insert(0, chunk._part(stop, len(chunk)))
                if place == 0:
                    error, items = cast(DataError, items[0]), []
                    failed, self._chunks = first, waiting
                else:
                    self._current, self._unread, self._chunks = first, iter(items), waiting
                if self._closed:
                    self._unread = _NOTHING
        except BaseException:
            if failed is not None:
                self._give_back(failed)
            raise
        if failed is not None:
            try:
                raise error
            finally:
                del error

    def _first_rows(self, items: list[Any], max_events: int) -> tuple[Batch[EventT] | None, Iterator[Any], list[Any]]:
        """A batch of what is left of the current chunk, which is `items`, or else of the first waiting one; and what
        `_unread` and `_chunks` are without it. Changes nothing. The lock is held.
        """
        if items and self._current is not None:
            end = len(self._current)
            first = end - len(items)
            return self._current._part(first, first + max_events), iter(items[max_events:]), self._chunks
        if not self._chunks:
            return None, _NOTHING, []
        batch, *waiting = self._chunks
        if len(batch) > max_events:
            waiting.insert(0, batch._part(max_events, len(batch)))
            batch = batch._part(0, max_events)
        return batch, _NOTHING, waiting

    def _give_back(self, batch: Batch[EventT]) -> None:
        """Puts a batch that its caller will not get in front of everything again."""
        with self._lock:
            items = [*self._unread]
            rest, _, chunks = self._first_rows(items, len(items)) if items else (None, _NOTHING, self._chunks)
            self._unread, self._chunks = _NOTHING, [batch, *([rest] if rest else []), *chunks]

    def _check_process(self) -> None:
        # Before any lock: a thread that is not in this process may hold it.
        if self._process != os.getpid():
            raise ForkedError(FORKED)

    def _fetch(self, deadline: int | None, max_events: int) -> int:
        """OK when something was received and not yet taken, TIMEOUT when the deadline is past, CLOSED at the end."""
        turn = object()
        try:
            with self._lock:
                while True:
                    if self._closed:
                        raise StreamClosedError(_CLOSED)
                    if self._chunks or length_hint(self._unread):
                        return int(lib.BARTER_OK)
                    if self._ended:
                        return int(lib.BARTER_CLOSED)
                    if self._turn is None:
                        self._current = None
                        self._turn = turn
                        break
                    left = left_ns(deadline)
                    if left == 0:
                        return int(lib.BARTER_TIMEOUT)
                    self._received.wait(None if left == FOREVER else left / 1e9)
            return self._receive(deadline, max_events)
        finally:
            if self._turn is turn:
                self._turn = None
                self._pass_the_turn()

    def _receive(self, deadline: int | None, max_events: int) -> int:
        """Waits in the library and keeps what it gives as a chunk. Called by the one whose turn it is."""
        records = self._incoming
        if not len(records):  # it is filled where a signal came between the library's return and the end of this
            status = wait(partial(records.receive, self._handle, max_events), deadline)
            if status == lib.BARTER_HANDLE_CLOSED and not self._closed:
                status = lib.BARTER_CLOSED  # at exit the library ends all streams
            if status == lib.BARTER_CLOSED:
                self._ended = True
            if check(status) != lib.BARTER_OK:
                return status
        chunk: Batch[EventT] = Batch(records, 0, len(records), self._instruments)
        empty = Records()
        with self._lock:
            self._chunks, self._incoming = [*self._chunks, chunk], empty
        return int(lib.BARTER_OK)

    def _pass_the_turn(self) -> None:
        try:
            with self._lock:
                self._received.notify_all()
        except BaseException:
            with self._lock:
                self._received.notify_all()
            raise


_streams: list[weakref.ref[MarketStream[Any]]] = []


def _forget_items_of_the_parent() -> None:
    for reference in _streams:
        stream = reference()
        if stream is not None:
            stream._unread = _NOTHING


os.register_at_fork(after_in_child=_forget_items_of_the_parent)

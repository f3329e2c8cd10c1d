"""A selected stream of the library. What was received waits in two places: `_unread`, the decoded items of the current
chunk, and `_chunks`, batches not decoded yet. `source` says how it is read.

Both are changed under the lock, with one exception: the one whose turn it is puts what it has decoded into `_unread`
without it, since that would cost more than all the rest between the library's return and the caller. It does so only
while `_unread` is `NOTHING` and `_chunks` is empty; then nobody else assigns to `_unread`, under the lock or not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from operator import length_hint
from typing import Any, Literal, cast

from barter_cffi._ffi import CLOSED, HANDLE_CLOSED, OK, check, ffi, lib, ready_fd, text
from barter_cffi.batch import CHUNK, Batch, EventT
from barter_cffi.errors import DataError
from barter_cffi.instrument import ExchangeId, Instruments
from barter_cffi.metrics import StreamMetrics, stream_metrics
from barter_cffi.record import Records
from barter_cffi.source import NOTHING, Source, Taken
from barter_cffi.subscription import SubKind
from barter_cffi.turn import OPENED

_ERROR = bytes([lib.BARTER_EVENT_ERROR])


class MarketStream(Source[EventT]):
    """A stream of market events, notices and errors, made by the `select_…` methods of `DynamicStreams`.

    It is its own iterator: `for item in stream` and `async for item in stream` read until the stream ends or is closed,
    and may be left and begun again. With `errors="raise"` an error in the stream is raised as `DataError` by `recv`,
    `try_recv`, `recv_async` and loops, and the next call goes on behind it; with `"yield"` it is an item. It ends its
    connections when it is closed, left by `with`, or no longer referenced.

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
        super().__init__()
        self.exchange = exchange
        self.sub_kind = sub_kind
        self.errors = errors
        self._raises = errors == "raise"
        self._handle = handle
        self._instruments = Instruments(partial(text, lib.barter_stream_instruments, handle), instruments)
        self._current: Batch[EventT] | Records | None = None
        self._chunks: list[Batch[EventT]] = []
        self._incoming = Records()
        self._empty: Records | None = None
        self._ended = False
        self._owner = ffi.gc(handle, lib.barter_stream_free)

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
        unread, self._unread = self._unread, NOTHING
        deque(unread, maxlen=0)  # a merged stream may have it too
        self._chunks = []
        self._awaited = None
        ffi.release(self._owner)

    @property
    def closed(self) -> bool:
        """True only when no later call can return an item: after `close`, or when all of an ended stream was read."""
        return self._closed or (self._ended and not self._chunks and not length_hint(self._unread))

    def __repr__(self) -> str:
        of = f"{self.sub_kind or 'several kinds'} of {self.exchange or 'several exchanges'}"
        return f"<MarketStream, {of}, {'closed' if self.closed else 'open'}>"

    def _there(self) -> int | None:
        if self._turn is None and len(self._incoming):
            self._keep()  # a signal came between the library's return and the end of `_received`
        if self._unread is not NOTHING:
            if length_hint(self._unread):
                return OK
            read, self._current = self._current, None
            if isinstance(read, Records) and self._empty is None:
                read.clear()  # objects were made of all of it
                self._empty = read
            self._unread = NOTHING
        if self._chunks:
            return OK
        return CLOSED if self._ended else None

    def _wait(self, timeout_ns: int, max_events: int) -> int:
        if self._empty is None:
            self._empty = Records()  # now, and not when something is there
        return self._incoming.receive(self._handle, max_events, timeout_ns)

    def _received(self, status: int, opens: bool) -> int:
        if status == OK:
            if opens and self._open_few():
                return OPENED
            with self._lock:
                self._keep()
            return OK
        if status == HANDLE_CLOSED and not self._closed:
            status = CLOSED  # at exit the library ends all streams
        if status == CLOSED:
            self._ended = True
        return check(status)

    def _open_few(self) -> bool:
        """Decodes what the library has given, where that is a few things of one kind as it mostly is; whether it has.
        Without the lock: the module says why that is sound.
        """
        records, empty = self._incoming, self._empty
        items: Iterable[Any] | None = records.decode_all(self._instruments)
        if items is None or empty is None:
            return False
        unread = iter(items)
        # From the first of these questions to the last assignment there is no call, and nothing is made that the
        # garbage collector would count, so that nothing else runs.
        if self._unread is NOTHING and not self._chunks and not self._closed:
            self._unread = unread
            self._current = records
            self._incoming = empty
            self._empty = None
            return True
        return False

    def _keep(self) -> None:
        """Puts what the library has given behind the chunks that wait. The lock is held, and nobody receives."""
        chunk = self._batch(self._incoming)
        empty = Records() if self._empty is None else self._empty
        chunks = [] if self._closed else [*self._chunks, chunk]
        self._chunks, self._incoming, self._empty = chunks, empty, None

    def _batch(self, records: Records) -> Batch[EventT]:
        return Batch(records, 0, len(records), self._instruments, self.sub_kind)

    def _open(self) -> None:
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
                length = len(chunk)
                kinds = chunk._kinds()[:CHUNK]
                place = kinds.find(_ERROR) if self._raises else -1
                kinds = kinds if place < 0 else kinds[: max(place, 1)]
                first, stop = chunk, len(kinds)
                if stop < length:
                    first = chunk._part(0, stop)
                    waiting.insert(0, chunk._part(stop, length))
                items = first._decode(0, kinds)
                if place == 0:
                    error, items = cast(DataError, items[0]), []
                    failed, self._chunks = first, waiting
                else:
                    self._current, self._unread, self._chunks = first, iter(items), waiting
                if self._closed:
                    self._unread = NOTHING
        except BaseException:
            if failed is not None:
                self._give_back(failed)
            raise
        if failed is not None:
            try:
                raise error
            finally:
                del error

    def _take_batch(self, max_events: int, taken: Taken) -> None:
        with self._lock:
            items = [*self._unread]
            try:
                batch, unread, chunks = self._first_rows(items, max_events)
                if batch is not None:
                    taken[:], self._unread, self._chunks = [(self, batch)], unread, chunks
            except BaseException:
                if items:
                    self._unread = iter(items)
                raise

    def _first_rows(self, items: list[Any], max_events: int) -> tuple[Batch[EventT] | None, Iterator[Any], list[Any]]:
        """A batch of what is left of the current chunk, which is `items`, or else of the first waiting one; and what
        `_unread` and `_chunks` are without it. Changes nothing. The lock is held.
        """
        current = self._current
        if items and current is not None:
            if isinstance(current, Records):
                current = self._current = self._batch(current)  # which outlives what was read
            first = len(current) - len(items)
            return current._part(first, first + max_events), iter(items[max_events:]), self._chunks
        if not self._chunks:
            return None, iter(items), []
        batch, *waiting = self._chunks
        if len(batch) > max_events:
            waiting.insert(0, batch._part(max_events, len(batch)))
            batch = batch._part(0, max_events)
        return batch, iter(items), waiting

    def _give_back(self, batch: Batch[Any]) -> None:
        """Puts a batch that its caller will not get in front of everything again."""
        with self._lock:
            waiting = self._chunks
            self._chunks = [batch, *waiting]  # now nobody puts anything into `_unread` meanwhile
            items = [*self._unread]
            if items:
                rest, _, _ = self._first_rows(items, len(items))
                self._unread, self._chunks = NOTHING, [batch, *([rest] if rest else []), *waiting]
        try:
            self._tell(None)
        except BaseException:  # of a signal: whatever of it was done, it is done now
            self._tell(None)
            raise

    def _ready_fd(self) -> int:
        return ready_fd(lib.barter_stream_ready_fd, self._handle)

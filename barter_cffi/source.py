"""How streams are read: one item at a time or in batches, by calls, loops and coroutines. `MarketStream` and
`MergedStream` are sources. All ways to read may be mixed from any threads and event loops; each item goes to exactly
one caller, in order, and neither Ctrl-C, a time-out nor a cancelled await loses one. `turn` says who receives.
"""

from __future__ import annotations

import os
import weakref
from abc import abstractmethod
from collections.abc import Iterator
from operator import length_hint
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from barter_cffi._ffi import CLOSED, OK, TIMEOUT
from barter_cffi._wait import NOW, deadline_after
from barter_cffi.batch import CHUNK, Batch, EventT
from barter_cffi.errors import DataError, RecvTimeoutError, StreamClosedError
from barter_cffi.notice import Notice
from barter_cffi.turn import OPENED, WAS_CLOSED, Turns

if TYPE_CHECKING:
    from typing_extensions import Self

NOTHING: Iterator[Any] = iter(())
MAX_EVENTS = 8_192
"""How many items a batch has at the most where nothing else is said."""

Taken: TypeAlias = "list[tuple[Source[Any], Batch[Any]]]"
"""A batch on its way to a caller, and who takes it back when it does not get there; or nothing."""


class Source(Turns, Generic[EventT]):
    """A stream of market events, notices and errors, to be read by any number of threads and tasks.

    It is its own iterator: `for item in stream` and `async for item in stream` read until it ends or is closed, and may
    be left and begun again. It ends its connections when it is closed, left by `with`, or no longer referenced.
    """

    def __init__(self) -> None:
        super().__init__()
        self._unread: Iterator[EventT | Notice | DataError] = NOTHING
        _sources[:] = [*[other for other in _sources if other() is not None], weakref.ref(self)]

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
            # other thread: no item is lost and none is given twice. So it is in all places that do this.
            for item in self._unread:
                return item
            status = self._refill(deadline)
            if status == CLOSED:
                return None
            if status == TIMEOUT:
                raise RecvTimeoutError(f"nothing arrived within {timeout} s")
        raise StreamClosedError(WAS_CLOSED)

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
            if self._refill(NOW) != OK:
                return None
        raise StreamClosedError(WAS_CLOSED)

    async def recv_async(self, timeout: float | None = None) -> EventT | Notice | DataError | None:
        """As `recv`, without blocking the event loop (asyncio, uvloop or trio). A cancelled call has taken nothing.

        It goes on at once when an item is there; where nothing has to be waited for, it gives way to other tasks once
        in about a thousand items.

        Args, Raises: as of `recv`.
        """
        deadline = None if timeout is None else deadline_after(timeout)
        while not self._closed:
            for item in self._unread:
                return item
            status = await self._refill_async(deadline)
            if status == CLOSED:
                return None
            if status == TIMEOUT:
                raise RecvTimeoutError(f"nothing arrived within {timeout} s")
        raise StreamClosedError(WAS_CLOSED)

    def recv_batch(self, max_events: int = MAX_EVENTS, timeout: float | None = None) -> Batch[EventT] | None:
        """What is there, at least one item; waits for it. None when the stream has ended, and for ever after.

        First comes what is left of the chunk that `recv` and `for` read from. Errors are items here, never raised.

        Args:
            max_events: no more items than that; there may be fewer, though more are waiting.
            timeout: as of `recv`.

        Raises:
            RecvTimeoutError, StreamClosedError, ForkedError, ValueError, TypeError: as of `recv`.
        """
        deadline = self._checked(max_events, timeout)
        while not self._closed:
            taken: Taken = []
            try:
                self._take_batch(max_events, taken)
                if taken:
                    return taken[0][1]
            except BaseException:
                _give_back(taken)
                raise
            status = self._fetch(deadline, max_events)
            if status == CLOSED:
                return None
            if status == TIMEOUT:
                raise RecvTimeoutError(f"nothing arrived within {timeout} s")
        raise StreamClosedError(WAS_CLOSED)

    def try_recv_batch(self, max_events: int = MAX_EVENTS) -> Batch[EventT] | None:
        """What is there now, at least one item, else None; never waits. As `recv_batch` and `try_recv`."""
        self._checked(max_events, 0)
        while not self._closed:
            taken: Taken = []
            try:
                self._take_batch(max_events, taken)
                if taken:
                    return taken[0][1]
            except BaseException:
                _give_back(taken)
                raise
            if self._fetch(NOW, max_events) != OK:
                return None
        raise StreamClosedError(WAS_CLOSED)

    async def recv_batch_async(
        self, max_events: int = MAX_EVENTS, timeout: float | None = None
    ) -> Batch[EventT] | None:
        """As `recv_batch`, without blocking the event loop. A cancelled call has taken nothing."""
        deadline = self._checked(max_events, timeout)
        while not self._closed:
            taken: Taken = []
            try:
                self._take_batch(max_events, taken)
                if taken:
                    return taken[0][1]
            except BaseException:
                _give_back(taken)
                raise
            status = await self._fetch_async(deadline, max_events)
            if status == CLOSED:
                return None
            if status == TIMEOUT:
                raise RecvTimeoutError(f"nothing arrived within {timeout} s")
        raise StreamClosedError(WAS_CLOSED)

    def batches(self, max_events: int = MAX_EVENTS, timeout: float | None = None) -> Batches[EventT]:
        """`recv_batch` as an iterator, for `for` and `async for`: ends when the stream ends or is closed. A
        `RecvTimeoutError` does not end it; the next step goes on.

        Args, Raises: as of `recv_batch`.
        """
        self._checked(max_events, timeout)
        return Batches(self, max_events, timeout)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> EventT | Notice | DataError:
        while not self._closed:
            for item in self._unread:
                return item
            try:
                status = self._refill(None)
            except StreamClosedError:
                raise StopIteration from None
            if status == CLOSED:
                raise StopIteration
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventT | Notice | DataError:
        while not self._closed:
            for item in self._unread:
                return item
            try:
                status = await self._refill_async(None)
            except StreamClosedError:
                raise StopAsyncIteration from None
            if status == CLOSED:
                raise StopAsyncIteration
        raise StopAsyncIteration

    @abstractmethod
    def close(self) -> None:
        """Ends the stream and its connections and discards what waits; closing twice is the same as once.

        Waiting and later calls raise `StreamClosedError`, loops end. It never waits for a reader.
        """

    @property
    @abstractmethod
    def closed(self) -> bool:
        """True only when no later call can return an item: after `close`, or when all of an ended stream was read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # What a kind of source is

    @abstractmethod
    def _open(self) -> None:
        """Makes `_unread` give items of what was received, unless another thread was faster, or raises an error of
        it."""

    @abstractmethod
    def _take_batch(self, max_events: int, taken: Taken) -> None:
        """Puts a batch of what was received into `taken`, if there is something."""

    # What all of them have in common

    def _refill(self, deadline: int | None, by: object = None) -> int:
        """As `_fetch`, and what was received is decoded and can be taken; another thread may be faster."""
        self._check_process()
        return self._opened(self._fetch(deadline, CHUNK, by, opens=True))

    async def _refill_async(self, deadline: int | None) -> int:
        self._check_process()
        return self._opened(await self._fetch_async(deadline, CHUNK, opens=True))

    def _opened(self, status: int) -> int:
        if status == OPENED:
            return OK
        if status == OK and not length_hint(self._unread):
            self._open()
        return status

    def _checked(self, max_events: int, timeout: float | None) -> int | None:
        """The deadline of a call that takes a batch, whose arguments are in order."""
        deadline = None if timeout is None else deadline_after(timeout)
        if isinstance(max_events, bool) or not isinstance(max_events, int):
            raise TypeError(f"max_events must be an int, not {max_events!r}")
        if not 1 <= max_events < 1 << 31:
            raise ValueError(f"max_events must be from 1 to 2147483647, not {max_events}")
        self._check_process()
        return deadline


class Batches(Generic[EventT]):
    """`recv_batch` of a stream as an iterator, synchronous and asynchronous; made by `batches`."""

    def __init__(self, source: Source[EventT], max_events: int, timeout: float | None) -> None:
        self._source = source
        self._max_events = max_events
        self._timeout = timeout

    def __iter__(self) -> Batches[EventT]:
        return self

    def __next__(self) -> Batch[EventT]:
        try:
            batch = self._source.recv_batch(self._max_events, self._timeout)
        except StreamClosedError:
            raise StopIteration from None
        if batch is None:
            raise StopIteration
        return batch

    def __aiter__(self) -> Batches[EventT]:
        return self

    async def __anext__(self) -> Batch[EventT]:
        try:
            batch = await self._source.recv_batch_async(self._max_events, self._timeout)
        except StreamClosedError:
            raise StopAsyncIteration from None
        if batch is None:
            raise StopAsyncIteration
        return batch


def _give_back(taken: Taken) -> None:
    for source, batch in taken:
        source._give_back(batch)  # type: ignore[attr-defined]


_sources: list[weakref.ref[Source[Any]]] = []


def _forget_items_of_the_parent() -> None:
    for reference in _sources:
        source = reference()
        if source is not None:
            source._unread = NOTHING


os.register_at_fork(after_in_child=_forget_items_of_the_parent)

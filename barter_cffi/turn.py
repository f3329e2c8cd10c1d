"""Who receives. A caller that finds nothing there takes the turn to look for more; others wait for it, each with its
own time-out, and only the one whose turn it is waits in the library, without any lock. Coroutines never wait for the
turn: they look, and wait for the source's descriptor, or until a thread has left something over (`aio`). One signal,
in any place, leaves nobody waiting for what is there. `source` says what callers get.
"""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from barter_cffi._ffi import CLOSED, TIMEOUT
from barter_cffi._wait import FOREVER, NOW, left_ns, one_wait_ns
from barter_cffi.errors import FORKED, ForkedError, StreamClosedError

if TYPE_CHECKING:
    from barter_cffi.aio import Readiness

WAS_CLOSED = "the stream was closed"
OPENED = -1
"""A status of this package's: OK, and the next item can be taken."""


class Listener(Protocol):
    """Who wants to know that something was received that its receiver may have left over."""

    def wake(self, by: object) -> None:
        """Called by any thread; `by` is who received it, which may be the listener itself."""


class Turns(ABC):
    """What is received by one of its callers at a time, for all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[SimpleQueue[None]] = set()
        self._turn: _Turn | None = None
        self._closed = False
        self._process = os.getpid()
        self._listeners: tuple[weakref.ref[Listener], ...] = ()
        self._awaited: Readiness | None = None

    @abstractmethod
    def _there(self) -> int | None:
        """OK when something was received and not yet taken, CLOSED at the end, else None. The lock is held."""

    @abstractmethod
    def _wait(self, timeout_ns: int, max_events: int) -> int:
        """Waits once for more; the status that `_received` is to be given. Called by the one whose turn it is."""

    @abstractmethod
    def _received(self, status: int, opens: bool) -> int:
        """Keeps what `_wait` has found; OK, OPENED, TIMEOUT or CLOSED. Called by the one whose turn it is. `opens`: it
        is to be decoded, which may be done here.
        """

    @abstractmethod
    def _ready_fd(self) -> int:
        """A descriptor of the caller's own that is readable when looking would give something."""

    def _fetch(self, deadline: int | None, max_events: int, by: object = None, *, opens: bool = False) -> int:
        """OK when something was received and not yet taken, or OPENED; TIMEOUT when the deadline is past, CLOSED at the
        end.

        `by` is the listener on whose behalf this is, which need not be told. `opens`: see `_received`.
        """
        # The wait for the turn holds no lock on its way out: a `Condition` takes its lock again, and a signal that ends
        # that makes `with` release what another thread holds. And a queue is told twice without harm.
        turn = _Turn()
        try:
            while True:
                with self._lock:
                    if self._closed:
                        raise StreamClosedError(WAS_CLOSED)
                    status = self._there()
                    if status is not None:
                        return status
                    if self._turn is None:
                        self._turn = turn
                        break
                    left = one_wait_ns(left_ns(deadline))
                    if left == 0:
                        return TIMEOUT
                    told = turn.told = turn.told or SimpleQueue()
                    self._waiting.add(told)
                    if self._turn is None:  # given up before this one waited, so it may not be told
                        continue
                with suppress(Empty):
                    told.get(timeout=None if left == FOREVER else left / 1e9)
            # `_wait.wait` in place: between the library's return and the caller each call counts.
            while True:
                status = self._wait(one_wait_ns(left_ns(deadline)), max_events)
                if status != TIMEOUT or left_ns(deadline) == 0:
                    break
            status = self._received(status, opens)
            if status == CLOSED and self._closed:
                raise StreamClosedError(WAS_CLOSED)
            return status
        finally:
            # The `try` stands here and not in what it calls: a signal may also come as that begins.
            try:
                self._leave(turn, by)
            except BaseException:  # of a signal: whatever of it was done, it is done now
                self._leave(turn, by)
                raise

    async def _fetch_async(self, deadline: int | None, max_events: int, *, opens: bool = False) -> int:
        awaited = self._awaited or self._readiness()
        return await awaited.wait(lambda by: self._fetch(NOW, max_events, by, opens=opens), self._ready_fd, deadline)

    def _readiness(self) -> Readiness:
        from barter_cffi import aio

        with self._lock:  # the loops of several threads may be here
            if self._awaited is None:
                self._awaited = aio.Readiness()
                self._add_listener(self._awaited)
            return self._awaited

    def _listen(self, listener: Listener) -> None:
        with self._lock:
            self._add_listener(listener)

    def _add_listener(self, listener: Listener) -> None:
        self._listeners = (*[one for one in self._listeners if one() is not None], weakref.ref(listener))

    def _leave(self, turn: _Turn, by: object) -> None:
        """Gives up the turn, if it has it, and tells of that. Where it ends early it can be done again."""
        if self._turn is turn:
            turn.is_to_be_told = True
            self._turn = None
        if turn.is_to_be_told:
            if self._waiting or self._listeners:
                self._tell(by)
            turn.is_to_be_told = False
        if turn.told is not None:
            self._waiting.discard(turn.told)

    def _tell(self, by: object) -> None:
        """Wakes who waits for the turn, and, where there is something or the end, who listens."""
        with self._lock:
            for told in [*self._waiting]:
                told.put(None)
            self._waiting.clear()
            worth_looking = self._there() is not None
        if worth_looking:
            self._wake_listeners(by)

    def _wake_listeners(self, by: object) -> None:
        for reference in self._listeners:
            listener = reference()
            if listener is not None:
                listener.wake(by)

    def _check_process(self) -> None:
        # Before any lock: a thread that is not in this process may hold it.
        if self._process != os.getpid():
            raise ForkedError(FORKED)


class _Turn:
    """Of one call: what wakes it while it waits for the turn, and whether others are to be told that it had it."""

    __slots__ = ("is_to_be_told", "told")

    def __init__(self) -> None:
        self.told: SimpleQueue[None] | None = None
        self.is_to_be_told = False

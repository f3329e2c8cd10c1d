"""Several streams read as one, of one set or of several: `merge` makes a `MergedStream`, which is read like a
`MarketStream`. Nothing is copied between queues: it reads its members in turn, a chunk of each that has something.
"""

from __future__ import annotations

import os
import selectors
import weakref
from collections.abc import Callable
from contextlib import suppress
from operator import length_hint
from typing import Any, TypeVar

from barter_cffi._ffi import CLOSED, OK, TIMEOUT
from barter_cffi._wait import FOREVER, NOW
from barter_cffi.batch import EventT
from barter_cffi.errors import StreamClosedError
from barter_cffi.event import MarketEvent
from barter_cffi.source import NOTHING, Source, Taken
from barter_cffi.stream import MarketStream
from barter_cffi.turn import WAS_CLOSED

OneEventT = TypeVar("OneEventT", bound=MarketEvent)

_LONGEST_SELECT_NS = 3_600_000_000_000
"""An hour: longer than that the system's calls do not all wait."""


def merge(*streams: MarketStream[OneEventT]) -> MergedStream[OneEventT]:
    """One stream of all items of several, for `recv`, `for`, `async for` and the other ways to read.

    It is fair: streams that have something are read in turn, up to 1,024 items of each. Items of one stream keep their
    order; between streams none is promised. Errors and notices pass through, errors as each stream's `errors` says. It
    ends when all of its streams have ended or were closed, and closing it closes them. A batch is of one of the
    streams, whose `instruments` it has.

    The streams can still be read by themselves, and be closed; each item goes to one caller.

    Raises:
        TypeError: one is not a `MarketStream`.
        ValueError: one is given twice, or there is none.
        StreamClosedError: one is closed.
    """
    for stream in streams:
        if not isinstance(stream, MarketStream):
            raise TypeError(f"merge takes MarketStreams, not {stream!r}")
    if len(set(streams)) != len(streams) or not streams:
        raise ValueError("merge takes at least one stream, and each once")
    return MergedStream(streams)


class MergedStream(Source[EventT]):
    """Several streams read as one; made by `merge`, which says how."""

    def __init__(self, streams: tuple[MarketStream[EventT], ...]) -> None:
        super().__init__()
        self._streams = streams
        self._members: _Members | None = _Members(streams)

    def close(self) -> None:
        """Closes all of the streams; closing twice is the same as once."""
        self._closed = True
        self._unread = NOTHING
        self._awaited = None
        members, self._members = self._members, None
        for stream in self._streams:
            stream.close()
        if members is not None:
            members.wake()
        self._wake_listeners(None)

    @property
    def closed(self) -> bool:
        """True only when no later call can return an item."""
        return self._closed or all(stream.closed for stream in self._streams)

    def __repr__(self) -> str:
        return f"<MergedStream of {len(self._streams)} streams, {'closed' if self.closed else 'open'}>"

    def _there(self) -> int | None:
        members = self._members
        if length_hint(self._unread) or (members and members.ready):
            return OK
        return None if members and members.all else CLOSED

    def _wait(self, timeout_ns: int, max_events: int) -> int:
        members = self._members
        return members.wait(timeout_ns) if members else CLOSED

    def _received(self, status: int, opens: bool) -> int:
        return status

    def _open(self) -> None:
        if not length_hint(self._unread):
            stream = self._next(lambda stream, member: stream._refill(NOW, member))
            if stream is not None:
                # What it has decoded: both take from the same iterator, so that each item goes to one caller.
                self._unread = stream._unread

    def _take_batch(self, max_events: int, taken: Taken) -> None:
        stream = self._next(lambda stream, member: stream._fetch(NOW, max_events, member))
        if stream is not None:
            stream._take_batch(max_events, taken)

    def _next(self, look: Callable[[MarketStream[EventT], object], int]) -> MarketStream[EventT] | None:
        """The next in turn that may have something, if it has; or raises an error of it."""
        members = self._members
        if members is None:
            return None
        members.look(0)  # those that have got something take part from now on
        member = next(iter([*members.ready]), None)
        if member is None:
            return None
        stream: MarketStream[EventT] = member.stream
        try:
            members.ready.pop(member, None)
            status = OK if length_hint(stream._unread) else look(stream, member)
        except StreamClosedError:
            status = CLOSED
        except BaseException:
            members.ready[member] = None
            raise
        if status == OK:
            members.ready[member] = None
            self._stir(members)
            return stream
        if status == CLOSED:
            members.forget(member)
            if not members.all:
                self._stir(members)
        return None

    def _stir(self, members: _Members) -> None:
        """Wakes who waits for what is no longer to be seen by a descriptor."""
        self._tell(None)
        with self._lock:  # who takes the turn later sees what is ready
            somebody_waits = self._turn is not None
        if somebody_waits:
            members.wake()

    def _ready_fd(self) -> int:
        if self._members is None:
            raise StreamClosedError(WAS_CLOSED)
        return os.dup(self._members.fileno())


class _Member:
    """A stream, and what tells that another reader of it has left something over."""

    def __init__(self, stream: MarketStream[Any], members: _Members) -> None:
        self.stream = stream
        self.fd = stream._ready_fd()
        self._members = weakref.ref(members)

    def wake(self, by: object) -> None:
        members = self._members()
        if by is not self and members is not None:
            members.ready[self] = None
            members.wake()

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)


class _Members:
    """The streams that have not ended, those that may have something, and what is waited for. Its descriptors are
    closed with the last reference to it.
    """

    def __init__(self, streams: tuple[MarketStream[Any], ...]) -> None:
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = os.pipe()
        for end in (self._woken, self._waker):
            os.set_blocking(end, False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self.all: dict[_Member, None] = {}
        self.ready: dict[_Member, None] = {}
        self._every: list[_Member] = []  # those that have ended too: none is taken apart while somebody reads
        for stream in streams:
            member = _Member(stream, self)
            self._every.append(member)
            self._selector.register(member.fd, selectors.EVENT_READ, member)
            stream._listen(member)
            self.all[member] = self.ready[member] = None

    def fileno(self) -> int:
        """Readable when `wait` would not wait."""
        return self._selector.fileno()

    def wait(self, timeout_ns: int) -> int:
        """Waits until there is something, or `wake` was called. By one caller at a time."""
        timeout = None if timeout_ns == FOREVER else min(timeout_ns, _LONGEST_SELECT_NS) / 1e9
        if not self.look(timeout):
            return TIMEOUT
        with suppress(BlockingIOError):
            os.read(self._woken, 4_096)
        return OK

    def look(self, timeout: float | None) -> bool:
        """Puts those that have something into `ready`; whether there is anything."""
        found = self._selector.select(timeout)
        for key, _ in found:
            if key.data is not None:
                self.ready[key.data] = None
        return bool(found)

    def wake(self) -> None:
        """Ends a wait."""
        with suppress(BlockingIOError):  # it is full of wake-ups
            os.write(self._waker, b"\0")

    def forget(self, member: _Member) -> None:
        """A stream has ended."""
        if self.all.pop(member, self) is not self:
            self._selector.unregister(member.fd)

    def __del__(self) -> None:
        self._selector.close()
        os.close(self._woken)
        os.close(self._waker)

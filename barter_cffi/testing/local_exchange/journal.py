"""What the local exchange did, kept for the tests that drive it.

The server writes from its own thread, tests read from theirs; every read is a copy taken under one
lock, and `wait_until` waits for a condition on it with a bound.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from .events import Event, Kind

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """One text frame as a client sent it, and the path its connection came in on.

    `path` is what follows the exchange's prefix, its query included.
    """

    connection: int
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """One REST request and the status it was answered with."""

    method: str
    path: str
    query: dict[str, str]
    status: int


@dataclass(frozen=True, slots=True)
class Connections:
    """How many WebSockets were upgraded since the start, and how many are open."""

    made: int
    open: int


@dataclass(frozen=True, slots=True)
class FramesSent:
    """How many text and binary frames were sent since the start, and the bytes of their payloads."""

    frames: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Sent:
    event: Event
    connections: tuple[int, ...]


class Journal:
    """Thread-safe record of events, frames, requests and connections, by exchange.

    Of each exchange and kind the last `limit` events are kept, of each exchange the last `limit`
    frames and requests; counts are exact.
    """

    def __init__(self, limit: int) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._limit = limit
        self._events: dict[tuple[str, Kind], deque[_Sent]] = {}
        self._event_counts: Counter[tuple[str, Kind]] = Counter()
        self._frames: dict[str, deque[FrameReceived]] = {}
        self._control: dict[str, deque[str]] = {}
        self._requests: dict[str, deque[RequestReceived]] = {}
        self._close_codes: dict[str, deque[int | None]] = {}
        self._frames_sent: Counter[str] = Counter()
        self._bytes_sent: Counter[str] = Counter()
        self._made: Counter[str] = Counter()
        self._open: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    # Written by the server.

    def event_sent(self, exchange: str, kind: Kind, event: Event, connections: tuple[int, ...]) -> None:
        """An event went out on these connections."""
        with self._changed:
            self._kept(self._events, (exchange, kind)).append(_Sent(event, connections))
            self._event_counts[exchange, kind] += 1
            self._changed.notify_all()

    def frame_received(self, exchange: str, frame: FrameReceived) -> None:
        """A client's text frame came in."""
        with self._changed:
            self._kept(self._frames, exchange).append(frame)
            self._changed.notify_all()

    def control_sent(self, exchange: str, text: str) -> None:
        """A frame that is no event went out."""
        with self._changed:
            self._kept(self._control, exchange).append(text)
            self._changed.notify_all()

    def frame_sent(self, exchange: str, size: int) -> None:
        """A text or binary frame of any meaning was written, with a payload of so many bytes."""
        with self._changed:
            self._frames_sent[exchange] += 1
            self._bytes_sent[exchange] += size
            self._changed.notify_all()

    def request_received(self, exchange: str, request: RequestReceived) -> None:
        """A REST request was answered."""
        with self._changed:
            self._kept(self._requests, exchange).append(request)
            self._changed.notify_all()

    def connection_opened(self, exchange: str) -> None:
        """A WebSocket was upgraded."""
        with self._changed:
            self._made[exchange] += 1
            self._open[exchange] += 1
            self._changed.notify_all()

    def connection_closed(self, exchange: str, close_code: int | None) -> None:
        """A WebSocket is gone."""
        with self._changed:
            self._open[exchange] -= 1
            self._kept(self._close_codes, exchange).append(close_code)
            self._changed.notify_all()

    def upgrade_refused(self, exchange: str) -> None:
        """A WebSocket upgrade was answered with an HTTP error."""
        with self._changed:
            self._refused[exchange] += 1
            self._changed.notify_all()

    def changed(self) -> None:
        """Something that a waiting test may look at has changed elsewhere."""
        with self._changed:
            self._changed.notify_all()

    # Read by tests.

    def sent(
        self,
        exchange: str,
        kind: Kind,
        market: str | None = None,
        connection: int | None = None,
    ) -> list[Event]:
        """The kept events in the order they were sent, of one market or connection if given."""
        with self.lock:
            return [
                entry.event
                for entry in self._events.get((exchange, kind), ())
                if (market is None or entry.event.market == market)
                and (connection is None or connection in entry.connections)
            ]

    def deliveries(self, exchange: str, kind: Kind) -> list[tuple[Event, tuple[int, ...]]]:
        """The kept events in the order they were sent, each with the numbers of its connections."""
        with self.lock:
            return [(entry.event, entry.connections) for entry in self._events.get((exchange, kind), ())]

    def forget(self) -> None:
        """Drops what is kept of events, frames, requests and ends; the counts go on."""
        with self.lock:
            for kept in (self._events, self._frames, self._control, self._requests, self._close_codes):
                kept.clear()

    def sent_count(self, exchange: str, kind: Kind) -> int:
        """How many events were sent since the start, the ones no longer kept included."""
        with self.lock:
            return self._event_counts[exchange, kind]

    def frames(self, exchange: str) -> list[FrameReceived]:
        """The text frames received, oldest first."""
        return self._copy(self._frames.get(exchange, ()))

    def control_frames(self, exchange: str) -> list[str]:
        """The text frames sent that were no events: greetings, acknowledgements, heartbeats, …"""
        return self._copy(self._control.get(exchange, ()))

    def frames_sent(self, exchange: str) -> FramesSent:
        """The counts of an exchange's text and binary frames, events and others."""
        with self.lock:
            return FramesSent(self._frames_sent[exchange], self._bytes_sent[exchange])

    def requests(self, exchange: str) -> list[RequestReceived]:
        """The REST requests answered, oldest first."""
        return self._copy(self._requests.get(exchange, ()))

    def connections(self, exchange: str) -> Connections:
        """The counts of an exchange's connections."""
        with self.lock:
            return Connections(self._made[exchange], self._open[exchange])

    def close_codes(self, exchange: str) -> list[int | None]:
        """The close codes with which WebSockets ended, oldest first; 1006 or None where no close frame came."""
        return self._copy(self._close_codes.get(exchange, ()))

    def refused_upgrades(self, exchange: str) -> int:
        """How many WebSocket upgrades were answered with an HTTP error."""
        with self.lock:
            return self._refused[exchange]

    def wait_until(self, predicate: Callable[[], bool], timeout: float) -> bool:
        """Waits until `predicate()`, asked after each change, is true; False after `timeout` s."""
        with self._changed:
            return self._changed.wait_for(predicate, timeout)

    def _copy(self, kept: Iterable[T]) -> list[T]:
        with self.lock:
            return list(kept)

    def _kept(self, table: dict[K, deque[T]], key: K) -> deque[T]:
        kept = table.get(key)
        if kept is None:
            kept = table[key] = deque(maxlen=self._limit)
        return kept

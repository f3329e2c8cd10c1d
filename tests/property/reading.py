"""Takes items out of a stream in every way there is, and says what exactly an item is: bit for bit,
not as `==` has it, for which NaN differs from itself and 0.0 equals -0.0.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hypothesis import strategies as st

from barter_cffi.errors import DataError, RecvTimeoutError
from barter_cffi.event import (
    BookSnapshotEvent,
    BookUpdateEvent,
    LiquidationEvent,
    MarketEvent,
    OrderBookL1Event,
    TradeEvent,
)
from barter_cffi.level import Level, Levels
from barter_cffi.notice import Notice, Reconnecting
from barter_cffi.stream import MarketStream

from .strategies import Broken, Failure, Item

Received: TypeAlias = MarketEvent | Notice | DataError
Identity: TypeAlias = tuple[object, ...]
Stream: TypeAlias = MarketStream[Any]
LastWay: TypeAlias = Literal["recv", "for", "recv_batch"]

PATIENCE_S = 5.0
"""How long a wait may take whose end is already there."""


@dataclass(frozen=True)
class Read:
    """One go at a stream: `way` is how, `most` how many items at the most, `timeout` in seconds."""

    way: Literal["recv", "try_recv", "for", "recv_batch"]
    most: int
    timeout: float


reads = st.builds(
    Read,
    way=st.sampled_from(["recv", "try_recv", "for", "recv_batch"]),
    most=st.integers(1, 40) | st.just(8_192),
    timeout=st.sampled_from([0.0, 0.0, 1e-4]),
)


def read(stream: Stream, how: Read, unread: Callable[[], int]) -> Iterator[Received]:
    """The items of one go; ends early when nothing is there. `unread` tells how many are known to
    wait: `for` would wait for ever where that is 0. The caller has dealt with an item when it asks
    for the next.
    """
    if how.way == "recv_batch":
        try:
            batch = stream.recv_batch(how.most, how.timeout)
        except RecvTimeoutError:
            return
        assert batch is None or 1 <= len(batch) <= how.most
        yield from batch or ()
        return
    for _ in range(how.most):
        if how.way == "for" and unread() <= 0:
            return
        try:
            item = _one(stream, how)
        except DataError as error:
            assert stream.errors == "raise"
            item = error
        except RecvTimeoutError:
            return
        if item is None:
            return
        yield item


def _one(stream: Stream, how: Read) -> Received | None:
    item: Received | None
    if how.way == "recv":
        item = stream.recv(how.timeout)
    elif how.way == "try_recv":
        item = stream.try_recv()
    else:
        with not_for_ever(stream):
            item = next(stream)
    assert stream.errors == "yield" or not isinstance(item, DataError)
    return item


def read_to_the_end(stream: Stream, way: LastWay) -> Iterator[Received]:
    """Everything that is left of a stream whose producers are gone, and that nothing follows."""
    with not_for_ever(stream):
        yield from _rest(stream, way)


def _rest(stream: Stream, way: LastWay) -> Iterator[Received]:
    if way == "recv_batch":
        while (batch := stream.recv_batch()) is not None:
            yield from batch
    while way == "recv":
        try:
            item = stream.recv()
        except DataError as error:
            item = error
        if item is None:
            break
        yield item
    while way == "for":
        try:
            yield from stream
            break
        except DataError as error:
            yield error
    assert stream.recv() is None
    assert stream.recv(timeout=0) is None
    assert stream.try_recv() is None
    assert stream.recv_batch() is None
    assert list(stream) == []
    assert stream.closed


@contextmanager
def not_for_ever(stream: Stream) -> Iterator[None]:
    """Closes the stream after a while, which ends a wait for what should have been there."""
    watch = threading.Timer(PATIENCE_S, stream.close)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def identities(received: Received) -> list[Identity]:
    """What was injected for this item to come out: one thing, or as many markers as were merged."""
    if isinstance(received, DataError):
        assert received.variant == "socket"
        return [("error", received.exchange, received.sub_kind, str(received))]
    if isinstance(received, Reconnecting):
        return [("broken", received.exchange, received.sub_kind)] * received.merged
    assert isinstance(received, MarketEvent), received
    return [event_identity(received)]


def identity(item: Item) -> Identity:
    """What an injected item is."""
    if isinstance(item, Failure):
        return ("error", *item.source, f"SocketError: {item.message}")
    if isinstance(item, Broken):
        return ("broken", *item.source)
    return event_identity(item)


def event_identity(event: MarketEvent) -> Identity:
    """Every field of a market event, floats as their bits, exact numbers as their bytes."""
    common = (type(event), event.instrument, event.time_exchange_ns, event.time_received_ns)
    if isinstance(event, TradeEvent):
        return (*common, _bits(event.price), _bits(event.amount), event.side, event.id)
    if isinstance(event, OrderBookL1Event):
        best = (_level_bits(event.best_bid), _level_bits(event.best_ask))
        return (*common, event.last_update_time_ns, *best)
    if isinstance(event, LiquidationEvent):
        floats = (_bits(event.price), _bits(event.quantity))
        return (*common, *floats, event.side, event.time_ns)
    assert isinstance(event, (BookSnapshotEvent, BookUpdateEvent)), event
    recovered = isinstance(event, BookSnapshotEvent) and event.recovered
    book = (event.sequence, event.time_engine_ns, recovered)
    return (*common, *book, _side_bits(event.bids), _side_bits(event.asks))


def _bits(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def _level_bits(level: Level | None) -> Identity:
    return (_bits(level.price, level.amount), level.exact) if level else ()


def _side_bits(side: Levels) -> Identity:
    return (_bits(*side.prices), _bits(*side.amounts), side.exact)

"""The law of every queue policy: what was received and what was reported lost is what was sent, in order, whatever the
capacity, the producers and the readers; and thousands of wake-ups lose none.
"""

from __future__ import annotations

import resource
import threading
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barter_cffi.errors import DataError, StreamClosedError
from barter_cffi.event import MarketEvent, OrderBookL1Event, Side, TradeEvent
from barter_cffi.instrument import ExchangeId, Instrument
from barter_cffi.level import Level
from barter_cffi.notice import Dropped
from barter_cffi.options import QueueOptions, QueuePolicy, StreamOptions
from barter_cffi.subscription import SubKind
from barter_cffi.testing import Injector, in_memory

from .sets import EXCHANGES

POLICIES: tuple[QueuePolicy, ...] = ("drop_oldest", "drop_newest", "block", "conflate", "close")
BOUND_S = 20.0
#: Of an item of these tests, which have no text: `block` may pass its bound by one.
_ITEM_BYTES = 128


def _event(kind: SubKind, instrument: Instrument, number: int) -> MarketEvent:
    if kind == SubKind.ORDER_BOOKS_L1:
        return OrderBookL1Event(number, Level.of(number, 1), None, instrument, number, number)
    return TradeEvent(float(number), 1.0, Side.BUY, f"{number}", instrument, number, number)


def _produce(injector: Injector, kind: SubKind, instrument: Instrument, count: int, chunk: int) -> int:
    """Sends numbered events; how many were taken, which are all unless the stream has closed itself."""
    for first in range(0, count, chunk):
        try:
            numbers = range(first, min(first + chunk, count))
            injector.push_many(_event(kind, instrument, number) for number in numbers)
        except StreamClosedError:
            return first
    return count


def _consume(stream: Any, way: str, slow: float) -> list[Any]:
    items: list[Any] = []
    if way == "for":
        for item in stream:
            items.append(item)
            time.sleep(slow)
        return items
    while (batch := stream.recv_batch(7)) is not None:
        items += batch
        time.sleep(slow)
    return items


@pytest.mark.parametrize("policy", POLICIES)
@given(
    capacity=st.integers(1, 50) | st.just(65_536),
    max_bytes=st.integers(4_096, 16_384) | st.just(64 << 20),
    producers=st.integers(1, 3),
    ways=st.lists(st.sampled_from(["for", "recv_batch"]), min_size=1, max_size=3),
    count=st.integers(1, 200),
    chunk=st.sampled_from([1, 1, 3, 64]),
    slow=st.sampled_from([0.0, 0.0, 0.0002]),
)
@settings(max_examples=25)
def test_received_and_reported_is_sent_and_order_is_kept(
    policy: QueuePolicy,
    capacity: int,
    max_bytes: int,
    producers: int,
    ways: list[str],
    count: int,
    chunk: int,
    slow: float,
) -> None:
    kind = SubKind.ORDER_BOOKS_L1 if policy == "conflate" else SubKind.PUBLIC_TRADES
    chunk = 1 if policy == "close" else chunk  # of a push that fails in its middle nobody knows how much was taken
    exchanges: list[ExchangeId] = list(EXCHANGES[:producers])
    queue = QueueOptions(capacity=capacity, max_bytes=max_bytes, policy=policy)
    streams, injector = in_memory([(exchange, kind) for exchange in exchanges], StreamOptions(queue={kind: queue}))
    known = {exchange: injector.instrument(exchange, "btc", "usdt", "spot") for exchange in exchanges}
    stream = streams.select_all("yield")
    assert stream is not None
    sent: Counter[str] = Counter()
    read: list[list[Any]] = [[] for _ in ways]

    def producer(exchange: ExchangeId) -> None:
        sent[exchange] = _produce(injector, kind, known[exchange], count, chunk)

    def reader(place: int, way: str) -> None:
        read[place] = _consume(stream, way, slow)

    writing = [threading.Thread(target=producer, args=(exchange,), daemon=True) for exchange in exchanges]
    reading = [threading.Thread(target=reader, args=row, daemon=True) for row in enumerate(ways)]
    for thread in [*writing, *reading]:
        thread.start()
    for thread in writing:
        thread.join(BOUND_S)
        assert not thread.is_alive()
    for exchange in exchanges:
        injector.close(exchange, kind)
    for thread in reading:
        thread.join(BOUND_S)
        assert not thread.is_alive(), "a wake-up was lost"

    metrics, past = stream.metrics(), _ITEM_BYTES if policy == "block" else 0
    assert metrics.high_water_events <= producers * capacity
    assert metrics.high_water_bytes <= producers * (max_bytes + past)
    received: Counter[str] = Counter()
    for items in read:
        last: Counter[str] = Counter(dict.fromkeys(exchanges, -1))
        for item in items:
            if isinstance(item, Dropped):
                assert item.exchange is not None
                received[item.exchange] += item.count
            elif isinstance(item, MarketEvent):
                assert item.time_exchange_ns > last[item.exchange], "out of order, or twice"
                last[item.exchange] = item.time_exchange_ns
                received[item.exchange] += 1
            else:
                assert isinstance(item, DataError) and policy == "close" and item.variant == "queue_full"
    if policy == "close":
        assert all(received[exchange] >= sent[exchange] for exchange in exchanges)
    else:
        assert received == Counter(dict.fromkeys(exchanges, count))


def test_thousands_of_wake_ups_lose_none() -> None:
    streams, injector = in_memory([("kraken", "trades")])
    instrument = injector.instrument("kraken", "btc", "usdt", "spot")
    stream = streams.select_trades("kraken")
    assert stream is not None
    rounds, read = 4_000, threading.Semaphore(0)

    def reader() -> None:
        for _ in stream:
            read.release()

    readers = [threading.Thread(target=reader, daemon=True) for _ in range(2)]
    for thread in readers:
        thread.start()
    for number in range(rounds):
        injector.push(_event(SubKind.PUBLIC_TRADES, instrument, number))
        assert read.acquire(timeout=BOUND_S), f"wake-up {number} was lost"
    injector.close("kraken", "trades")
    for thread in readers:
        thread.join(BOUND_S)
        assert not thread.is_alive()


def test_a_hundred_idle_streams_with_waiting_readers_take_less_than_a_hundredth_of_a_core() -> None:
    sets = [in_memory([("kraken", "trades")]) for _ in range(100)]
    readers: list[tuple[Any, threading.Thread]] = []
    for streams, _ in sets:
        stream = streams.select_trades("kraken")
        assert stream is not None
        readers.append((stream, threading.Thread(target=stream.recv, daemon=True)))
    for stream, reader in readers:
        reader.start()
        while stream._turn is None:
            time.sleep(0.001)

    def used() -> float:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        return spent.ru_utime + spent.ru_stime

    span_s = 3.0
    before = used()
    time.sleep(span_s)
    spent = used() - before
    for _, injector in sets:
        injector.close("kraken", "trades")
    for _, reader in readers:
        reader.join(BOUND_S)
        assert not reader.is_alive()
    assert spent < 0.01 * span_s, f"{100 * spent / span_s:.2f} % of a core"

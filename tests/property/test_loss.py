"""What does not come out was counted: with small queues each item is received once or told of by a
`Dropped` that stands where it is missing, notices are never lost, and an order book rebuilt from
the stream is the true one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barter_cffi.event import (
    BookSnapshotEvent,
    BookUpdateEvent,
    LiquidationEvent,
    MarketEvent,
    OrderBookL1Event,
    Side,
    TradeEvent,
)
from barter_cffi.instrument import Instrument
from barter_cffi.level import Level, Levels
from barter_cffi.options import QueuePolicy
from barter_cffi.subscription import SubKind

from .ledger import Ledger
from .reading import LastWay, Read, read, read_to_the_end, reads
from .sets import EXCHANGES, INSTRUMENTS, inject, select, set_of
from .strategies import Broken, Failure, Item, Source, book_side, decimal_of

PRICES = 12
"""Different prices of a side in a book: few, so that updates meet."""


@dataclass(frozen=True)
class Burst:
    """Items to inject in one go: `count` of a source, each of up to `size` levels a side or ten
    times as many characters, about the first `instruments` of its exchange.
    """

    source: int
    what: Literal["event", "error", "broken"]
    instruments: int
    size: int
    count: int
    seed: int


bursts = st.builds(
    Burst,
    source=st.integers(0, 7),
    what=st.sampled_from(["event", "event", "event", "event", "error", "broken"]),
    instruments=st.integers(1, 3),
    size=st.integers(0, 30),
    count=st.integers(1, 40),
    seed=st.integers(0, (1 << 32) - 1),
)
steps_of_a_run = st.lists(bursts | reads, max_size=30)
capacities = st.integers(1, 100) | st.sampled_from([1, 7, 8, 9, 16])
bounds_in_bytes = st.integers(4_096, 40_000) | st.just(1 << 26)
last_ways = st.sampled_from(["recv", "for", "recv_batch"])
policies = st.sampled_from(["drop_oldest", "drop_oldest", "drop_newest", "block"])
"""Those that keep everything in its place and do not end."""


class Producer:
    """Makes the items of bursts. Events are numbered by `time_received_ns`, books by `sequence`."""

    def __init__(self, sources: list[Source]) -> None:
        self._sources = sources
        self._number = 0

    def items(self, burst: Burst) -> list[Item]:
        source = self._sources[burst.source % len(self._sources)]
        chance = random.Random(burst.seed)
        return [self._item(source, burst, chance) for _ in range(burst.count)]

    def _item(self, source: Source, burst: Burst, chance: random.Random) -> Item:
        self._number += 1
        if burst.what == "broken":
            return Broken(source)
        if burst.what == "error":
            return Failure(source, f"{self._number} " + "×" * 10 * chance.randint(0, burst.size))
        known = [one for one in INSTRUMENTS if one.exchange == source[0]]
        instrument = known[chance.randrange(burst.instruments)]
        return self._event(source[1], instrument, chance, chance.randint(0, burst.size))

    def _event(
        self,
        kind: SubKind,
        instrument: Instrument,
        chance: random.Random,
        size: int,
    ) -> MarketEvent:
        number = self._number
        times = (1_700_000_000_000_000_000 + 1_000 * number, number)
        if kind == SubKind.PUBLIC_TRADES:
            return TradeEvent(number, 1.0, Side.BUY, "é" * 5 * size, instrument, *times)
        if kind == SubKind.ORDER_BOOKS_L1:
            return OrderBookL1Event(number, Level.of(number, 1), None, instrument, *times)
        if kind == SubKind.LIQUIDATIONS:
            return LiquidationEvent(number, 1.0, Side.SELL, number, instrument, *times)
        sides = (_side(chance, size, -1), _side(chance, size, 1))
        engine_ns = chance.choice([None, number])
        if chance.random() < 0.1:
            return BookSnapshotEvent(number, engine_ns, *sides, instrument, *times)
        return BookUpdateEvent(number, engine_ns, *sides, instrument, *times)


def _side(chance: random.Random, size: int, best_first: int) -> Levels:
    """Levels of few different prices, with any number of trailing zeros, and amounts that are zero
    in several ways.
    """
    rows: list[tuple[Decimal, Decimal]] = []
    for price in chance.sample(range(1, PRICES + 1), min(size, PRICES)):
        zeros, scale = chance.randrange(4), chance.randrange(5)
        amount = decimal_of(chance.random() < 0.1, chance.choice([0, 1, 10, 250]), scale)
        rows.append((decimal_of(False, price * 10**zeros, zeros), amount))
    return book_side(rows, best_first)


@pytest.mark.parametrize("kind", SubKind)
@given(steps=steps_of_a_run, capacity=capacities, max_bytes=bounds_in_bytes, policy=policies, last=last_ways)
@settings(max_examples=150)
def test_each_item_of_a_source_is_received_or_told_of_where_it_is_missing(
    kind: SubKind,
    steps: list[Burst | Read],
    capacity: int,
    max_bytes: int,
    policy: QueuePolicy,
    last: LastWay,
) -> None:
    source: Source = ("kraken", kind)
    streams, injector = set_of([source], capacity, max_bytes, policy)
    stream, producer, ledger = select(streams, source, "yield"), Producer([source]), Ledger()
    for step in steps:
        if isinstance(step, Read):
            for item in read(stream, step, lambda: ledger.unread):
                ledger.receive(item)
        else:
            items = producer.items(step)
            for sent in items:
                ledger.send(sent)
            inject(injector, items)
    injector.close(*source)
    for item in read_to_the_end(stream, last):
        ledger.receive(item)
    ledger.settle()


@given(
    before=st.lists(bursts, max_size=6),
    steps=steps_of_a_run,
    sources=st.lists(
        st.tuples(st.sampled_from(EXCHANGES), st.sampled_from(SubKind)),
        min_size=2,
        max_size=6,
        unique=True,
    ),
    capacity=capacities,
    max_bytes=bounds_in_bytes,
    policy=policies,
    last=last_ways,
)
@settings(max_examples=200)
def test_each_item_of_every_source_of_a_merged_stream_is_received_or_told_of_where_it_is_missing(
    before: list[Burst],
    steps: list[Burst | Read],
    sources: list[Source],
    capacity: int,
    max_bytes: int,
    policy: QueuePolicy,
    last: LastWay,
) -> None:
    streams, injector = set_of(sources, capacity, max_bytes, policy)
    producer, ledger = Producer(sources), Ledger()

    def push(burst: Burst) -> None:
        items = producer.items(burst)
        for sent in items:
            ledger.send(sent)
        inject(injector, items)

    for burst in before:
        push(burst)
    stream = streams.select_all("yield")
    assert stream is not None
    for step in steps:
        if isinstance(step, Burst):
            push(step)
            continue
        for item in read(stream, step, lambda: ledger.unread):
            ledger.receive(item)
    for source in sources:
        injector.close(*source)
    for item in read_to_the_end(stream, last):
        ledger.receive(item)
    ledger.settle()

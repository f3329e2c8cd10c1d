"""What goes in comes out: the same items, bit for bit, in the same order, however they are read, as
long as nothing has to be dropped.
"""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barter_cffi.subscription import SubKind

from .reading import (
    Identity,
    LastWay,
    Read,
    Received,
    Stream,
    identities,
    identity,
    read,
    read_to_the_end,
    reads,
)
from .sets import EXCHANGES, INSTRUMENTS, inject, select, set_of
from .strategies import Item, Source, items_of, source_of

LARGE = 1 << 30
"""Bytes that no example reaches."""

errors_modes = st.sampled_from(["raise", "yield"])
last_ways = st.sampled_from(["recv", "for", "recv_batch"])


class Reader:
    """Keeps what came out of a stream, and how much of what went in did not yet."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.received: list[Identity] = []
        self.sent = 0

    def read(self, how: Read) -> None:
        for item in read(self.stream, how, lambda: self.sent - len(self.received)):
            self.keep(item)

    def keep(self, item: Received) -> None:
        self.received += identities(item)


@pytest.mark.parametrize("kind", SubKind)
@given(data=st.data(), errors=errors_modes, capacity=st.integers(400, 70_000), last=last_ways)
@settings(max_examples=60)
def test_a_source_gives_what_was_injected_bit_for_bit_and_in_order(
    kind: SubKind,
    data: st.DataObject,
    errors: Literal["raise", "yield"],
    capacity: int,
    last: LastWay,
) -> None:
    source: Source = ("binance_spot", kind)
    items = items_of(source, INSTRUMENTS)
    steps = data.draw(st.lists(st.tuples(st.lists(items, max_size=6), reads), max_size=5))

    streams, injector = set_of([source], capacity, LARGE)
    reader = Reader(select(streams, source, errors))
    sent: list[Identity] = []
    for pushed, how in steps:
        inject(injector, pushed)
        sent += map(identity, pushed)
        reader.sent = len(sent)
        reader.read(how)
        assert reader.received == sent[: len(reader.received)]
    injector.close(*source)
    for item in read_to_the_end(reader.stream, last):
        reader.keep(item)
    assert reader.received == sent


sources_of_a_set = st.lists(
    st.tuples(st.sampled_from(EXCHANGES), st.sampled_from(SubKind)),
    min_size=2,
    max_size=5,
    unique=True,
)


@given(
    data=st.data(),
    sources=sources_of_a_set,
    of_one_kind=st.booleans(),
    errors=errors_modes,
    last=last_ways,
)
@settings(max_examples=60)
def test_a_merged_stream_keeps_each_sources_order_and_the_arrival_of_what_comes_after_the_merge(
    data: st.DataObject,
    sources: list[Source],
    of_one_kind: bool,
    errors: Literal["raise", "yield"],
    last: LastWay,
) -> None:
    kind = sources[0][1]
    streams, injector = set_of(sources, None, LARGE)
    merged_sources = [one for one in sources if one[1] == kind] if of_one_kind else sources
    items = st.sampled_from(merged_sources).flatmap(lambda one: items_of(one, INSTRUMENTS))
    before = data.draw(st.lists(items, max_size=10))
    steps = data.draw(st.lists(st.tuples(st.lists(items, max_size=6), reads), max_size=4))

    inject(injector, before)
    select_all = {
        SubKind.PUBLIC_TRADES: streams.select_all_trades,
        SubKind.ORDER_BOOKS_L1: streams.select_all_l1s,
        SubKind.ORDER_BOOKS_L2: streams.select_all_l2s,
        SubKind.LIQUIDATIONS: streams.select_all_liquidations,
    }
    merged = select_all[kind](errors) if of_one_kind else streams.select_all(errors)
    assert merged is not None
    assert set(streams.available) == set(sources) - set(merged_sources)
    reader = Reader(merged)
    reader.sent = len(before)
    after: list[Item] = []
    for pushed, how in steps:
        inject(injector, pushed)
        after += pushed
        reader.sent = len(before) + len(after)
        reader.read(how)
    for source in sources:
        injector.close(*source)
    for item in read_to_the_end(merged, last):
        reader.keep(item)

    waited, arrived = reader.received[: len(before)], reader.received[len(before) :]
    assert arrived == list(map(identity, after))
    assert len(waited) == len(before)
    for source in merged_sources:
        of_source = [identity(item) for item in before if source_of(item) == source]
        assert [one for one in waited if one in of_source] == of_source

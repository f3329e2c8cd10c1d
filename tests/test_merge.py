"""Merged streams: everything of all of them comes out once, in each one's order, fairly, by every way to read."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from conftest import MakesStreams
from harness import BOUND_S, EXCHANGE, InThread, btc, eventually, one_of_each, trade, trades

from barter_cffi import (
    DataError,
    DynamicStreams,
    MarketStream,
    MergedStream,
    RecvTimeoutError,
    StreamClosedError,
    TradeEvent,
    merge,
)
from barter_cffi._ffi import TIMEOUT
from barter_cffi.instrument import Instruments
from barter_cffi.record import Records
from barter_cffi.testing import Injector, in_memory

BACKENDS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


_sets: list[DynamicStreams] = []


@pytest.fixture(autouse=True)
def _close_the_sets() -> Iterator[None]:
    yield
    while _sets:
        _sets.pop().close()


def several(count: int, errors: Any = "raise") -> tuple[list[MarketStream[TradeEvent]], list[Injector]]:
    """Streams of trades, each of a set of its own, and what feeds them."""
    streams, injectors = [], []
    for _ in range(count):
        made, injector = in_memory([(EXCHANGE, "trades")])
        stream = made.select_trades(EXCHANGE, errors)
        assert stream is not None
        _sets.append(made)
        streams.append(stream)
        injectors.append(injector)
    return streams, injectors


def by_recv(merged: MergedStream[Any]) -> list[Any]:
    items = []
    while (item := merged.recv(BOUND_S)) is not None:
        items.append(item)
    return items


def by_try_recv(merged: MergedStream[Any]) -> list[Any]:
    items = []
    while not merged.closed:
        item = merged.try_recv()
        if item is not None:
            items.append(item)
    return items


def by_batches(merged: MergedStream[Any]) -> list[Any]:
    return [item for batch in merged.batches(7, BOUND_S) for item in batch]


def in_a_loop(backend: str, batches: bool = False) -> Callable[[MergedStream[Any]], list[Any]]:
    async def read(merged: MergedStream[Any]) -> list[Any]:
        if batches:
            return [item async for batch in merged.batches(7, BOUND_S) for item in batch]
        return [item async for item in merged]

    return lambda merged: anyio.run(read, merged, **BACKENDS[backend])  # type: ignore[no-any-return]


WAYS: dict[str, Callable[[MergedStream[Any]], list[Any]]] = {
    "for": lambda merged: list(merged),
    "recv": by_recv,
    "try_recv": by_try_recv,
    "batches": by_batches,
    **{backend: in_a_loop(backend) for backend in BACKENDS},
    "async batches": in_a_loop("asyncio", batches=True),
}


@pytest.mark.parametrize("way", WAYS)
def test_everything_comes_out_once_and_in_the_order_of_its_stream(way: str) -> None:
    streams, injectors = several(3)
    sent = [trades(btc(injector), 2_000, 10_000 * place) for place, injector in enumerate(injectors)]

    def feed(place: int) -> None:
        for first in range(0, 2_000, 50):
            injectors[place].push_many(sent[place][first : first + 50])
        injectors[place].close(EXCHANGE, "trades")

    feeders = [InThread(lambda place=place: feed(place)) for place in range(3)]  # type: ignore[misc]
    merged = merge(*streams)
    items = WAYS[way](merged)
    for feeder in feeders:
        feeder.result()
    numbers = [item.time_exchange_ns - 1_000_000_000 for item in items]
    for place in range(3):
        assert [number for number in numbers if number // 10_000 == place] == list(
            range(10_000 * place, 10_000 * place + 2_000)
        )
    assert len(items) == 6_000
    assert merged.closed
    assert merged.recv() is None


def test_what_a_stream_had_decoded_before_comes_too() -> None:
    [one, two], injectors = several(2)
    sent = trades(btc(injectors[0]), 5)
    injectors[0].push_many(sent)
    assert one.recv(BOUND_S) == sent[0]
    merged = merge(one, two)
    assert [merged.recv(BOUND_S) for _ in range(4)] == sent[1:]
    assert merged.try_recv() is None


def test_it_is_fair_to_a_stream_with_little_beside_one_with_much() -> None:
    streams, injectors = several(3)
    injectors[0].push_many(trades(btc(injectors[0]), 10_000))
    merged = merge(*streams)
    assert merged.recv(BOUND_S) is not None
    injectors[1].push(trade(btc(injectors[1]), 100_000))
    injectors[2].push(trade(btc(injectors[2]), 200_000))
    seen = Counter(item.time_exchange_ns // 100_000 for item in itertools.islice(merged, 1_100))  # type: ignore[union-attr]
    assert sum(seen.values()) == 1_100
    assert len(seen) == 3, "within one chunk of the busy one"


def test_errors_and_notices_pass_through_as_each_stream_says() -> None:
    [raising], [first] = several(1)
    [yielding], [second] = several(1, "yield")
    merged = merge(raising, yielding)
    first.error(EXCHANGE, "trades", "one")
    with pytest.raises(DataError, match="one"):
        merged.recv(BOUND_S)
    second.error(EXCHANGE, "trades", "two")
    assert isinstance(merged.recv(BOUND_S), DataError)
    first.error(EXCHANGE, "trades", "three")
    batch = merged.recv_batch(timeout=BOUND_S)
    assert batch is not None
    assert str(batch[0]) == "SocketError: three"
    first.reconnecting(EXCHANGE, "trades")
    assert merged.recv(BOUND_S) is not None


def test_streams_of_several_kinds_are_merged(memory: MakesStreams) -> None:
    streams, injector = memory()
    sent = one_of_each(btc(injector))
    selected = [streams.select_trades(EXCHANGE), streams.select_l1s(EXCHANGE), streams.select_l2s(EXCHANGE)]
    merged: MergedStream[Any] = merge(*[stream for stream in selected if stream is not None])
    injector.push_many(sent)
    got = [merged.recv(BOUND_S) for _ in range(4)]
    assert sorted(map(repr, got)) == sorted(map(repr, sent[:4]))


@pytest.mark.parametrize("timeout", [0, 0.03])
def test_a_timeout_raises_and_the_next_call_goes_on(timeout: float) -> None:
    streams, injectors = several(2)
    merged = merge(*streams)
    for call in (merged.recv, merged.recv_batch):
        began = time.monotonic()
        with pytest.raises(RecvTimeoutError):
            call(timeout=timeout)  # type: ignore[operator]
        assert timeout <= time.monotonic() - began < timeout + 1
    assert merged.try_recv() is None
    assert merged.try_recv_batch() is None
    sent = trade(btc(injectors[1]))
    injectors[1].push(sent)
    assert merged.recv(BOUND_S) == sent


def test_closing_closes_all_streams_and_ends_every_wait() -> None:
    streams, _injectors = several(2)
    merged = merge(*streams)
    calls = [InThread(merged.recv), InThread(merged.recv_batch)]
    loop = InThread(lambda: list(merged))

    async def wait() -> None:
        with pytest.raises(StreamClosedError):
            await merged.recv_async()

    tasks = [InThread(lambda options=options: anyio.run(wait, **options)) for options in BACKENDS.values()]  # type: ignore[misc]
    eventually(lambda: merged._turn is not None)
    eventually(lambda: merged._awaited is not None and len(merged._awaited._places) == 3)
    with merged as entered:
        assert entered is merged
    for call in calls:
        with pytest.raises(StreamClosedError):
            call.result()
    assert loop.result() == []
    for task in tasks:
        task.result()
    assert merged.closed
    assert all(stream.closed for stream in streams)
    merged.close()


def test_a_stream_that_is_closed_or_ends_leaves_the_others() -> None:
    [one, two, three], injectors = several(3)
    merged = merge(one, two, three)
    one.close()
    injectors[1].close(EXCHANGE, "trades")
    sent = trade(btc(injectors[2]))
    injectors[2].push(sent)
    assert merged.recv(BOUND_S) == sent
    assert not merged.closed
    injectors[2].close(EXCHANGE, "trades")
    assert merged.recv(BOUND_S) is None
    assert merged.closed


def test_items_of_a_stream_that_was_closed_do_not_come_any_more() -> None:
    [one, two], injectors = several(2)
    injectors[0].push_many(trades(btc(injectors[0]), 10))
    merged = merge(one, two)
    assert merged.recv(BOUND_S) is not None
    one.close()
    assert merged.try_recv() is None


def test_nothing_comes_of_a_stream_that_was_closed_while_it_was_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    [one, two], injectors = several(2)
    merged = merge(one, two)
    assert merged.try_recv() is None
    sent = trade(btc(injectors[1]))
    injectors[1].push(sent)
    assert merged.recv(BOUND_S) == sent  # from now on what arrives is decoded where it is received
    decode_all = Records.decode_all

    def closing(records: Records, instruments: Instruments) -> Any:
        items = decode_all(records, instruments)
        assert items
        two.close()
        return items

    monkeypatch.setattr(Records, "decode_all", closing)
    injectors[1].push_many([sent] * 3)
    assert merged.try_recv() is None
    assert two.closed


def test_a_recv_that_finds_all_closed_between_two_waits_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    streams, _injectors = several(2)
    merged = merge(*streams)

    def close_meanwhile(members: object, timeout_ns: int) -> int:
        merged.close()
        return TIMEOUT

    monkeypatch.setattr(type(merged._members), "wait", close_meanwhile)
    with pytest.raises(StreamClosedError):
        merged.recv()


def test_threads_on_the_merged_and_on_its_streams_lose_and_repeat_nothing() -> None:
    streams, injectors = several(3)
    sent = [trades(btc(injector), 3_000, 10_000 * place) for place, injector in enumerate(injectors)]
    merged = merge(*streams)
    readers: list[InThread[list[Any]]] = [InThread(lambda: list(merged)), InThread(lambda: by_recv(merged))]
    readers += [InThread(lambda: WAYS["asyncio"](merged)), InThread(lambda: WAYS["trio"](merged))]
    readers += [InThread(lambda stream=stream: list(stream)) for stream in streams[:2]]  # type: ignore[misc]
    for first in range(0, 3_000, 30):
        for place, injector in enumerate(injectors):
            injector.push_many(sent[place][first : first + 30])
    for injector in injectors:
        injector.close(EXCHANGE, "trades")
    items = [item for reader in readers for item in reader.result()]
    expected = sorted(item.time_exchange_ns for some in sent for item in some)
    assert sorted(item.time_exchange_ns for item in items) == expected


def test_what_another_reader_of_a_stream_leaves_over_wakes_the_merged() -> None:
    [one, two], injectors = several(2)
    merged = merge(one, two)
    sent = trades(btc(injectors[0]), 2)
    waiting = InThread(merged.recv)
    eventually(lambda: merged._turn is not None)
    direct = InThread(one.recv)
    eventually(lambda: one._turn is not None)
    injectors[0].push_many(sent)
    assert sorted([waiting.result(), direct.result()], key=repr) == sent  # type: ignore[comparison-overlap]


def test_waiting_takes_no_processor_time() -> None:
    streams, injectors = several(3)
    merged = merge(*streams)
    waiting = [
        InThread(lambda: list(merged)),
        InThread(lambda: list(streams[0])),
        InThread(lambda: WAYS["trio"](merged)),
    ]
    eventually(lambda: merged._turn is not None)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1
    for injector in injectors:
        injector.close(EXCHANGE, "trades")
    for one in waiting:
        assert one.result() == []


def test_its_descriptors_are_closed_with_it_or_its_last_reference() -> None:
    streams, injectors = several(3)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    merged = merge(*streams)
    with contextlib.suppress(RecvTimeoutError):
        merged.recv(0.001)
    library = 3  # each stream's own
    assert len(os.listdir("/proc/self/fd")) == before + library + 3 + 1 + 2
    del merged
    assert len(os.listdir("/proc/self/fd")) == before + library
    merge(*streams).close()
    assert len(os.listdir("/proc/self/fd")) <= before + library
    assert len(injectors) == 3


def test_what_cannot_be_merged_is_an_error(memory: MakesStreams) -> None:
    [one], _ = several(1)
    with pytest.raises(ValueError, match="at least one"):
        merge()
    with pytest.raises(ValueError, match="each once"):
        merge(one, one)
    with pytest.raises(TypeError, match="MarketStreams"):
        merge(one, None)  # type: ignore[arg-type]
    one.close()
    with pytest.raises(StreamClosedError):
        merge(one)


def test_the_repr_counts_the_streams() -> None:
    streams, _injectors = several(2)
    merged = merge(*streams)
    assert repr(merged) == "<MergedStream of 2 streams, open>"
    merged.close()
    assert repr(merged) == "<MergedStream of 2 streams, closed>"

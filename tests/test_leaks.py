"""What streams take they give back: threads, descriptors and memory are where they were after many
rounds, a reader that never reads costs no more than the bounds of its queue, and a batch costs
memory exactly as long as it is kept. Memory is measured in a process of its own for each test.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import BOUND_S, eventually

from barter_cffi import (
    Level,
    Levels,
    MarketEvent,
    MarketStream,
    OrderBookL1Event,
    QueueOptions,
    Side,
    StreamOptions,
    TradeEvent,
)
from barter_cffi._ffi import ffi, lib
from barter_cffi.event import BookUpdateEvent
from barter_cffi.testing import Injector, in_memory

MIB = 1 << 20
WARM_UP_ROUNDS = 200
ROUNDS = 1_000
ROUNDS_MARGIN = 4 * MIB
"""Physical memory that may come and go with the allocators: 4 KiB a round, when a round's items
alone take more than 100 KiB."""
BOUND_MARGIN = 16 * MIB
"""Physical memory beside a queue's bound: the chunk being filled, what one push copies, and what
the allocators keep."""


def threads() -> int:
    """Threads of this process."""
    return len(os.listdir("/proc/self/task"))


def descriptors() -> int:
    """Descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


def resident_bytes() -> int:
    """Physical memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def live_bytes() -> int:
    """Physical memory of this process without what only the allocator keeps, for later use."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident_bytes()


def metrics(stream: MarketStream[Any]) -> Any:
    """The library's counts of a stream."""
    counts = ffi.new("barter_stream_metrics *")
    counts.struct_size = ffi.sizeof("barter_stream_metrics")
    assert lib.barter_stream_metrics_get(stream._handle, counts) == lib.BARTER_OK
    return counts


def trades(injector: Injector, count: int, id_characters: int) -> list[TradeEvent]:
    """Trades with ids so long that they are kept outside of their records."""
    instrument = injector.instrument("binance_spot", "btc", "usdt", "spot")
    return [
        TradeEvent(1.0, 2.0, Side.BUY, f"{number:0{id_characters}}", instrument, number, number)
        for number in range(count)
    ]


def bounded(max_bytes: int) -> tuple[MarketStream[Any], Injector]:
    """A stream of trades with this bound of its queue."""
    options = StreamOptions(queue=QueueOptions(capacity=1 << 30, max_bytes=max_bytes))
    streams, injector = in_memory([("binance_spot", "trades")], options)
    injector.instrument("binance_spot", "btc", "usdt", "spot")
    stream = streams.select_trades("binance_spot")
    assert stream is not None
    return stream, injector


def run_scene(name: str, *arguments: str) -> Any:
    """What a scene of this file prints as JSON, run in a process of its own."""
    command = [sys.executable, __file__, name, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=5 * BOUND_S, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


# Rounds


def select_and_close(number: int) -> None:
    """A set with items waiting in all its streams: some selected, read in part, merged; then closed
    in one of the ways there are.
    """
    sources = [("binance_spot", "trades"), ("kraken", "trades"), ("binance_spot", "l2")]
    streams, injector = in_memory([*sources, ("okx", "l1")])  # type: ignore[list-item]
    ours = trades(injector, 100, 1_000)
    theirs = injector.instrument("kraken", "btc", "usdt", "spot")
    okx = injector.instrument("okx", "btc", "usdt", "spot")
    levels = Levels.of(*((price, 1) for price in range(100, 0, -1)))
    events: list[MarketEvent] = [
        *ours,
        TradeEvent(1.0, 2.0, Side.SELL, "1", theirs, 0, 0),
        BookUpdateEvent(1, None, levels, Levels(), ours[0].instrument, 0, 0),
        OrderBookL1Event(0, Level.of(1, 1), None, okx, 0, 0),
    ]
    injector.push_many(events)
    injector.error("binance_spot", "trades", "boom" * 1_000)
    injector.reconnecting("binance_spot", "l2")
    selected = streams.select_trades("binance_spot", "yield")
    merged = streams.select_all_trades() if number % 2 else streams.select_all()
    assert selected is not None and merged is not None
    fd = ffi.new("int *")
    assert lib.barter_stream_ready_fd(selected._handle, fd) == lib.BARTER_OK
    os.close(fd[0])
    assert selected.recv() == ours[0]
    batch = selected.recv_batch(10)
    assert batch is not None and list(batch) == ours[1:11]
    if number % 3 == 0:
        selected.close()
        merged.close()
    elif number % 3 == 1:
        streams.close()


def scene_rounds() -> None:
    """Threads, descriptors and resident memory before and after the rounds."""
    for number in range(WARM_UP_ROUNDS):
        select_and_close(number)
    before = (threads(), descriptors(), live_bytes())
    for number in range(ROUNDS):
        select_and_close(number)
    # The last round's tasks end on other threads.
    eventually(lambda: threads() <= before[0] and descriptors() <= before[1])
    print(json.dumps([before, (threads(), descriptors(), live_bytes())]))


def test_1000_rounds_leave_threads_descriptors_and_memory_where_they_were() -> None:
    before, after = run_scene("scene_rounds")
    assert after[0] <= before[0]
    assert after[1] <= before[1]
    assert after[2] - before[2] < ROUNDS_MARGIN


# A reader that never reads


def scene_no_reader(bound: str) -> None:
    """How much physical memory grew while eight times the bound was pushed."""
    max_bytes = int(bound)
    stream, injector = bounded(max_bytes)
    run = trades(injector, 1_000, 1_000)
    injector.push_many(run)
    before, pushed = live_bytes(), 0
    while pushed < 8 * max_bytes:
        injector.push_many(run)
        pushed += 1_000 * 1_000
    counts = metrics(stream)
    assert max_bytes // 2 < counts.queued_bytes <= max_bytes
    assert counts.events == counts.queued_events + counts.dropped
    print(resident_bytes() - before)


@pytest.mark.parametrize("bound", [8 * MIB, 64 * MIB])
def test_a_reader_that_never_reads_leaves_memory_at_the_bound(bound: int) -> None:
    grown = run_scene("scene_no_reader", str(bound))
    assert bound // 4 < grown < bound + BOUND_MARGIN


# Batches


def test_batches_hold_their_memory_as_long_as_they_are_kept_beside_the_queues_bound() -> None:
    stream, injector = bounded(64 * MIB)
    sent = trades(injector, 5_000, 1_000)
    injector.push_many(sent)
    waiting = metrics(stream).queued_bytes
    assert waiting > 5_000 * 1_000 and metrics(stream).bytes_lent == 0
    batches = []
    while metrics(stream).queued_events:
        batches.append(stream.recv_batch(300))
    assert (metrics(stream).queued_bytes, metrics(stream).bytes_lent) == (0, waiting)
    half = len(batches) // 2
    first, rest = batches[:half], batches[half:]
    del batches
    lent = metrics(stream).bytes_lent
    rest.clear()
    gc.collect()
    assert 0 < metrics(stream).bytes_lent < lent
    read = [item for batch in first for item in batch or ()]
    assert read == sent[: len(read)]
    for batch in first:
        assert batch is not None
        batch.close()
    assert metrics(stream).bytes_lent == 0


@pytest.mark.parametrize("end", ["close", "del"])
def test_a_batch_outlives_its_stream_its_set_and_their_producer(end: str) -> None:
    stream, injector = bounded(64 * MIB)
    sent = trades(injector, 2_000, 1_000)
    injector.push_many(sent)
    batches = [stream.recv_batch(300) for _ in range(4)]
    if end == "close":
        stream.close()
    del stream, injector
    gc.collect()
    other, refill = bounded(64 * MIB)
    refill.push_many(trades(refill, 2_000, 1_000))
    read = [item for batch in batches for item in batch or ()]
    assert len(read) >= 4 and read == sent[: len(read)]
    assert other.recv() is not None


def scene_kept_batches() -> None:
    """Memory while many batches are kept and after they are gone, several times over."""
    stream, injector = bounded(64 * MIB)
    run = trades(injector, 1_000, 10_000)

    def keep(count: int) -> list[object]:
        kept: list[object] = []
        for _ in range(count):
            injector.push_many(run)
            while metrics(stream).queued_events:
                kept.append(stream.recv_batch())
        return kept

    keep(4)
    empty, held, freed = live_bytes(), [], []
    for _ in range(5):
        kept = keep(8)
        held.append(live_bytes() - empty)
        kept.clear()
        freed.append(live_bytes() - empty)
    print(json.dumps([held, freed]))


def test_memory_goes_up_with_the_batches_that_are_kept_and_down_with_those_that_are_not() -> None:
    held, freed = run_scene("scene_kept_batches")
    size = 8 * 1_000 * 10_000
    # Half of it either way is for what the allocator cannot give back; a leak would add up.
    assert all(size / 2 < grown < size * 3 / 2 for grown in held)
    assert all(grown < size / 2 for grown in freed)


if __name__ == "__main__":
    scene: Callable[..., None] = globals()[sys.argv[1]]
    scene(*sys.argv[2:])

"""Coroutines that share a stream with other tasks, threads and event loops: each item goes to one of them, nobody waits
for what is there, one task a loop watches, and no thread is taken for a wait.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from queue import SimpleQueue
from typing import Any

import anyio
import pytest
from conftest import MakesStreams
from harness import (
    BOUND_S,
    EXCHANGE,
    LOOPS,
    InThread,
    Run,
    Stream,
    btc,
    eventually,
    opened,
    trade,
    trades,
    waits_for_data,
)

from barter_cffi import (
    merge,
)
from barter_cffi._ffi import lib
from barter_cffi.record import Records
from barter_cffi.testing import in_memory


def test_many_tasks_share_a_stream_and_each_gets_its_own(memory: MakesStreams, run: Run) -> None:
    stream, injector = opened(memory)
    sent = trades(btc(injector), 500)
    got: list[list[Any]] = [[] for _ in range(10)]

    async def read(mine: list[Any]) -> None:
        async for item in stream:
            mine.append(item)
            await anyio.lowlevel.checkpoint()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for mine in got:
                tasks.start_soon(read, mine)
            for first in range(0, len(sent), 5):
                injector.push_many(sent[first : first + 5])
                await anyio.lowlevel.checkpoint()
            injector.close(EXCHANGE, "trades")

    run(main)
    for mine in got:
        numbers = [item.time_exchange_ns for item in mine]
        assert numbers == sorted(numbers)
    assert sorted([item for mine in got for item in mine], key=lambda item: item.time_exchange_ns) == sent


def test_one_task_of_a_loop_waits_for_a_stream_however_many_read_it(
    memory: MakesStreams, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, first_injector), (second, second_injector) = sources = [opened(memory) for _ in range(2)]
    injectors = (first_injector, second_injector)
    readers, loops, started = 20, 2, SimpleQueue[bool]()
    watching: Counter[tuple[int, int]] = Counter()
    most: Counter[tuple[int, int]] = Counter()
    got: SimpleQueue[Any] = SimpleQueue()
    wait_readable = anyio.wait_readable

    async def counted(fd: int) -> None:
        place = threading.get_ident(), fd
        watching[place] += 1
        most[place] = max(most[place], watching[place])
        try:
            await wait_readable(fd)
        finally:
            watching[place] -= 1

    async def read(stream: Stream) -> None:
        started.put(True)
        async for item in stream:
            got.put(item)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for stream in (first, second) * readers:
                tasks.start_soon(read, stream)

    monkeypatch.setattr(anyio, "wait_readable", counted)
    threads = [InThread(lambda: run(main)) for _ in range(loops)]
    eventually(lambda: started.qsize() == loops * len(sources) * readers and watching.total() == loops * len(sources))
    sent = [trades(btc(injector), 200) for injector in injectors]
    for number in range(200):
        for injector, items in zip(injectors, sent, strict=True):
            injector.push(items[number])
        if number % 10 == 0:
            eventually(lambda number=number: got.qsize() == 2 * (number + 1))  # type: ignore[misc]
    for injector in injectors:
        injector.close(EXCHANGE, "trades")
    for thread in threads:
        thread.result()
    assert got.qsize() == 400
    assert list(most.values()) == [1] * (loops * len(sources))


def test_a_cancelled_watcher_passes_its_place_on(memory: MakesStreams, run: Run) -> None:
    stream, injector = opened(memory)
    sent = trades(btc(injector), 2)

    async def main() -> None:
        got: list[Any] = []

        async def read() -> None:
            got.append(await stream.recv_async())

        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as first:
                async with anyio.create_task_group() as watching:
                    watching.start_soon(read)
                    await anyio.wait_all_tasks_blocked()
                    tasks.start_soon(read)
                    tasks.start_soon(read)
                    await anyio.wait_all_tasks_blocked()
                    first.cancel()
            injector.push_many(sent)
        assert got == sent

    run(main)


def test_what_a_thread_leaves_over_wakes_a_task(memory: MakesStreams, run: Run) -> None:
    stream, injector = opened(memory)
    sent = trades(btc(injector), 3)

    async def main() -> None:
        thread = InThread(stream.recv)
        await anyio.to_thread.run_sync(lambda: eventually(lambda: waits_for_data(stream)))
        async with anyio.create_task_group() as tasks:
            got: list[Any] = []

            async def read() -> None:
                got.append(await stream.recv_async())

            tasks.start_soon(read)
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            injector.push_many(sent)
        assert sorted([*got, thread.result()], key=sent.index) == sent

    run(main)


@pytest.mark.parametrize("merged", [False, True], ids=["", "merged"])
def test_what_ctrl_c_leaves_of_a_threads_read_wakes_a_task(
    memory: MakesStreams, run: Run, monkeypatch: pytest.MonkeyPatch, merged: bool
) -> None:
    stream, injector = opened(memory)
    source = merge(stream) if merged else stream
    sent, receive = trade(btc(injector)), Records.receive

    def interrupted_at_its_end(*arguments: Any) -> int:
        status = receive(*arguments)
        if status == lib.BARTER_OK:
            monkeypatch.undo()
            raise KeyboardInterrupt
        return status

    async def main() -> None:
        got: list[Any] = []

        async def read() -> None:
            got.append(await source.recv_async())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            monkeypatch.setattr(Records, "receive", interrupted_at_its_end)
            injector.push(sent)
            with pytest.raises(KeyboardInterrupt):
                stream.recv(BOUND_S)
        assert got == [sent]

    run(main)


def test_two_event_loops_and_a_thread_share_a_stream_without_a_busy_wait(memory: MakesStreams) -> None:
    stream, injector = opened(memory)
    sent = trades(btc(injector), 3_000)
    got: dict[str, list[Any]] = {name: [] for name in (*LOOPS, "thread")}

    def read_in(name: str) -> None:
        async def main() -> None:
            async for item in stream:
                got[name].append(item)

        backend, options = LOOPS[name]
        anyio.run(main, backend=backend, backend_options=options)

    readers = [InThread(lambda name=name: read_in(name)) for name in LOOPS]  # type: ignore[misc]
    readers.append(InThread(lambda: got["thread"].extend(stream)))
    eventually(lambda: waits_for_data(stream))
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1, "those who wait work"
    for first in range(0, len(sent), 30):
        injector.push_many(sent[first : first + 30])
    injector.close(EXCHANGE, "trades")
    for reader in readers:
        reader.result()
    items = [item for mine in got.values() for item in mine]
    assert sorted(items, key=lambda item: item.time_exchange_ns) == sent


def test_thousands_of_wake_ups_one_by_one_miss_none(memory: MakesStreams, run: Run) -> None:
    stream, injector = opened(memory)
    made, wanted = trade(btc(injector)), SimpleQueue[bool]()

    def feed() -> None:
        while wanted.get():
            injector.push(made)

    async def main() -> None:
        for _ in range(3_000):
            wanted.put(True)  # the feeder pushes before, while or after this task begins to wait
            assert await stream.recv_async(BOUND_S) == made

    feeder = InThread(feed)
    run(main)
    wanted.put(False)
    feeder.result()


def test_200_streams_are_read_in_one_loop_without_a_thread_each(run: Run) -> None:
    sets = [in_memory([(EXCHANGE, "trades")]) for _ in range(200)]
    selected = [streams.select_trades(EXCHANGE) for streams, _ in sets]
    events = [trade(btc(injector)) for _, injector in sets]
    threads = len(os.listdir("/proc/self/task"))
    got: list[Any] = []

    async def read(stream: Any) -> None:
        async for item in stream:
            got.append(item)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for stream in selected:
                tasks.start_soon(read, stream)
            await anyio.wait_all_tasks_blocked()
            assert len(os.listdir("/proc/self/task")) <= threads + 2
            for (_, injector), event in zip(sets, events, strict=True):
                injector.push(event)
                injector.close(EXCHANGE, "trades")

    run(main)
    assert len(got) == 200


def test_a_loop_that_never_has_to_wait_lets_others_run(memory: MakesStreams, run: Run) -> None:
    stream, injector = opened(memory)
    injector.push_many(trades(btc(injector), 20_000))
    injector.close(EXCHANGE, "trades")

    async def main() -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while not stream.closed:
                turns += 1
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            async for _ in stream:
                pass
        assert turns >= 10

    run(main)

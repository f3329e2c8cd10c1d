"""Coroutines on asyncio, uvloop and trio: nothing is lost by a cancelled or timed-out await, nobody waits for what is
there, no thread is taken for a wait, and no descriptor is left behind.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, TypeAlias

import anyio
import anyio.from_thread
import pytest
from conftest import MakesStreams
from harness import (
    BOUND_S,
    EXCHANGE,
    LOOPS,
    InThread,
    Loop,
    Run,
    btc,
    eventually,
    one_of_each,
    trade,
    trades,
    waits_for_data,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from barter_cffi import (
    Batch,
    ConnectError,
    DataError,
    InitTimeoutError,
    MarketStream,
    RecvTimeoutError,
    StreamClosedError,
    StreamOptions,
    SubscriptionError,
    TradeEvent,
    aio,
    init_dynamic_streams_async,
    merge,
)
from barter_cffi._ffi import lib
from barter_cffi._wait import deadline_after
from barter_cffi.record import Records
from barter_cffi.testing import Injector, LocalExchange, in_memory

Stream: TypeAlias = MarketStream[Any]


@pytest.fixture(scope="module", autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    eventually(lambda: not [one for one in threading.enumerate() if "portal" in one.name.lower()])


def opened(memory: MakesStreams, errors: Literal["raise", "yield"] = "raise") -> tuple[Stream, Injector]:
    """A stream of trades and what feeds it."""
    streams, injector = memory((EXCHANGE, "trades"))
    stream = streams.select_trades(EXCHANGE, errors)
    assert stream is not None
    return stream, injector


def descriptors() -> int:
    """How many descriptors the process has open."""
    return len(os.listdir("/proc/self/fd"))


# One stream


def test_items_are_awaited_one_by_one_in_batches_and_in_loops(memory: MakesStreams, run: Run) -> None:
    stream, injector = opened(memory)
    sent = trades(btc(injector), 3_000)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, feed)
            got: list[Any] = [await stream.recv_async(), await stream.recv_async(BOUND_S)]
            batch = await stream.recv_batch_async(10)
            assert isinstance(batch, Batch)
            got += batch
            async for item in stream:
                got.append(item)
                if len(got) > 1_000:
                    break
            async for batch in stream.batches(100, BOUND_S):
                got += batch
            assert got == sent
            assert await stream.recv_async() is None
            assert await stream.recv_batch_async() is None
            assert [item async for item in stream] == []
            assert stream.closed

    def feed() -> None:
        for first in range(0, len(sent), 100):
            injector.push_many(sent[first : first + 100])
        injector.close(EXCHANGE, "trades")

    run(main)


@pytest.mark.parametrize("timeout", [0, 0.02])
def test_an_await_that_times_out_raises_and_the_next_goes_on(memory: MakesStreams, run: Run, timeout: float) -> None:
    stream, injector = opened(memory)

    async def main() -> None:
        for call in (stream.recv_async, stream.recv_batch_async):
            began = time.monotonic()
            with pytest.raises(RecvTimeoutError, match=f"within {timeout} s"):
                await call(timeout=timeout)  # type: ignore[operator]
            assert time.monotonic() - began >= timeout
        batches = stream.batches(timeout=timeout)
        with pytest.raises(RecvTimeoutError):
            await batches.__anext__()
        sent = trade(btc(injector))
        injector.push(sent)
        assert list(await batches.__anext__()) == [sent]

    run(main)


@pytest.mark.parametrize("bad", [-1, float("nan"), True, "1"])
def test_timeouts_and_sizes_are_checked(memory: MakesStreams, run: Run, bad: Any) -> None:
    stream, _ = opened(memory)

    async def main() -> None:
        with pytest.raises((ValueError, TypeError), match="timeout"):
            await stream.recv_async(bad)
        with pytest.raises((ValueError, TypeError), match="max_events"):
            await stream.recv_batch_async(bad)
        with pytest.raises((ValueError, TypeError), match="timeout"):
            stream.batches(1, bad)

    run(main)


def test_an_error_is_raised_and_the_loop_goes_on_behind_it(memory: MakesStreams, run: Run) -> None:
    stream, injector = opened(memory)
    sent = trades(btc(injector), 4)
    for item in sent:
        injector.push(item)
        injector.error(EXCHANGE, "trades", "boom")
    injector.close(EXCHANGE, "trades")

    async def main() -> None:
        got: list[Any] = []
        while not stream.closed:
            try:
                async for item in stream:
                    got.append(item)
            except DataError as error:
                got.append(str(error))
        assert got == [one for item in sent for one in (item, "SocketError: boom")]

    run(main)


def test_close_ends_loops_and_raises_in_calls_that_wait(memory: MakesStreams, run: Run) -> None:
    stream, _ = opened(memory)
    ended: list[str] = []

    async def loop() -> None:
        async for _ in stream:
            pass
        async for _ in stream.batches():
            pass
        ended.append("loop")

    async def call(receive: Callable[[], Awaitable[Any]]) -> None:
        with pytest.raises(StreamClosedError):
            await receive()
        ended.append("call")

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(loop)
                tasks.start_soon(call, stream.recv_async)
                tasks.start_soon(call, stream.recv_batch_async)
            await anyio.wait_all_tasks_blocked()
            stream.close()
        assert sorted(ended) == ["call"] * 4 + ["loop"] * 2
        await call(stream.recv_async)
        await loop()

    run(main)


def test_async_with_closes_streams_and_sets(memory: MakesStreams, run: Run) -> None:
    streams, _ = memory((EXCHANGE, "trades"), (EXCHANGE, "l1"))

    async def main() -> None:
        async with streams as entered:
            assert entered is streams
            l1s = streams.select_l1s(EXCHANGE)
            selected = streams.select_trades(EXCHANGE)
            assert selected is not None
            assert l1s is not None
            async with selected as stream:
                assert stream is selected
            assert (selected.closed, l1s.closed) == (True, False)
        assert (streams.closed, l1s.closed) == (True, True)

    run(main)


def test_everything_of_a_set_is_read_in_one_loop(memory: MakesStreams, run: Run) -> None:
    streams, injector = memory()
    everything = streams.select_all()
    assert everything is not None
    sent = one_of_each(btc(injector))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for event in sent:
                tasks.start_soon(anyio.to_thread.run_sync, injector.push, event)
            got = [await everything.recv_async() for _ in sent]
        assert sorted(map(repr, got)) == sorted(map(repr, sent))

    run(main)


# Many tasks, threads and loops


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


def ready_descriptors() -> int:
    """How many descriptors of the kind that streams tell their readiness with are open."""
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:[eventfd]"
    return found


@pytest.mark.parametrize("closes", [True, False])
def test_the_descriptor_is_closed_with_the_stream_or_its_last_reference(
    memory: MakesStreams, run: Run, closes: bool
) -> None:
    async def main() -> None:
        stream, injector = opened(memory)
        before = ready_descriptors()
        for _ in range(3):
            with anyio.move_on_after(0.005):
                await stream.recv_async()
        assert ready_descriptors() == before + 2, "the library's and ours"
        if closes:
            stream.close()
        else:
            del stream
        await anyio.lowlevel.checkpoint()
        gc.collect()  # the tracebacks of the cancelled awaits
        assert ready_descriptors() <= before + 1, "the library has its own as long as there is a producer"
        del injector
        await anyio.to_thread.run_sync(lambda: eventually(lambda: ready_descriptors() == before))

    run(main)


def test_the_descriptor_of_a_stream_that_is_closed_while_a_task_waits_is_closed_when_the_task_has_gone(
    memory: MakesStreams, run: Run
) -> None:
    stream, _injector = opened(memory)

    async def main() -> None:
        before = ready_descriptors()

        async def read() -> None:
            async for _ in stream:
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            assert ready_descriptors() == before + 2
            stream.close()
        assert ready_descriptors() <= before + 1, "the library has its own as long as there is a producer"

    run(main)


def test_event_loops_that_begin_to_wait_together_open_one_descriptor() -> None:
    readable, writable = os.pipe()
    readiness, both, opened = aio.Readiness(), threading.Barrier(2), list[int]()

    def open_fd() -> int:
        opened.append(os.dup(readable))
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # the other one would come here meanwhile
        return opened[-1]

    async def wait() -> int:
        return await readiness.wait(lambda _: int(lib.BARTER_TIMEOUT), open_fd, deadline_after(0.5))

    readers = [InThread(lambda: anyio.run(wait)) for _ in range(2)]
    assert [reader.result() for reader in readers] == [lib.BARTER_TIMEOUT] * 2
    assert len(opened) == 1
    os.close(readable)
    os.close(writable)


def test_a_loop_that_is_held_up_is_woken_once_and_not_for_each_read_of_a_thread(memory: MakesStreams) -> None:
    import asyncio

    stream, injector = opened(memory)
    sent = trades(btc(injector), 200)

    async def main() -> None:
        loop, told = asyncio.get_running_loop(), list[object]()
        soon = loop.call_soon_threadsafe

        def counted(*arguments: Any, **named: Any) -> Any:
            told.append(arguments)
            return soon(*arguments, **named)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign]
        reading = asyncio.ensure_future(stream.recv_async())
        await anyio.wait_all_tasks_blocked()
        for first in range(0, 200, 2):  # nothing else runs in the loop meanwhile
            injector.push_many(sent[first : first + 2])
            assert [stream.recv(BOUND_S), stream.recv(BOUND_S)] == sent[first : first + 2]
        assert len(told) == 1
        await anyio.wait_all_tasks_blocked()
        injector.push(sent[0])
        assert await reading == sent[0], "it waits again"

    asyncio.run(main())


# Cancellations and time-outs lose nothing


class Awaits(RuleBasedStateMachine):
    """Readers of one stream come, are cancelled, time out, and are joined by calls that do not wait."""

    loop: Loop

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        backend, options = self.loop
        start = anyio.from_thread.start_blocking_portal(backend, options)
        self.portal = self.closing.enter_context(start)
        streams, self.injector = in_memory([(EXCHANGE, "trades")])
        self.closing.callback(streams.close)
        stream = streams.select_trades(EXCHANGE)
        assert stream is not None
        self.stream: Stream = stream
        self.template = trade(btc(self.injector))
        self.sent = 0
        self.got: list[int] = []
        self.readers: list[Future[None]] = []

    def keep(self, item: Any) -> None:
        if isinstance(item, TradeEvent):
            self.got.append(int(item.id))
        elif isinstance(item, DataError):
            self.got.append(int(str(item).split()[-1]))
        elif item is not None:
            for one in item:
                self.keep(one)

    async def read(self, way: str, most: int, timeout: float | None) -> None:
        """Takes what one await gives; what it gives is kept before anything else can happen."""
        try:
            if way == "recv":
                self.keep(await self.stream.recv_async(timeout))
            elif way == "batch":
                self.keep(await self.stream.recv_batch_async(most, timeout))
            else:
                async for item in self.stream:
                    self.keep(item)
                    if way == "some":
                        break
        except DataError as error:
            self.keep(error)
        except RecvTimeoutError:
            pass

    def push(self, count: int) -> None:
        numbers = range(self.sent, self.sent + count)
        made = self.template
        self.injector.push_many(
            TradeEvent(1.0, 1.0, made.side, str(number), made.instrument, number, number) for number in numbers
        )
        self.sent += count

    @rule(count=st.integers(1, 40) | st.just(1_500))
    def some_events(self, count: int) -> None:
        self.push(count)

    @rule()
    def an_error(self) -> None:
        self.injector.error(EXCHANGE, "trades", str(self.sent))
        self.sent += 1

    @rule(
        way=st.sampled_from(["recv", "batch", "some", "all"]),
        most=st.integers(1, 50),
        timeout=st.sampled_from([None, None, 0.0, 0.0005, 0.003]),
    )
    def a_reader(self, way: str, most: int, timeout: float | None) -> None:
        self.readers.append(self.portal.start_task_soon(self.read, way, most, timeout))

    @precondition(lambda self: self.readers)
    @rule(which=st.integers(0, 100))
    def a_cancellation(self, which: int) -> None:
        self.readers[which % len(self.readers)].cancel()

    @rule(seconds=st.sampled_from([0.0, 0.001]))
    def the_loop_runs(self, seconds: float) -> None:
        self.portal.call(anyio.sleep, seconds)

    @rule(way=st.sampled_from(["try_recv", "try_recv_batch", "recv"]))
    def a_thread_takes(self, way: str) -> None:
        try:
            self.keep(self.stream.recv(0.001) if way == "recv" else getattr(self.stream, way)())
        except DataError as error:
            self.keep(error)
        except RecvTimeoutError:
            pass

    @invariant()
    def nothing_is_given_twice(self) -> None:
        got = self.got[:]
        assert len(set(got)) == len(got)

    def teardown(self) -> None:
        with self.closing:
            # Whoever still waits gets something, and nobody waits for ever.
            deadline = time.monotonic() + BOUND_S
            waiting = [reader for reader in self.readers if not reader.done()]
            self.push(len(waiting))
            self.injector.close(EXCHANGE, "trades")
            for reader in waiting:
                if not reader.cancelled():
                    reader.result(max(0.0, deadline - time.monotonic()))
            while not self.stream.closed:
                self.portal.call(self.read, "all", 1, None)
            assert sorted(self.got) == list(range(self.sent))


@pytest.mark.parametrize("loop", LOOPS)
def test_cancelled_and_timed_out_awaits_lose_and_repeat_nothing(loop: str) -> None:
    class OnThisLoop(Awaits):
        pass

    OnThisLoop.loop = LOOPS[loop]
    run_state_machine_as_test(OnThisLoop, settings=settings(max_examples=15, stateful_step_count=25, deadline=None))


def test_asyncios_own_wait_for_and_cancel_lose_nothing(memory: MakesStreams) -> None:
    import asyncio

    stream, injector = opened(memory)
    sent = trades(btc(injector), 400)
    got: list[Any] = []

    async def take() -> None:
        got.append(await stream.recv_async())

    async def main() -> None:
        feeding = asyncio.get_running_loop().run_in_executor(None, feed)
        number = 0
        while len(got) < len(sent):
            number += 1
            task = asyncio.ensure_future(take())
            try:
                if number % 2:
                    await asyncio.wait_for(task, 0.0002 * (number % 5))
                else:
                    await asyncio.sleep(0)
                    task.cancel()
                    await task
            except (asyncio.TimeoutError, asyncio.CancelledError):
                pass
        await feeding

    def feed() -> None:
        for item in sent:
            injector.push(item)

    asyncio.run(asyncio.wait_for(main(), BOUND_S))
    assert got == sent


def test_tasks_of_asyncio_that_are_cancelled_in_every_place_pass_it_on(memory: MakesStreams) -> None:
    import asyncio

    stream, injector = opened(memory)
    sent = trades(btc(injector), 600)
    got: list[Any] = []
    chance = random.Random(0)

    async def take() -> None:
        got.append(await stream.recv_async())

    async def main() -> None:
        waiting: list[asyncio.Task[None]] = []
        for number, item in enumerate(sent):
            waiting += [asyncio.create_task(take()) for _ in range(chance.randrange(4))]
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            for task in chance.sample(waiting, min(len(waiting), chance.randrange(3))):
                task.cancel()
            injector.push(item)
            if number % 50 == 0:
                await asyncio.sleep(0.001)
            waiting = [task for task in waiting if not task.done()]
        left = len(sent) - len(got)
        waiting += [asyncio.create_task(take()) for _ in range(left + 10)]
        while len(got) < len(sent):
            await asyncio.sleep(0.001)
        stream.close()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(one) for one in ended} <= {type(None), asyncio.CancelledError, StreamClosedError}

    asyncio.run(asyncio.wait_for(main(), BOUND_S))
    assert got == sent


# Ctrl-C

INTERRUPT_S = 0.1  # it is answered within
INTERRUPT_MARGIN_S = 0.1  # and another process on a busy machine adds
IDLE = "async for _ in stream: pass"
FLOODED = "\n    ".join(
    [
        "threading.Thread(target=flood, daemon=True).start()",
        "async for _ in stream: pass",
    ]
)


@pytest.mark.parametrize("work", [IDLE, FLOODED], ids=["idle", "flooded"])
@pytest.mark.parametrize("runner", ["asyncio.run(main())", *[f"anyio.run(main, backend={b!r}, backend_options={o!r})"
                                                            for b, o in LOOPS.values()]])  # fmt: skip
def test_ctrl_c_ends_a_program_promptly(runner: str, work: str, tmp_path: Path) -> None:
    program = f"""
import anyio, asyncio, signal, sys, threading
from barter_cffi import Side, TradeEvent
from barter_cffi.testing import in_memory
signal.signal(signal.SIGINT, signal.default_int_handler)
streams, injector = in_memory([("kraken", "trades")])
stream = streams.select_trades("kraken")
one = TradeEvent(1.0, 1.0, Side.BUY, "1", injector.instrument("kraken", "btc", "usd"), 1, 1)

def flood():
    while True:
        injector.push_many([one] * 100)

async def main():
    print("running", flush=True)
    {work}

try:
    {runner}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "running\n"
        time.sleep(0.2)  # somewhere in the loop; wherever that is, the answer must come
        running.send_signal(signal.SIGINT)
        sent = time.monotonic()
        assert running.stdout.readline() == "interrupted\n"
        assert time.monotonic() - sent < INTERRUPT_S + INTERRUPT_MARGIN_S
        assert running.wait(BOUND_S) == 0
    finally:
        running.kill()
        running.communicate()


# Opening


@pytest.fixture(scope="module")
def local_exchange() -> Any:
    with LocalExchange(["binance_spot"]) as exchange:
        yield exchange


def test_streams_are_opened_and_read(local_exchange: LocalExchange, run: Run) -> None:
    async def main() -> None:
        options = StreamOptions(endpoints=local_exchange.endpoints)
        async with await init_dynamic_streams_async(["binance_spot:btc/usdt:trades"], options) as streams:
            trades = streams.select_trades("binance_spot")
            assert trades is not None
            assert isinstance(await trades.recv_async(BOUND_S), TradeEvent)

    run(main)


def test_what_cannot_be_opened_raises_as_it_does_without_async(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(SubscriptionError):
            await init_dynamic_streams_async([])
        with pytest.raises(ConnectError):
            unreachable = StreamOptions(endpoints={"kraken": "ws://127.0.0.1:9"})
            await init_dynamic_streams_async(["kraken:btc/usd:trades"], unreachable)
        with pytest.raises(ValueError, match="timeout"):
            await init_dynamic_streams_async(["kraken:btc/usd:trades"], timeout=-1)

    run(main)


def test_opening_lets_others_run_times_out_is_cancelled_and_leaves_nothing_open(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # accepts, and never says a word
        options = StreamOptions(endpoints={"kraken": f"ws://127.0.0.1:{deaf.getsockname()[1]}"})

        async def main() -> None:
            before = descriptors()
            turns = 0

            async def other() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await anyio.sleep(0.001)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(other)
                with pytest.raises(InitTimeoutError, match=r"within 0\.05 s"):
                    await init_dynamic_streams_async(["kraken:btc/usd:trades"], options, timeout=0.05)
                tasks.cancel_scope.cancel()
            assert turns > 1
            with anyio.move_on_after(0.05) as scope:
                await init_dynamic_streams_async(["kraken:btc/usd:trades"], options)
            assert scope.cancelled_caught
            with anyio.fail_after(BOUND_S):
                while descriptors() > before:
                    await anyio.sleep(0.01)

        async def warm_up() -> None:
            with anyio.move_on_after(0.05):
                await init_dynamic_streams_async(["kraken:btc/usd:trades"], options)

        def one_is_closed() -> None:
            connection, _ = deaf.accept()
            with connection:
                connection.settimeout(BOUND_S)
                while connection.recv(4_096):
                    pass

        async def both() -> None:
            await warm_up()
            await anyio.to_thread.run_sync(one_is_closed)
            await main()

        run(both)


def test_an_opening_that_times_out_names_what_is_not_open_and_nothing_else(
    local_exchange: LocalExchange, run: Run
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"ws://127.0.0.1:{deaf.getsockname()[1]}"
        options = StreamOptions(endpoints={**local_exchange.endpoints, "kraken": address, "coinbase": address})

        async def late(named: str, timeout: float, *others: str) -> None:
            with pytest.raises(InitTimeoutError) as raised:
                await init_dynamic_streams_async([f"{named}:btc/usd:trades", *others], options, timeout=timeout)
            assert [name for name in ("binance_spot", "coinbase", "kraken") if name in str(raised.value)] == [named]

        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(late, "kraken", 1.0, "binance_spot:btc/usdt:trades")
                tasks.start_soon(late, "coinbase", 1.2)

        run(main)


def test_a_fork_cannot_await() -> None:
    code = """
import asyncio, os
from barter_cffi import ForkedError
from barter_cffi.testing import in_memory
streams, injector = in_memory([("kraken", "trades")])
stream = streams.select_trades("kraken")
child = os.fork()
if child == 0:
    try:
        asyncio.run(stream.recv_async(1))
    except ForkedError:
        os._exit(7)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=BOUND_S)
    assert done.stdout == "7\n", done.stderr

"""Coroutines that wait for a change of maintained books, and that subscribe on a running set: on asyncio, uvloop and
trio, cancelled at any moment, without a thread and without a descriptor that stays.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from queue import SimpleQueue

import anyio
import anyio.lowlevel
import pytest
from harness import BOUND_S, EXCHANGE, InThread, Run, btc

from barter_cffi import (
    Books,
    BookSnapshotEvent,
    DynamicStreams,
    InitTimeoutError,
    Levels,
    RecvTimeoutError,
    StreamClosedError,
    StreamOptions,
    Subscription,
    SubscriptionError,
    init_dynamic_streams,
)
from barter_cffi.testing import LocalExchange, in_memory
from barter_cffi.testing.local_exchange import Fault

pytestmark = pytest.mark.timeout(60)

KRAKEN = Subscription("kraken", "btc", "usd", "spot", "trades")
ETH = Subscription("kraken", "eth", "usd", "spot", "trades")
OKX = Subscription("okx", "btc", "usdt", "spot", "trades")


class Kept:
    """Maintained books, and what changes them."""

    def __init__(self) -> None:
        self.streams, self.injector = in_memory([(EXCHANGE, "l2")])
        books = self.streams.select_books(EXCHANGE)
        assert books is not None
        self.books: Books = books
        now = books.wait(BOUND_S)
        assert now is not None
        self.now = now
        self.instrument = btc(self.injector)

    def change(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += 1
            bids = Levels.of(("99", "1"))
            self.injector.push(BookSnapshotEvent(self.now, None, bids, Levels(), self.instrument, 0, 0))


@pytest.fixture
def kept() -> Iterator[Kept]:
    made = Kept()
    with made.streams:
        yield made


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# Books


def test_a_change_wakes_every_task_that_waits_for_it_and_the_end_gives_none(kept: Kept, run: Run) -> None:
    books, seen = kept.books, kept.now

    async def main() -> None:
        got: list[int | None] = []

        async def wait(since: int | None) -> None:
            got.append(await books.wait_async(BOUND_S, seen=since))

        assert await books.wait_async(seen=0) == seen
        async with anyio.create_task_group() as tasks:
            for since in (None, seen, seen):
                tasks.start_soon(wait, since)
            tasks.start_soon(wait, seen + 1)
            await anyio.wait_all_tasks_blocked()
            kept.change()
            while len(got) < 3:
                await anyio.lowlevel.checkpoint()
            assert got == [seen + 1] * 3, "the fourth waits for the change after that"
            kept.change()
        assert got[3:] == [seen + 2]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, None)
            await anyio.wait_all_tasks_blocked()
            kept.injector.close(EXCHANGE, "l2")
        assert got[4:] == [None]
        assert await books.wait_async() is None

    run(main)


@pytest.mark.parametrize("timeout", [0, 0.02])
def test_a_wait_that_times_out_raises_and_the_next_goes_on(kept: Kept, run: Run, timeout: float) -> None:
    async def main() -> None:
        began = time.monotonic()
        with pytest.raises(RecvTimeoutError, match=f"no book changed within {timeout} s"):
            await kept.books.wait_async(timeout)
        assert time.monotonic() - began >= timeout
        kept.change()
        assert await kept.books.wait_async(timeout) == kept.now
        with pytest.raises(ValueError, match="timeout"):
            await kept.books.wait_async(-1)

    run(main)


def test_closing_books_ends_the_waits_of_tasks_with_an_error_and_async_with_closes_them(kept: Kept, run: Run) -> None:
    async def main() -> None:
        ended = 0

        async def wait() -> None:
            nonlocal ended
            with pytest.raises(StreamClosedError):
                await kept.books.wait_async()
            ended += 1

        async with kept.books as books, anyio.create_task_group() as tasks:
            assert books is kept.books
            for _ in range(3):
                tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            books.close()
        assert ended == 3
        await wait()
        with pytest.raises(StreamClosedError):
            kept.books[kept.instrument]

    run(main)


def test_a_cancelled_wait_has_missed_nothing(kept: Kept, run: Run) -> None:
    books = kept.books

    async def main() -> None:
        got = kept.now
        for number in range(300):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:

                    async def cancel(turns: int, scope: anyio.CancelScope = scope) -> None:
                        for _ in range(turns):
                            await anyio.lowlevel.checkpoint()
                        scope.cancel()

                    tasks.start_soon(cancel, number % 5)
                    if number % 3:
                        kept.change()
                    got = await books.wait_async() or 0
                    tasks.cancel_scope.cancel()
            # What the cancelled wait may have found is still to be seen.
            if got < kept.now:
                got = await books.wait_async(BOUND_S) or 0
            assert got == kept.now

    run(main)


def test_thousands_of_changes_one_by_one_wake_a_task_each_time(kept: Kept, run: Run) -> None:
    changes, wanted = 2_000, SimpleQueue[bool]()

    def feed() -> None:
        while wanted.get():
            kept.change()  # before, while or after the task begins to wait

    async def main() -> None:
        seen = kept.now
        for _ in range(changes):
            wanted.put(True)
            assert await kept.books.wait_async(BOUND_S) == seen + 1
            seen += 1

    feeder = InThread(feed)
    run(main)
    wanted.put(False)
    feeder.result()


def test_waits_take_no_thread_no_work_and_leave_no_descriptor(kept: Kept, run: Run) -> None:
    async def main() -> None:
        async def wait() -> None:
            with anyio.move_on_after(0.3):
                await kept.books.wait_async(seen=kept.now + 1)

        await wait()
        before, threads = descriptors(), len(os.listdir("/proc/self/task"))
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            kept.change()  # not yet the one they wait for
            await anyio.wait_all_tasks_blocked()
            assert len(os.listdir("/proc/self/task")) == threads
            worked = time.process_time()
            await anyio.sleep(0.2)
            assert time.process_time() - worked < 0.1, "those who wait work"
        assert descriptors() <= before

    run(main)


# Subscribing


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with LocalExchange(["kraken", "okx"], autostart=False) as started:
        yield started


@pytest.fixture
def streams(exchange: LocalExchange) -> Iterator[DynamicStreams]:
    """A running set of one subscription; nothing of it or of what was added stays."""
    with init_dynamic_streams([[KRAKEN]], StreamOptions(endpoints=exchange.endpoints)) as opened:
        yield opened
    for name in ("kraken", "okx"):
        exchange.clear_faults(name)
        open_are(exchange, name, 0)


def open_are(exchange: LocalExchange, name: str, connections: int) -> None:
    exchange.wait_until(lambda: exchange.journal.connections(name).open == connections, BOUND_S)


def test_what_is_subscribed_in_a_task_comes_in_the_stream_that_another_task_reads(
    exchange: LocalExchange, streams: DynamicStreams, run: Run
) -> None:
    stream = streams.select_trades("kraken")
    assert stream is not None

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            got: list[object] = []

            async def read() -> None:
                got.append(await stream.recv_async(BOUND_S))

            tasks.start_soon(read)
            await streams.subscribe_async([ETH], timeout=BOUND_S)
            assert [one.base for one in streams.instruments] == ["btc", "eth"]
            await anyio.to_thread.run_sync(exchange.wait_subscribed, "kraken", "trades", "ETH/USD")
            exchange.emit("kraken", "trades", "ETH/USD")
        assert getattr(got[0], "instrument", None) == streams.instruments[1]
        with pytest.raises(SubscriptionError, match="NO/WHERE"):
            await streams.subscribe_async(["kraken:no/where:trades"])
        with pytest.raises(ValueError, match="timeout"):
            await streams.subscribe_async([OKX], timeout=-1)

    run(main)


def test_tasks_of_several_loops_and_threads_that_subscribe_at_once_take_turns(
    exchange: LocalExchange, streams: DynamicStreams, run: Run
) -> None:
    wanted = [ETH, OKX, *[Subscription("kraken", base, "usd", "spot", "trades") for base in ("sol", "xrp", "doge")]]

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for one in wanted:
                tasks.start_soon(lambda one=one: streams.subscribe_async([one], timeout=BOUND_S))

    others = [InThread(lambda: run(main)), InThread(lambda: streams.subscribe(wanted, timeout=BOUND_S))]
    run(main)
    for other in others:
        other.result()
    assert len(streams.instruments) == 1 + len(wanted)
    assert exchange.subscribers("kraken", "trades", "ETH/USD") == 1


def test_an_addition_of_a_task_waits_for_anothers_and_each_says_what_it_waited_for(
    exchange: LocalExchange, streams: DynamicStreams, run: Run
) -> None:
    exchange.set_fault("okx", Fault.MUTE)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            turns = 0

            async def first() -> None:
                with pytest.raises(InitTimeoutError, match="not open yet: okx trades of BTC-USDT"):
                    await streams.subscribe_async([OKX], timeout=0.6)

            async def impatient() -> None:
                with pytest.raises(InitTimeoutError, match=r"another addition was under way for 0\.05 s"):
                    await streams.subscribe_async([ETH], timeout=0.05)

            async def other() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await anyio.sleep(0.001)

            tasks.start_soon(first)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(other)
            await impatient()
            worked = time.process_time()
            await streams.subscribe_async([ETH], timeout=BOUND_S)
            assert time.process_time() - worked < 0.5, "those who wait for their turn work"
            assert turns > 1
            tasks.cancel_scope.cancel()
        assert exchange.subscribers("kraken", "trades", "ETH/USD") == 1

    run(main)


def test_a_cancelled_addition_leaves_nothing_of_it_and_closing_the_set_ends_one(
    exchange: LocalExchange, streams: DynamicStreams, run: Run
) -> None:
    exchange.set_fault("okx", Fault.MUTE)

    async def main() -> None:
        with anyio.move_on_after(0.1) as scope:
            await streams.subscribe_async([OKX, ETH])
        assert scope.cancelled_caught
        await anyio.to_thread.run_sync(open_are, exchange, "okx", 0)
        await anyio.to_thread.run_sync(open_are, exchange, "kraken", 1)
        async with anyio.create_task_group() as tasks:

            async def add(one: Subscription) -> None:
                with pytest.raises(StreamClosedError):
                    await streams.subscribe_async([one])

            for one in (OKX, ETH):  # one is under way, the other waits for its turn
                tasks.start_soon(add, one)
                await anyio.wait_all_tasks_blocked()
            streams.close()

    run(main)


def test_streams_in_memory_refuse_a_task_as_they_refuse_a_thread(run: Run) -> None:
    streams, _injector = in_memory([("kraken", "trades")])

    async def main() -> None:
        with pytest.raises(ValueError, match="in memory"):
            await streams.subscribe_async([ETH])

    run(main)

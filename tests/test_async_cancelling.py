"""Nothing is lost or given twice by an await that is cancelled or times out, wherever that happens."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import anyio
import anyio.from_thread
import pytest
from conftest import MakesStreams
from harness import (
    BOUND_S,
    EXCHANGE,
    LOOPS,
    Loop,
    Stream,
    btc,
    eventually,
    opened,
    trade,
    trades,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from barter_cffi import (
    DataError,
    RecvTimeoutError,
    StreamClosedError,
    TradeEvent,
)
from barter_cffi.testing import in_memory


@pytest.fixture(scope="module", autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    eventually(lambda: not [one for one in threading.enumerate() if "portal" in one.name.lower()])


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

"""Coroutines on asyncio, uvloop and trio that read one stream: items, batches, loops, time-outs, close and Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import MakesStreams
from harness import (
    BOUND_S,
    EXCHANGE,
    LOOPS,
    Run,
    btc,
    one_of_each,
    opened,
    trade,
    trades,
)

from barter_cffi import (
    Batch,
    DataError,
    RecvTimeoutError,
    StreamClosedError,
)


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

"""What coroutines wait with: one descriptor a stream, woken once, and closed with the stream or its last reference."""

from __future__ import annotations

import gc
import os
import threading
from contextlib import suppress
from typing import Any

import anyio
import pytest
from conftest import MakesStreams
from harness import (
    BOUND_S,
    InThread,
    Run,
    btc,
    eventually,
    opened,
    trades,
)

from barter_cffi import (
    aio,
)
from barter_cffi._ffi import lib
from barter_cffi._wait import deadline_after


@pytest.fixture(autouse=True)
def _nothing_is_left_of_other_tests() -> None:
    gc.collect()


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

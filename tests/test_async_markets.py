"""The lists of markets in coroutines: the same as without, and others of the loop run meanwhile."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any, cast, get_args

import anyio
import pytest
from harness import BOUND_S, Run

from barter_cffi import (
    ConnectError,
    Endpoint,
    ExchangeId,
    InitTimeoutError,
    Market,
    StreamOptions,
    SubscriptionError,
    markets,
    markets_async,
)
from barter_cffi.testing import LocalExchange


@pytest.fixture(scope="module")
def local() -> Iterator[StreamOptions]:
    """Options that lead to a local exchange with every venue."""
    with LocalExchange(autostart=False, depth=10) as exchange:
        yield StreamOptions(endpoints=exchange.endpoints)


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(BOUND_S)
        yield server


def at(server: socket.socket, *names: str, **more: Any) -> StreamOptions:
    """Options by which these exchanges are at the server's address."""
    rest = Endpoint(rest=f"http://127.0.0.1:{server.getsockname()[1]}")
    return StreamOptions(endpoints={cast(ExchangeId, name): rest for name in names}, **more)


def test_every_exchange_lists_the_same_to_coroutines_that_ask_at_once(local: StreamOptions, run: Run) -> None:
    listed: dict[ExchangeId, tuple[Market, ...]] = {}

    async def ask(name: ExchangeId) -> None:
        listed[name] = await markets_async(name, options=local)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for name in get_args(ExchangeId):
                tasks.start_soon(ask, name)
        assert await markets_async("okx", "option", local) == markets("okx", "option", local)

    run(main)
    assert listed == {name: markets(name, options=local) for name in get_args(ExchangeId)}


def test_others_run_while_it_waits_and_it_is_given_up_when_the_time_is_up(mute: socket.socket, run: Run) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.sleep(0.001)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            with pytest.raises(InitTimeoutError, match=r"^kraken did not list its markets within 0\.1 s$"):
                await markets_async("kraken", options=at(mute, "kraken"), timeout=0.1)
            with pytest.raises(ConnectError, match=r"^kraken: no list of markets from .*timed out"):
                await markets_async("kraken", options=at(mute, "kraken", subscribe_timeout=0.1), timeout=None)
            tasks.cancel_scope.cancel()

    run(main)
    assert turns > 1


def test_a_cancelled_call_ends_its_connection_and_leaves_no_descriptor(mute: socket.socket, run: Run) -> None:
    def taken_and_closed_again() -> None:
        connection, _ = mute.accept()
        with connection:
            connection.settimeout(BOUND_S)
            while connection.recv(4_096):
                pass

    async def cancelled() -> None:
        with anyio.move_on_after(0.1) as scope:
            await markets_async("kraken", options=at(mute, "kraken"))
        assert scope.cancelled_caught
        await anyio.to_thread.run_sync(taken_and_closed_again)

    async def main() -> None:
        await cancelled()  # what the loop, the library and the thread open once is there from here on
        before = len(os.listdir("/proc/self/fd"))
        await cancelled()
        while len(os.listdir("/proc/self/fd")) > before:
            await anyio.sleep(0.001)

    run(main)


def test_of_several_that_fail_in_one_loop_each_says_what_is_its_own(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        options = at(gone, "kraken", "coinbase")

    async def failing(name: ExchangeId) -> None:
        with pytest.raises(ConnectError, match=f"^{name}: no list of markets from .*refused"):
            await markets_async(name, options=options)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(failing, "kraken")
            tasks.start_soon(failing, "coinbase")

    run(main)


def test_what_is_refused_without_async_is_refused_here(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(SubscriptionError, match=r"^kraken has no future instruments; it has spot$"):
            await markets_async("kraken", "future")
        with pytest.raises(TypeError, match=r"not None, None$"):
            await markets_async(cast(Any, None))
        with pytest.raises(ValueError, match="timeout must be"):
            await markets_async("kraken", timeout=-1)

    run(main)

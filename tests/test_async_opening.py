"""Opening sets in coroutines: others of the loop run meanwhile, and what is given up leaves nothing open."""

from __future__ import annotations

import os
import socket
from typing import Any

import anyio
import pytest
from harness import (
    BOUND_S,
    Run,
)

from barter_cffi import (
    ConnectError,
    InitTimeoutError,
    StreamOptions,
    SubscriptionError,
    TradeEvent,
    init_dynamic_streams_async,
)
from barter_cffi.testing import LocalExchange


def descriptors() -> int:
    """How many descriptors the process has open."""
    return len(os.listdir("/proc/self/fd"))


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

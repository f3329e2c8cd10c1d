"""Streams over live sockets leave nothing behind: threads, descriptors and memory are where they were after hundreds of
rounds and after failed initialisations, and sockets are gone as soon as a stream is closed.

Both ends of every socket are in this process, so the descriptors of the local exchange are counted as well.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from barter_cffi import (
    BarterError,
    Endpoint,
    ExchangeId,
    MarketStream,
    StreamOptions,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
)
from barter_cffi.testing import LocalExchange, in_memory
from barter_cffi.testing.local_exchange import Fault

ROUNDS = 500
FAILURES = 50
WARM_UP = 60  # rounds until allocators and caches have what they keep
BOUND_S = 5.0
GONE_S = 0.1  # sockets are gone so long after a close
GONE_MARGIN_S = 0.1  # and a busy machine adds
MEMORY_MARGIN_BYTES = 2 << 20  # about 4 KB a round: a connection that is kept has far more
BTC = Subscription("binance_spot", "btc", "usdt", "spot", "trades")
BOOK = Subscription("binance_spot", "btc", "usdt", "spot", "l2")
KRAKEN = Subscription("kraken", "btc", "usd", "spot", "trades")
How = Literal["with", "close", "stream first", "no reference"]
ENDINGS: tuple[How, ...] = ("with", "close", "stream first", "no reference")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def exchange() -> Iterator[LocalExchange]:
    """A local exchange that keeps next to no records, so that its memory does not grow with the rounds."""
    streams, _ = in_memory([("kraken", "trades")])  # makes the library's runtime, which has sockets of its own
    streams.close()
    with LocalExchange(["binance_spot", "kraken"], autostart=False, journal_limit=50, depth=20) as served:
        yield served


def options(exchange: LocalExchange) -> StreamOptions:
    """Options that lead to the local exchange."""
    return StreamOptions(endpoints=exchange.endpoints)


def threads() -> int:
    """The threads of this process, those of the library included."""
    return len(os.listdir("/proc/self/task"))


def descriptors() -> dict[str, int]:
    """How many descriptors of each sort are open: sockets, events, files."""
    counts: dict[str, int] = {}
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists the folder
            sort = os.readlink(descriptor).partition(":[")[0]
            counts[sort] = counts.get(sort, 0) + 1
    return counts


def sockets() -> int:
    """How many sockets of this process are open."""
    return descriptors().get("socket", 0)


def memory() -> int:
    """The resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def eventually(condition: Callable[[], bool], bound: float) -> bool:
    """Whether the condition becomes true within so many seconds."""
    end = time.monotonic() + bound
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


def connections(exchange: LocalExchange) -> int:
    """How many connections the exchange has open."""
    return sum(exchange.journal.connections(name).open for name in exchange.addresses)


def assert_where_they_were(exchange: LocalExchange, threads_before: int, descriptors_before: dict[str, int]) -> None:
    """No connection is open, and threads and descriptors are as many as before, each within a bound."""
    assert eventually(lambda: connections(exchange) == 0, BOUND_S)
    eventually(lambda: descriptors() == descriptors_before, BOUND_S)
    assert descriptors() == descriptors_before
    eventually(lambda: threads() == threads_before, BOUND_S)
    assert threads() == threads_before


def one_round(exchange: LocalExchange, how: How, *, receive: bool = False) -> None:
    """Opens two connections, selects a stream of each and ends them; returns when their sockets are gone."""
    before = sockets()
    streams = init_dynamic_streams([[BTC, KRAKEN]], options(exchange), timeout=BOUND_S)
    trades = streams.select_trades("binance_spot")
    others = streams.select_all_trades()
    assert isinstance(trades, MarketStream)
    assert isinstance(others, MarketStream)
    if receive:
        exchange.wait_subscribed("binance_spot", "trades", "BTCUSDT")
        exchange.emit("binance_spot", "trades", "BTCUSDT")
        assert isinstance(trades.recv(timeout=BOUND_S), TradeEvent)
    match how:
        case "with":
            with streams:
                pass
        case "close":
            streams.close()
        case "stream first":
            trades.close()
            others.close()
            streams.close()
        case "no reference":
            del trades, others, streams
            gc.collect()
    assert eventually(lambda: connections(exchange) == 0, BOUND_S)
    assert eventually(lambda: sockets() == before, BOUND_S)


def test_five_hundred_rounds_over_live_sockets_leave_nothing_behind(
    exchange: LocalExchange,
) -> None:
    for number in range(WARM_UP):
        one_round(exchange, ENDINGS[number % len(ENDINGS)], receive=True)
    gc.collect()
    threads_before, descriptors_before, memory_before = threads(), descriptors(), memory()
    for number in range(ROUNDS):
        one_round(exchange, ENDINGS[number % len(ENDINGS)], receive=number % 10 == 0)
    gc.collect()
    assert_where_they_were(exchange, threads_before, descriptors_before)
    assert memory() - memory_before < MEMORY_MARGIN_BYTES
    assert exchange.journal.connections("kraken").made == WARM_UP + ROUNDS


def test_fifty_failed_initialisations_leave_nothing_behind(exchange: LocalExchange) -> None:
    quiet = sockets()
    fail_in_turn(exchange, WARM_UP)
    gc.collect()
    assert eventually(lambda: sockets() == quiet, BOUND_S)
    threads_before, descriptors_before, memory_before = threads(), descriptors(), memory()
    fail_in_turn(exchange, FAILURES)
    gc.collect()
    assert_where_they_were(exchange, threads_before, descriptors_before)
    assert memory() - memory_before < MEMORY_MARGIN_BYTES


def fail_in_turn(exchange: LocalExchange, times: int) -> None:
    """Fails at each step of opening a connection in turn; one of the set's other connections is in order each time."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        nobody = Endpoint(websocket=f"ws://127.0.0.1:{bound.getsockname()[1]}")
        for number in range(times):
            failing: ExchangeId = "kraken"
            endpoints = exchange.endpoints
            timeout, batch = BOUND_S, [KRAKEN, BTC]
            match number % 5:
                case 0:
                    endpoints = {**endpoints, "kraken": nobody}
                case 1:
                    exchange.set_fault("kraken", Fault.REFUSE_UPGRADE, status=451)
                case 2:
                    exchange.set_fault("kraken", Fault.REFUSE_SUBSCRIPTION)
                case 3:
                    exchange.set_fault("kraken", Fault.MUTE)
                    timeout = 0.01
                case _:
                    failing, batch = "binance_spot", [KRAKEN, BOOK]
                    exchange.set_fault("binance_spot", Fault.SNAPSHOT_INVALID_JSON)
            with pytest.raises(BarterError):
                init_dynamic_streams(
                    [batch], StreamOptions(endpoints=endpoints, subscribe_timeout=0.5), timeout=timeout
                )
            exchange.clear_faults(failing)


@pytest.mark.parametrize("how", ENDINGS)
def test_sockets_are_gone_as_soon_as_streams_are_closed(exchange: LocalExchange, how: How) -> None:
    one_round(exchange, how)  # makes what is made once
    before = sockets()
    streams = init_dynamic_streams([[BTC], [BOOK, KRAKEN]], options(exchange), timeout=BOUND_S)
    stream = streams.select_all()
    assert stream is not None
    assert connections(exchange) == 3
    assert sockets() >= before + 6, "both ends of three"
    match how:
        case "with":
            with streams:
                pass
        case "close":
            streams.close()
        case "stream first":
            stream.close()
        case "no reference":
            del stream
    began = time.monotonic()
    assert eventually(lambda: connections(exchange) == 0, GONE_S + GONE_MARGIN_S)
    assert eventually(lambda: sockets() == before, GONE_S + GONE_MARGIN_S), time.monotonic() - began
    streams.close()


def test_closing_one_stream_leaves_the_sockets_of_the_others_open(exchange: LocalExchange) -> None:
    with init_dynamic_streams([[BTC, KRAKEN]], options(exchange), timeout=BOUND_S) as streams:
        trades, others = streams.select_trades("binance_spot"), streams.select_trades("kraken")
        assert trades is not None
        assert others is not None
        others.close()
        assert eventually(lambda: connections(exchange) == 1, GONE_S + GONE_MARGIN_S)
        exchange.emit("binance_spot", "trades", "BTCUSDT")
        assert isinstance(trades.recv(timeout=BOUND_S), TradeEvent)
    assert eventually(lambda: connections(exchange) == 0, GONE_S + GONE_MARGIN_S)

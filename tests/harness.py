"""What the tests share: in-memory streams, threads and processes that cannot hang a run, and items of every kind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

import pytest

from barter_cffi import (
    BookSnapshotEvent,
    BookUpdateEvent,
    DynamicStreams,
    Instrument,
    Level,
    Levels,
    LiquidationEvent,
    MarketEvent,
    MarketStream,
    OrderBookL1Event,
    Side,
    TradeEvent,
)
from barter_cffi.testing import Injector

BOUND_S = 20.0
"""How long anything may take before a test fails; what is waited for comes within milliseconds."""

EXCHANGE: Final = "binance_futures_usd"
KINDS: Final = ("trades", "l1", "l2", "liquidations")

Loop: TypeAlias = tuple[Literal["asyncio", "trio"], dict[str, Any]]
Run: TypeAlias = Callable[[Callable[[], Awaitable[Any]]], Any]
LOOPS: Final[dict[str, Loop]] = {
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}
"""The event loops that coroutines run on."""

Stream: TypeAlias = MarketStream[Any]

T = TypeVar("T")


class InThread(Generic[T]):
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._outcome: list[T | BaseException] = []
        self._failed = False

        def run() -> None:
            try:
                self._outcome.append(call())
            except BaseException as error:
                self._failed = True
                self._outcome.append(error)

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def result(self) -> T:
        self.thread.join(BOUND_S)
        assert not self.thread.is_alive(), "the call did not return"
        [outcome] = self._outcome
        if self._failed:
            assert isinstance(outcome, BaseException)
            raise outcome
        return outcome  # type: ignore[return-value]


def opened(
    memory: Callable[..., tuple[DynamicStreams, Injector]], errors: Literal["raise", "yield"] = "raise"
) -> tuple[Stream, Injector]:
    """A stream of trades, of the sets that `memory` makes, and what feeds it."""
    streams, injector = memory((EXCHANGE, "trades"))
    stream = streams.select_trades(EXCHANGE, errors)
    assert stream is not None
    return stream, injector


def eventually(holds: Callable[[], bool]) -> None:
    """Waits until a condition holds."""
    deadline = time.monotonic() + BOUND_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.001)


@contextlib.contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Sends SIGINT to the process from another thread, and checks that it is answered within 100 ms."""
    sent: list[float] = []

    def send() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, send)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        yield
    answered = time.monotonic()
    timer.join()
    assert answered - sent[0] < 0.1


def waits_for_data(stream: Any) -> bool:
    """Whether a thread waits in the library for this stream's next items."""
    return stream._turn is not None


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in a process of its own and gives its output; it must not take longer than the bound."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, check=False)


def btc(injector: Injector, exchange: Any = EXCHANGE) -> Instrument:
    """The instrument that most tests use."""
    return injector.instrument(exchange, "btc", "usdt", "perpetual" if exchange == EXCHANGE else "spot")


def trade(instrument: Instrument, number: int = 0) -> TradeEvent:
    """A trade that is different for each number."""
    return TradeEvent(100.5 + number, 0.25, Side.SELL, f"t{number}", instrument, 1_000_000_000 + number, 2_000_000_000)


def trades(instrument: Instrument, count: int, first: int = 0) -> list[TradeEvent]:
    """Trades with numbers from `first` on."""
    return [trade(instrument, number) for number in range(first, first + count)]


def one_of_each(instrument: Instrument) -> list[MarketEvent]:
    """One event of each type, in the order of `KINDS`, book snapshot before update."""
    bids = Levels.of(("100.50", "3"), ("100.40", "0.10"))
    asks = Levels.of(("100.60", "1.000"))
    times = (instrument, 1_700_000_000_123_456_789, 1_700_000_000_223_456_789)
    return [
        trade(instrument),
        OrderBookL1Event(1_700_000_000_000_000_001, Level.of("100.50", "3"), None, *times),
        BookSnapshotEvent(7, 1_700_000_000_000_000_002, bids, asks, *times),
        BookUpdateEvent(8, None, bids, Levels(), *times),
        LiquidationEvent(99.5, 2.0, Side.BUY, 1_700_000_000_000_000_003, *times),
    ]

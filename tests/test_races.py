"""Streams under many threads: who gets what, who wakes whom, and what Ctrl-C, the end of the
interpreter and fork do. What needs a process of its own is a function `scene_…`, which this file
runs by name.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import length_hint
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias, TypeVar

import pytest
from harness import BOUND_S, InThread, eventually

import barter_cffi
from barter_cffi import (
    Batch,
    DataError,
    DynamicStreams,
    ExchangeId,
    ForkedError,
    Level,
    MarketEvent,
    MarketStream,
    OrderBookL1Event,
    RecvTimeoutError,
    Side,
    StreamClosedError,
    SubKind,
    TradeEvent,
)
from barter_cffi._ffi import ffi, lib
from barter_cffi.testing import Injector, in_memory

AnyStream: TypeAlias = MarketStream[Any]
T = TypeVar("T")

ANSWER_S = 0.1
"""Seconds within which Ctrl-C is answered."""
MARGIN_S = 0.15
"""Seconds more that a single answer may take where the machine has other work."""
PACKAGE = str(Path(barter_cffi.__file__).parent)


def in_wait(call: Callable[[], T]) -> InThread[T]:
    """A call in a thread of its own, once it sleeps in the package."""
    worker = InThread(call)
    eventually(lambda: waits(worker.thread) or not worker.thread.is_alive())
    assert worker.thread.is_alive(), worker.result()
    return worker


def sleeps(thread: threading.Thread) -> bool:
    """Whether the system has put a thread to sleep."""
    stat = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
    return stat.rpartition(") ")[2].startswith("S")


def waits(thread: threading.Thread) -> bool:
    """Whether a thread sleeps in a call of the package."""
    return in_package(sys._current_frames().get(thread.ident or 0)) and sleeps(thread)


def in_package(frame: FrameType | None) -> bool:
    """Whether a frame is of a call of the package."""
    while frame and not frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame is not None


def there(stream: AnyStream | None) -> AnyStream:
    """A stream that can be selected."""
    assert stream is not None
    return stream


def trade(injector: Injector, number: int, exchange: ExchangeId = "binance_spot") -> TradeEvent:
    """A trade that has its number as id."""
    instrument = injector.instrument(exchange, "btc", "usdt", "spot")
    return TradeEvent(1.0, 2.0, Side.BUY, str(number), instrument, number, number)


def one_stream() -> tuple[AnyStream, DynamicStreams, Injector]:
    """A stream of trades, its set, and what feeds it."""
    streams, injector = in_memory([("binance_spot", "trades")])
    return there(streams.select_trades("binance_spot")), streams, injector


# Who gets what


class SelectRound:
    """A set of three streams with events waiting, and events to come while they are selected."""

    SOURCES: tuple[tuple[ExchangeId, SubKind], ...] = (
        ("binance_spot", SubKind.PUBLIC_TRADES),
        ("kraken", SubKind.PUBLIC_TRADES),
        ("binance_spot", SubKind.ORDER_BOOKS_L1),
    )

    def __init__(self) -> None:
        self.streams, self.injector = in_memory(self.SOURCES)
        self.waiting, self.coming = self._events(0), self._events(1)
        self.injector.push_many(self.waiting)

    def _events(self, number: int) -> list[MarketEvent]:
        ours, theirs = trade(self.injector, number), trade(self.injector, number, "kraken")
        l1 = OrderBookL1Event(number, Level.of(1, 1), None, ours.instrument, number, number)
        return [ours, theirs, l1]

    def check(self, found: list[AnyStream]) -> None:
        """Each source's events came, in their order, out of exactly one of the streams."""
        assert self.streams.available == []
        for source in self.SOURCES:
            self.injector.close(*source)
        received: list[list[Any]] = [list(stream) for stream in found]
        for source in self.SOURCES:
            parts = [[one for one in part if origin(one) == source] for part in received]
            sent = [one for one in [*self.waiting, *self.coming] if origin(one) == source]
            assert [part for part in parts if part] == [sent]


def origin(event: MarketEvent) -> tuple[ExchangeId, SubKind]:
    """Where an event comes from."""
    return event.exchange, event.sub_kind


def test_of_16_threads_and_two_select_alls_exactly_one_gets_each_stream_in_1000_rounds() -> None:
    start = threading.Barrier(19, timeout=BOUND_S)

    def at_once(call: Callable[[], Any]) -> Any:
        start.wait()
        return call()

    def select(streams: DynamicStreams) -> AnyStream | None:
        return streams.select_trades("binance_spot")

    calls: list[Callable[[DynamicStreams], AnyStream | None]] = [
        *[select] * 16,
        DynamicStreams.select_all_trades,
        DynamicStreams.select_all,
    ]
    chance = random.Random(0)
    with ThreadPoolExecutor(start.parties) as pool:
        for _ in range(1_000):
            this = SelectRound()
            chance.shuffle(calls)
            racing = [pool.submit(at_once, partial(call, this.streams)) for call in calls]
            pushing = pool.submit(at_once, partial(this.injector.push_many, this.coming))
            pushing.result(BOUND_S)
            found = [future.result(BOUND_S) for future in racing]
            this.check([stream for stream in found if stream is not None])


class MixedReader:
    """Reads a stream to its end by calls of all kinds, in an order of its own."""

    def __init__(self, stream: AnyStream, seed: int) -> None:
        self._stream = stream
        self._chance = random.Random(seed)
        self.numbers: list[int] = []

    def read(self) -> list[int]:
        """The numbers of all items it got."""
        ways = [self._recv, self._try_recv, self._for, self._recv_batch]
        while not self._stream.closed:
            try:
                self._chance.choice(ways)()
            except DataError as error:
                self._keep(error)
            except RecvTimeoutError:
                pass
        return self.numbers

    def _keep(self, item: Any) -> None:
        text = str(item) if isinstance(item, DataError) else item.id
        self.numbers.append(int(text.removeprefix("SocketError: ")))

    def _recv(self) -> None:
        item = self._stream.recv(self._chance.choice([0, 0.0001, 0.01]))
        if item is not None:
            self._keep(item)

    def _try_recv(self) -> None:
        item = self._stream.try_recv()
        if item is not None:
            self._keep(item)

    def _for(self) -> None:
        most = self._chance.randint(1, 50)
        for count, item in enumerate(self._stream, 1):
            self._keep(item)
            if count == most:
                break

    def _recv_batch(self) -> None:
        for item in self._stream.recv_batch(self._chance.randint(1, 300), 0.001) or ():
            self._keep(item)


@pytest.mark.parametrize("seed", range(3))
def test_8_threads_on_one_stream_by_mixed_calls_lose_and_duplicate_nothing(seed: int) -> None:
    stream, _streams, injector = one_stream()
    readers = [InThread(MixedReader(stream, 8 * seed + number).read) for number in range(8)]
    template, sent, chance = trade(injector, 0), 0, random.Random(seed)
    while sent < 40_000:
        run = range(sent, sent + chance.randint(1, 400))
        common = (template.instrument, 0, 0)
        injector.push_many(TradeEvent(1.0, 2.0, Side.BUY, str(n), *common) for n in run)
        injector.error("binance_spot", "trades", str(run.stop))
        sent = run.stop + 1
    injector.close("binance_spot", "trades")
    received = [reader.result() for reader in readers]
    assert all(numbers == sorted(numbers) for numbers in received)
    assert sorted(number for numbers in received for number in numbers) == list(range(sent))


@pytest.mark.parametrize("seed", range(3))
def test_8_threads_lose_and_duplicate_nothing_of_what_comes_one_by_one(seed: int) -> None:
    stream, _streams, injector = one_stream()
    template, chance = trade(injector, 0), random.Random(seed)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        readers = [InThread(MixedReader(stream, 8 * seed + number).read) for number in range(8)]
        sent = 0
        while sent < 6_000:
            run = range(sent, sent + chance.choice((1, 1, 1, 2, 5)))
            injector.push_many(TradeEvent(1.0, 2.0, Side.BUY, str(n), template.instrument, 0, 0) for n in run)
            sent = run.stop
        injector.close("binance_spot", "trades")
        received = [reader.result() for reader in readers]
    finally:
        sys.setswitchinterval(interval)
    assert all(numbers == sorted(numbers) for numbers in received)
    assert sorted(number for numbers in received for number in numbers) == list(range(sent))


def test_what_a_reader_decodes_while_another_looks_for_a_batch_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, _streams, injector = one_stream()
    reader, first_rows = in_wait(stream.recv), MarketStream._first_rows

    def meanwhile(this: AnyStream, items: list[Any], max_events: int) -> Any:
        if not items:
            monkeypatch.undo()
            injector.push_many([trade(injector, 0), trade(injector, 1)])
            assert reader.result().id == "0"
        return first_rows(this, items, max_events)

    monkeypatch.setattr(MarketStream, "_first_rows", meanwhile)
    batch = stream.try_recv_batch()
    assert batch is not None
    assert [item.id for item in batch] == ["1"]


def test_what_a_reader_decodes_while_another_looks_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, _streams, injector = one_stream()
    reader = in_wait(stream.recv)

    def push() -> None:
        monkeypatch.undo()
        injector.push_many([trade(injector, 0), trade(injector, 1)])
        assert reader.result().id == "0"

    def meanwhile(unread: Any) -> int:
        push()
        return length_hint(unread)

    monkeypatch.setattr("barter_cffi.stream.length_hint", meanwhile)
    assert stream.try_recv() is None  # it need not ask how much is left of nothing
    if reader.thread.is_alive():
        push()
    assert there(stream.recv(BOUND_S)).id == "1"


def test_a_stream_selected_while_its_set_closes_is_closed_too() -> None:
    start = threading.Barrier(9, timeout=BOUND_S)

    def select(streams: DynamicStreams) -> AnyStream | None:
        start.wait()
        try:
            return streams.select_trades("binance_spot")
        except StreamClosedError:
            return None

    def close(streams: DynamicStreams) -> None:
        start.wait()
        streams.close()

    with ThreadPoolExecutor(start.parties) as pool:
        for _ in range(300):
            streams, injector = in_memory([("binance_spot", "trades")])
            event = trade(injector, 0)
            selecting = [pool.submit(select, streams) for _ in range(8)]
            pool.submit(close, streams).result(BOUND_S)
            for future in selecting:
                stream = future.result(BOUND_S)
                assert stream is None or stream.closed
            with pytest.raises(StreamClosedError):
                injector.push(event)


# Who wakes whom

WAYS: dict[str, Callable[[AnyStream], object]] = {
    "recv": lambda stream: stream.recv(),
    "recv_with_timeout": lambda stream: stream.recv(timeout=10 * BOUND_S),
    "recv_batch": lambda stream: stream.recv_batch(),
    "for": lambda stream: list(stream),
}


def leave_with(stream: AnyStream, streams: DynamicStreams) -> None:
    with streams:
        assert not stream.closed


ENDERS: dict[str, Callable[[AnyStream, DynamicStreams], object]] = {
    "close": lambda stream, streams: stream.close(),
    "close_of_the_set": lambda stream, streams: streams.close(),
    "end_of_with": leave_with,
}


@pytest.mark.parametrize("ender", ENDERS)
@pytest.mark.parametrize("way", WAYS)
def test_closing_wakes_every_waiting_reader_and_stays_closed(way: str, ender: str) -> None:
    stream, streams, injector = one_stream()
    event = trade(injector, 0)
    workers = [in_wait(partial(WAYS[way], stream)) for _ in range(3)]
    ENDERS[ender](stream, streams)
    for worker in workers:
        if way == "for":
            assert worker.result() == []
        else:
            with pytest.raises(StreamClosedError):
                worker.result()
    assert stream.closed
    for call in (stream.recv, stream.try_recv, stream.recv_batch, lambda: stream.recv(timeout=0)):
        with pytest.raises(StreamClosedError):
            call()
    assert list(stream) == []
    with pytest.raises(StreamClosedError):
        injector.push(event)
    stream.close()
    streams.close()


def test_no_call_that_begins_after_close_gives_an_item_whatever_others_were_reading() -> None:
    def read(stream: AnyStream, taken: list[Any], closed: threading.Event, seed: int) -> None:
        ways: list[Callable[[], Any]] = [
            stream.recv,
            stream.try_recv,
            lambda: stream.recv_batch(1),
            lambda: next(stream, None),
        ]
        chance = random.Random(seed)
        while not closed.is_set():
            with contextlib.suppress(StreamClosedError):
                taken.append(chance.choice(ways)())
        for way in ways:
            with contextlib.suppress(StreamClosedError):
                assert way() is None

    interval, chance = sys.getswitchinterval(), random.Random(0)
    sys.setswitchinterval(1e-6)
    try:
        for seed in range(200):
            stream, _streams, injector = one_stream()
            injector.push_many([trade(injector, 0)] * 1_500)
            taken, closed = list[Any](), threading.Event()
            calls = [partial(read, stream, taken, closed, 4 * seed + number) for number in range(4)]
            readers = [InThread(call) for call in calls]
            few = chance.randrange(1_000)
            eventually(lambda: len(taken) > few)  # noqa: B023
            stream.close()
            closed.set()
            for reader in readers:
                reader.result()
            assert stream.closed
            with pytest.raises(StreamClosedError):
                stream.recv()
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("end", ["barter_stream_close", "barter_stream_free"])
def test_close_and_free_of_the_c_abi_wake_a_waiting_recv_with_handle_closed(end: str) -> None:
    streams, _injector = in_memory([("binance_spot", "trades")])
    out = ffi.new("barter_stream **")
    selected = lib.barter_streams_select(streams._handle, lib.BARTER_SUB_TRADES, ffi.NULL, out)
    assert selected == lib.BARTER_OK
    stream = out[0]

    def recv() -> int:
        batch = ffi.new("barter_batch *", {"struct_size": ffi.sizeof("barter_batch")})
        return int(lib.barter_stream_recv(stream, 10, -1, batch))

    workers = [InThread(recv) for _ in range(3)]
    eventually(lambda: all(sleeps(worker.thread) for worker in workers))
    assert getattr(lib, end)(stream) == lib.BARTER_OK
    assert [worker.result() for worker in workers] == [lib.BARTER_HANDLE_CLOSED] * 3
    freed = end == "barter_stream_free"
    assert recv() == (lib.BARTER_INVALID_HANDLE if freed else lib.BARTER_HANDLE_CLOSED)
    assert lib.barter_stream_free(stream) == (lib.BARTER_INVALID_HANDLE if freed else lib.BARTER_OK)
    assert lib.barter_stream_free(stream) == lib.BARTER_INVALID_HANDLE


def test_a_waiting_recv_keeps_its_stream_alive_and_its_last_reference_closes_it() -> None:
    stream, _streams, injector = one_stream()
    event = trade(injector, 0)
    worker = in_wait(stream.recv)
    del stream
    gc.collect()
    injector.push(event)
    assert worker.result() == event
    with pytest.raises(StreamClosedError):
        injector.push(event)


@pytest.mark.parametrize("in_a_cycle", [False, True])
def test_a_selected_stream_outlives_its_set_and_the_others_are_closed_with_it(
    in_a_cycle: bool,
) -> None:
    streams, injector = in_memory([("binance_spot", "trades"), ("kraken", "trades")])
    ours, theirs = trade(injector, 0), trade(injector, 0, "kraken")
    stream = there(streams.select_trades("binance_spot"))
    worker = InThread(lambda: [stream.recv(), stream.recv()])
    if in_a_cycle:
        cycle: list[object] = [streams]
        cycle.append(cycle)
        del cycle
    del streams
    gc.collect()
    with pytest.raises(StreamClosedError):
        injector.push(theirs)
    injector.push_many([ours, ours])
    assert worker.result() == [ours, ours]
    injector.close("binance_spot", "trades")
    assert stream.recv() is None


def test_a_stream_that_is_no_longer_referenced_is_closed_and_not_selected_again() -> None:
    stream, streams, injector = one_stream()
    event = trade(injector, 0)
    del stream
    gc.collect()
    with pytest.raises(StreamClosedError):
        injector.push(event)
    assert streams.select_trades("binance_spot") is None
    assert streams.available == []


def test_leaving_with_closes_what_was_selected_and_what_was_not() -> None:
    streams, injector = in_memory([("binance_spot", "trades"), ("kraken", "trades")])
    ours, theirs = trade(injector, 0), trade(injector, 0, "kraken")
    with streams:
        stream = there(streams.select_trades("binance_spot"))
        injector.push_many([ours, theirs])
    assert stream.closed and streams.closed
    for event in (ours, theirs):
        with pytest.raises(StreamClosedError):
            injector.push(event)
    with pytest.raises(StreamClosedError):
        stream.recv()
    with pytest.raises(StreamClosedError):
        streams.select_trades("kraken")
    streams.close()


# Time-outs


@pytest.mark.parametrize("call", ["recv", "recv_batch"])
@pytest.mark.parametrize("on_main_thread", [True, False])
def test_a_timeout_raises_after_at_least_its_time(call: str, on_main_thread: bool) -> None:
    stream, _streams, _injector = one_stream()

    def wait(timeout: float) -> float:
        begin = time.monotonic_ns()
        with pytest.raises(RecvTimeoutError) as raised:
            getattr(stream, call)(timeout=timeout)
        assert isinstance(raised.value, TimeoutError)
        return (time.monotonic_ns() - begin) / 1e9

    for timeout in (0, 1e-9, 0.001, 0.02, 0.05, 0.12):
        elapsed = wait(timeout) if on_main_thread else InThread(partial(wait, timeout)).result()
        assert timeout <= elapsed < timeout + BOUND_S


def test_timeouts_and_try_recv_hold_while_another_thread_waits_for_ever() -> None:
    stream, _streams, injector = one_stream()
    event = trade(injector, 0)
    forever = in_wait(stream.recv)

    def wait() -> float:
        begin = time.monotonic_ns()
        with pytest.raises(RecvTimeoutError):
            stream.recv(timeout=0.02)
        return (time.monotonic_ns() - begin) / 1e9

    assert InThread(stream.try_recv).result() is None
    assert [InThread(wait).result() >= 0.02 for _ in range(5)] == [True] * 5
    injector.push(event)
    assert forever.result() == event


# Processes


def run_scene(name: str) -> str:
    """What a scene prints; it must end well and within the bound."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", __file__, name]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=2 * BOUND_S)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def scene_interrupt() -> None:
    """Ctrl-C while the main thread waits: alone, and behind another thread that has the turn."""
    stream, _streams, injector = one_stream()
    event, main = trade(injector, 0), threading.main_thread()
    sent_ns, delays = 0, []

    def interrupt() -> None:
        nonlocal sent_ns
        eventually(lambda: waits(main))
        sent_ns = time.monotonic_ns()
        os.kill(os.getpid(), signal.SIGINT)

    other = None
    for behind_another in (False, True):
        if behind_another:
            other = in_wait(stream.recv)
        for call in (stream.recv, stream.recv_batch, lambda: stream.recv(timeout=BOUND_S)) * 5:
            interrupter = InThread(interrupt)
            try:
                call()
            except KeyboardInterrupt:
                delays.append((time.monotonic_ns() - sent_ns) / 1e9)
            assert interrupter.result() is None
    injector.push_many([event, event])
    assert other is not None
    assert [other.result(), stream.recv()] == [event, event]
    print(json.dumps(delays))


def test_ctrl_c_in_recv_on_the_main_thread_is_answered_within_a_tenth_of_a_second() -> None:
    delays = json.loads(run_scene("scene_interrupt"))
    assert len(delays) == 30
    assert statistics.median(delays) < ANSWER_S
    assert max(delays) < ANSWER_S + MARGIN_S


def scene_interrupt_storm() -> None:
    """Signals, one after another, whose handler raises while a call of the package is running."""
    stream, _streams, injector = one_stream()
    template, total, chance = trade(injector, 0), 60_000, random.Random(7)
    raised, received = 0, list[Any]()

    def interrupt(_number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if in_package(frame):
            raised += 1
            raise KeyboardInterrupt
        next_signal()

    def next_signal() -> None:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00005, 0.0003))

    def feed() -> None:
        common = (template.instrument, 0, 0)
        for start in range(0, total, 20):
            run = range(start, start + 20)
            injector.push_many(TradeEvent(1.0, 2.0, Side.BUY, str(n), *common) for n in run)
        injector.close("binance_spot", "trades")

    def read() -> bool:
        ways = (stream.recv, lambda: stream.recv_batch(7), lambda: next(stream, None))
        got = chance.choice(ways)()
        if got is not None:
            received.append(got)
        return got is not None

    signal.signal(signal.SIGALRM, interrupt)
    feeder, more = InThread(feed), True
    next_signal()
    while more:
        try:
            more = read()
        except KeyboardInterrupt:
            next_signal()
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    assert feeder.result() is None
    runs: list[Any] = [got if isinstance(got, Batch) else [got] for got in received]
    assert [int(item.id) for run in runs for item in run] == list(range(total))
    print(raised)


def test_no_moment_at_which_ctrl_c_comes_loses_an_item_or_gives_one_twice() -> None:
    assert int(run_scene("scene_interrupt_storm")) > 0


def scene_waiting_daemon() -> None:
    """The main thread ends while daemon threads wait in every way."""
    stream, _streams, injector = one_stream()
    for call in (stream.recv, stream.recv_batch, lambda: list(stream)):
        in_wait(call)
    streams, more = in_memory([("kraken", "l2")])
    in_wait(there(streams.select_all()).recv)
    globals()["kept_to_the_end"] = (stream, injector, streams, more)
    print(time.monotonic())


def test_waiting_daemon_threads_do_not_hinder_the_interpreters_exit() -> None:
    end_of_main = float(run_scene("scene_waiting_daemon"))
    assert time.monotonic() - end_of_main < 5


def exit_code(child: int) -> int:
    """How a forked child ended."""
    states: list[int] = []

    def gone() -> bool:
        done, state = os.waitpid(child, os.WNOHANG)
        states.extend([state] if done else [])
        return bool(done)

    eventually(gone)
    return os.waitstatus_to_exitcode(states[0])


def scene_fork() -> None:
    """A child of a process whose threads read, with items waiting on both sides of the boundary."""
    streams, injector = in_memory([("binance_spot", "trades"), ("kraken", "trades"), ("okx", "l1")])
    events = [trade(injector, number) for number in range(4)]
    theirs = trade(injector, 0, "kraken")
    stream, other = streams.select_trades("binance_spot"), streams.select_trades("kraken")
    waiting = in_wait(there(other).recv)
    injector.push_many(events[:3])
    assert there(stream).recv() == events[0]
    child = os.fork()
    if child == 0:
        calls: list[Callable[[], object]] = [
            there(stream).recv,
            there(stream).try_recv,
            there(stream).recv_batch,
            lambda: next(there(stream)),
            there(other).try_recv,
            lambda: streams.select_l1s("okx"),
            lambda: streams.available,
            lambda: injector.push(events[3]),
            lambda: injector.close("kraken", "trades"),
            lambda: in_memory([]),
        ]
        for call in calls:
            with pytest.raises(ForkedError):
                call()
        there(stream).close()
        del stream, other, streams, injector, calls, call, waiting
        gc.collect()
        return
    assert exit_code(child) == 0
    injector.push_many([events[3], theirs])
    assert [there(stream).recv() for _ in range(3)] == events[1:]
    assert waiting.result() == theirs
    assert streams.available == [("okx", SubKind.ORDER_BOOKS_L1)]
    streams.close()
    print("parent done")


def test_a_forked_child_is_refused_frees_nothing_and_leaves_the_parent_as_it_was() -> None:
    assert run_scene("scene_fork") == "parent done\n"


def scene_fork_of_nothing() -> None:
    """A child of a process that has imported the package and done nothing with it."""
    child = os.fork()
    if child == 0:
        stream, _streams, injector = one_stream()
        event = trade(injector, 0)
        injector.push(event)
        assert stream.recv(timeout=BOUND_S) == event
        return
    assert exit_code(child) == 0
    print("parent done")


def test_a_child_forked_before_anything_was_streamed_may_stream_itself() -> None:
    assert run_scene("scene_fork_of_nothing") == "parent done\n"


if __name__ == "__main__":
    globals()[sys.argv[1]]()

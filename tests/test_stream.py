"""A stream: every way to read it, from one thread and from many, and how it ends."""

from __future__ import annotations

import contextlib
import gc
import math
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from conftest import MakesStreams
from harness import (
    BOUND_S,
    EXCHANGE,
    InThread,
    btc,
    eventually,
    interrupted_after,
    one_of_each,
    trade,
    trades,
    waits_for_data,
)

import barter_cffi
from barter_cffi import (
    Batch,
    DataError,
    MarketStream,
    Reconnecting,
    RecvTimeoutError,
    StreamClosedError,
    SubKind,
    TradeEvent,
    merge,
)
from barter_cffi._ffi import check, ffi, lib
from barter_cffi.source import Source
from barter_cffi.testing import Injector
from barter_cffi.testing.encode import encode

Stream = MarketStream[Any]


@pytest.fixture
def opened(memory: MakesStreams) -> tuple[Stream, Injector]:
    """A stream of trades and its injector."""
    streams, injector = memory((EXCHANGE, "trades"))
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    return stream, injector


def by_recv(stream: Stream) -> Any:
    return stream.recv(timeout=BOUND_S)


def by_try_recv(stream: Stream) -> Any:
    deadline = time.monotonic() + BOUND_S
    while (item := stream.try_recv()) is None and not stream.closed:
        assert time.monotonic() < deadline
    return item


def by_next(stream: Stream) -> Any:
    return next(stream, None)


def by_batch(stream: Stream) -> Any:
    batch = stream.recv_batch(1, timeout=BOUND_S)
    return None if batch is None else batch[0]


WAYS = [by_recv, by_try_recv, by_next, by_batch]
RAISING = WAYS[:3]
READING = (MarketStream.recv, MarketStream.try_recv, MarketStream.recv_batch, MarketStream.__next__)


@pytest.mark.parametrize("take", WAYS)
def test_every_way_gives_the_items_in_order_and_none_for_ever_after_the_end(
    opened: tuple[Stream, Injector], take: Callable[[Stream], Any]
) -> None:
    stream, injector = opened
    sent = trades(btc(injector), 2500)
    injector.push_many(sent)
    injector.close(EXCHANGE, "trades")
    assert [take(stream) for _ in sent] == sent
    assert [take(stream) for _ in range(3)] == [None] * 3
    assert stream.closed


def test_ways_may_be_mixed(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    sent = trades(btc(injector), 4000)
    injector.push_many(sent)
    injector.close(EXCHANGE, "trades")
    assert [WAYS[number % 4](stream) for number in range(4000)] == sent


def test_a_batch_begins_with_what_is_left_of_the_current_chunk(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    sent = trades(btc(injector), 10)
    injector.push_many(sent)
    assert [stream.recv(0), stream.recv(0)] == sent[:2]
    assert list(stream.recv_batch(3) or ()) == sent[2:5]
    assert stream.try_recv() == sent[5]
    assert list(stream.recv_batch() or ()) == sent[6:]
    injector.push_many(sent)
    assert list(stream.recv_batch(4) or ()) == sent[:4]
    assert list(stream.recv_batch(100) or ()) == sent[4:]


def test_a_loop_may_be_left_and_begun_again(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    sent = trades(btc(injector), 5)
    injector.push_many(sent)
    injector.close(EXCHANGE, "trades")
    first = []
    for item in stream:
        first.append(item)
        if len(first) == 2:
            break
    assert iter(stream) is stream
    assert first + list(stream) == sent
    assert list(stream) == []


def test_events_notices_and_errors_come_in_their_places(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    sent = trades(btc(injector), 4)
    injector.push_many(sent[:2])
    injector.reconnecting(EXCHANGE, "trades")
    injector.push(sent[2])
    injector.error(EXCHANGE, "trades", "boom")
    injector.push(sent[3])
    injector.close(EXCHANGE, "trades")
    before = time.time_ns()
    items = [stream.recv(BOUND_S) for _ in range(4)]
    assert [items[0], items[1], items[3]] == sent[:3]
    marker = items[2]
    assert isinstance(marker, Reconnecting)
    assert (marker.exchange, marker.sub_kind, marker.merged) == (EXCHANGE, SubKind.PUBLIC_TRADES, 1)
    assert (marker.reason, marker.last_event_ns, marker.instruments) == (None, None, None)
    assert abs(marker.time_ns - before) < 60e9
    with pytest.raises(DataError, match=r"^SocketError: boom$") as raised:
        stream.recv(BOUND_S)
    error = raised.value
    assert (error.exchange, error.sub_kind, error.variant) == (EXCHANGE, SubKind.PUBLIC_TRADES, "socket")
    assert abs(error.time_ns - before) < 60e9
    assert [stream.recv(BOUND_S), stream.recv(BOUND_S)] == [sent[3], None]


def test_equal_neighbouring_notices_are_merged_and_counted(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    for _ in range(3):
        injector.reconnecting(EXCHANGE, "trades")
    injector.push(trade(btc(injector)))
    merged = stream.recv(BOUND_S)
    assert isinstance(merged, Reconnecting)
    assert merged.merged == 3
    assert isinstance(stream.recv(BOUND_S), TradeEvent)


@pytest.mark.parametrize("take", RAISING)
@pytest.mark.parametrize("length", [0, 1, 2**20])
def test_an_error_is_raised_with_upstreams_text_and_the_next_call_goes_on(
    opened: tuple[Stream, Injector], take: Callable[[Stream], Any], length: int
) -> None:
    stream, injector = opened
    sent = trades(btc(injector), 2)
    injector.push(sent[0])
    injector.error(EXCHANGE, "trades", "é" * length)
    injector.error(EXCHANGE, "trades", "again")
    injector.push(sent[1])
    assert take(stream) == sent[0]
    with pytest.raises(DataError) as raised:
        take(stream)
    assert str(raised.value) == "SocketError: " + "é" * length
    with pytest.raises(DataError, match="again"):
        take(stream)
    assert take(stream) == sent[1]


@pytest.mark.parametrize("take", WAYS)
def test_with_yield_and_in_batches_errors_are_items(memory: MakesStreams, take: Callable[[Stream], Any]) -> None:
    streams, injector = memory((EXCHANGE, "trades"), ("kraken", "trades"))
    yielding = streams.select_trades(EXCHANGE, errors="yield")
    raising = streams.select_trades("kraken")
    assert yielding is not None
    assert raising is not None
    for exchange in (EXCHANGE, "kraken"):
        injector.error(exchange, "trades", "boom")
    item = take(yielding)
    assert isinstance(item, DataError)
    assert str(item) == "SocketError: boom"
    batch = raising.recv_batch(timeout=BOUND_S)
    assert batch is not None
    assert isinstance(batch[0], DataError)


@pytest.mark.parametrize("timeout", [math.nan, math.inf, -math.inf, -1, -1e-9, 1e9 + 1, 10**400])
def test_a_timeout_out_of_range_is_a_value_error_also_when_an_item_waits(
    opened: tuple[Stream, Injector], timeout: float
) -> None:
    stream, injector = opened
    sent = trades(btc(injector), 2)
    injector.push_many(sent)
    for read in (stream.recv, lambda timeout: stream.recv_batch(timeout=timeout)):
        with pytest.raises(ValueError, match="timeout must be from 0 to 1e9 seconds"):
            read(timeout)
    assert [stream.recv(0), stream.recv(1e9)] == sent


@pytest.mark.parametrize("timeout", [True, "1", b"1", [1], 1j])
def test_a_timeout_that_is_no_number_is_a_type_error(opened: tuple[Stream, Injector], timeout: Any) -> None:
    stream, _ = opened
    for read in (stream.recv, lambda timeout: stream.recv_batch(timeout=timeout)):
        with pytest.raises(TypeError, match="timeout must be seconds"):
            read(timeout)


@pytest.mark.parametrize(("max_events", "error"), [(0, ValueError), (-1, ValueError), (2**31, ValueError),
                                                   (True, TypeError), (1.0, TypeError), ("1", TypeError)])  # fmt: skip
def test_max_events_must_be_a_positive_int(
    opened: tuple[Stream, Injector], max_events: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="max_events must be"):
        opened[0].recv_batch(max_events)


@pytest.mark.parametrize("timeout", [0, 0.0, 0.003, 0.06, 0.12])
@pytest.mark.parametrize("in_main_thread", [True, False])
def test_a_timeout_raises_after_its_time_and_not_before(
    opened: tuple[Stream, Injector], timeout: float, in_main_thread: bool
) -> None:
    stream, injector = opened

    def waited(read: Callable[..., Any]) -> float:
        began = time.monotonic_ns()
        with pytest.raises(RecvTimeoutError, match=f"within {timeout} s"):
            read(timeout=timeout)
        return (time.monotonic_ns() - began) / 1e9

    for read in (stream.recv, stream.recv_batch):
        took = waited(read) if in_main_thread else InThread(lambda read=read: waited(read)).result()  # type: ignore[misc]
        assert timeout <= took < timeout + 1
    injector.push(trade(btc(injector)))
    assert stream.recv(timeout) is not None or timeout == 0


def test_try_recv_gives_none_when_nothing_is_there(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    assert stream.try_recv() is None
    assert not stream.closed
    sent = trade(btc(injector))
    injector.push(sent)
    assert [stream.try_recv(), stream.try_recv()] == [sent, None]


def test_recv_in_a_thread_waits_until_something_comes(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    reader = InThread(stream.recv)
    eventually(lambda: waits_for_data(stream))
    sent = trade(btc(injector))
    injector.push(sent)
    assert reader.result() == sent


def test_while_a_thread_waits_others_are_served_in_their_own_time(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    reader = InThread(stream.recv)
    eventually(lambda: waits_for_data(stream))
    began = time.monotonic()
    assert stream.try_recv() is None
    assert time.monotonic() - began < 0.05
    began = time.monotonic()
    with pytest.raises(RecvTimeoutError):
        stream.recv(0.1)
    assert 0.1 <= time.monotonic() - began < 0.5
    second = InThread(lambda: stream.recv(BOUND_S))
    sent = trades(btc(injector), 2)
    injector.push_many(sent)
    assert {reader.result(), second.result()} == set(sent)


def test_when_the_one_that_waits_gives_up_another_takes_its_turn(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    short = InThread(lambda: stream.recv(0.05))
    eventually(lambda: waits_for_data(stream) or not short.thread.is_alive())
    long = InThread(stream.recv)
    with pytest.raises(RecvTimeoutError):
        short.result()
    sent = trade(btc(injector))
    injector.push(sent)
    assert long.result() == sent


@pytest.mark.parametrize(
    "take",
    [
        lambda stream: stream.recv(),
        next,
        lambda stream: stream.recv_batch(),
        lambda stream: next(stream.batches()),
        lambda stream: merge(stream).recv(),
        lambda stream: next(merge(stream)),
        lambda stream: merge(stream).recv_batch(),
    ],
    ids=["recv", "for", "recv_batch", "batches", "merged-recv", "merged-for", "merged-recv_batch"],
)
def test_ctrl_c_ends_a_wait_in_the_main_thread_and_the_stream_goes_on(
    opened: tuple[Stream, Injector], take: Callable[[Stream], Any]
) -> None:
    stream, injector = opened
    with interrupted_after(0.07):
        take(stream)
    sent = trade(btc(injector))
    injector.push(sent)
    assert stream.recv(BOUND_S) == sent


def test_ctrl_c_ends_a_wait_in_the_main_thread_while_another_thread_waits_in_the_library(
    opened: tuple[Stream, Injector],
) -> None:
    stream, injector = opened
    reader = InThread(stream.recv)
    eventually(lambda: waits_for_data(stream))
    with interrupted_after(0.07):
        stream.recv()
    sent = trade(btc(injector))
    injector.push(sent)
    assert reader.result() == sent


class Interrupted(BaseException):
    """What the signal handlers raise."""


def test_ctrl_c_while_another_thread_has_the_lock_leaves_the_lock_alone(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    reader = InThread(stream.recv)
    eventually(lambda: waits_for_data(stream))
    main, left = threading.get_ident(), False

    def interrupt(_: int, __: FrameType | None) -> None:
        if not left:
            raise Interrupted

    def hold() -> None:
        eventually(lambda: bool(stream._waiting))
        with stream._lock:

            def has_left() -> bool:
                signal.pthread_kill(main, signal.SIGUSR1)
                return left

            eventually(has_left)
            assert stream._lock.locked()

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        holder = InThread(hold)
        with pytest.raises(Interrupted):
            try:
                stream.recv(BOUND_S)
            finally:
                left = True
        holder.result()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not stream._waiting
    sent = trade(btc(injector))
    injector.push(sent)
    assert reader.result() == sent


def test_a_short_wait_for_another_threads_turn_leaves_nothing_behind(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    reader = InThread(stream.recv)
    eventually(lambda: waits_for_data(stream))
    with pytest.raises(RecvTimeoutError):
        stream.recv(0.001)
    assert not stream._waiting
    injector.close(EXCHANGE, "trades")
    assert reader.result() is None


class Storm:
    """Raises `Interrupted` every 200 microseconds in the main thread, if that is inside of a call that reads.

    Not inside of what the garbage collector runs there: Python prints and drops what is raised in it. And not again
    before the last one was caught: people do not press Ctrl-C twice within microseconds.
    """

    def __init__(self) -> None:
        self.raised = self.caught = 0
        self._reads = {method.__code__ for method in READING}
        self._package = str(Path(barter_cffi.__file__).parent)

    def __enter__(self) -> Storm:
        self._before = signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def _interrupt(self, _: int, frame: FrameType | None) -> None:
        if self.raised > self.caught or frame is None or not frame.f_code.co_filename.startswith(self._package):
            return
        while frame is not None and frame.f_code.co_name != "__del__":
            if frame.f_code in self._reads:
                self.raised += 1
                raise Interrupted
            frame = frame.f_back


@pytest.mark.timeout(3 * BOUND_S, method="thread")  # the alarm is the storm's
@pytest.mark.parametrize("merged", [False, True], ids=["", "merged"])
@pytest.mark.parametrize("take", [next, *RAISING, lambda stream: stream.recv_batch(7, BOUND_S)])
def test_signals_at_any_moment_lose_and_repeat_nothing(
    opened: tuple[Stream, Injector], take: Callable[[Any], Any], merged: bool
) -> None:
    stream: Source[Any] = opened[0]
    injector = opened[1]
    if merged:
        stream = merge(opened[0])
    instrument, storm = btc(injector), Storm()
    sent: list[Any] = []

    def produce() -> None:
        deadline = time.monotonic() + BOUND_S
        while storm.caught < 200:
            assert time.monotonic() < deadline, "the storm does not come"
            some = trades(instrument, 20, first=len(sent))
            sent.extend(some)
            injector.push_many(some)
            if len(sent) % 400 == 0:
                injector.error(EXCHANGE, "trades", str(len(sent)))
        injector.close(EXCHANGE, "trades")

    got: list[Any] = []
    with storm:
        producer = InThread(produce)
        while not stream.closed:
            try:
                got.append(take(stream))
            except DataError as error:
                got.append(error)
            except StopIteration:
                break
            except Interrupted as interrupted:
                storm.caught += 1
                if isinstance(interrupted.__context__, DataError):  # it was on its way to the caller
                    got.append(interrupted.__context__)
        producer.result()
    items: list[Any] = []
    for entry in got:
        items += list(entry) if isinstance(entry, Batch) else [entry]
    assert [item for item in items if isinstance(item, TradeEvent)] == sent
    assert [str(item) for item in items if isinstance(item, DataError)] == [
        f"SocketError: {number}" for number in range(400, len(sent) + 1, 400)
    ]


class Interrupting:
    """Raises `Interrupted` in this thread as the package's next function begins but so many, once it has received: the
    signals of an interpreter come where functions begin.
    """

    def __init__(self, but: int) -> None:
        self.left = but
        self.has_received = self.has_raised = False
        self._package = str(Path(barter_cffi.__file__).parent)

    def __enter__(self) -> Interrupting:
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code is MarketStream._wait.__code__:
            return self._receives
        if self.has_received and not self.has_raised and frame.f_code.co_filename.startswith(self._package):
            self.left -= 1
            if self.left < 0:
                self.has_raised = True
                raise Interrupted
        return None

    def _receives(self, frame: FrameType, event: str, _: object) -> Any:
        self.has_received |= event == "return"
        return self._receives


def test_a_signal_while_the_turn_is_given_up_leaves_nobody_waiting(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    sent = trade(btc(injector))

    def wait_behind() -> Any:
        eventually(lambda: waits_for_data(stream))
        return stream.recv()  # with a time-out it would look once more at its end, told or not

    def push() -> None:
        eventually(lambda: bool(stream._waiting))
        injector.push(sent)

    steps = 0
    while True:
        other, pushed = InThread(wait_behind), InThread(push)
        interrupting = Interrupting(steps)
        try:
            with interrupting:
                assert stream.recv(BOUND_S) == sent
        except Interrupted:
            assert other.result() == sent, "it is told of what was left over"
            steps += 1
            continue
        finally:
            pushed.result()
        injector.push(sent)
        assert other.result() == sent
        break
    assert steps >= 4, "it was interrupted in several places"


@pytest.mark.parametrize("errors", ["raise", "yield"])
def test_eight_threads_by_mixed_calls_lose_and_repeat_nothing(memory: MakesStreams, errors: Any) -> None:
    streams, injector = memory((EXCHANGE, "trades"))
    stream = streams.select_trades(EXCHANGE, errors)
    assert stream is not None
    sent = trades(btc(injector), 20_000)

    def read(way: Callable[[Stream], Any]) -> list[Any]:
        items: list[Any] = []
        while True:
            try:
                item = way(stream)
            except DataError as error:
                item = error
            except RecvTimeoutError:
                continue
            if item is None:
                return items
            items.append(item)

    ways: list[Callable[[Stream], Any]] = [*WAYS, by_next, by_recv, lambda stream: stream.recv(0.0001), by_batch]
    readers = [InThread(lambda way=way: read(way)) for way in ways]  # type: ignore[misc]
    for first in range(0, len(sent), 50):
        injector.push_many(sent[first : first + 50])
        if first % 1000 == 0:
            injector.error(EXCHANGE, "trades", f"{first}")
    injector.close(EXCHANGE, "trades")
    shares = [reader.result() for reader in readers]
    items = [item for share in shares for item in share]
    assert sorted(item.time_exchange_ns for item in items if isinstance(item, TradeEvent)) == [
        item.time_exchange_ns for item in sent
    ]
    assert sorted(int(str(item).split()[-1]) for item in items if isinstance(item, DataError)) == list(
        range(0, len(sent), 1000)
    )
    for share in shares:
        numbers = [item.time_exchange_ns for item in share if isinstance(item, TradeEvent)]
        assert numbers == sorted(numbers), "each thread sees its items in order"


def refuses(injector: Injector) -> bool:
    """Whether the stream is closed as its producer sees it."""
    try:
        injector.error(EXCHANGE, "trades", "to nobody")
    except StreamClosedError:
        return True
    return False


@pytest.mark.parametrize("take", [lambda stream: stream.recv(), lambda stream: stream.recv_batch()])
def test_close_wakes_every_thread_that_waits(opened: tuple[Stream, Injector], take: Callable[[Stream], Any]) -> None:
    stream, injector = opened
    readers = [InThread(lambda: take(stream)) for _ in range(3)]
    loop = InThread(lambda: list(stream))
    eventually(lambda: waits_for_data(stream))
    stream.close()
    for reader in readers:
        with pytest.raises(StreamClosedError):
            reader.result()
    assert loop.result() == []
    eventually(lambda: refuses(injector))


def test_after_close_calls_raise_loops_end_and_what_waited_is_gone(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    injector.push_many(trades(btc(injector), 10))
    assert stream.recv(BOUND_S) is not None
    assert not stream.closed
    stream.close()
    stream.close()
    assert stream.closed
    for call in (stream.recv, stream.try_recv, stream.recv_batch):
        with pytest.raises(StreamClosedError, match="the stream was closed"):
            call()
    assert list(stream) == []
    eventually(lambda: refuses(injector))


def test_with_closes_the_stream(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    with stream as entered:
        assert entered is stream
    assert stream.closed
    eventually(lambda: refuses(injector))


def test_a_stream_that_has_ended_and_is_closed_then_raises(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    injector.close(EXCHANGE, "trades")
    assert stream.recv(BOUND_S) is None
    stream.close()
    with pytest.raises(StreamClosedError):
        stream.recv()


def test_closed_is_true_only_when_nothing_can_come_any_more(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    injector.push_many(trades(btc(injector), 2))
    injector.close(EXCHANGE, "trades")
    assert not stream.closed
    assert stream.recv(BOUND_S) is not None
    assert not stream.closed
    assert stream.recv(BOUND_S) is not None
    assert stream.recv(BOUND_S) is None
    assert stream.closed


def test_dropping_the_last_reference_closes_the_stream_at_once(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "trades"))
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    injector.push_many(trades(btc(injector), 3))
    injector.error(EXCHANGE, "trades", "boom")
    injector.push_many(trades(btc(injector), 3))
    gc.disable()
    try:
        assert stream.recv(BOUND_S) is not None
        assert len(stream.recv_batch(1) or ()) == 1
        assert stream.recv(BOUND_S) is not None
        with contextlib.suppress(DataError):
            stream.recv(BOUND_S)
        gone = weakref.ref(stream)
        del stream
        assert gone() is None
    finally:
        gc.enable()
    eventually(lambda: refuses(injector))


def test_an_instrument_that_was_registered_later_elsewhere_is_found(opened: tuple[Stream, Injector]) -> None:
    stream, injector = opened
    known = btc(injector)
    request, index = b'{"exchange":"binance_futures_usd","base":"eth","quote":"usdt"}', ffi.new("uint32_t *")
    check(lib.barter_test_instrument(injector._handle, request, len(request), index))
    records, _, _ = encode(trades(known, 1), lambda _: index[0])
    check(lib.barter_test_push(injector._handle, ffi.from_buffer("barter_event[]", records), 1,
                               ffi.NULL, 0, ffi.NULL, 0))  # fmt: skip
    event = stream.recv(BOUND_S)
    assert isinstance(event, TradeEvent)
    assert (event.instrument.base, event.instrument.index) == ("eth", index[0])
    injector.push(trade(known))
    event = stream.recv(BOUND_S)
    assert isinstance(event, TradeEvent)
    assert event.instrument is known


def test_the_memory_of_a_chunk_is_let_go_when_the_reader_waits_for_the_next(
    opened: tuple[Stream, Injector],
) -> None:
    stream, injector = opened
    injector.push_many(trades(btc(injector), 100))
    metrics = ffi.new("barter_stream_metrics *", {"struct_size": ffi.sizeof("barter_stream_metrics")})

    def lent() -> int:
        check(lib.barter_stream_metrics_get(stream._handle, metrics))
        return int(metrics.bytes_lent)

    assert stream.recv(BOUND_S) is not None
    assert lent() > 0
    while stream.try_recv() is not None:
        pass
    assert lent() == 0


def test_the_repr_says_of_what_the_stream_is_and_whether_it_is_open(memory: MakesStreams) -> None:
    streams, _ = memory()
    stream, rest = streams.select_trades(EXCHANGE), streams.select_all()
    assert repr(stream) == "<MarketStream, trades of binance_futures_usd, open>"
    assert repr(rest) == "<MarketStream, several kinds of several exchanges, open>"
    assert stream is not None
    stream.close()
    assert repr(stream) == "<MarketStream, trades of binance_futures_usd, closed>"


def test_merged_streams_carry_all_kinds(memory: MakesStreams) -> None:
    streams, injector = memory()
    sent = one_of_each(btc(injector))
    for event in sent:
        injector.push(event)
    merged = streams.select_all()
    assert merged is not None
    assert [merged.recv(BOUND_S) for _ in sent] == sent

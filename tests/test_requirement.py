"""What the package promises, a test for each sentence, which stands in the test's docstring."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec
import pytest

import barter_cffi
from barter_cffi import (
    BookSnapshotEvent,
    BookUpdateEvent,
    DataError,
    DynamicStreams,
    ExchangeId,
    Instrument,
    Level,
    Levels,
    LiquidationEvent,
    MarketEvent,
    MarketStream,
    Notice,
    OrderBookL1Event,
    Reconnecting,
    RecvTimeoutError,
    Side,
    StreamOptions,
    SubKind,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
)
from barter_cffi.testing import Injector, LocalExchange, in_memory

ROOT = Path(__file__).parent.parent
EXCHANGE: ExchangeId = "binance_futures_usd"  # the one that has every kind
KINDS = list(SubKind)
SELECTORS: dict[SubKind, str] = {
    SubKind.PUBLIC_TRADES: "trades",
    SubKind.ORDER_BOOKS_L1: "l1s",
    SubKind.ORDER_BOOKS_L2: "l2s",
    SubKind.LIQUIDATIONS: "liquidations",
}
RUST_KINDS: dict[SubKind, str] = {
    SubKind.PUBLIC_TRADES: "Trades",
    SubKind.ORDER_BOOKS_L1: "L1",
    SubKind.ORDER_BOOKS_L2: "L2",
    SubKind.LIQUIDATIONS: "Liquidations",
}
BOUND_S = 10.0  # nothing here takes so long; a test that waits longer has failed
Item: TypeAlias = MarketEvent | Notice | DataError
T = TypeVar("T")

pytestmark = pytest.mark.timeout(60)


def select(streams: DynamicStreams, kind: SubKind, **options: Any) -> MarketStream[Any] | None:
    """`streams.select_trades(EXCHANGE)` and so on."""
    selected: MarketStream[Any] | None = getattr(streams, f"select_{SELECTORS[kind]}")(EXCHANGE, **options)
    return selected


def select_all(streams: DynamicStreams, kind: SubKind, **options: Any) -> MarketStream[Any] | None:
    """`streams.select_all_trades()` and so on."""
    selected: MarketStream[Any] | None = getattr(streams, f"select_all_{SELECTORS[kind]}")(**options)
    return selected


def found(stream: MarketStream[Any] | None) -> MarketStream[Any]:
    """The stream, which there must be."""
    assert stream is not None
    return stream


def events(kind: SubKind, instrument: Instrument, first: int = 0, count: int = 3) -> list[MarketEvent]:
    """Events of a kind; each number gives other values."""
    return [event_of(kind, instrument, number) for number in range(first, first + count)]


def event_of(kind: SubKind, instrument: Instrument, number: int) -> MarketEvent:
    """The event of a number."""
    price, at = 100.0 + number / 8, 1_700_000_000_000_000_001 + number
    where = (instrument, at, at + 7)
    side = Side.BUY if number % 2 else Side.SELL
    bids = Levels.of((f"{price}0", "1.50"), (f"{price - 1}", "0.25"))
    asks = Levels.of((f"{price + 1}", f"{number}"))
    match kind:
        case SubKind.PUBLIC_TRADES:
            return TradeEvent(price, 0.5 + number, side, f"№{number}" * (1 + 30 * number), *where)
        case SubKind.ORDER_BOOKS_L1:
            return OrderBookL1Event(at - 3, bids[0], asks[0] if number else None, *where)
        case SubKind.ORDER_BOOKS_L2 if number % 3 == 0:
            return BookSnapshotEvent(number, None, bids, Levels(), *where)
        case SubKind.ORDER_BOOKS_L2:
            return BookUpdateEvent(number, at - 5, bids, asks, *where)
        case SubKind.LIQUIDATIONS:
            return LiquidationEvent(price, 0.25 + number, side, at - 9, *where)


def btc(injector: Injector) -> Instrument:
    """The instrument of all events here."""
    return injector.instrument(EXCHANGE, "btc", "usdt", "perpetual")


def injected(injector: Injector, kind: SubKind) -> list[MarketEvent]:
    """Injects events, a marker, events, an error and an event, then the end; gives the events."""
    before = events(kind, btc(injector), 0, 3)
    between = events(kind, btc(injector), 3, 2)
    after = events(kind, btc(injector), 5, 1)
    injector.push_many(before)
    injector.reconnecting(EXCHANGE, kind)
    injector.push_many(between)
    injector.error(EXCHANGE, kind, "boom")
    injector.push_many(after)
    injector.close(EXCHANGE, kind)
    return [*before, *between, *after]


def untimed(item: Item) -> Item:
    """The item as it would be had it been made at the epoch: when a notice is made is nobody's choice."""
    if isinstance(item, DataError):
        return DataError(str(item), item.exchange, item.sub_kind, item.variant)
    if isinstance(item, msgspec.Struct) and isinstance(item, Notice):
        return msgspec.structs.replace(item, time_ns=0)
    return item


def by_recv(stream: MarketStream[Any]) -> list[Item]:
    """All items, by `recv`."""
    items = []
    while (item := stream.recv(timeout=BOUND_S)) is not None:
        items.append(item)
    return items


def by_try_recv(stream: MarketStream[Any]) -> list[Item]:
    """All items, by `try_recv`."""
    items, end = [], time.monotonic() + BOUND_S
    while not stream.closed:
        assert time.monotonic() < end
        if (item := stream.try_recv()) is not None:
            items.append(item)
    return items


def by_for(stream: MarketStream[Any]) -> list[Item]:
    """All items, by `for`."""
    return list(stream)


def by_recv_batch(stream: MarketStream[Any]) -> list[Item]:
    """All items, by `recv_batch`, two at a time."""
    items: list[Item] = []
    while (batch := stream.recv_batch(max_events=2, timeout=BOUND_S)) is not None:
        assert 1 <= len(batch) <= 2
        items += batch
    return items


READERS = [by_recv, by_try_recv, by_for, by_recv_batch]


def test_the_classes_have_the_names_that_are_promised() -> None:
    """There are `DynamicStreams` and `MarketStream`, also as `PyDynamicStreams`, `PyMarketStream`, `PySubscription`."""
    assert barter_cffi.PyDynamicStreams is barter_cffi.DynamicStreams is DynamicStreams
    assert barter_cffi.PyMarketStream is barter_cffi.MarketStream is MarketStream
    assert barter_cffi.PySubscription is barter_cffi.Subscription is Subscription


def test_the_set_of_streams_is_made_of_upstreams_dynamic_streams() -> None:
    """Beneath them is barter-data's own `DynamicStreams<InstrumentIndex>`."""
    source = (ROOT / "rust" / "src" / "streams.rs").read_text(encoding="utf-8")
    assert "builder::dynamic::DynamicStreams" in source, "upstream's is imported"
    assert "DynamicStreams<InstrumentIndex>" in source
    assert not re.search(r"\b(struct|enum|type) DynamicStreams\b", "\n".join(rust_sources().values()))
    manifest = (ROOT / "rust" / "Cargo.toml").read_text(encoding="utf-8")
    assert re.search(r'^barter-data = (\{ version = )?"=?0\.13', manifest, re.MULTILINE), "from the registry"


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_callers_need_no_event_loop_and_all_sets_share_one_runtime(workers: int | None, tmp_path: Path) -> None:
    """A Tokio runtime that the library manages and shares does the work: callers need no event loop of their own."""
    program = f"""
import os, sys, threading
from barter_cffi.testing import in_memory
sets = [in_memory([("{EXCHANGE}", "trades")]) for _ in range(20)]
threads = len(os.listdir("/proc/self/task"))
sets += [in_memory([("{EXCHANGE}", "trades")]) for _ in range(20)]
assert len(os.listdir("/proc/self/task")) == threads, "a thread for each set"
read = []
for streams, injector in sets:
    injector.error("{EXCHANGE}", "trades", "boom")
    stream = streams.select_trades("{EXCHANGE}", errors="yield")
    reader = threading.Thread(target=lambda: read.append(str(stream.recv(timeout={BOUND_S}))))
    reader.start()
    reader.join()
assert read == ["SocketError: boom"] * 40, read
assert "asyncio" not in sys.modules, "an event loop was needed"
print(threads - 1)
"""
    command = [sys.executable, "-c", program]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **({} if workers is None else {"BARTER_WORKER_THREADS": str(workers)})},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == (workers or 1), "the workers that were asked for and no other thread"


@pytest.mark.parametrize("kind", KINDS)
def test_of_many_threads_that_select_a_stream_exactly_one_gets_it(kind: SubKind) -> None:
    """Single streams are removed safely on demand from behind a shared reference, from any thread."""
    for _ in range(50):
        streams, injector = in_memory([(EXCHANGE, kind), ("kraken", "trades")])
        [stream] = [taken for taken in at_once(8, partial(select, streams, kind)) if taken is not None]
        injector.error(EXCHANGE, kind, "boom")
        with pytest.raises(DataError, match="boom"):
            stream.recv(timeout=BOUND_S)
        assert streams.available == [("kraken", SubKind.PUBLIC_TRADES)], "the others are still there"
        streams.close()


def at_once(threads: int, call: Callable[[], T]) -> list[T]:
    """What a call gives to each of so many threads that make it at the same time."""
    start, got = threading.Barrier(threads), list[T]()

    def run() -> None:
        start.wait(BOUND_S)
        got.append(call())

    callers = [threading.Thread(target=run) for _ in range(threads)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(BOUND_S)
    assert len(got) == threads
    return got


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_selected_by_exchange_once_and_nothing_else_is(kind: SubKind) -> None:
    """`select_trades`, `select_l1s`, `select_l2s`, `select_liquidations` take one exchange's stream out of the set."""
    with in_memory([(EXCHANGE, each) for each in KINDS])[0] as streams:
        assert select(streams, kind) is not None
        assert select(streams, kind) is None
        assert sorted(streams.available) == sorted((EXCHANGE, each) for each in KINDS if each is not kind)


@pytest.mark.parametrize("kind", KINDS)
def test_all_streams_of_a_kind_are_selected_as_one(kind: SubKind) -> None:
    """`select_all_trades`, `select_all_l1s`, `select_all_l2s` and `select_all_liquidations` merge what is left."""
    exchanges: list[ExchangeId] = ["okx", "kraken"]
    others = [(EXCHANGE, each) for each in KINDS if each is not kind]
    streams, injector = in_memory([(EXCHANGE, kind), *((each, kind) for each in exchanges), *others])
    with streams:
        taken = found(select(streams, kind))
        merged = found(select_all(streams, kind, errors="yield"))
        assert select_all(streams, kind) is None
        assert sorted(streams.available) == sorted(others)
        for exchange in exchanges:
            injector.error(exchange, kind, f"of {exchange}")
        injector.error(EXCHANGE, kind, "of the one that was taken")
        for exchange in exchanges:
            injector.close(exchange, kind)
        items = by_for(merged)
        assert [(str(item), item.exchange) for item in items if isinstance(item, DataError)] == [
            ("SocketError: of okx", "okx"),
            ("SocketError: of kraken", "kraken"),
        ]
        assert len(items) == 2
        with pytest.raises(DataError, match="the one that was taken"):
            taken.recv(timeout=BOUND_S)


@pytest.mark.parametrize("kind", KINDS)
def test_recv_waits_for_an_item_that_comes_later(kind: SubKind) -> None:
    """`recv()` blocks on the runtime until there is an item and gives it as a Python object."""
    streams, injector = in_memory([(EXCHANGE, kind)])
    with streams:
        stream, [event] = found(select(streams, kind)), events(kind, btc(injector), count=1)
        later = threading.Timer(0.05, injector.push, [event])
        later.start()
        assert stream.recv(timeout=None) == event
        later.join(BOUND_S)


def test_recv_raises_a_timeout_error_when_its_time_is_up_and_not_before() -> None:
    """`recv(timeout)` waits so many seconds, no less."""
    streams, injector = in_memory([(EXCHANGE, "trades")])
    with streams:
        stream = found(select(streams, SubKind.PUBLIC_TRADES))
        for timeout in (0, 0.001, 0.07):
            began = time.monotonic()
            with pytest.raises(TimeoutError) as raised:
                stream.recv(timeout=timeout)
            assert timeout <= time.monotonic() - began < timeout + BOUND_S
            assert isinstance(raised.value, RecvTimeoutError)
        [event] = events(SubKind.PUBLIC_TRADES, btc(injector), count=1)
        injector.push(event)
        assert stream.recv(timeout=0) == event


@pytest.mark.parametrize("kind", KINDS)
def test_try_recv_gives_what_is_there_and_never_waits(kind: SubKind) -> None:
    """`try_recv()` gives an item where one is there, else `None`, at once."""
    streams, injector = in_memory([(EXCHANGE, kind)])
    with streams:
        stream, [event] = found(select(streams, kind)), events(kind, btc(injector), count=1)
        assert stream.try_recv() is None
        assert not stream.closed
        injector.push(event)
        assert stream.try_recv() == event
        assert stream.try_recv() is None
        injector.close(EXCHANGE, kind)
        assert stream.recv(timeout=BOUND_S) is None
        assert stream.try_recv() is None
        assert stream.closed


def test_init_dynamic_streams_opens_the_connections_of_nested_batches() -> None:
    """`init_dynamic_streams` takes batches of `Subscription`, runs the asynchronous initialiser and waits for it."""
    with LocalExchange(["binance_spot", EXCHANGE], autostart=False) as exchange:
        batches = [
            [
                Subscription("binance_spot", "btc", "usdt", "spot", SubKind.PUBLIC_TRADES),
                Subscription("binance_spot", "eth", "usdt", "spot", "l2"),
            ],
            [Subscription(EXCHANGE, "btc", "usdt", "perpetual", kind) for kind in KINDS],
        ]
        options = StreamOptions(endpoints=exchange.endpoints)
        with init_dynamic_streams(batches, options) as streams:
            assert isinstance(streams, DynamicStreams)
            assert len(streams.available) == 6
            opened = {name: exchange.journal.connections(name).open for name in exchange.addresses}
            assert opened == {"binance_spot": 2, EXCHANGE: 4}, "all are open when it returns"


@pytest.mark.parametrize("kind", KINDS)
def test_events_markers_and_errors_reach_python_in_their_order(kind: SubKind) -> None:
    """Every `MarketStreamResult` reaches Python: events, reconnection markers and errors."""
    streams, injector = in_memory([(EXCHANGE, kind)])
    with streams:
        sent = injected(injector, kind)
        marker = Reconnecting(EXCHANGE, kind, None, None, None)
        error = DataError("SocketError: boom", EXCHANGE, kind)
        items = [untimed(item) for item in by_for(found(select(streams, kind, errors="yield")))]
        assert items == [*sent[:3], marker, *sent[3:5], error, sent[5]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", ["recv", "try_recv", "for"])
def test_a_data_error_is_a_value_error_with_the_original_message(kind: SubKind, read: str) -> None:
    """A `DataError` that was pushed is raised as a `ValueError` with upstream's message, and the stream goes on."""
    streams, injector = in_memory([(EXCHANGE, kind)])
    with streams:
        stream, [event] = found(select(streams, kind)), events(kind, btc(injector), count=1)
        injector.error(EXCHANGE, kind, "boom: ünïcode, 100 %")
        injector.push(event)
        take: dict[str, Callable[[], object]] = {
            "recv": lambda: stream.recv(timeout=BOUND_S),
            "try_recv": stream.try_recv,
            "for": lambda: next(stream),
        }
        with pytest.raises(ValueError, match="boom") as raised:
            take[read]()
        assert isinstance(raised.value, DataError)
        assert str(raised.value) == "SocketError: boom: ünïcode, 100 %"
        assert (raised.value.exchange, raised.value.sub_kind) == (EXCHANGE, kind)
        assert take[read]() == event


def test_streams_from_in_memory_channels_are_for_python_tests_without_a_network() -> None:
    """Test helpers build streams from in-memory channels, for pytest, with no network at all."""
    before = sockets()
    streams, injector = in_memory([(EXCHANGE, kind) for kind in KINDS])
    with streams:
        for kind in KINDS:
            sent = events(kind, btc(injector))
            injector.push_many(sent)
            injector.close(EXCHANGE, kind)
            assert by_for(found(select(streams, kind))) == sent
        assert sockets() == before


def sockets() -> set[str]:
    """The sockets of this process."""
    held = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists the folder
            held.add(os.readlink(descriptor))
    return {target for target in held if target.startswith("socket:")}


def test_streams_from_in_memory_channels_are_for_rust_tests_too() -> None:
    """The same helper is there for Rust, makes upstream's type, and Rust's own tests use it."""
    testing = rust_sources()["testing.rs"]
    assert "pub fn in_memory(" in testing
    assert "-> (DynamicStreams<InstrumentIndex>, Injector)" in testing
    tests = (ROOT / "rust" / "tests" / "in_memory.rs").read_text(encoding="utf-8")
    assert "testing::streams(" in tests
    assert [name for name in SELECTORS if f"SubKind::{RUST_KINDS[name]}" not in tests] == []


def test_one_place_converts_market_events_in_rust_and_one_in_python() -> None:
    """There is one conversion of `MarketEvent` into a record in Rust and one place in Python that unpacks records."""
    rust = rust_sources()
    defining = [name for name, text in rust.items() if re.search(r"\bfn push_event\b", text)]
    assert defining == ["event/market.rs"]
    assert len(re.findall(r"\bfn push_event\b", rust["event/market.rs"])) == 1

    package = Path(barter_cffi.__file__).parent
    python = {
        str(path.relative_to(package)): path.read_text(encoding="utf-8")
        for path in package.rglob("*.py")
        if not path.name.startswith("_native") and "local_exchange" not in path.parts
    }
    layouts = ("TRADE", "L1", "BOOK", "LIQUIDATION", "NOTICE")
    unpacking = rf"\b({'|'.join(layouts)})\.(iter_unpack|unpack|unpack_from)\b"
    assert [name for name, text in python.items() if re.search(unpacking, text)] == ["record.py"]
    for layout in layouts:
        assert len(re.findall(rf"\b{layout}\.iter_unpack\b", python["record.py"])) == 1
    naming = [name for name, text in python.items() if re.search(r'offsetof\("barter_event"', text)]
    assert naming == ["layout.py"], "offsets of the record's fields are known in one module"
    formats = {name for name, text in python.items() if re.search(r"struct\.(Struct|[un]*pack)", text)}
    assert formats == {"layout.py", "level.py", "record.py"}


def rust_sources() -> dict[str, str]:
    """The library's Rust files, by their path."""
    folder = ROOT / "rust" / "src"
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*.rs")}


@pytest.mark.parametrize("path", ["rust/", "barter_cffi/", "build.py", "tests/", "setup.py", "README.md"])
def test_the_top_level_has_what_is_promised(path: str) -> None:
    """At the top are `rust/`, `barter_cffi/`, `build.py`, `tests/`, `setup.py` and `README.md`."""
    found_there = ROOT / path
    assert found_there.is_dir() if path.endswith("/") else found_there.is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_to_read_gives_the_same_items(kind: SubKind) -> None:
    """What was injected is the same by `recv`, `try_recv`, `for` and `recv_batch`."""
    readings = []
    for read in READERS:
        streams, injector = in_memory([(EXCHANGE, kind)])
        with streams:
            sent = injected(injector, kind)
            stream = found(select(streams, kind, errors="yield"))
            items = [untimed(item) for item in read(stream)]
            assert [item for item in items if isinstance(item, MarketEvent)] == sent
            assert stream.recv(timeout=0) is None, "an ended stream stays ended"
            readings.append(items)
    assert readings == [readings[0]] * len(READERS)
    assert len(readings[0]) == 8


def test_events_have_upstreams_payload_with_its_field_names() -> None:
    """A `MarketEvent` is upstream's: times, exchange, instrument, and `kind`, the payload."""
    streams, injector = in_memory([(EXCHANGE, kind) for kind in KINDS])
    with streams:
        payloads = {}
        for kind in KINDS:
            sent = events(kind, btc(injector), first=1, count=1)
            injector.push_many(sent)
            event = found(select(streams, kind)).recv(timeout=BOUND_S)
            assert isinstance(event, MarketEvent)
            assert (event.exchange, event.sub_kind) == (EXCHANGE, kind)
            assert event.instrument is btc(injector) or event.instrument == btc(injector)
            assert event.time_received_ns - event.time_exchange_ns == 7
            payloads[kind] = {name: getattr(event.kind, name) for name in event.kind.__struct_fields__}
    assert set(payloads[SubKind.PUBLIC_TRADES]) == {"id", "price", "amount", "side"}
    assert set(payloads[SubKind.ORDER_BOOKS_L1]) == {"last_update_time", "best_bid", "best_ask"}
    assert set(payloads[SubKind.ORDER_BOOKS_L2]) == {"sequence", "time_engine", "bids", "asks"}
    assert set(payloads[SubKind.LIQUIDATIONS]) == {"side", "price", "quantity", "time"}
    assert payloads[SubKind.ORDER_BOOKS_L1]["best_bid"] == Level.of("100.125", "1.5")

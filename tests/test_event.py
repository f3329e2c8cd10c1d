"""Events, levels, notices and instruments as values: equal, immutable, hashable, picklable, readable, encodable."""

from __future__ import annotations

import copy
import decimal
import gc
import math
import pickle
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from conftest import MakesStreams
from harness import BOUND_S, EXCHANGE, btc, one_of_each, trade
from hypothesis import given
from hypothesis import strategies as st

from barter_cffi import (
    ArgumentError,
    BookEvent,
    BookSnapshotEvent,
    BookUpdateEvent,
    DataError,
    Dropped,
    FutureContract,
    Instrument,
    Level,
    Levels,
    Liquidation,
    LiquidationEvent,
    MarketEvent,
    Notice,
    OptionContract,
    OrderBookL1,
    OrderBookL1Event,
    OrderBookSnapshot,
    OrderBookUpdate,
    PublicTrade,
    Reconnected,
    Reconnecting,
    Side,
    Silent,
    SubKind,
    TradeEvent,
)
from barter_cffi._ffi import ffi, lib
from barter_cffi.level import decimal_record

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
BTC = Instrument(0, EXCHANGE, "btc", "usdt", "perpetual", "BTCUSDT", "base")
EVENTS = one_of_each(BTC)
LIQUIDATION = LiquidationEvent(99.5, 2.0, Side.BUY, 0, BTC, 0, 0)
NOTICES: list[Notice] = [
    Reconnecting(EXCHANGE, SubKind.PUBLIC_TRADES, "closed by the exchange", 5, (BTC,), 2, 6),
    Reconnected(EXCHANGE, SubKind.PUBLIC_TRADES, 3, 1.5, 1, 7),
    Dropped(12, EXCHANGE, SubKind.PUBLIC_TRADES, BTC, 1, 2, "queue_full", 8),
    Silent(BTC, SubKind.PUBLIC_TRADES, 60.0, 1, 9),
]
VALUES = [*EVENTS, *NOTICES, BTC, Level.of("1.50", "2"), Levels.of((1, 2)), *[event.kind for event in EVENTS]]
decimals = st.builds(
    lambda mantissa, scale, negative: Decimal((int(negative), tuple(map(int, str(mantissa))), -scale)),
    st.integers(0, 2**96 - 1) | st.integers(0, 10**9),
    st.integers(0, 28),
    st.booleans(),
)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_equal_to_copies_and_hash_alike(value: Any) -> None:
    for same in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert same == value
        assert hash(same) == hash(value)
        assert type(same) is type(value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_differ_when_a_field_does(value: Any) -> None:
    for field in value.__struct_fields__:
        if isinstance(value, (Level, Levels)) and field == "exact":
            continue
        assert msgspec.structs.replace(value, **{field: ("another",)}) != value, field
    assert value != 3


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_cannot_be_changed(value: Any) -> None:
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], None)
    with pytest.raises(AttributeError):
        value.something_else = None


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_encoded_as_json_with_their_fields(value: Any) -> None:
    decoded = msgspec.json.decode(msgspec.json.encode(value))
    assert set(decoded) - {"type"} == set(value.__struct_fields__)


def test_the_json_of_an_event_says_which_it_is() -> None:
    kinds = [msgspec.json.decode(msgspec.json.encode(item))["type"] for item in [*EVENTS, *NOTICES]]
    assert kinds == [
        "trade", "l1", "book_snapshot", "book_update", "liquidation",
        "reconnecting", "reconnected", "dropped", "silent",
    ]  # fmt: skip


def test_instruments_of_every_kind_are_encoded_as_json() -> None:
    expiry = datetime(2026, 12, 25, 8, tzinfo=timezone.utc)
    for kind in (FutureContract(expiry), OptionContract("call", "european", expiry, Decimal("50000.0"))):
        encoded = msgspec.json.encode(msgspec.structs.replace(BTC, kind=kind))
        assert msgspec.json.decode(encoded)["kind"]["expiry"] == "2026-12-25T08:00:00Z"


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_reprs_are_short_and_name_the_type(value: Any) -> None:
    assert repr(value).startswith(type(value).__name__)
    assert len(repr(value)) < 500


def test_events_match_by_position_and_by_name() -> None:
    found: list[object] = []
    for item in [*EVENTS, *NOTICES]:
        match item:
            case TradeEvent(price, amount, Side.SELL, id):
                found.append((price, amount, id))
            case OrderBookL1Event(_, Level(price, amount), None):
                found.append((price, amount))
            case BookSnapshotEvent(sequence, _, [best, *_]):
                found.append((sequence, best.price))
            case BookUpdateEvent(sequence=sequence, asks=[]):
                found.append(sequence)
            case LiquidationEvent(price, quantity):
                found.append((price, quantity))
            case Reconnecting(exchange="binance_futures_usd", merged=merged):
                found.append(merged)
            case Dropped(count):
                found.append(count)
            case Notice():
                found.append(type(item))
    assert found == [
        (100.5, 0.25, "t0"), (100.5, 3.0), (7, 100.5), 8, (99.5, 2.0), 2, Reconnected, 12, Silent,
    ]  # fmt: skip


def test_an_event_has_its_kind_exchange_and_times() -> None:
    assert [event.sub_kind.value for event in EVENTS] == ["trades", "l1", "l2", "l2", "liquidations"]
    for event in EVENTS:
        assert isinstance(event, MarketEvent)
        assert event.exchange == EXCHANGE
    assert [isinstance(event, BookEvent) for event in EVENTS] == [False, False, True, True, False]
    assert EVENTS[1].time_exchange == EPOCH + timedelta(microseconds=1_700_000_000_123_456)
    assert EVENTS[1].time_received == EPOCH + timedelta(microseconds=1_700_000_000_223_456)


def test_kind_is_upstreams_payload_with_its_field_names() -> None:
    sold, l1, snapshot, update, liquidation = EVENTS
    at = EPOCH + timedelta(microseconds=1_700_000_000_000_000)
    assert sold.kind == PublicTrade(id="t0", price=100.5, amount=0.25, side=Side.SELL)
    assert l1.kind == OrderBookL1(last_update_time=at, best_bid=Level.of("100.5", "3"), best_ask=None)
    assert isinstance(snapshot, BookSnapshotEvent)
    assert snapshot.kind == OrderBookSnapshot(sequence=7, time_engine=at, bids=snapshot.bids, asks=snapshot.asks)
    assert isinstance(update, BookUpdateEvent)
    assert update.kind == OrderBookUpdate(sequence=8, time_engine=None, bids=update.bids, asks=Levels())
    assert liquidation.kind == Liquidation(side=Side.BUY, price=99.5, quantity=2.0, time=at)


@pytest.mark.parametrize(
    ("ns", "expected"),
    [
        (0, EPOCH),
        (999, EPOCH),
        (1000, EPOCH + timedelta(microseconds=1)),
        (-1, EPOCH - timedelta(microseconds=1)),
        (-1000, EPOCH - timedelta(microseconds=1)),
        (2**63 - 1, EPOCH + timedelta(microseconds=(2**63 - 1) // 1000)),
        (-(2**63), EPOCH - timedelta(microseconds=2**63 // 1000 + 1)),
    ],
)
def test_times_are_utc_and_floored_to_the_microsecond(ns: int, expected: datetime) -> None:
    event = msgspec.structs.replace(trade(BTC), time_exchange_ns=ns, time_received_ns=ns)
    assert event.time_exchange == event.time_received == expected
    assert event.time_exchange.tzinfo is timezone.utc
    assert msgspec.structs.replace(LIQUIDATION, time_ns=ns).time == expected


def test_a_time_that_no_datetime_can_have_is_an_overflow_error_that_names_it() -> None:
    for ns in (10**21, -(10**21), 10**40):
        with pytest.raises(OverflowError, match=f"^{ns} ns"):
            _ = msgspec.structs.replace(trade(BTC), time_exchange_ns=ns).time_exchange


def test_notices_have_a_time() -> None:
    assert NOTICES[0].time == EPOCH
    assert Reconnected(None, None, 1, None, 1, 1_500).time == EPOCH + timedelta(microseconds=1)


def test_a_side_is_equal_to_its_name_and_prints_as_it() -> None:
    assert (Side.BUY, Side.SELL) == ("buy", "sell")
    assert f"{Side.BUY}" == str(Side.BUY) == "buy"


def test_an_instrument_is_an_index_and_prints_as_its_name() -> None:
    second = msgspec.structs.replace(BTC, index=1)
    assert ["first", "second"][second] == "second"
    assert str(BTC) == "binance_futures_usd:btc/usdt:perpetual"


def test_instruments_read_from_the_library_have_all_their_terms(memory: MakesStreams) -> None:
    streams, injector = memory()
    expiry = datetime(2026, 12, 25, 8, 0, 0, 7000, tzinfo=timezone.utc)
    option = OptionContract("put", "american", expiry, Decimal("50000.0"))
    made = [
        btc(injector),
        injector.instrument("okx", "BTC", "USD", FutureContract(expiry)),
        injector.instrument("okx", "btc", "usd", option),
        injector.instrument("kraken", "eth", "usd", name_exchange="XETHZUSD"),
    ]
    assert list(streams.instruments) == made
    assert [instrument.index for instrument in made] == [0, 1, 2, 3]
    assert [instrument.kind for instrument in made] == ["perpetual", FutureContract(expiry), option, "spot"]
    assert (made[1].base, made[1].quote, made[1].amount_unit) == ("btc", "usd", "contracts")
    assert made[3].name_exchange == "XETHZUSD"
    assert btc(injector) is made[0]


@given(decimals, decimals)
def test_levels_keep_exact_numbers_with_scale(price: Decimal, amount: Decimal) -> None:
    with decimal.localcontext() as context:
        context.prec = 3  # exact whatever the caller's precision
        level = Level.of(price, amount)
        assert level.price_decimal.as_tuple() == price.as_tuple()
        assert level.amount_decimal.as_tuple() == amount.as_tuple()
    assert (level.price, level.amount) == (float(price), float(amount))
    [same] = Levels.of(level)
    assert (same, same.exact) == (level, level.exact)


@pytest.mark.parametrize(
    ("number", "text"),
    [("100.50", "100.50"), ("1E+3", "1000"), ("-0.00", "-0.00"), (7, "7"), (0.1, "0.1"), (Decimal("1e-28"), "1E-28"),
     (2**96 - 1, "79228162514264337593543950335")],
)  # fmt: skip
def test_levels_are_made_of_texts_ints_floats_and_decimals(number: Any, text: str) -> None:
    assert str(Level.of(number, 1).price_decimal) == text
    assert str(Level.of(1, number).amount_decimal) == text


@pytest.mark.parametrize(
    "number",
    ["nan", "inf", "-Infinity", "soon", "", 2**96, "1e29", "1e-29", Decimal(10) ** 28 * 10, math.nan, math.inf],
)
def test_numbers_that_no_level_can_have_are_argument_errors_that_show_them(number: Any) -> None:
    with pytest.raises(ArgumentError):
        Level.of(number, 1)
    with pytest.raises(ArgumentError):
        Levels.of((1, number))


@pytest.mark.parametrize("number", [True, None, b"1", (1,)])
def test_what_is_no_number_is_a_type_error(number: Any) -> None:
    with pytest.raises(TypeError, match="a price or an amount"):
        Level.of(number, 1)


def test_levels_compare_by_their_exact_numbers_whatever_their_zeros() -> None:
    assert Level.of("100.50", "3") == Level.of("100.5", "3.00") == Level(100.5, 3.0)
    assert hash(Level.of("100.50", "3")) == hash(Level(100.5, 3.0))
    close = "0.1234567890123456789012345678"
    assert Level.of(close, 1).price == Level.of(close[:-1] + "9", 1).price
    assert Level.of(close, 1) != Level.of(close[:-1] + "9", 1)
    assert Level.of(close, 1) != Level(float(close), 1.0)
    assert Level(0.1, 0.2).price_decimal == Decimal("0.1")
    assert Level(1.0, 2.0) != (1.0, 2.0)


def test_a_side_of_a_book_is_a_sequence_of_levels() -> None:
    pairs = [("3.0", "1"), ("2.0", "0.50"), ("1.0", "7"), ("0.5", "9")]
    levels, listed = Levels.of(*pairs), [Level.of(*pair) for pair in pairs]
    assert list(levels) == listed
    assert list(reversed(levels)) == listed[::-1]
    assert [levels[place] for place in range(-4, 4)] == listed + listed
    assert (len(levels), len(Levels())) == (4, 0)
    assert (levels.prices, levels.amounts) == ((3.0, 2.0, 1.0, 0.5), (1.0, 0.5, 7.0, 9.0))
    assert list(levels[1:3]) == listed[1:3]
    assert list(levels[::-2]) == listed[::-2]
    assert levels[1:3] == Levels.of(*listed[1:3])
    assert str(levels[1].amount_decimal) == "0.50"
    assert listed[2] in levels
    assert Level(8.0, 8.0) not in levels
    assert (levels.index(listed[2]), levels.count(listed[2])) == (2, 1)
    with pytest.raises(IndexError):
        levels[4]
    with pytest.raises(ValueError, match="not in"):
        levels.index(Level(8.0, 8.0))


def test_sides_compare_by_their_exact_numbers_whatever_their_zeros() -> None:
    assert Levels.of(("1.50", "2"), ("1.0", "1")) == Levels.of(("1.5", "2.0"), (1, 1))
    close = "0.1234567890123456789012345678"
    assert Levels.of((close, 1)) != Levels.of((close[:-1] + "9", 1))
    assert Levels.of((1, 2)) != Levels.of((1, 2), (1, 2))
    assert Levels.of((1, 2)) != Levels.of((1, 3))
    assert Levels.of((1, 2)) != [Level(1.0, 2.0)]


def test_the_repr_of_a_long_side_is_cut() -> None:
    assert repr(Levels.of(*[(price, 1) for price in range(1, 8)])) == (
        "Levels[1.0 × 1.0, 2.0 × 1.0, 3.0 × 1.0, 4.0 × 1.0, 5.0 × 1.0, … 2 more]"
    )
    assert repr(Levels()) == "Levels[]"


def test_a_decimal_record_is_the_librarys() -> None:
    for text in ("100.50", "-0.1", "79228162514264337593543950335", "0.0000000000000000000000000001"):
        record = ffi.from_buffer("barter_decimal *", decimal_record(Decimal(text)))
        written = ffi.new("char[]", 64)
        lib.barter_decimal_to_string(record[0], written, 64)
        assert ffi.string(written).decode() == text
        assert lib.barter_decimal_to_double(record[0]) == float(text)


@pytest.mark.parametrize("value", [*EVENTS, *NOTICES, BTC], ids=lambda value: type(value).__name__)
def test_values_are_not_tracked_by_the_garbage_collector_and_hold_no_times_or_decimals(value: Any) -> None:
    assert not gc.is_tracked(value)
    assert type(value).__struct_config__.gc is False
    assert not isinstance(value, dict) and not hasattr(value, "__dict__")
    for name in value.__struct_fields__:
        assert not isinstance(getattr(value, name), (datetime, Decimal)), "they are made when asked for"


def test_times_and_exact_numbers_are_made_at_each_asking() -> None:
    event = EVENTS[1]
    assert isinstance(event, OrderBookL1Event)
    assert event.best_bid is not None
    assert event.time_exchange is not event.time_exchange
    assert event.best_bid.price_decimal is not event.best_bid.price_decimal


def test_items_of_a_stream_survive_pickling_with_instruments_levels_and_errors(memory: MakesStreams) -> None:
    streams, injector = memory()
    everything = streams.select_all("yield")
    assert everything is not None
    sent = one_of_each(btc(injector))
    for event in sent:
        injector.push(event)
    injector.error(EXCHANGE, "trades", "boom")
    injector.reconnecting(EXCHANGE, "trades")
    batch = everything.recv_batch(timeout=BOUND_S)
    assert batch is not None
    items = list(batch)
    assert [*map(type, items)] == [*map(type, sent), DataError, Reconnecting]
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(items, protocol))
        assert again == items
        assert [*map(hash, again)] == [*map(hash, items)]
    books = [(item.bids, item.asks) for item in again if isinstance(item, BookEvent)]
    assert [str(level.price_decimal) for level in books[0][0]] == ["100.50", "100.40"]
    assert len(set(again) | set(items)) == len(items)

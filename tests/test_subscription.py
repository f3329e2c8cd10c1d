"""Subscriptions: the fields, the text form, and what the library's JSON gets."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barter_cffi import (
    ExchangeId,
    FutureContract,
    OptionContract,
    SubKind,
    Subscription,
    SubscriptionError,
    subscriptions,
)
from barter_cffi._ffi import ffi, lib
from barter_cffi.instrument import kind_json, kind_text, parse_kind
from barter_cffi.subscription import batches_json, subscription_json

EXPIRY = datetime(2026, 12, 25, 8, tzinfo=timezone.utc)
TRADES = Subscription("binance_spot", "btc", "usdt", "spot", "trades")


def test_exchange_ids_are_those_of_the_librarys_table() -> None:
    table = msgspec.json.decode(ffi.string(lib.barter_support_json()))
    assert sorted(row["exchange"] for row in table) == sorted(get_args(ExchangeId))
    assert len(get_args(ExchangeId)) == 15


def test_kinds_have_the_librarys_numbers_and_names() -> None:
    for kind in SubKind:
        assert ffi.string(lib.barter_kind_name(kind.number)).decode() == kind.value
        assert SubKind.from_number(kind.number) is kind
    assert len(SubKind) == sum(lib.barter_kind_name(number) != ffi.NULL for number in range(256))
    assert SubKind.from_number(lib.BARTER_SUB_ALL) is None


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        ("trades", SubKind.PUBLIC_TRADES),
        ("public_trades", SubKind.PUBLIC_TRADES),
        ("PublicTrades", SubKind.PUBLIC_TRADES),
        ("l1", SubKind.ORDER_BOOKS_L1),
        ("order_books_l1", SubKind.ORDER_BOOKS_L1),
        ("OrderBooksL1", SubKind.ORDER_BOOKS_L1),
        ("l2", SubKind.ORDER_BOOKS_L2),
        ("order_books_l2", SubKind.ORDER_BOOKS_L2),
        ("OrderBooksL2", SubKind.ORDER_BOOKS_L2),
        ("liquidations", SubKind.LIQUIDATIONS),
        ("Liquidations", SubKind.LIQUIDATIONS),
        ("LIQUIDATIONS", SubKind.LIQUIDATIONS),
        (SubKind.LIQUIDATIONS, SubKind.LIQUIDATIONS),
    ],
)
def test_every_spelling_of_a_kind_is_understood(spelling: Any, kind: SubKind) -> None:
    assert Subscription("binance_spot", "btc", "usdt", "spot", spelling).kind is kind


def test_a_kind_is_equal_to_its_short_name_and_prints_as_it() -> None:
    assert SubKind("PublicTrades") == "trades"
    assert f"{SubKind.PUBLIC_TRADES}" == "trades"


def test_an_unknown_kind_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(SubscriptionError, match=r"'trade'; did you mean trades\?"):
        Subscription("binance_spot", "btc", "usdt", "spot", "trade")  # type: ignore[arg-type]
    with pytest.raises(SubscriptionError, match="trades or l1 or l2 or liquidations"):
        SubKind("x")


@pytest.mark.parametrize(
    ("field", "value"),
    [("exchange", None), ("base", 1), ("quote", b"usdt"), ("instrument_kind", 3), ("kind", 1), ("name_exchange", 2)],
)
def test_a_field_of_a_wrong_type_is_a_type_error_that_names_what_is_wrong(field: str, value: object) -> None:
    fields: dict[str, Any] = {
        "exchange": "kraken", "base": "btc", "quote": "usd", "instrument_kind": "spot", "kind": "l1", field: value,
    }  # fmt: skip
    with pytest.raises(TypeError, match=field):
        Subscription(**fields)


def test_subscriptions_are_values() -> None:
    same = Subscription("binance_spot", "btc", "usdt", "spot", "PublicTrades")
    assert same == TRADES
    assert hash(same) == hash(TRADES)
    with pytest.raises(AttributeError):
        TRADES.base = "eth"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "subscription"),
    [
        ("binance_spot:btc/usdt:trades", Subscription("binance_spot", "btc", "usdt", None, "trades")),
        ("binance_spot:btc/usdt:spot:OrderBooksL1", Subscription("binance_spot", "btc", "usdt", "spot", "l1")),
        ("okx:btc/usdt:perpetual:trades", Subscription("okx", "btc", "usdt", "perpetual", "trades")),
        (
            "okx:btc/usd:future@2026-12-25T08:00:00Z:trades",
            Subscription("okx", "btc", "usd", FutureContract(EXPIRY), "trades"),
        ),
        (
            "okx:btc/usd:future@2026-12-25T10:00:00+02:00:trades",
            Subscription("okx", "btc", "usd", FutureContract(EXPIRY), "trades"),
        ),
        (
            "gateio_futures_usd:btc/usdt:future@2026-12-25:trades",
            Subscription("gateio_futures_usd", "btc", "usdt", FutureContract(EXPIRY.replace(hour=0)), "trades"),
        ),
        (
            "okx:btc/usd:option@2026-12-25T08:00:00Z/50000.0/call/european:trades",
            Subscription("okx", "btc", "usd", OptionContract("call", "european", EXPIRY, Decimal("50000.0")), "trades"),
        ),
    ],
)
def test_parse_reads_every_documented_form(text: str, subscription: Subscription) -> None:
    assert Subscription.parse(text) == subscription


@pytest.mark.parametrize(
    "text",
    ["", "binance_spot", "binance_spot:btc/usdt", "binance_spot:btcusdt:trades", ":btc/usdt:trades",
     "binance_spot:/usdt:trades", "binance_spot:btc/:trades", "binance_spot:btc/usdt:"],
)  # fmt: skip
def test_parse_refuses_what_is_no_subscription_and_shows_one(text: str) -> None:
    with pytest.raises(SubscriptionError, match="binance_spot:btc/usdt:trades"):
        Subscription.parse(text)


@pytest.mark.parametrize(
    "kind",
    ["future", "future@", "future@soon", "option@2026-12-25/1/call", "option@2026-12-25/x/call/european",
     "option@2026-12-25/1/buy/european", "spot@2026-12-25", "swap"],
)  # fmt: skip
def test_parse_refuses_instrument_kinds_that_are_none(kind: str) -> None:
    with pytest.raises(SubscriptionError, match="is not an instrument kind"):
        Subscription.parse(f"okx:btc/usdt:{kind}:trades")


def test_an_expiry_without_a_time_zone_is_refused() -> None:
    naive = EXPIRY.replace(tzinfo=None)
    with pytest.raises(SubscriptionError, match="time zone"):
        FutureContract(naive)
    with pytest.raises(SubscriptionError, match="time zone"):
        OptionContract("put", "american", naive, Decimal(1))
    with pytest.raises(SubscriptionError, match="time zone"):
        Subscription.parse("okx:btc/usdt:future@2026-12-25T08:00:00:trades")


def test_contract_terms_of_wrong_types_are_type_errors() -> None:
    with pytest.raises(TypeError, match="expiry must be a datetime"):
        FutureContract("2026-12-25")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="strike"):
        OptionContract("call", "european", EXPIRY, 50000.0)  # type: ignore[arg-type]
    with pytest.raises(SubscriptionError, match="'dear' is not a number"):
        OptionContract("call", "european", EXPIRY, "dear")  # type: ignore[arg-type]


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2200, 1, 1)),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=0, places=3),
    st.sampled_from(["call", "put"]),
    st.sampled_from(["american", "bermudan", "european"]),
)
def test_the_text_of_a_kind_reads_as_that_kind(moment: datetime, strike: Decimal, kind: Any, exercise: Any) -> None:
    expiry = moment.replace(tzinfo=timezone.utc)
    for contract in (FutureContract(expiry), OptionContract(kind, exercise, expiry, strike)):
        assert parse_kind(kind_text(contract)) == contract


def test_the_json_of_a_subscription_is_barter_datas() -> None:
    assert subscription_json(TRADES) == {
        "exchange": "binance_spot",
        "base": "btc",
        "quote": "usdt",
        "instrument_kind": "spot",
        "kind": "trades",
        "name_exchange": None,
    }
    later = EXPIRY + timedelta(milliseconds=7, microseconds=999)
    option = OptionContract("call", "european", later, Decimal("50000.0"))
    terms = {"kind": "call", "exercise": "european", "expiry": 1798185600007, "strike": "50000.0"}
    assert kind_json(option) == {"option": terms}
    assert kind_json(FutureContract(later)) == {"future": {"expiry": 1798185600007}}


def test_mappings_pass_as_they_are_and_texts_are_parsed() -> None:
    mapping = {"exchange": "okx", "base": "btc", "quote": "usdt", "instrument_kind": "spot", "type": "PublicTrades"}
    assert subscription_json(mapping) == mapping
    assert subscription_json({**mapping, "instrument_kind": FutureContract(EXPIRY)})["instrument_kind"] == {
        "future": {"expiry": 1798185600000}
    }
    assert subscription_json("binance_spot:btc/usdt:spot:trades") == subscription_json(TRADES)


def test_a_flat_list_is_one_batch_and_nested_lists_are_batches() -> None:
    text, row = "binance_spot:btc/usdt:spot:trades", subscription_json(TRADES)
    assert batches_json([TRADES, text]) == [[row, row]]
    assert batches_json([[TRADES], (text,), []]) == [[row], [row], []]
    assert batches_json(iter([TRADES])) == [[row]]
    assert batches_json([]) == []


@pytest.mark.parametrize("batches", [TRADES, "binance_spot:btc/usdt:trades", {"exchange": "kraken"}, 3])
def test_one_subscription_is_no_list(batches: Any) -> None:
    with pytest.raises(TypeError):
        batches_json(batches)


@pytest.mark.parametrize("batches", [[TRADES, [TRADES]], [[TRADES, 3]], [[[TRADES]]], [None]])
def test_batches_of_anything_else_are_type_errors_that_show_it(batches: Any) -> None:
    with pytest.raises(TypeError, match=r"not|is not a Subscription"):
        batches_json(batches)


def test_subscriptions_makes_every_kind_of_every_market() -> None:
    made = subscriptions("binance_spot", ["btc/usdt", "eth/usdt"], ["trades", "l1"])
    assert [(one.base, one.quote, one.kind.value, one.instrument_kind) for one in made] == [
        ("btc", "usdt", "trades", None),
        ("btc", "usdt", "l1", None),
        ("eth", "usdt", "trades", None),
        ("eth", "usdt", "l1", None),
    ]
    [perpetual] = subscriptions("okx", ["btc/usdt"], ["trades"], "perpetual")
    assert perpetual.instrument_kind == "perpetual"


def test_subscriptions_refuses_a_market_without_a_slash_and_a_str_for_a_list() -> None:
    with pytest.raises(SubscriptionError, match="btc/usdt"):
        subscriptions("binance_spot", ["btcusdt"], ["trades"])
    with pytest.raises(TypeError, match="markets is a list"):
        subscriptions("binance_spot", "btc/usdt", ["trades"])
    with pytest.raises(TypeError, match="kinds is a list"):
        subscriptions("binance_spot", ["btc/usdt"], "trades")  # type: ignore[arg-type]

"""In-memory streams: what is injected is what comes out, and what cannot be injected is refused."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from conftest import MakesStreams
from harness import BOUND_S, EXCHANGE, KINDS, InThread, btc, one_of_each, trade, trades
from hypothesis import given, settings
from hypothesis import strategies as st

from barter_cffi import (
    ArgumentError,
    BookSnapshotEvent,
    BookUpdateEvent,
    DataError,
    Dropped,
    Instrument,
    Level,
    Levels,
    LiquidationEvent,
    MarketEvent,
    OrderBookL1Event,
    QueueOptions,
    Side,
    StreamClosedError,
    StreamOptions,
    SubKind,
    SubscriptionError,
    TradeEvent,
)
from barter_cffi.testing import Injector, in_memory

INSTRUMENT = Instrument(0, EXCHANGE, "btc", "usdt", "perpetual", "BTCUSDT", "base")

times = st.integers(-(2**63), 2**63 - 1)
floats = st.floats()
sides = st.sampled_from(Side)
numbers = st.builds(
    lambda mantissa, scale: f"{mantissa}e-{scale}",
    st.integers(0, 10**6) | st.integers(0, 2**96 - 1),
    st.integers(0, 28),
)
levels = st.builds(Level.of, numbers, numbers)


def book_side(best_first: int) -> st.SearchStrategy[Levels]:
    """Levels of different prices, sorted as upstream sorts them."""

    def ordered(of: list[Level]) -> Levels:
        return Levels.of(*sorted(of, key=lambda level: best_first * level.price_decimal))

    return st.lists(levels, max_size=8, unique_by=lambda level: level.price_decimal).map(ordered)


ids = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.integers(30, 5000).map(lambda n: "№" * n)
common = {"instrument": st.just(INSTRUMENT), "time_exchange_ns": times, "time_received_ns": times}
books: dict[str, Any] = {
    "sequence": st.integers(0, 2**64 - 1),
    "time_engine_ns": st.none() | times,
    "bids": book_side(-1),
    "asks": book_side(1),
}
events: st.SearchStrategy[MarketEvent] = st.one_of(
    st.builds(TradeEvent, price=floats, amount=floats, side=sides, id=ids, **common),
    st.builds(
        OrderBookL1Event,
        last_update_time_ns=times,
        best_bid=st.none() | levels,
        best_ask=st.none() | levels,
        **common,
    ),
    st.builds(BookSnapshotEvent, **books, **common, recovered=st.just(False)),
    st.builds(BookUpdateEvent, **books, **common),
    st.builds(LiquidationEvent, price=floats, quantity=floats, side=sides, time_ns=times, **common),
)


def bits(value: Any) -> Any:
    """A value as what it is bit for bit: NaN equal to the same NaN, 0.0 not to -0.0, 1.0 not to 1.00."""
    if isinstance(value, float):
        return struct.pack("=d", value)
    if isinstance(value, (Level, Levels)):
        return value.exact
    if isinstance(value, msgspec.Struct):
        return (type(value), *[bits(getattr(value, name)) for name in value.__struct_fields__])
    return value


@settings(deadline=None)
@given(st.lists(events, max_size=20))
def test_what_is_injected_comes_out_bit_for_bit_and_in_order(sent: list[MarketEvent]) -> None:
    streams, injector = in_memory([(EXCHANGE, kind) for kind in KINDS])
    with streams:
        assert btc(injector) == INSTRUMENT
        stream = streams.select_all()
        assert stream is not None
        for event in sent:
            injector.push(event)
        got = [stream.recv(BOUND_S) for _ in sent]
        assert stream.try_recv() is None
    for kind in KINDS:
        of_kind = [[bits(event) for event in all if event.sub_kind == kind] for all in (sent, got)]  # type: ignore[union-attr]
        assert of_kind[0] == of_kind[1]


@pytest.mark.parametrize("variant", ["socket", "snapshot_invalid", "snapshot_missing", "index", "subscriptions_empty",
                                     "unsupported", "unsupported_sub_kind", "invalid_sequence"])  # fmt: skip
def test_every_error_of_upstreams_can_be_made_and_has_its_text(memory: MakesStreams, variant: Any) -> None:
    texts = {
        "socket": "SocketError: boom",
        "snapshot_invalid": "initial snapshot invalid: boom",
        "snapshot_missing": "initial snapshot missing for: boom",
        "index": "failed to index market data Subscriptions: InstrumentIndex: boom",
        "subscriptions_empty": "failed to initialise reconnecting MarketStream due to empty subscriptions",
        "unsupported": "unsupported dynamic Subscription for exchange: BinanceFuturesUsd, kind: OrderBooksL2",
        "unsupported_sub_kind": "unsupported DynamicStreams Subscription SubKind: OrderBooksL2",
        "invalid_sequence": "InvalidSequence: first_update_id 8 does not follow on from the prev_last_update_id 5 ",
    }
    streams, injector = memory((EXCHANGE, "l2"))
    stream = streams.select_l2s(EXCHANGE, errors="yield")
    assert stream is not None
    message = "" if variant == "unsupported_sub_kind" else "boom"
    injector.error(EXCHANGE, "l2", message, variant, prev_last_update_id=5, first_update_id=8)
    error = stream.recv(BOUND_S)
    assert isinstance(error, DataError)
    assert (str(error), error.variant) == (texts[variant], variant)
    assert (error.exchange, error.sub_kind) == (EXCHANGE, SubKind.ORDER_BOOKS_L2)


def test_an_unknown_variant_is_refused(memory: MakesStreams) -> None:
    _, injector = memory()
    with pytest.raises(ArgumentError, match="variant must be one of socket, "):
        injector.error(EXCHANGE, "trades", "boom", "bang")  # type: ignore[arg-type]


def test_instruments_are_registered_once_and_by_being_pushed(memory: MakesStreams) -> None:
    streams, injector = memory()
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    first = btc(injector)
    assert btc(injector) is first
    elsewhere = Instrument(5, EXCHANGE, "eth", "usdt", "perpetual", "ETHUSDT", "base")
    injector.push(trade(elsewhere))
    event = stream.recv(BOUND_S)
    assert isinstance(event, TradeEvent)
    assert event.instrument == msgspec.structs.replace(elsewhere, index=1)
    assert streams.instruments == (first, event.instrument)
    injector.push(trade(event.instrument))
    assert len(streams.instruments) == 2


@pytest.mark.parametrize(
    ("exchange", "kind"), [("kraken", "trades"), ("binance_spto", "trades"), ("krak\0en", "trades"), (EXCHANGE, "l3")]
)
def test_a_source_that_is_not_there_is_a_subscription_error(memory: MakesStreams, exchange: Any, kind: Any) -> None:
    _, injector = memory()
    for call in (injector.error, injector.reconnecting, injector.close):
        with pytest.raises(SubscriptionError):
            call(exchange, kind)


@pytest.mark.parametrize("exchange", ["kraken", "binance_spto", "krak\0en", ""])
def test_an_event_of_a_source_that_is_not_there_is_a_subscription_error(memory: MakesStreams, exchange: Any) -> None:
    _, injector = memory()
    with pytest.raises(SubscriptionError):
        injector.push(trade(Instrument(0, exchange, "btc", "usdt", "spot", "BTCUSDT", "base")))


def test_a_source_that_was_closed_is_there_no_more(memory: MakesStreams) -> None:
    _, injector = memory()
    injector.close(EXCHANGE, "trades")
    for call in (injector.error, injector.reconnecting, injector.close):
        with pytest.raises(SubscriptionError, match="no in-memory producer of binance_futures_usd trades"):
            call(EXCHANGE, "trades")


def replaced(event: MarketEvent, **fields: Any) -> Any:
    assert isinstance(event, msgspec.Struct)
    return msgspec.structs.replace(event, **fields)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda events: replaced(events[0], price="1"),
        lambda events: replaced(events[0], side="neither"),
        lambda events: replaced(events[0], id="\ud800"),
        lambda events: replaced(events[0], time_exchange_ns=2**63),
        lambda events: replaced(events[1], best_bid=Level(math.nan, 1.0)),
        lambda events: replaced(events[1], best_ask=Level(1.0, math.inf)),
        lambda events: replaced(events[1], best_ask=Level(1e40, 1.0)),
        lambda events: replaced(events[2], sequence=-1),
        lambda events: replaced(events[3], sequence=2**64),
        lambda events: replaced(events[4], quantity=None),
    ],
)
def test_a_value_that_fits_no_record_is_refused_and_nothing_is_injected(
    memory: MakesStreams, spoil: Callable[[list[MarketEvent]], MarketEvent]
) -> None:
    streams, injector = memory()
    stream = streams.select_all()
    assert stream is not None
    good = one_of_each(btc(injector))
    with pytest.raises(ArgumentError):
        injector.push_many([*good, spoil(good)])
    assert stream.try_recv() is None


@pytest.mark.parametrize("item", [None, "trade", DataError("boom"), Dropped(1, None, None, None, None, None, None)])
def test_only_market_events_can_be_pushed(memory: MakesStreams, item: Any) -> None:
    _, injector = memory()
    with pytest.raises(TypeError, match="only market events can be injected"):
        injector.push(item)


def test_levels_made_of_floats_are_injected_as_the_shortest_decimals(memory: MakesStreams) -> None:
    streams, injector = memory()
    stream = streams.select_l1s(EXCHANGE)
    assert stream is not None
    sent = OrderBookL1Event(1, Level(0.1, 3.0), None, btc(injector), 2, 3)
    injector.push(sent)
    event = stream.recv(BOUND_S)
    assert event == sent
    assert isinstance(event, OrderBookL1Event)
    assert event.best_bid is not None
    assert str(event.best_bid.price_decimal) == "0.1"


def test_what_the_queue_drops_is_reported_where_it_was(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "trades"), options=StreamOptions(queue=QueueOptions(capacity=16)))
    sent = trades(btc(injector), 100)
    injector.push_many(sent)
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    lost = stream.recv(BOUND_S)
    assert isinstance(lost, Dropped)
    kept = []
    while (item := stream.try_recv()) is not None:
        kept.append(item)
    assert kept == sent[lost.count :]
    assert 84 <= lost.count < 100
    assert (lost.exchange, lost.sub_kind, lost.reason) == (EXCHANGE, SubKind.PUBLIC_TRADES, "queue_full")
    assert lost.instrument is btc(injector)
    assert (lost.first_ns, lost.last_ns) == (sent[0].time_exchange_ns, sent[lost.count - 1].time_exchange_ns)


def test_after_a_loss_a_book_is_healed_by_a_recovered_snapshot(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "l2"), options=StreamOptions(queue=QueueOptions(capacity=4)))
    instrument = btc(injector)
    injector.push(BookSnapshotEvent(0, None, Levels.of((100, 1)), Levels(), instrument, 1, 1))
    for number in range(1, 20):
        injector.push(BookUpdateEvent(number, None, Levels.of((100 - number, 1)), Levels(), instrument, 1, 1))
    stream = streams.select_l2s(EXCHANGE)
    assert stream is not None
    assert isinstance(stream.recv(BOUND_S), Dropped)
    healed = stream.recv(BOUND_S)
    assert isinstance(healed, BookSnapshotEvent)
    assert healed.recovered
    assert (healed.sequence, len(healed.bids)) == (19, 20)


def test_streams_end_when_the_injector_is_gone() -> None:
    streams, injector = in_memory([(EXCHANGE, "trades")])
    with streams:
        stream = streams.select_trades(EXCHANGE)
        assert stream is not None
        injector.push(trade(btc(injector)))
        del injector
        assert stream.recv(BOUND_S) is not None
        assert stream.recv(BOUND_S) is None


def test_injecting_into_a_closed_set_is_a_stream_closed_error() -> None:
    streams, injector = in_memory([(EXCHANGE, "trades")])
    instrument = btc(injector)
    streams.close()
    with pytest.raises(StreamClosedError):
        for _ in range(1000):
            injector.push(trade(instrument))
    with pytest.raises(StreamClosedError):
        injector.instrument("kraken", "btc", "usd")


def test_no_sources_make_an_empty_set() -> None:
    streams, _ = in_memory([])
    assert streams.available == []
    assert streams.select_all() is None
    streams.close()


def test_an_injector_may_be_used_by_many_threads(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "trades"))
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    sent = trades(btc(injector), 400)

    def push(injector: Injector, share: list[TradeEvent]) -> None:
        for event in share:
            injector.push(event)

    pushing = [InThread(lambda share=sent[part::4]: push(injector, share)) for part in range(4)]  # type: ignore[misc]
    for one in pushing:
        one.result()
    got = [stream.recv(BOUND_S) for _ in sent]
    assert sorted(map(repr, got)) == sorted(map(repr, sent))

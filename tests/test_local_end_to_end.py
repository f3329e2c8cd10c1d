"""The whole path over real sockets: the local exchange speaks each venue's protocol, upstream's connectors read it, and
what Python gets is compared with the exchange's own journal, field by field.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Literal, cast, get_args

import pytest

from barter_cffi import (
    BookEvent,
    BookSnapshotEvent,
    BookUpdateEvent,
    DataError,
    DynamicStreams,
    ExchangeId,
    FutureContract,
    LiquidationEvent,
    MarketEvent,
    MarketStream,
    Notice,
    OptionContract,
    OrderBookL1Event,
    Reconnected,
    Reconnecting,
    ReconnectPolicy,
    StreamOptions,
    SubKind,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
)
from barter_cffi import Level as PyLevel
from barter_cffi.testing import LocalExchange
from barter_cffi.testing.local_exchange import (
    EXCHANGES,
    BestBidAsk,
    BookSnapshot,
    BookUpdate,
    Event,
    Fault,
    Kind,
    Level,
    Liquidation,
    Market,
    Trade,
)

PAIRS: list[tuple[str, Kind]] = [(name, kind) for name, exchange in EXCHANGES.items() for kind in exchange.kinds]
PAIRS_OF_MANY = [(name, kind) for name, kind in PAIRS if len(LocalExchange([name]).markets(name)) > 1]
BOOKS = [name for name, kind in PAIRS if kind == "l2"]
BOUND_S = 5.0  # for anything that takes milliseconds
# The last trade comes again in answer to a subscription, and nothing tells it from one that happens now.
UNMARKED_HISTORY = {"okx"}
FAST = ReconnectPolicy(initial=0.02, max=0.1)
Side = dict[Decimal, Decimal]

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def quiet() -> Iterator[LocalExchange]:
    """A local exchange on which nothing happens but what a test makes happen."""
    with LocalExchange(autostart=False, depth=20) as exchange:
        yield exchange


def options(exchange: LocalExchange) -> StreamOptions:
    """Options that lead to the local exchange."""
    return StreamOptions(endpoints=exchange.endpoints, reconnect=FAST)


def served(exchange: LocalExchange, name: str) -> list[tuple[str, Market]]:
    """The markets of an exchange, with their names there."""
    return list(exchange.markets(name).items())


def to(name: str, market: Market, kind: Kind) -> Subscription:
    """The subscription to one market."""
    return Subscription(exchange_id(name), market.base, market.quote, contract(market), kind)


def contract(market: Market) -> Literal["spot", "perpetual"] | FutureContract | OptionContract:
    """What kind of instrument a market is, with its terms."""
    if market.kind in ("spot", "perpetual"):
        return market.kind
    assert market.expiry is not None
    expiry = datetime(*market.expiry.timetuple()[:3], 8, tzinfo=timezone.utc)
    if market.kind == "future":
        return FutureContract(expiry)
    assert market.option is not None
    assert market.strike is not None
    return OptionContract(market.option, "european", expiry, Decimal(market.strike))


def exchange_id(name: str) -> ExchangeId:
    """The name as one of the identifiers that the package knows."""
    [known] = [known for known in get_args(ExchangeId) if known == name]
    return cast(ExchangeId, known)


def select(streams: DynamicStreams, name: str, kind: Kind) -> MarketStream[Any]:
    """The stream of an exchange and kind, which there must be; errors are items."""
    selector = {"trades": "trades", "l1": "l1s", "l2": "l2s", "liquidations": "liquidations"}[kind]
    stream = getattr(streams, f"select_{selector}")(name, errors="yield")
    assert isinstance(stream, MarketStream)
    return stream


def take(stream: MarketStream[Any], count: int) -> list[Any]:
    """The next items."""
    return [stream.recv(timeout=BOUND_S) for _ in range(count)]


def until(stream: MarketStream[Any], last: Callable[[Any], bool]) -> list[Any]:
    """The items up to the one that `last` is true of."""
    items, end = [], time.monotonic() + BOUND_S
    while True:
        items.append(stream.recv(timeout=max(0.0, end - time.monotonic())))
        if last(items[-1]):
            return items


def nothing_more(stream: MarketStream[Any]) -> None:
    """Nothing that was not sent is there."""
    assert stream.try_recv() is None
    assert not stream.closed


def delivered(
    exchange: LocalExchange, name: str, kind: Kind, market: str, connection: int | None = None
) -> list[Event]:
    """What a subscriber must get of what was sent, on one of the connections if given.

    Of books it is the newest snapshot and what follows it. Of trades it is each one once, and none of those that the
    exchange marks as older than the subscription.
    """
    sent = exchange.journal.sent(name, kind, market, connection)
    if kind == "trades":
        trades = [event for event in sent if isinstance(event, Trade)]
        return [event for event in trades if not event.history or name in UNMARKED_HISTORY]
    if kind != "l2":
        return sent
    snapshots = exchange.journal.sent(name, kind, market)
    snapshot = [event for event in snapshots if isinstance(event, BookSnapshot)][-1]
    updates = [event for event in sent if isinstance(event, BookUpdate)]
    return [snapshot, *(update for update in updates if update.sequence > snapshot.sequence)]


def connection(exchange: LocalExchange, name: str) -> int:
    """The number of the connection that an exchange heard from last."""
    return exchange.journal.frames(name)[-1].connection


def same_levels(got: Any, sent: tuple[Level, ...]) -> bool:
    """Levels digit by digit: trailing zeros count, and the floats are the nearest to the decimals."""
    exact = [(f"{level.price_decimal:f}", f"{level.amount_decimal:f}") for level in got]
    rounded = [(level.price, level.amount) for level in got]
    return exact == [(level.price, level.amount) for level in sent] and rounded == [
        (float(level.price), float(level.amount)) for level in sent
    ]


def assert_same(got: Any, sent: Event) -> None:
    """What Python got is what the exchange sent, in every field."""
    assert isinstance(got, MarketEvent), got
    assert got.exchange == sent.exchange
    assert got.instrument.name_exchange == sent.market
    assert abs(got.time_received_ns - sent.time_ns) < BOUND_S * 1e9
    match sent:
        case Trade():
            assert isinstance(got, TradeEvent)
            assert (got.price, got.amount) == (float(sent.price), float(sent.amount))
            assert got.side == sent.side
            assert got.time_exchange_ns == sent.time_ns
            assert got.id == (sent.id or kraken_trade_id(sent))
        case BestBidAsk():
            assert isinstance(got, OrderBookL1Event)
            assert got.best_bid is not None
            assert got.best_ask is not None
            assert same_levels([got.best_bid], (sent.bid,))
            assert same_levels([got.best_ask], (sent.ask,))
            assert got.last_update_time_ns == got.time_exchange_ns
            if sent.exchange == "binance_spot":  # its frame has no time: it is the time of arrival
                assert sent.time_ns <= got.time_exchange_ns <= got.time_received_ns
            else:
                assert got.time_exchange_ns == sent.time_ns
        case BookSnapshot():
            assert isinstance(got, BookSnapshotEvent)
            assert not got.recovered
            assert_same_book(got, sent)
            if sent.exchange == "binance_spot":  # its answer has no times
                assert got.time_exchange_ns == got.time_received_ns
                assert got.time_engine_ns is None
            else:
                assert (got.time_exchange_ns, got.time_engine_ns) == (sent.time_ns, sent.time_ns)
        case BookUpdate():
            assert isinstance(got, BookUpdateEvent)
            assert_same_book(got, sent)
            assert got.time_exchange_ns == sent.time_ns
            assert got.time_engine_ns == (None if sent.exchange == "binance_spot" else sent.time_ns)
        case Liquidation():
            assert isinstance(got, LiquidationEvent)
            assert (got.price, got.quantity) == (float(sent.price), float(sent.quantity))
            assert got.side == sent.side
            assert (got.time_ns, got.time_exchange_ns) == (sent.time_ns, sent.time_ns)


def assert_same_book(got: BookEvent, sent: BookSnapshot | BookUpdate) -> None:
    """Sequence number and levels."""
    assert got.sequence == sent.sequence
    assert same_levels(got.bids, sent.bids)
    assert same_levels(got.asks, sent.asks)


def kraken_trade_id(trade: Trade) -> str:
    """Kraken sends no trade ids: upstream makes one of what identifies a trade."""
    price, amount = (f"{Decimal(text).normalize():f}" for text in (trade.price, trade.amount))
    return f"{trade.time_ns // 1000}_{trade.side}_{price}_{amount}"


def apply(event: BookEvent, bids: Side, asks: Side) -> None:
    """Brings a book kept by a reader up to date."""
    if isinstance(event, BookSnapshotEvent):
        bids.clear()
        asks.clear()
    for side, levels in ((bids, event.bids), (asks, event.asks)):
        for level in levels:
            if level.amount_decimal:
                side[level.price_decimal] = level.amount_decimal
            else:
                side.pop(level.price_decimal, None)


def sides(bids: Side, asks: Side) -> tuple[list[tuple[Decimal, Decimal]], ...]:
    """A book as lists, best first."""
    return sorted(bids.items(), reverse=True), sorted(asks.items())


def server_book(exchange: LocalExchange, name: str, market: str, sequence: int) -> tuple[Any, ...]:
    """The exchange's own book at a sequence number, as `sides` gives it."""
    return tuple(
        [(Decimal(level.price), Decimal(level.amount)) for level in side]
        for side in exchange.book_at(name, market, sequence)
    )


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_what_the_exchange_sent_is_what_python_got(quiet: LocalExchange, name: str, kind: Kind) -> None:
    markets = served(quiet, name)[:2]
    with init_dynamic_streams([[to(name, market, kind) for _, market in markets]], options(quiet)) as streams:
        stream = select(streams, name, kind)
        for market, _ in markets:
            quiet.wait_subscribed(name, kind, market)
        for count in (1, 40, 3):
            for market, _ in markets:
                quiet.emit(name, kind, market, count)
        expected = {market: delivered(quiet, name, kind, market) for market, _ in markets}
        got: dict[str, list[MarketEvent]] = {market: [] for market, _ in markets}
        for item in take(stream, sum(map(len, expected.values()))):
            assert isinstance(item, MarketEvent), item
            got[item.instrument.name_exchange].append(item)
        for market, _ in markets:
            assert len(got[market]) == len(expected[market]) >= 44
            for event, sent in zip(got[market], expected[market], strict=True):
                assert_same(event, sent)
        nothing_more(stream)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_the_instrument_of_an_event_is_the_one_of_the_subscription(quiet: LocalExchange, name: str, kind: Kind) -> None:
    markets = served(quiet, name)[:3]
    wanted = [to(name, market, kind) for _, market in markets]
    with init_dynamic_streams([wanted], options(quiet)) as streams:
        stream = select(streams, name, kind)
        assert [one.index for one in streams.instruments] == list(range(len(markets)))
        for (market, description), instrument in zip(markets, streams.instruments, strict=True):
            assert instrument.name_exchange == market
            assert (instrument.base, instrument.quote) == (description.base, description.quote)
            assert instrument.kind == contract(description)
            quiet.wait_subscribed(name, kind, market)
            quiet.emit(name, kind, market)
        count = sum(len(delivered(quiet, name, kind, market)) for market, _ in markets)
        instruments = {market: streams.instruments[at] for at, (market, _) in enumerate(markets)}
        for event in take(stream, count):
            assert isinstance(event, MarketEvent), event
            assert event.instrument is instruments.pop(event.instrument.name_exchange, event.instrument)
            assert event.sub_kind == kind
        assert not instruments, "each had an event"


@pytest.mark.parametrize("name", BOOKS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_book_built_from_events_is_the_servers_at_every_sequence(name: str, seed: int) -> None:
    """Traffic runs from the first moment, so updates and snapshot cross each other as they do on a busy venue."""
    events = 300
    with LocalExchange([name], seed=seed, rate=1000.0, depth=50) as exchange:
        market, description = served(exchange, name)[seed]
        with init_dynamic_streams([[to(name, description, "l2")]], options(exchange)) as streams:
            stream = select(streams, name, "l2")
            bids: Side = {}
            asks: Side = {}
            [first, *updates] = take(stream, events)
            assert isinstance(first, BookSnapshotEvent)
            for event in (first, *updates):
                assert isinstance(event, BookEvent), event
                assert isinstance(event, BookUpdateEvent) or event is first
                apply(event, bids, asks)
                server = server_book(exchange, name, market, event.sequence)
                assert sides(bids, asks) == server, f"at sequence {event.sequence}"
            sequences = [update.sequence for update in updates]
            assert sequences == sorted(set(sequences))


@pytest.mark.parametrize("name", BOOKS)
def test_after_a_gap_in_the_sequence_the_book_comes_back_as_a_snapshot(quiet: LocalExchange, name: str) -> None:
    market, description = served(quiet, name)[0]
    with init_dynamic_streams([[to(name, description, "l2")]], options(quiet)) as streams:
        stream = select(streams, name, "l2")
        quiet.wait_subscribed(name, "l2", market)
        quiet.emit(name, "l2", market, 5)
        take(stream, 6)
        quiet.set_fault(name, Fault.SEQUENCE_GAP, times=1)
        quiet.emit(name, "l2", market)
        items = until(stream, lambda item: isinstance(item, BookEvent))
        [error] = [item for item in items if isinstance(item, DataError)]
        assert error.variant == "invalid_sequence"
        assert any(isinstance(item, Reconnecting) for item in items)
        assert isinstance(items[-1], BookSnapshotEvent), "no update stands between gap and snapshot"
        quiet.emit(name, "l2", market, 5)
        bids: Side = {}
        asks: Side = {}
        for event in (items[-1], *take(stream, 5)):
            apply(event, bids, asks)
        last = quiet.journal.sent(name, "l2", market)[-1]
        assert isinstance(last, BookUpdate)
        assert sides(bids, asks) == server_book(quiet, name, market, last.sequence)


@pytest.mark.parametrize(("name", "kind"), PAIRS_OF_MANY)
def test_a_batch_of_two_markets_opens_one_connection(quiet: LocalExchange, name: str, kind: Kind) -> None:
    [(_, a), (_, b)] = served(quiet, name)[:2]
    with init_dynamic_streams([[to(name, a, kind), to(name, b, kind)]], options(quiet)):
        assert quiet.journal.connections(name).made == 1


@pytest.mark.parametrize(("name", "kind"), PAIRS_OF_MANY)
def test_two_batches_open_a_connection_each_that_end_in_one_stream(quiet: LocalExchange, name: str, kind: Kind) -> None:
    markets = served(quiet, name)[:2]
    batches = [[to(name, market, kind)] for _, market in markets]
    with init_dynamic_streams(batches, options(quiet)) as streams:
        assert quiet.journal.connections(name).made == 2
        assert streams.available == [(name, SubKind(kind))]
        stream = select(streams, name, kind)
        for market, _ in markets:
            quiet.wait_subscribed(name, kind, market)
            quiet.emit(name, kind, market, 3)
        count = sum(len(delivered(quiet, name, kind, market)) for market, _ in markets)
        seen = {item.instrument.name_exchange for item in take(stream, count)}
        assert seen == {market for market, _ in markets}


@pytest.mark.parametrize(("name", "kind"), PAIRS)
@pytest.mark.parametrize("shape", ["in one batch", "in two batches"])
def test_a_subscription_that_is_repeated_is_subscribed_once(
    quiet: LocalExchange, name: str, kind: Kind, shape: str
) -> None:
    market, description = served(quiet, name)[0]
    a = to(name, description, kind)
    batches = [[a, a]] if shape == "in one batch" else [[a], [a]]
    with init_dynamic_streams(batches, options(quiet)) as streams:
        assert quiet.journal.connections(name).made == 1
        requests = "".join([frame.text.lower() for frame in quiet.journal.frames(name)])
        assert requests.count(market.lower()) == 1, requests
        assert quiet.subscribers(name, kind, market) == 1
        assert len(streams.instruments) == 1
        stream = select(streams, name, kind)
        quiet.emit(name, kind, market, 4)
        expected = delivered(quiet, name, kind, market)
        for event, sent in zip(take(stream, len(expected)), expected, strict=True):
            assert_same(event, sent)
        nothing_more(stream)


def test_each_kind_of_an_exchange_has_its_own_connection(quiet: LocalExchange) -> None:
    name = "binance_futures_usd"
    _, market = served(quiet, name)[0]
    batch = [to(name, market, kind) for kind in quiet.kinds(name)]
    with init_dynamic_streams([batch], options(quiet)) as streams:
        assert quiet.journal.connections(name).made == len(batch) == 4
        assert len(streams.instruments) == 1, "kinds share their instrument"


@pytest.mark.parametrize(("name", "kind"), PAIRS)
@pytest.mark.parametrize("how", ["abort", "close"])
def test_a_dropped_connection_is_a_marker_in_its_place_and_events_come_again(
    quiet: LocalExchange, name: str, kind: Kind, how: Literal["abort", "close"]
) -> None:
    market, description = served(quiet, name)[0]
    with init_dynamic_streams([[to(name, description, kind)]], options(quiet)) as streams:
        stream = select(streams, name, kind)
        quiet.wait_subscribed(name, kind, market)
        quiet.emit(name, kind, market, 5)
        before = len(delivered(quiet, name, kind, market))
        # A reset throws away what lies in the sockets, so what was sent before it is read first; an orderly close
        # does not, so what was sent before it may still be unread when the connection ends.
        early = take(stream, before) if how == "abort" else []
        assert quiet.drop(name, how) == 1
        quiet.wait_until(lambda: quiet.journal.connections(name).made == 2)
        quiet.wait_subscribed(name, kind, market)
        quiet.emit(name, kind, market, 5)
        late = [*early, *until(stream, lambda item: isinstance(item, Reconnected))]
        ordered = [item for item in late if not isinstance(item, DataError)]
        *events, broken, again = ordered
        assert len(events) == before
        assert all(isinstance(item, MarketEvent) for item in events)
        assert isinstance(broken, Reconnecting)
        assert isinstance(again, Reconnected)
        assert (broken.exchange, broken.sub_kind) == (again.exchange, again.sub_kind) == (name, kind)
        assert broken.reason
        assert broken.last_event_ns == events[-1].time_received_ns
        assert broken.instruments == streams.instruments
        assert again.attempts >= 1
        assert again.gap_seconds is not None
        assert 0 <= again.gap_seconds < BOUND_S
        sent_again = delivered(quiet, name, kind, market, connection(quiet, name))
        expected = [sent for sent in sent_again if not (isinstance(sent, Trade) and sent.history)]
        for event, wanted in zip(take(stream, len(expected)), expected, strict=True):
            assert_same(event, wanted)
        nothing_more(stream)


def test_streams_of_other_exchanges_and_kinds_do_not_notice_a_dropped_connection(
    quiet: LocalExchange,
) -> None:
    _, spot = served(quiet, "binance_spot")[0]
    pair, crypto = served(quiet, "kraken")[0]
    batch = [to("binance_spot", spot, "trades"), to("kraken", crypto, "trades")]
    with init_dynamic_streams([batch], options(quiet)) as streams:
        dropped, untouched = (select(streams, name, "trades") for name in ("binance_spot", "kraken"))
        quiet.wait_subscribed("kraken", "trades", pair)
        quiet.drop("binance_spot")
        assert isinstance(until(dropped, lambda item: isinstance(item, Notice))[-1], Reconnecting)
        sent = quiet.emit("kraken", "trades", pair, 3)
        for event, wanted in zip(take(untouched, 3), sent, strict=True):
            assert_same(event, wanted)


def test_a_frame_that_cannot_be_read_is_one_error_and_loses_no_event(quiet: LocalExchange) -> None:
    market, description = served(quiet, "binance_spot")[0]
    subscription = to("binance_spot", description, "trades")
    with init_dynamic_streams([[subscription]], options(quiet)) as streams:
        stream = streams.select_trades("binance_spot")
        assert stream is not None
        quiet.set_fault("binance_spot", Fault.INVALID_JSON, times=1)
        sent = quiet.emit("binance_spot", "trades", market, 3)
        with pytest.raises(DataError, match="unexpected") as raised:
            stream.recv(timeout=BOUND_S)
        assert raised.value.variant == "socket"
        for event, wanted in zip(take(stream, 3), sent, strict=True):
            assert_same(event, wanted)
        nothing_more(stream)


def test_rows_that_are_no_trades_are_not_passed_off_as_trades() -> None:
    name = "binance_futures_usd"
    with LocalExchange([name], autostart=False, na_trades=True) as exchange:
        market, description = served(exchange, name)[0]
        with init_dynamic_streams([[to(name, description, "trades")]], options(exchange)) as streams:
            stream = select(streams, name, "trades")
            sent = exchange.emit(name, "trades", market, 100)
            numbers = [event.number for event in sent if isinstance(event, Trade)]
            assert numbers[-1] - numbers[0] > len(numbers) - 1, "some numbers were no trades"
            for event, wanted in zip(take(stream, 100), sent, strict=True):
                assert_same(event, wanted)


def test_a_level_of_an_event_equals_the_level_made_of_the_text_that_was_sent(
    quiet: LocalExchange,
) -> None:
    market, description = served(quiet, "binance_spot")[0]
    with init_dynamic_streams([[to("binance_spot", description, "l1")]], options(quiet)) as streams:
        stream = select(streams, "binance_spot", "l1")
        [sent] = quiet.emit("binance_spot", "l1", market)
        assert isinstance(sent, BestBidAsk)
        [event] = take(stream, 1)
        assert event.best_bid == PyLevel.of(sent.bid.price, sent.bid.amount)
        assert event.best_ask == PyLevel.of(sent.ask.price, sent.ask.amount)

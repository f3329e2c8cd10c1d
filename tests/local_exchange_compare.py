"""Streams over the local exchange compared with what it says it sent, field by field: what the tests of live streams
share.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Literal, cast, get_args

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
    OptionContract,
    OrderBookL1Event,
    ReconnectPolicy,
    StreamOptions,
    Subscription,
    TradeEvent,
)
from barter_cffi.testing import LocalExchange
from barter_cffi.testing.local_exchange import (
    EXCHANGES,
    BestBidAsk,
    BookSnapshot,
    BookUpdate,
    Event,
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


def assert_same(got: Any, sent: Event, within_s: float = BOUND_S) -> None:
    """What Python got is what the exchange sent, in every field; it came within so many seconds of its time."""
    assert isinstance(got, MarketEvent), got
    assert got.exchange == sent.exchange
    assert got.instrument.name_exchange == sent.market
    assert abs(got.time_received_ns - sent.time_ns) < within_s * 1e9
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


def is_event(item: Any, sent: Any) -> bool:
    """Whether an item is what was sent; an error is neither that nor expected."""
    assert not isinstance(item, DataError), item
    with suppress(AssertionError):
        assert_same(item, sent)
        return True
    return False


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

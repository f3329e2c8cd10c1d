"""A program that mypy checks with `--strict` and that nobody runs: what a user of every face of the package can rely on
about its types. `test_typing.py` runs mypy on it, and on lines that must be refused.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from typing_extensions import assert_type

from barter_cffi import (
    Batch,
    Book,
    BookEvent,
    Books,
    BookSnapshotEvent,
    BookState,
    BookUpdateEvent,
    ConnectionMetrics,
    DataError,
    Dropped,
    DynamicStreams,
    Instrument,
    Level,
    Levels,
    LiquidationEvent,
    MarketEvent,
    MarketStream,
    MergedStream,
    Notice,
    OrderBookL1,
    OrderBookL1Event,
    OrderBookSnapshot,
    OrderBookUpdate,
    PublicTrade,
    Reconnecting,
    Side,
    StreamMetrics,
    StreamsMetrics,
    SubKind,
    Subscription,
    TradeEvent,
    disable_logging,
    enable_logging,
    init_dynamic_streams,
    init_dynamic_streams_async,
    merge,
)


def streams_and_items(streams: DynamicStreams) -> None:
    trades = streams.select_trades("binance_spot")
    assert_type(trades, MarketStream[TradeEvent] | None)
    assert trades is not None
    assert_type(trades.recv(timeout=1), TradeEvent | Notice | DataError | None)
    assert_type(trades.try_recv(), TradeEvent | Notice | DataError | None)
    assert_type(trades.recv_batch(), Batch[TradeEvent] | None)
    for item in trades:
        assert_type(item, TradeEvent | Notice | DataError)
        match item:
            case TradeEvent(price, amount, Side.BUY, id):
                assert_type(price, float)
                assert_type(amount, float)
                assert_type(id, str)
            case Dropped(count):
                assert_type(count, int)
            case Reconnecting(reason=reason):
                assert_type(reason, str | None)
            case DataError():
                assert_type(item.time_ns, int)
    for batch in trades.batches(100):
        assert_type(batch[0], TradeEvent | Notice | DataError)
        assert_type(batch.notices, list[Notice | DataError])


def events(l2s: MarketStream[BookSnapshotEvent | BookUpdateEvent], l1: OrderBookL1Event, trade: TradeEvent) -> None:
    assert_type(trade.kind, PublicTrade)
    assert_type(trade.side, Side)
    assert_type(trade.time_exchange, datetime)
    assert_type(trade.time_exchange_ns, int)
    assert_type(trade.instrument, Instrument)
    assert_type(trade.sub_kind, SubKind)
    assert_type(l1.kind, OrderBookL1)
    assert_type(l1.best_bid, Level | None)
    book = l2s.recv()
    if isinstance(book, BookEvent):
        assert_type(book.bids, Levels)
        assert_type(book.time_engine, datetime | None)
        assert_type(book.bids[0], Level)
        assert_type(book.bids[:2], Levels)
        assert_type(book.bids[0].price_decimal, Decimal)
        assert_type(book.bids.prices, tuple[float, ...])
    if isinstance(book, BookSnapshotEvent):
        assert_type(book.kind, OrderBookSnapshot)
    if isinstance(book, BookUpdateEvent):
        assert_type(book.kind, OrderBookUpdate)


def merged(trades: MarketStream[TradeEvent], more: MarketStream[TradeEvent], all: MarketStream[MarketEvent]) -> None:
    assert_type(merge(trades, more), MergedStream[TradeEvent])
    everything: MergedStream[MarketEvent] = merge(trades, all)
    assert_type(everything.recv(), MarketEvent | Notice | DataError | None)
    widened: MarketStream[MarketEvent] = trades
    assert_type(widened.closed, bool)


async def coroutines(trades: MarketStream[TradeEvent], liquidations: MarketStream[LiquidationEvent]) -> None:
    async with await init_dynamic_streams_async(["binance_spot:btc/usdt:trades"]) as streams:
        assert_type(streams, DynamicStreams)
    assert_type(await trades.recv_async(1.0), TradeEvent | Notice | DataError | None)
    assert_type(await trades.recv_batch_async(), Batch[TradeEvent] | None)
    async with liquidations as entered:
        assert_type(entered, MarketStream[LiquidationEvent])
        async for item in entered:
            assert_type(item, LiquidationEvent | Notice | DataError)
    async for batch in trades.batches():
        assert_type(batch, Batch[TradeEvent])


def a_whole_set() -> None:
    with init_dynamic_streams([["binance_spot:btc/usdt:trades"]]) as streams:
        assert_type(streams, DynamicStreams)
        assert_type(streams.select_all(), MarketStream[MarketEvent] | None)


def maintained_books(streams: DynamicStreams) -> None:
    books = streams.select_books("binance_spot")
    assert_type(books, Books | None)
    assert_type(streams.select_all_books(errors="yield"), Books | None)
    assert books is not None
    assert_type(books.wait(1, seen=0), int | None)
    assert_type(books.notices, MarketStream[BookEvent])
    for instrument, book in books.items():
        assert_type(instrument, Instrument)
        assert_type(book, Book)
        assert_type(book.best_bid, Level | None)
        assert_type(book.mid_price, float | None)
        assert_type(book.volume_weighed_mid_price, float | None)
        assert_type(book.depth(10), BookState)
        assert_type(book.depth().bids, Levels)
        bids, asks = book.arrays(10)
        assert_type(bids.shape == asks.shape, bool)


def changes_of_a_running_set(streams: DynamicStreams, trades: MarketStream[TradeEvent]) -> None:
    one = Subscription("kraken", "btc", "usd", "spot", "trades")
    streams.subscribe([one, "okx:btc/usdt:trades"], timeout=5)
    streams.subscribe([[one], ["okx:btc/usdt:trades"]])
    streams.unsubscribe([one])
    assert_type(streams.metrics(), StreamsMetrics)
    assert_type(streams.metrics().streams, tuple[StreamMetrics, ...])
    assert_type(trades.metrics(), StreamMetrics)
    assert_type(trades.metrics().connections, tuple[ConnectionMetrics, ...])
    assert_type(trades.metrics().dropped, int)


def logging() -> None:
    enable_logging("INFO")
    enable_logging()
    disable_logging()

"""For those who know barter-data in Rust: its `DataKind` payloads by the names they have there, of a perpetual with
every kind of market data.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Final

from barter_cffi import (
    Liquidation,
    LiquidationEvent,
    MarketEvent,
    OrderBookL1,
    OrderBookSnapshot,
    OrderBookUpdate,
    PublicTrade,
    PyDynamicStreams,
    PyMarketStream,
    PySubscription,
    Side,
    StreamOptions,
    SubKind,
    init_dynamic_streams,
)

EXCHANGE: Final = "binance_futures_usd"
BTC = [PySubscription(EXCHANGE, "btc", "usdt", "perpetual", kind) for kind in SubKind]
LEAST = {
    SubKind.PUBLIC_TRADES: 5,
    SubKind.ORDER_BOOKS_L1: 5,
    SubKind.ORDER_BOOKS_L2: 5,
    SubKind.LIQUIDATIONS: 2,
}


def describe(event: MarketEvent) -> str:
    """A line of what upstream's payload says."""
    match event.kind:
        case PublicTrade(id=number, price=price, amount=amount, side=side):
            return f"{number}: {side} {amount} at {price}"
        case OrderBookL1(last_update_time=time, best_bid=bid, best_ask=ask):
            return f"{bid and bid.price} | {ask and ask.price} at {time.time()}"
        case OrderBookSnapshot(sequence=sequence, bids=bids, asks=asks):
            return f"book {sequence}: {len(bids)} + {len(asks)} levels"
        case OrderBookUpdate(sequence=sequence, time_engine=time, bids=bids, asks=asks):
            return f"book {sequence}: {len(bids)} + {len(asks)} levels changed at {time and time.time()}"
        case Liquidation(side=side, price=price, quantity=quantity, time=time):
            return f"{quantity} were {'long' if side is Side.SELL else 'short'} until {time.time()}, at {price}"


def liquidated(streams: PyDynamicStreams) -> PyMarketStream[LiquidationEvent]:
    """The liquidations, by themselves: they are few, and easily lost among the others."""
    stream = streams.select_liquidations(EXCHANGE)
    assert stream is not None, "they are subscribed and were not selected before"
    return stream


def watch(options: StreamOptions | None = None) -> None:
    """Prints some of each kind."""
    with init_dynamic_streams([BTC], options) as streams:
        few, others = liquidated(streams), streams.select_all()
        assert others is not None, "the others were not selected before"
        missing = Counter(LEAST)
        for stream in (others, few):
            wanted = [kind for kind in LEAST if (kind == SubKind.LIQUIDATIONS) == (stream is few)]
            for item in stream:
                if isinstance(item, MarketEvent) and missing[item.sub_kind] > 0:
                    print(f"{item.sub_kind.upstream} {describe(item)}")
                    missing[item.sub_kind] -= 1
                if not any(missing[kind] for kind in wanted):
                    break


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange([EXCHANGE]) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

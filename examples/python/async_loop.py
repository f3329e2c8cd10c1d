"""Several streams in one event loop, without threads: trades of two exchange servers as one stream, best bids and asks
in a task of their own. Runs on asyncio, uvloop and trio.
"""

from __future__ import annotations

import sys

import anyio

from barter_cffi import (
    DynamicStreams,
    OrderBookL1Event,
    StreamOptions,
    TradeEvent,
    init_dynamic_streams_async,
    merge,
)

TRADES = 40
QUOTES = 10
BATCHES = [
    ["binance_spot:btc/usdt:trades", "binance_spot:btc/usdt:l1"],
    ["kraken:btc/usd:trades"],
]


async def quotes(streams: DynamicStreams) -> None:
    """Prints the next best bids and asks, and says when none comes for a while."""
    l1s = streams.select_l1s("binance_spot", errors="yield")
    assert l1s is not None, "it is subscribed and was not selected before"
    seen = 0
    while seen < QUOTES:
        try:
            item = await l1s.recv_async(timeout=5.0)
        except TimeoutError:
            print("no quote within 5 s")
            continue
        if item is None:
            break
        if isinstance(item, OrderBookL1Event) and item.best_bid and item.best_ask:
            print(f"quote {item.best_bid.price} | {item.best_ask.price}")
            seen += 1


async def trades(streams: DynamicStreams) -> None:
    """Prints the next trades of both exchange servers."""
    binance, kraken = streams.select_trades("binance_spot", "yield"), streams.select_trades("kraken", "yield")
    assert binance is not None, "it is subscribed and was not selected before"
    assert kraken is not None, "it is subscribed and was not selected before"
    seen = 0
    async with merge(binance, kraken) as both:
        async for item in both:
            if isinstance(item, TradeEvent):
                print(f"trade {item.exchange} {item.side} {item.amount} at {item.price}")
                seen += 1
            else:
                print(f"in its place among the trades: {item!r}")
            if seen == TRADES:
                break


async def watch(options: StreamOptions | None = None) -> None:
    """Runs both at once."""
    async with await init_dynamic_streams_async(BATCHES, options) as streams, anyio.create_task_group() as tasks:
        tasks.start_soon(quotes, streams)
        tasks.start_soon(trades, streams)


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot", "kraken"]) as exchange:
            anyio.run(watch, StreamOptions(endpoints=exchange.endpoints))
    else:
        anyio.run(watch)

"""Maintained order books in an event loop: a task that sleeps until a book changes, one that takes trades in batches,
and one that subscribes to more while they run. Runs on asyncio, uvloop and trio.
"""

from __future__ import annotations

import sys
import time

import anyio

from barter_cffi import (
    Books,
    BookState,
    DynamicStreams,
    MarketStream,
    StreamOptions,
    TradeEvent,
    init_dynamic_streams_async,
)

FIRST = ["binance_spot:btc/usdt:l2", "binance_spot:btc/usdt:trades"]
LATER = ["binance_spot:eth/usdt:l2", "binance_spot:eth/usdt:trades"]
SEEN = 20


def quote(top: BookState) -> str:
    """The middle of a book, how much of it there is, and how old it is."""
    age_ms = (time.time_ns() - (top.time_received_ns or 0)) / 1e6
    return f"{top.mid_price:.4f}, {top.bids_total} + {top.asks_total} levels, {age_ms:.1f} ms old"


async def follow_books(books: Books) -> None:
    """Prints each book that is live, whenever one has changed, until both were seen often enough."""
    seen: dict[str, int] = {}
    while min(seen.values(), default=0) < SEEN or len(seen) < 2:
        if await books.wait_async(timeout=10) is None:
            break
        for instrument, book in books.items():
            top = book.depth(1)
            if top.state == "live":
                print(f"book of {instrument.base}: {quote(top)}")
                seen[instrument.base] = seen.get(instrument.base, 0) + 1


async def follow_trades(trades: MarketStream[TradeEvent]) -> None:
    """Prints what each batch of trades holds, until both markets traded."""
    markets: set[str] = set()
    while len(markets) < 2 and (batch := await trades.recv_batch_async()) is not None:
        bases = {item.instrument.base for item in batch if isinstance(item, TradeEvent)}
        for notice in batch.notices:
            print(f"in its place among the trades: {notice!r}")
        print(f"{batch.events} trades of {' and '.join(sorted(bases)) or 'nothing'}")
        markets |= bases


async def subscribe_later(streams: DynamicStreams) -> None:
    """What it brings comes in the books and the stream that the other tasks have."""
    await streams.subscribe_async([LATER])
    print(f"subscribed, {len(streams.instruments)} instruments now")


async def watch(options: StreamOptions | None = None) -> None:
    """Runs all of them at once."""
    async with await init_dynamic_streams_async([FIRST], options) as streams:
        books, trades = streams.select_all_books(), streams.select_all_trades()
        assert books is not None, "they are subscribed and were not selected before"
        assert trades is not None, "they are subscribed and were not selected before"
        async with books, trades, anyio.create_task_group() as tasks:
            tasks.start_soon(follow_books, books)
            tasks.start_soon(follow_trades, trades)
            tasks.start_soon(subscribe_later, streams)


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"]) as exchange:
            anyio.run(watch, StreamOptions(endpoints=exchange.endpoints))
    else:
        anyio.run(watch)

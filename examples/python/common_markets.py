"""What several exchanges have in common: asks them for their lists of markets at once, in an event loop, and prints
trades of a market that all of them list.
"""

from __future__ import annotations

import sys
from typing import Final

import anyio

from barter_cffi import (
    ExchangeId,
    Market,
    StreamOptions,
    Subscription,
    TradeEvent,
    init_dynamic_streams_async,
    markets_async,
)

EXCHANGES: Final[tuple[ExchangeId, ...]] = ("binance_spot", "bybit_spot", "okx")
TRADES = 20

Listed = dict[tuple[str, str], Market]
"""Spot markets by base and quote asset."""


async def lists_of_all(options: StreamOptions | None) -> dict[ExchangeId, Listed]:
    """The lists of all exchanges, in the time that the slowest takes."""
    lists: dict[ExchangeId, Listed] = {}

    async def ask(exchange: ExchangeId) -> None:
        listed = await markets_async(exchange, "spot", options, timeout=10.0)
        lists[exchange] = {(market.base, market.quote): market for market in listed}

    async with anyio.create_task_group() as tasks:
        for exchange in EXCHANGES:
            tasks.start_soon(ask, exchange)
    return lists


async def watch(options: StreamOptions | None = None) -> None:
    """Prints what is listed everywhere, and trades of the first of it."""
    lists = await lists_of_all(options)
    common = sorted(set.intersection(*[set(listed) for listed in lists.values()]))
    print(f"{len(common)} markets are listed by {', '.join(EXCHANGES)}")
    base, quote = common[0]
    batch = [
        Subscription(exchange, base, quote, "spot", "trades", name_exchange=listed[base, quote].name)
        for exchange, listed in lists.items()
    ]
    async with await init_dynamic_streams_async([batch], options) as streams:
        trades = streams.select_all_trades(errors="yield")
        assert trades is not None, "they are subscribed and were not selected before"
        seen = 0
        async for item in trades:
            if isinstance(item, TradeEvent):
                print(f"{item.exchange}: {item.side} {item.amount} at {item.price}")
                seen += 1
            else:
                print(f"in its place among the trades: {item!r}")
            if seen == TRADES:
                break


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(EXCHANGES) as exchange:
            anyio.run(watch, StreamOptions(endpoints=exchange.endpoints))
    else:
        anyio.run(watch)

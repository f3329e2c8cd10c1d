"""Trades taken in batches: fewer calls where there is much, no waiting where there is little."""

from __future__ import annotations

import sys

from barter_cffi import (
    DataError,
    Notice,
    StreamOptions,
    TradeEvent,
    init_dynamic_streams,
    subscriptions,
)

TRADES = 500
MARKETS = ["btc/usdt", "eth/usdt", "sol/usdt"]


def watch(options: StreamOptions | None = None) -> None:
    """Prints what each batch holds and, at the end, the average price of each market."""
    volume: dict[str, float] = {}
    turnover: dict[str, float] = {}
    wanted = subscriptions("binance_spot", MARKETS, ["trades"])
    with init_dynamic_streams([wanted], options) as streams:
        trades = streams.select_trades("binance_spot")
        assert trades is not None, "it is subscribed and was not selected before"
        seen = 0
        while seen < TRADES and (batch := trades.recv_batch()) is not None:
            print(f"{len(batch)} items, {batch.events} of them trades")
            seen += batch.events
            for item in batch:
                match item:
                    case TradeEvent():
                        market = item.instrument.name_exchange
                        volume[market] = volume.get(market, 0.0) + item.amount
                        turnover[market] = turnover.get(market, 0.0) + item.amount * item.price
                    case Notice() | DataError():  # errors are items in a batch, never raised
                        print(f"in its place among the trades: {item!r}")
    for market, amount in sorted(volume.items()):
        print(f"{market}: {amount:.6g} traded, at {turnover[market] / amount:.8g} on average")


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"], rate=500) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

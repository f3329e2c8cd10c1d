"""What an exchange has: its markets by quote asset, and the trades of the first few of them."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Final

from barter_cffi import (
    ExchangeSupport,
    Market,
    StreamOptions,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
    markets,
    support,
)

EXCHANGE: Final = "kraken"
QUOTE = "usd"
SUBSCRIBED = 3
TRADES = 20


def offer(row: ExchangeSupport) -> str:
    """What an exchange offers, in words."""
    return f"{row.exchange} has {', '.join(row.kinds)} of {', '.join(row.instrument_kinds)} instruments"


def trades_of(market: Market) -> Subscription:
    """The subscription to a market that the exchange lists, by the name that it has there."""
    return Subscription(EXCHANGE, market.base, market.quote, market.kind, "trades", name_exchange=market.name)


def watch(options: StreamOptions | None = None) -> None:
    """Lists the exchange's markets and prints trades of some."""
    print(*[offer(row) for row in support() if row.exchange == EXCHANGE])
    listed = markets(EXCHANGE, options=options)
    for quote, count in Counter(market.quote for market in listed).most_common():
        print(f"{count} markets against {quote}")
    chosen = [market for market in listed if market.quote == QUOTE][:SUBSCRIBED]
    with init_dynamic_streams([map(trades_of, chosen)], options) as streams:
        trades = streams.select_trades(EXCHANGE, errors="yield")
        assert trades is not None, "it is subscribed and was not selected before"
        seen = 0
        for item in trades:
            if isinstance(item, TradeEvent):
                print(f"{item.instrument.name_exchange}: {item.side} {item.amount} at {item.price}")
                seen += 1
            else:
                print(f"in its place among the trades: {item!r}")
            if seen == TRADES:
                break


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange([EXCHANGE]) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

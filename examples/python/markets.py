"""What an exchange has: its markets by quote asset, and the trades of the first few of them."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Final

from barter_cffi import StreamOptions, Subscription, TradeEvent, init_dynamic_streams, markets, support

EXCHANGE: Final = "kraken"
QUOTE = "usd"
SUBSCRIBED = 3
TRADES = 20


def watch(options: StreamOptions | None = None) -> None:
    """Lists the exchange's markets and prints trades of some."""
    [offered] = [row for row in support() if row.exchange == EXCHANGE]
    print(f"{EXCHANGE} has {', '.join(offered.kinds)} of {', '.join(offered.instrument_kinds)} instruments")
    listed = markets(EXCHANGE, options=options)
    for quote, count in Counter(market.quote for market in listed).most_common():
        print(f"{count} markets against {quote}")
    chosen = [market for market in listed if market.quote == QUOTE][:SUBSCRIBED]
    batch = [
        Subscription(EXCHANGE, market.base, market.quote, market.kind, "trades", name_exchange=market.name)
        for market in chosen
    ]
    with init_dynamic_streams([batch], options) as streams:
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

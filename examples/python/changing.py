"""Subscribing and unsubscribing while the stream runs: what is new comes in the stream that is being read."""

from __future__ import annotations

import sys
from typing import Final

from barter_cffi import MarketEvent, StreamOptions, Subscription, init_dynamic_streams

EXCHANGE: Final = "kraken"
FIRST = Subscription(EXCHANGE, "btc", "usd", "spot", "trades")
LATER = [Subscription(EXCHANGE, base, "usd", "spot", "trades") for base in ("eth", "sol")]


def watch(options: StreamOptions | None = None) -> None:
    """Prints trades of one market, subscribes to another, and so on until all are there."""
    with init_dynamic_streams([[FIRST]], options) as streams:
        trades = streams.select_trades(EXCHANGE, errors="yield")
        assert trades is not None, "it is subscribed and was not selected before"
        missing = list(LATER)
        wanted = {FIRST.base}
        seen: set[str] = set()
        for item in trades:
            if not isinstance(item, MarketEvent):
                print(f"in its place among the trades: {item!r}")
                continue
            if item.instrument.base not in seen:
                seen.add(item.instrument.base)
                print(f"the first trade of {item.instrument.base}/{item.instrument.quote}")
            if seen == wanted:
                if not missing:
                    streams.unsubscribe([FIRST])
                    print(f"no more of {FIRST.base}/{FIRST.quote}")
                    break
                new = missing.pop(0)
                streams.subscribe([new])
                wanted.add(new.base)
                print(f"subscribed to {new.base}/{new.quote}, {len(streams.instruments)} instruments now")


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange([EXCHANGE]) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

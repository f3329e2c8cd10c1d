"""Several exchanges and kinds of data in one stream. With `start="any"` an exchange that cannot be
reached, or that refuses this location, does not keep the others from starting: its error stands in
the stream, and it is tried again.
"""

from __future__ import annotations

import sys
from collections import Counter

from barter_cffi import DataError, MarketEvent, Notice, StreamOptions, init_dynamic_streams

EVENTS = 200
BATCHES = [
    ["binance_spot:btc/usdt:trades", "binance_spot:btc/usdt:l1"],
    ["binance_futures_usd:btc/usdt:perpetual:trades", "binance_futures_usd:btc/usdt:perpetual:l1"],
    ["kraken:btc/usd:trades", "kraken:btc/usd:l1"],
]


def watch(options: StreamOptions) -> None:
    """Counts the events of each exchange and kind; prints the notices and errors."""
    counts: Counter[str] = Counter()
    with init_dynamic_streams(BATCHES, options) as streams:
        everything = streams.select_all(errors="yield")
        assert everything is not None, "nothing was selected before"
        for item in everything:
            match item:
                case MarketEvent():
                    counts[f"{item.exchange} {item.sub_kind}"] += 1
                case Notice() | DataError():
                    print(f"in its place among the events: {item!r}")
            if counts.total() == EVENTS:
                break
    for source, count in sorted(counts.items()):
        print(f"{source}: {count} events")


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange() as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints, start="any"))
    else:
        watch(StreamOptions(start="any"))

"""Order books that the library keeps: read at any time, from any thread, without handling an event; as numbers and as
arrays (extra `numpy`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from barter_cffi import Endpoint, ExchangeId, Instrument, StreamOptions, init_dynamic_streams, subscriptions

CHANGES = 50
PAIRS = ["btc/usdt", "eth/usdt"]


def watch(endpoints: Mapping[ExchangeId, str | Endpoint] | None = None) -> None:
    """Prints the top of each book that has changed, some times."""
    wanted = subscriptions("binance_spot", PAIRS, ["l2"])
    with init_dynamic_streams([wanted], StreamOptions(endpoints=endpoints)) as streams:
        books = streams.select_books("binance_spot")
        assert books is not None, "they are subscribed and were not selected before"
        changes = 0
        seen: dict[Instrument, int | None] = {}
        while changes < CHANGES and (now := books.wait(timeout=10)) is not None:
            changes = now
            for instrument, book in books.items():
                last = book.time_exchange_ns
                if last == seen.get(instrument):
                    continue
                seen[instrument] = last
                top = book.depth(5)  # at one moment
                if top.state == "live":
                    bids, asks = book.arrays(20)  # at another one; each row is a price and an amount
                    bid, asked = bids[:, 1].sum(), asks[:, 1].sum()
                    print(f"{instrument.base}: {top.sequence}, micro-price {top.volume_weighed_mid_price:.4f}", end="")
                    print(f", {bid:.4g} bid and {asked:.4g} asked for")


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"]) as exchange:
            watch(exchange.endpoints)
    else:
        watch()

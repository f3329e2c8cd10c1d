"""A reader slower than the exchange, that wants the newest best bid and ask and no backlog."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from barter_cffi import (
    Dropped,
    Endpoint,
    ExchangeId,
    OrderBookL1Event,
    QueueOptions,
    StreamOptions,
    Subscription,
    init_dynamic_streams,
)

ITEMS = 10
BTC = Subscription("binance_spot", "btc", "usdt", "spot", "l1")


def watch(endpoints: Mapping[ExchangeId, str | Endpoint] | None = None) -> None:
    """Prints what a thoughtful program sees: the newest, and how much it left out."""
    options = StreamOptions(endpoints=endpoints, queue={"l1": QueueOptions(policy="conflate")})
    with init_dynamic_streams([[BTC]], options) as streams:
        quotes = streams.select_l1s("binance_spot")
        assert quotes is not None, "it is subscribed and was not selected before"
        for _ in range(ITEMS):
            match quotes.recv(timeout=10):
                case OrderBookL1Event(best_bid=bid, best_ask=ask):
                    print(f"{bid and bid.price} | {ask and ask.price}")
                case Dropped(count=count, reason=reason):
                    print(f"{count} older ones were left out: {reason}")
            time.sleep(0.02)  # thinking


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"]) as exchange:
            watch(exchange.endpoints)
    else:
        watch()

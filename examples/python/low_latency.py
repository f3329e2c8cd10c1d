"""A reader that wants each trade as soon as it is there: while it waits it looks again and again for half a millisecond
before it sleeps (`spin`), which takes a core for that time. Prints how old trades are when the program has them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from statistics import quantiles

from barter_cffi import (
    Endpoint,
    ExchangeId,
    QueueOptions,
    StreamOptions,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
)

TRADES = 200
BTC = Subscription("binance_spot", "btc", "usdt", "spot", "trades")


def watch(endpoints: Mapping[ExchangeId, str | Endpoint] | None = None) -> None:
    """Prints where the time of a trade goes."""
    options = StreamOptions(endpoints=endpoints, queue={"trades": QueueOptions(spin=0.0005)})
    on_the_way: list[timedelta] = []
    until_here: list[int] = []
    with init_dynamic_streams([[BTC]], options) as streams:
        trades = streams.select_trades("binance_spot", errors="yield")
        assert trades is not None, "it is subscribed and was not selected before"
        for item in trades:
            if isinstance(item, TradeEvent):
                until_here.append(time.time_ns() - item.time_received_ns)
                on_the_way.append(item.time_received - item.time_exchange)
            if len(until_here) == TRADES:
                break
    percentiles = [age / 1_000 for age in quantiles(until_here, n=100)]
    print(f"from the socket to here: half within {percentiles[49]:.0f} us, 99 of 100 within {percentiles[98]:.0f} us")
    print(f"from the exchange to the socket, as its clock and this one say: {min(on_the_way)} at best")


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"], rate=200) as exchange:
            watch(exchange.endpoints)
    else:
        watch()

"""A strategy that reads a stream, and its tests, which need no network: what a test injects into an
in-memory stream passes the same queue and the same decoder as what an exchange sends.

    python testing_a_strategy.py          the strategy on the exchange's trades
    pytest testing_a_strategy.py          its tests
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from barter_cffi import (
    DataError,
    Dropped,
    MarketEvent,
    Notice,
    Reconnecting,
    Side,
    StreamOptions,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
)
from barter_cffi.testing import Injector, in_memory

WINDOW = 5
SIGNALS = 10
BTC = Subscription("binance_spot", "btc", "usdt", "spot", "trades")


def signals(stream: Iterable[MarketEvent | Notice | DataError]) -> Iterator[tuple[Side, float]]:
    """(side, price) whenever takers have bought, or sold, in `WINDOW` trades in a row.

    A row does not reach over a gap: after `Reconnecting` or `Dropped` it begins anew. An error
    loses no trade.
    """
    row: deque[TradeEvent] = deque(maxlen=WINDOW)
    for item in stream:
        match item:
            case TradeEvent():
                row.append(item)
                if len(row) == WINDOW and len({trade.side for trade in row}) == 1:
                    yield item.side, item.price
                    row.clear()
            case Reconnecting() | Dropped():
                row.clear()


def buy(injector: Injector, *prices: float) -> None:
    """Injects one buy of each price."""
    btc = injector.instrument("binance_spot", "btc", "usdt", "spot")
    for number, price in enumerate(prices):
        injector.push(TradeEvent(price, 0.5, Side.BUY, str(number), btc, 0, 0))


def test_five_buys_in_a_row_are_a_signal_with_the_last_price() -> None:
    streams, injector = in_memory([("binance_spot", "trades")])
    with streams:
        buy(injector, 100.0, 101.0, 102.0)
        injector.error("binance_spot", "trades", "a frame that could not be read")
        buy(injector, 103.0, 104.0, 105.0)
        injector.close("binance_spot", "trades")
        trades = streams.select_trades("binance_spot", errors="yield")
        assert trades is not None
        assert list(signals(trades)) == [(Side.BUY, 104.0)]


def test_a_row_does_not_reach_over_a_broken_connection() -> None:
    streams, injector = in_memory([("binance_spot", "trades")])
    with streams:
        buy(injector, 100.0, 101.0, 102.0)
        injector.reconnecting("binance_spot", "trades")
        buy(injector, 103.0, 104.0)
        injector.close("binance_spot", "trades")
        trades = streams.select_trades("binance_spot", errors="yield")
        assert trades is not None
        assert list(signals(trades)) == []


def watch(options: StreamOptions | None = None) -> None:
    """Prints the next signals."""
    with init_dynamic_streams([[BTC]], options) as streams:
        trades = streams.select_trades("binance_spot", errors="yield")
        assert trades is not None, "it is subscribed and was not selected before"
        for side, price in islice(signals(trades), SIGNALS):
            print(f"{side} at {price}")


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"], rate=500) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

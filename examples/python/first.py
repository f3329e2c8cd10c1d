"""The trades of one market, and everything that may stand in their stream beside them."""

import sys

from barter_cffi import (
    DataError,
    Dropped,
    Reconnecting,
    StreamOptions,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
)

TRADES = 20
BTC = Subscription("binance_spot", "btc", "usdt", "spot", "trades")


def watch(options: StreamOptions | None = None) -> None:
    """Prints the next trades, and what the stream says of itself."""
    with init_dynamic_streams([[BTC]], options) as streams:
        trades = streams.select_trades("binance_spot", errors="yield")
        assert trades is not None, "it is subscribed and was not selected before"
        seen = 0
        for item in trades:
            match item:
                case TradeEvent():
                    print(f"{item.time_exchange} {item.side} {item.amount} at {item.price}")
                    seen += 1
                case Reconnecting():
                    print(f"disconnected, trades are missing until it is back: {item.reason}")
                case Dropped():
                    print(f"{item.count} items are missing here: this program was too slow")
                case DataError():
                    print(f"an error, after which the stream goes on: {item}")
            if seen == TRADES:
                break


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:  # without a network: a server in this process
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"]) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

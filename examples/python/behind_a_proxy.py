"""From inside a company: through its proxy, which may look into TLS and then has an authority of its own.

    behind_a_proxy.py [--proxy http://user:password@proxy.example:3128] [--ca-file company.pem]

Without --proxy the variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY hold.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Final

from barter_cffi import ConnectError, StreamOptions, Subscription, TradeEvent, init_dynamic_streams, markets

EXCHANGE: Final = "kraken"
TRADES = 10


def watch(options: StreamOptions) -> None:
    """Asks for the markets over REST and prints trades of one over WebSocket, both through the proxy."""
    try:
        listed = {(market.base, market.quote): market for market in markets(EXCHANGE, options=options)}
        print(f"{EXCHANGE} lists {len(listed)} markets")
        name = listed["btc", "usd"].name
        btc = Subscription(EXCHANGE, "btc", "usd", "spot", "trades", name_exchange=name)
        with init_dynamic_streams([btc], options) as streams:
            trades = streams.select_trades(EXCHANGE, errors="yield")
            assert trades is not None, "it is subscribed and was not selected before"
            seen = 0
            while seen < TRADES and (item := trades.recv()) is not None:
                print(f"{item.side} {item.amount} at {item.price}" if isinstance(item, TradeEvent) else item)
                seen += isinstance(item, TradeEvent)
    except ConnectError as error:
        # It names the proxy by host and port; user and password are in no error, repr or log.
        print(f"no way: {error}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--proxy")
    parser.add_argument("--ca-file")
    parser.add_argument("--local", action="store_true", help="read a server in this process, over TLS too")
    given = parser.parse_args()
    options = StreamOptions(proxy=given.proxy, ca_file=given.ca_file)
    if given.local:
        from barter_cffi.testing import LocalExchange

        with LocalExchange([EXCHANGE], tls=True) as exchange:
            watch(replace(options, endpoints=exchange.endpoints, ca_file=exchange.ca_file))
    else:
        watch(options)

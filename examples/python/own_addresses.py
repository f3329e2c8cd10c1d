"""An exchange by another way than its usual one: through a gateway of your own, at another host of the exchange's, or
on another path of its WebSocket. With fewer levels asked for, an order book is there sooner.

    own_addresses.py [WEBSOCKET REST]
"""

from __future__ import annotations

import sys

from barter_cffi import BookSnapshotEvent, Endpoint, StreamOptions, init_dynamic_streams

TRADES = 10
BTC = ["binance_futures_usd:btc/usdt:perpetual:trades", "binance_futures_usd:btc/usdt:perpetual:l2"]


def watch(websocket: str = "wss://fstream.binance.com", rest: str = "https://fapi.binance.com") -> None:
    """Prints the size of the book, and some trades."""
    gateway = Endpoint(websocket=websocket, rest=rest, paths={"trades": "/market/ws"})
    options = StreamOptions(endpoints={"binance_futures_usd": gateway}, snapshot_depth=50)
    with init_dynamic_streams([BTC], options) as streams:
        trades, books = streams.select_trades("binance_futures_usd"), streams.select_l2s("binance_futures_usd")
        assert trades is not None, "it is subscribed and was not selected before"
        assert books is not None, "it is subscribed and was not selected before"
        snapshot = books.recv(timeout=10)
        assert isinstance(snapshot, BookSnapshotEvent), "a book begins with one"
        print(f"a book of {len(snapshot.bids)} + {len(snapshot.asks)} levels")
        for seen, item in enumerate(trades, start=1):
            print(f"through {websocket.split('/')[2]}: {item!r}")
            if seen == TRADES:
                break


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_futures_usd"]) as exchange:
            local = exchange.endpoints["binance_futures_usd"]
            watch(local.websocket or "", local.rest or "")
    else:
        watch(*sys.argv[1:])

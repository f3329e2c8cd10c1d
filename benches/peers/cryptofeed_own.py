"""cryptofeed's own Binance code but for the address and the list of markets: trades. It takes the aggregate trades, and
only addresses that begin with `wss`, of which the `s` is taken off here.
"""

from __future__ import annotations

import asyncio
from typing import Any

from cryptofeed import FeedHandler, connection
from cryptofeed.connection import WebsocketEndpoint
from cryptofeed.defines import TRADES
from cryptofeed.exchanges import Binance
from cryptofeed.symbols import Symbols
from measure import HOST, Meter
from uvloop import new_event_loop

MARKET = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT"}


def row(trade: Any) -> list[Any]:
    return [float(trade.price), float(trade.amount), trade.id, trade.side, round(trade.timestamp * 1000)]


def main() -> None:
    meter = Meter(row)
    secured = connection.connect
    connection.connect = lambda address, **options: secured(address.replace("wss:", "ws:"), **options)
    asyncio.set_event_loop(new_event_loop())
    listed = {"symbols": [{**MARKET, "filters": [{"tickSize": "0.01"}]}]}
    Binance.websocket_endpoints = [WebsocketEndpoint(f"wss://{HOST}", options={"compression": None})]
    Symbols.set(Binance.id, *Binance._parse_symbol_data(listed))

    async def on_trade(trade: Any, received: float) -> None:
        meter.take(trade)

    handler = FeedHandler(config={"log": {"disabled": True}})
    handler.add_feed(Binance(symbols=["BTC-USDT"], channels=[TRADES], callbacks={TRADES: on_trade}))
    handler.run()


main()

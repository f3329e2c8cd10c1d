"""ccxt.pro's own Binance code but for the address and the list of markets: trades. `watch_trades` gives what is new in
its cache since it was last asked, and loses what its cache had no room for; only what it gives is counted.
"""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt.pro
from measure import HOST, Meter

MARKET = {"id": "BTCUSDT", "lowercaseId": "btcusdt", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT"}


def row(trade: dict[str, Any]) -> list[Any]:
    return [trade["price"], trade["amount"], trade["id"], trade["side"], trade["timestamp"]]


async def main() -> None:
    meter = Meter(row)
    exchange = ccxt.pro.binance()
    exchange.urls["api"]["ws"]["spot"] = f"ws://{HOST}/ws"
    spot = {"type": "spot", "spot": True, "contract": False, "swap": False, "future": False, "option": False}
    numbers = {"precision": {"price": 0.01, "amount": 0.00001}, "limits": {}, "info": {}}
    exchange.set_markets([{**MARKET, **spot, **numbers, "active": True, "linear": None, "inverse": None}])
    while True:
        for trade in await exchange.watch_trades("BTC/USDT"):
            meter.take(trade)


asyncio.run(main())

"""Which exchange server an address of a capture belongs to.

Former hosts and paths count as today's, and so do the venues that speak the same protocol under
another host.
"""

from __future__ import annotations

import re
from typing import Final

#: Searched in this order, at the beginning of what follows `://`.
_ADDRESSES: Final = tuple(
    (re.compile(pattern), exchange)
    for pattern, exchange in (
        (r"(fstream|fapi)[\w-]*\.binance\.com|(fstream|stream|testnet)\.binancefuture\.com", "binance_futures_usd"),
        (r"(data-)?(stream|api)[\w-]*\.binance\.(com|us|me|vision|cloud)(:\d+)?(/|$)", "binance_spot"),
        (r"www\.binance\.(com|us)/api/|testnet\.binance\.vision|stream-cloud\.trbinance\.com", "binance_spot"),
        (r"stream[\w-]*\.by(bit|tick)\.\w+/(v5/public/spot|spot/)", "bybit_spot"),
        (r"api[\w-]*\.by(bit|tick)\.\w+/(spot/|v5/.*category=spot)", "bybit_spot"),
        (r"stream[\w-]*\.by(bit|tick)\.\w+/(v5/public/(linear|inverse)|realtime)", "bybit_perpetuals_usd"),
        (r"api[\w-]*\.by(bit|tick)\.\w+/", "bybit_perpetuals_usd"),
        (r"(ws|wsaws|wspap|real)[\w-]*\.ok(x|ex|coin)\.com(:\d+)?/|(www|aws)\.ok(x|ex|coin)\.com/", "okx"),
        (r"ws\.kraken\.com/?$|api\.kraken\.com/", "kraken"),
        (r"ws-feed[\w.-]*\.(pro|exchange|gdax|prime)[\w.-]*\.com|ws-feed[\w.-]*\.coinbase\.com", "coinbase"),
        (r"api[\w.-]*\.(pro|exchange)\.coinbase\.com", "coinbase"),
        (r"api(-pub)?\.bitfinex\.com/(ws/2|v2/)", "bitfinex"),
        (r"(www|ws|testnet)[\w.-]*\.bitmex\.com/(realtime|api/)", "bitmex"),
        (r"(api|ws)[\w-]*\.gate(io)?\.(ws|io)/(ws/v4|api/v4/spot)", "gateio_spot"),
        (r"fx-ws[\w-]*\.gateio\.ws/v4/ws/delivery/usdt|[\w.-]*gate\w*\.\w+/api/v4/delivery/usdt", "gateio_futures_usd"),
        (r"fx-ws[\w-]*\.gateio\.ws/v4/ws/delivery/btc|[\w.-]*gate\w*\.\w+/api/v4/delivery/btc", "gateio_futures_btc"),
        (r"fx-ws[\w-]*\.gateio\.ws/v4/ws/usdt|[\w.-]*gate\w*\.\w+/api/v4/futures/usdt", "gateio_perpetuals_usd"),
        (r"fx-ws[\w-]*\.gateio\.ws/v4/ws|[\w.-]*gate\w*\.\w+/api/v4/futures/btc", "gateio_perpetuals_btc"),
        (r"op-ws[\w-]*\.gateio\.\w+/v4/ws|[\w.-]*gate\w*\.\w+/api/v4/options", "gateio_options"),
    )
)


def exchange_at(url: str) -> str | None:
    """The identifier of the exchange server whose address this is, None for any other."""
    address = url.partition("://")[2]
    return next((exchange for pattern, exchange in _ADDRESSES if pattern.match(address)), None)

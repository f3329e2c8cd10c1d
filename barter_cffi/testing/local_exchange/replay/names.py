"""What a market's name says of its instrument: the reverse of each venue's `market_name`.

A capture names its markets and describes none. Where a name does not say where the base ends, the
quote is the longest well-known asset it ends with.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Final, Literal

from ..market import Market, MarketKind

#: The longest that fits is meant, whatever the order.
_QUOTES: Final = (
    *("usdt", "usdc", "busd", "tusd", "fdusd", "usd", "ust", "dai", "pax"),
    *("eur", "gbp", "jpy", "try", "brl", "aud", "chf", "cad", "rub", "uah", "ngn", "zar", "bidr", "idrt"),
    *("btc", "xbt", "eth", "bnb", "trx"),
)
_PLAIN: Final = {"kraken": {"xbt": "btc", "xdg": "doge"}, "bitfinex": {"ust": "usdt"}, "bitmex": {"xbt": "btc"}}
#: Where all that is subscribed counts as a perpetual, dated contracts included.
_PERPETUAL: Final = (
    "binance_futures_usd",
    "bybit_perpetuals_usd",
    "bitmex",
    "gateio_perpetuals_usd",
    "gateio_perpetuals_btc",
)
#: Contracts expire at eight in the morning, UTC.
_EXPIRY_HOUR: Final = 8
_DATED: Final = re.compile(r"(?P<pair>.+?)[-_](?P<date>\d{8}|\d{6})(?:-(?P<strike>[\d.]+)-(?P<option>[CP]))?")


def market_named(exchange: str, name: str) -> Market:
    """The instrument that a venue's market name says."""
    plain = _PLAIN.get(exchange, {})
    dated = _DATED.fullmatch(name)
    pair = dated["pair"] if dated is not None else name.removesuffix("-SWAP")
    if exchange == "bitfinex":
        pair = pair.removeprefix("t")
    base, quote = (plain.get(asset, asset) for asset in _assets(pair.lower()))
    expiry = _expiry(dated["date"]) if dated is not None else None
    if dated is None or expiry is None or exchange in _PERPETUAL:
        perpetual = exchange in _PERPETUAL or name.endswith("-SWAP")
        return Market(base, quote, "perpetual" if perpetual else "spot")
    option: Literal["call", "put"] | None = None
    if dated["option"] is not None:
        option = "call" if dated["option"] == "C" else "put"
    kind: MarketKind = "future" if option is None else "option"
    return Market(base, quote, kind, expiry, dated["strike"], option)


def _assets(pair: str) -> tuple[str, str]:
    for separator in "/:_-":
        base, found, quote = pair.partition(separator)
        if found:
            return base, quote
    known = (quote for quote in _QUOTES if pair.endswith(quote) and pair != quote)
    quote = max(known, key=len, default=pair[3:])
    return pair.removesuffix(quote), quote


def _expiry(date: str) -> datetime | None:
    year = date[:-4] if len(date) == 8 else f"20{date[:2]}"
    try:
        return datetime(int(year), int(date[-4:-2]), int(date[-2:]), _EXPIRY_HOUR, tzinfo=timezone.utc)
    except ValueError:
        return None

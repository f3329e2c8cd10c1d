"""The exchange modules, by exchange identifier: one module a venue, one row here."""

from __future__ import annotations

from typing import Final

from .base import Exchange
from .binance_futures_usd import BinanceFuturesUsd
from .binance_spot import BinanceSpot
from .bitfinex import Bitfinex
from .bitmex import Bitmex
from .bybit import BybitPerpetualsUsd, BybitSpot
from .coinbase import Coinbase
from .gateio import GateioSpot
from .gateio_contracts import (
    GateioFuturesBtc,
    GateioFuturesUsd,
    GateioOptions,
    GateioPerpetualsBtc,
    GateioPerpetualsUsd,
)
from .kraken import Kraken
from .okx import Okx

#: Every exchange the local exchange can serve.
EXCHANGES: Final[dict[str, type[Exchange]]] = {
    exchange.name: exchange
    for exchange in (
        BinanceSpot,
        BinanceFuturesUsd,
        BybitSpot,
        BybitPerpetualsUsd,
        Okx,
        Kraken,
        Coinbase,
        Bitfinex,
        Bitmex,
        GateioSpot,
        GateioFuturesUsd,
        GateioFuturesBtc,
        GateioPerpetualsUsd,
        GateioPerpetualsBtc,
        GateioOptions,
    )
}

__all__ = ["EXCHANGES", "Exchange"]

"""What each venue's captured frames say: one module a venue, one row here."""

from __future__ import annotations

from typing import Final

from .base import Reader
from .binance import BinanceReader
from .bitfinex import BitfinexReader
from .bitmex import BitmexReader
from .bybit import BybitReader
from .bybit_v2 import BybitV2Reader
from .coinbase import CoinbaseReader
from .gateio import GateioReader
from .kraken import KrakenReader
from .okx import OkxReader
from .okx_v3 import OkxV3Reader

_READERS: Final[dict[str, type[Reader]]] = {
    "binance_spot": BinanceReader,
    "binance_futures_usd": BinanceReader,
    "bybit_spot": BybitReader,
    "bybit_perpetuals_usd": BybitReader,
    "okx": OkxReader,
    "kraken": KrakenReader,
    "coinbase": CoinbaseReader,
    "bitfinex": BitfinexReader,
    "bitmex": BitmexReader,
    "gateio_spot": GateioReader,
    "gateio_futures_usd": GateioReader,
    "gateio_futures_btc": GateioReader,
    "gateio_perpetuals_usd": GateioReader,
    "gateio_perpetuals_btc": GateioReader,
    "gateio_options": GateioReader,
}


def reader(exchange: str, url: str) -> Reader:
    """The reader of one captured connection of an exchange."""
    if exchange == "bybit_perpetuals_usd" and "/realtime" in url:
        return BybitV2Reader(exchange)
    if exchange == "okx" and "/ws/v3" in url:
        return OkxV3Reader(exchange)
    return _READERS[exchange](exchange)


__all__ = ["Reader", "reader"]

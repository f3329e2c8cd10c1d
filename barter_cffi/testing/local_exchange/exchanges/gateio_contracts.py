"""Gate's contract servers: perpetuals and delivery futures settled in usdt or btc, and options.

Follows "Futures WebSocket V4", "Delivery WebSocket V4" and "Options WebSocket V4". A trade's size
counts contracts and is negative when the taker sold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from ..connection import Subscription
from ..events import Trade
from ..market import DEFAULT_EXPIRY, Market, MarketKind, market_of
from ..simulation import SimulatedMarket
from .gateio import Gateio
from .wire import dumps, number

#: A client that connects with this header set to 1 gets sizes as decimal strings.
_DECIMAL_SIZES: Final = "X-Gate-Size-Decimal"


class GateioContracts(Gateio):
    """What the contract servers share: rows in a list, several trades a frame."""

    trades_per_frame = 3

    def result(self, subscription: Subscription, drawn: Sequence[Trade]) -> list[object]:
        """By "Trades Channel": all trades in one frame."""
        return [[self.row(subscription, trade) for trade in drawn]]

    def row(self, subscription: Subscription, trade: Trade) -> dict[str, object]:
        """One trade, its contract named as the client subscribed it."""
        return {
            "id": trade.number,
            "size": _size(subscription, trade),
            "create_time": trade.time_ns // 1_000_000_000,
            "create_time_ms": trade.time_ns // 1_000_000,
            "price": trade.price,
            "contract": subscription.channel,
        }

    def notices(self) -> Mapping[str, str]:
        """By "System API": reconnect, this connection is about to close."""
        message = "The connection will soon be closed for a service upgrade. Please reconnect."
        notice = {
            **self._time(),
            "channel": f"{self.prefix}.system",
            "event": "update",
            "result": {"type": "upgrade", "msg": message},
        }
        return {"upgrade": dumps(notice)}


class GateioFutures(GateioContracts):
    """Perpetuals and delivery futures: the servers differ in path and markets."""

    prefix = "futures"
    market_kind: ClassVar[MarketKind]
    quote: ClassVar[str]
    bases: ClassVar[tuple[str, ...]]

    def default_markets(self) -> Sequence[Market]:
        """Contracts of the server's settlement asset."""
        expiry = DEFAULT_EXPIRY if self.market_kind == "future" else None
        return [market_of(base, self.quote, self.market_kind, expiry=expiry, lot="1") for base in self.bases]

    def market_name(self, market: Market) -> str:
        """`BTC_USDT`, `BTC_USDT_20301227`."""
        name = f"{market.base}_{market.quote}".upper()
        return name if market.expiry is None else f"{name}_{market.expiry:%Y%m%d}"

    def find(self, name: str) -> SimulatedMarket | None:
        """Where the local exchange is lenient, also under a name that says the delivery's term."""
        found = self.market(name)
        if found is None and self.options.lenient:
            found = self.market(name.replace("_QUARTERLY", ""))
        return found


class GateioPerpetualsUsd(GateioFutures):
    """`fx-ws.gateio.ws/v4/ws/usdt`."""

    name = "gateio_perpetuals_usd"
    path = "/v4/ws/usdt"
    market_kind = "perpetual"
    quote = "usdt"
    bases = ("btc", "eth", "sol", "xrp", "doge")


class GateioPerpetualsBtc(GateioFutures):
    """`fx-ws.gateio.ws/v4/ws/btc`."""

    name = "gateio_perpetuals_btc"
    path = "/v4/ws/btc"
    market_kind = "perpetual"
    quote = "usd"
    bases = ("btc",)


class GateioFuturesUsd(GateioFutures):
    """`fx-ws.gateio.ws/v4/ws/delivery/usdt`."""

    name = "gateio_futures_usd"
    path = "/v4/ws/delivery/usdt"
    market_kind = "future"
    quote = "usdt"
    bases = ("btc", "eth")


class GateioFuturesBtc(GateioFutures):
    """`fx-ws.gateio.ws/v4/ws/delivery/btc`."""

    name = "gateio_futures_btc"
    path = "/v4/ws/delivery/btc"
    market_kind = "future"
    quote = "usd"
    bases = ("btc",)


class GateioOptions(GateioContracts):
    """`op-ws.gateio.live/v4/ws`. Prices are JSON numbers."""

    name = "gateio_options"
    path = "/v4/ws"
    prefix = "options"

    def default_markets(self) -> Sequence[Market]:
        """A call and a put of btc."""
        return [
            market_of("btc", "usdt", "option", expiry=DEFAULT_EXPIRY, strike="60000", option="call", lot="1"),
            market_of("btc", "usdt", "option", expiry=DEFAULT_EXPIRY, strike="60000", option="put", lot="1"),
        ]

    def market_name(self, market: Market) -> str:
        """`BTC_USDT-20301227-60000-C`."""
        assert market.expiry is not None, "options expire"
        assert market.option is not None, "options are calls or puts"
        name = f"{market.base}_{market.quote}".upper()
        return f"{name}-{market.expiry:%Y%m%d}-{market.strike}-{market.option[0].upper()}"

    def row(self, subscription: Subscription, trade: Trade) -> dict[str, object]:
        """By "Public Contract Trades Channel": with the underlying, the price a number."""
        underlying = subscription.market.name.partition("-")[0]
        price = number(trade.price)
        return {**super().row(subscription, trade), "price": price, "underlying": underlying}


def _size(subscription: Subscription, trade: Trade) -> int | float | str:
    signed = trade.amount if trade.side == "buy" else f"-{trade.amount}"
    if subscription.connection.headers.get(_DECIMAL_SIZES) == "1":
        return signed
    return number(signed)

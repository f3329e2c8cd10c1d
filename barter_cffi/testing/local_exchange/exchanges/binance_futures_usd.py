"""Binance USD-M futures: trades, best prices, depth with its REST snapshot, liquidations.

Its addresses are routed: a stream subscribed on a path that does not carry it is acknowledged and
stays silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from ..connection import Connection
from ..events import BestBidAsk, BookSnapshot, BookUpdate, Event, Kind, Liquidation, Trade
from ..market import Market, markets
from ..simulation import Rules, SimulatedMarket
from .base import Reply
from .binance import Binance, levels
from .wire import dumps

#: The path prefixes each kind of stream flows on; "" is the address before routing. "Important
#: WebSocket Change Notice": bookTicker and depth are public, forceOrder is market. The notice does
#: not name the trade stream: here it is served on all of them, though published probes saw it on
#: "/public" and not on "/market".
_TIERS: Final[dict[Kind, tuple[str, ...]]] = {
    "trades": ("", "/public", "/market"),
    "l1": ("", "/public"),
    "l2": ("", "/public"),
    "liquidations": ("/market",),
}
_PREFIXES: Final = ("", "/public", "/market", "/private")
_DEPTH_LIMITS: Final = (5, 10, 20, 50, 100, 500, 1_000)
#: With `na_trades`, one row in so many is no trade.
_NA_EVERY: Final = 20


class BinanceFuturesUsd(Binance):
    """`fstream.binance.com` and `fapi.binance.com`."""

    name = "binance_futures_usd"
    kinds = ("trades", "l1", "l2", "liquidations")
    rules = Rules(sparse_sequence=True)
    #: "Liquidation Order Streams": at most the latest order of a symbol in 1,000 ms.
    most_per_second: ClassVar[Mapping[Kind, float]] = {"liquidations": 1.0}
    messages_per_second = 10
    beat_seconds = 180.0
    pong_timeout = 600.0
    depth_path = "/fapi/v1/depth"
    ticker_path = "/fapi/v1/ticker/price"

    def default_markets(self) -> Sequence[Market]:
        """Perpetuals against usdt."""
        return markets(["btc/usdt", "eth/usdt", "sol/usdt", "xrp/usdt", "doge/usdt"], "perpetual")

    def accepts(self, path: str) -> bool:
        """`/ws` and `/stream`, bare or under `/public`, `/market` and `/private`."""
        prefix = _tier(path)
        return prefix in _PREFIXES and super().accepts(path.removeprefix(prefix))

    def serves(self, connection: Connection, kind: Kind) -> bool:
        """Streams flow on the paths of their class only."""
        return _tier(connection.path) in _TIERS[kind]

    def draw(self, kind: Kind, market: SimulatedMarket, count: int) -> list[Event]:
        """With `na_trades`, gives some trade numbers to rows that are no trades."""
        if kind != "trades" or not self.options.na_trades:
            return super().draw(kind, market, count)
        if market.next_trade_number % _NA_EVERY == 0:
            market.skip_trade_number()
        return super().draw(kind, market, count)

    def payload(self, kind: Kind, event: Event) -> list[dict[str, object]]:
        """Frames as the live exchange sends them since routing: with `st` (1, a USD-M symbol) and
        where documented `ps`. "Individual Symbol Book Ticker Streams", "Diff. Book Depth Streams",
        "Liquidation Order Streams"."""
        time_ms = event.time_ns // 1_000_000
        if isinstance(event, Trade):
            rows = [self._trade(event, time_ms)]
            if self.options.na_trades and event.number % _NA_EVERY == 1:
                rows.insert(0, _not_a_trade(event, time_ms))
            return rows
        if isinstance(event, BestBidAsk):
            return [
                {
                    "e": "bookTicker",
                    "u": event.sequence,
                    "s": event.market,
                    "ps": event.market,
                    "b": event.bid.price,
                    "B": event.bid.amount,
                    "a": event.ask.price,
                    "A": event.ask.amount,
                    "T": time_ms,
                    "E": time_ms,
                    "st": 1,
                }
            ]
        if isinstance(event, BookUpdate):
            return [
                {
                    "e": "depthUpdate",
                    "E": time_ms,
                    "T": time_ms,
                    "s": event.market,
                    "ps": event.market,
                    "U": event.first_sequence,
                    "u": event.sequence,
                    "pu": event.previous_sequence,
                    "b": levels(event.bids),
                    "a": levels(event.asks),
                    "st": 1,
                }
            ]
        assert isinstance(event, Liquidation), f"{self.name} sends no {event}"
        return [{"e": "forceOrder", "E": time_ms, "o": _order(event, time_ms)}]

    def depth_limit(self, text: str | None) -> int | Reply:
        """By the document "Order Book": 500 by default; one of 5, 10, 20, 50, 100, 500, 1000."""
        if text is None:
            return 500
        if text.isascii() and text.isdigit() and int(text) in _DEPTH_LIMITS:
            return int(text)
        if text.isascii() and text.isdigit() and int(text) < _DEPTH_LIMITS[-1]:
            return Reply(400, dumps({"code": -4021, "msg": f"{text} is not valid depth limit"}))
        message = "Data sent for parameter 'limit' is not valid."
        return Reply(400, dumps({"code": -1130, "msg": message}))

    def depth_body(self, snapshot: BookSnapshot) -> dict[str, object]:
        """By the document "Order Book": with output time `E` and transaction time `T`."""
        time_ms = snapshot.time_ns // 1_000_000
        return {
            "lastUpdateId": snapshot.sequence,
            "E": time_ms,
            "T": time_ms,
            "bids": levels(snapshot.bids),
            "asks": levels(snapshot.asks),
        }

    def _trade(self, trade: Trade, time_ms: int) -> dict[str, object]:
        """The trade stream, which the documents leave out; keys as captured."""
        return {
            "e": "trade",
            "E": time_ms,
            "T": time_ms,
            "s": trade.market,
            "t": trade.number,
            "p": trade.price,
            "q": trade.amount,
            "X": "MARKET",
            "m": trade.side == "sell",
            "st": 1,
        }


def _not_a_trade(following: Trade, time_ms: int) -> dict[str, object]:
    """A row of the trade stream that is no trade: it takes a number and has no price."""
    return {
        "e": "trade",
        "E": time_ms,
        "T": time_ms,
        "s": following.market,
        "t": following.number - 1,
        "p": "0",
        "q": "0",
        "X": "NA",
        "m": True,
        "st": 1,
    }


def _order(liquidation: Liquidation, time_ms: int) -> dict[str, object]:
    return {
        "s": liquidation.market,
        "S": liquidation.side.upper(),
        "o": "LIMIT",
        "f": "IOC",
        "q": liquidation.quantity,
        "p": liquidation.price,
        "ap": liquidation.average_price,
        "X": "FILLED",
        "l": liquidation.quantity,
        "z": liquidation.quantity,
        "T": time_ms,
        "ps": liquidation.market,
        "st": 1,
    }


def _tier(path: str) -> str:
    """The routing prefix of a path: "/market" of "/market/ws", "" of "/ws"."""
    first = "/" + path.split("/")[1]
    return "" if first in ("/ws", "/stream") else first

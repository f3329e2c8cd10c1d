"""BitMEX's realtime API: the trade table.

Follows "WebSocket API" (www.bitmex.com/app/wsAPI). Each topic of a request is acknowledged on its
own; the table's `partial` carries the last trade.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Final

from ..connection import Connection, Subscription
from ..events import Event, Trade
from ..faults import Fault
from ..market import Market, market_of
from ..simulation import Rules
from .base import Exchange
from .wire import dumps, number, parse_object, stable_uuid, tick_directions, trades

_ASSETS: Final = {"btc": "XBT"}
_COLUMNS: Final = {
    "timestamp": "timestamp",
    "symbol": "symbol",
    "side": "symbol",
    "size": "long",
    "price": "float",
    "tickDirection": "symbol",
    "trdMatchID": "guid",
    "grossValue": "long",
    "homeNotional": "float",
    "foreignNotional": "float",
    "trdType": "symbol",
    "pool": "symbol",
}
_SATOSHIS: Final = 100_000_000


class Bitmex(Exchange):
    """`ws.bitmex.com/realtime`. Sizes are contracts; a contract is one unit of the quote asset."""

    name = "bitmex"
    kinds = ("trades",)
    rules = Rules(trade_id=lambda market, number: stable_uuid("bitmex", market, number))
    trades_per_frame = 3

    def default_markets(self) -> Sequence[Market]:
        """Perpetual contracts."""
        pairs = (("btc", "usd"), ("btc", "usdt"), ("eth", "usd"), ("sol", "usdt"), ("xrp", "usd"))
        return [market_of(*pair, "perpetual", lot="100") for pair in pairs]

    def market_name(self, market: Market) -> str:
        """`XBTUSD`."""
        return "".join(_ASSETS.get(each, each.upper()) for each in (market.base, market.quote))

    def accepts(self, path: str) -> bool:
        """The realtime endpoint; topics are subscribed by message."""
        return path == "/realtime"

    def greeting(self, connection: Connection) -> list[str]:
        """The welcome."""
        welcome = {
            "info": "Welcome to the BitMEX Realtime API.",
            "version": "2.0.0",
            "timestamp": _iso(self.options.clock()),
            "docs": "https://www.bitmex.com/app/wsAPI",
            "heartbeatEnabled": False,
            "limit": {"remaining": 39},
            "appName": "ws-feedhandler",
        }
        return [dumps(welcome)]

    def received(self, connection: Connection, text: str) -> None:
        """The text `ping`, or `{"op":"subscribe","args":["trade:XBTUSD",…]}`."""
        if text == "ping":
            connection.send_control("pong")
            return
        request = parse_object(text)
        if request is None or request.get("op") not in ("subscribe", "unsubscribe"):
            self._refuse(connection, "Unrecognized request.", request or text)
            return
        arguments = request.get("args")
        for topic in arguments if isinstance(arguments, list) else [arguments]:
            if request["op"] == "subscribe":
                self._subscribe(connection, str(topic), request)
            else:
                self.unsubscribe(connection, str(topic))
                answer = {"success": True, "unsubscribe": topic, "request": request}
                connection.send_control(dumps(answer))

    def encode(self, subscription: Subscription, events: Sequence[Event]) -> list[str]:
        """`{"table":"trade","action":"insert","data":[…]}`."""
        rows = self._rows(subscription, trades(events))
        return [dumps({"table": "trade", "action": "insert", "data": rows})]

    def _subscribe(self, connection: Connection, topic: str, request: dict[str, object]) -> None:
        table, _, symbol = topic.partition(":")
        simulated = self.market(symbol)
        if table != "trade":
            self._refuse(connection, f"Unknown table: {table}", request)
        elif simulated is None or self.fault(Fault.REFUSE_SUBSCRIPTION):
            self._refuse(connection, "Unknown or expired symbol.", request)
        elif topic in connection.subscriptions:
            self._refuse(connection, f"You are already subscribed to this topic: {topic}", request)
        elif not self.fault(Fault.WITHHOLD_ACKNOWLEDGEMENT):
            answer = {"success": True, "subscribe": topic, "pool": "Aggregated", "request": request}
            connection.send_control(dumps(answer))
            added = self.subscribe(connection, "trades", simulated, topic)
            if added is not None:
                self._partial(added)

    def _partial(self, subscription: Subscription) -> None:
        """The table's image at subscription: its columns and the last trade."""
        last = replace(subscription.market.recent_trades[-1], history=True)
        partial = {
            "table": "trade",
            "action": "partial",
            "keys": [],
            "types": _COLUMNS,
            "filter": {"pool": "Aggregated", "symbol": last.market},
            "data": self._rows(subscription, [last]),
        }
        self.replay(subscription, last, [dumps(partial)])

    def _rows(self, subscription: Subscription, drawn: Sequence[Trade]) -> list[dict[str, object]]:
        directions = tick_directions(subscription.market, drawn)
        return [
            {
                "timestamp": _iso(trade.time_ns),
                "symbol": trade.market,
                "side": trade.side.capitalize(),
                "size": number(trade.amount),
                "price": number(trade.price),
                "tickDirection": direction,
                "trdMatchID": trade.id,
                "grossValue": round(float(trade.amount) / float(trade.price) * _SATOSHIS),
                "homeNotional": round(float(trade.amount) / float(trade.price), 8),
                "foreignNotional": number(trade.amount),
                "trdType": "Regular",
                "pool": "Aggregated",
            }
            for trade, direction in zip(drawn, directions, strict=True)
        ]

    def _refuse(self, connection: Connection, message: str, request: object) -> None:
        """`{"status":400,"error":"…","meta":{},"request":{…}}`."""
        error = {"status": 400, "error": message, "meta": {}, "request": request}
        connection.send_control(dumps(error))


def _iso(time_ns: int) -> str:
    """`2018-06-18T14:42:31.123Z`."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000_000:03d}Z"

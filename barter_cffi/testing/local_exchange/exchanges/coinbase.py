"""Coinbase Exchange's feed: the matches channel.

Follows "Overview", "Channels" (Matches, Heartbeat) and "Errors" of the Exchange WebSocket feed
documents. `side` is the maker's. Each product's last match is sent once at subscription, before or
after the acknowledgement.
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
from ..orderflow import opposite
from ..simulation import Rules
from .base import Exchange
from .wire import dumps, parse_object, stable_uuid, texts, trades

_KEYED_CHANNELS: Final = ("level2", "level3", "full")
#: "Overview": a client must subscribe within five seconds.
_SUBSCRIBE_SECONDS: Final = 5.0


class Coinbase(Exchange):
    """`ws-feed.exchange.coinbase.com`."""

    name = "coinbase"
    kinds = ("trades",)
    rules = Rules(time_resolution_ns=1_000)
    messages_per_second = 100

    def default_markets(self) -> Sequence[Market]:
        """Spot pairs against usd, and one against btc."""
        pairs = (("btc", "usd"), ("eth", "usd"), ("sol", "usd"), ("xrp", "usd"), ("doge", "usd"))
        return [market_of(*pair) for pair in (*pairs, ("eth", "btc"))]

    def market_name(self, market: Market) -> str:
        """`BTC-USD`."""
        return f"{market.base}-{market.quote}".upper()

    def accepts(self, path: str) -> bool:
        """The root."""
        return path in ("", "/")

    def received(self, connection: Connection, text: str) -> None:
        """`{"type":"subscribe","product_ids":[…],"channels":[…]}`, where a channel is a name or an
        object with products of its own; and `unsubscribe`."""
        request = parse_object(text)
        wanted = None if request is None else _wanted(request)
        if request is None or wanted is None:
            error = {"type": "error", "message": "Malformed JSON" if request is None else "Invalid"}
            connection.send_control(dumps(error))
            return
        if request.get("type") == "unsubscribe":
            for channel in wanted:
                self.unsubscribe(connection, channel)
            self._acknowledge(connection)
            return
        reason = self._refusal(wanted)
        if reason is not None:
            error = {"type": "error", "message": "Failed to subscribe", "reason": reason}
            connection.send_control(dumps(error))
            return
        if self.fault(Fault.WITHHOLD_ACKNOWLEDGEMENT):
            return
        added = [each for channel in wanted if (each := self._add(connection, channel)) is not None]
        for index, subscription in enumerate(added):
            if index % 2 == 0:
                self._last_match(subscription)
        self._acknowledge(connection)
        for index, subscription in enumerate(added):
            if index % 2 == 1:
                self._last_match(subscription)

    def beat(self, connection: Connection) -> None:
        """Cuts a client that does not subscribe in time; sends the heartbeat channel."""
        late = connection.now - connection.opened_at >= self.seconds(_SUBSCRIBE_SECONDS)
        if late and not connection.subscriptions:
            connection.close(1000)
        for channel, subscription in connection.subscriptions.items():
            if channel.startswith("heartbeat "):
                connection.send_control(dumps(self._heartbeat(subscription)))

    def encode(self, subscription: Subscription, events: Sequence[Event]) -> list[str]:
        """By "Matches": `match`, or `last_match` for what happened before the subscription."""
        return [dumps(_match(trade)) for trade in trades(events)]

    def _add(self, connection: Connection, channel: str) -> Subscription | None:
        name, _, product = channel.partition(" ")
        simulated = self.market(product)
        assert simulated is not None, "unknown products are refused"
        if name == "heartbeat":
            connection.subscriptions.setdefault(channel, Subscription(connection, "trades", simulated, channel))
            return None
        return self.subscribe(connection, "trades", simulated, channel)

    def _last_match(self, subscription: Subscription) -> None:
        last = replace(subscription.market.recent_trades[-1], history=True)
        self.replay(subscription, last, self.encode(subscription, [last]))

    def _refusal(self, wanted: Sequence[str]) -> str | None:
        """The reason for which a request is refused as a whole."""
        for channel in wanted:
            name, _, product = channel.partition(" ")
            if name in _KEYED_CHANNELS:
                return "level2, level3, and full channels now require authentication."
            if name not in ("matches", "heartbeat"):
                return f"{name} is not a valid channel"
            if self.market(product) is None or self.fault(Fault.REFUSE_SUBSCRIPTION):
                return f"{product} is not a valid product"
        return None

    def _acknowledge(self, connection: Connection) -> None:
        """`subscriptions`: everything the connection is subscribed to, not the last request."""
        channels: dict[str, list[str]] = {}
        for channel in connection.subscriptions:
            name, _, product = channel.partition(" ")
            channels.setdefault(name, []).append(product)
        listed = [{"name": name, "product_ids": products, "account_ids": None} for name, products in channels.items()]
        connection.send_control(dumps({"type": "subscriptions", "channels": listed}))

    def _heartbeat(self, subscription: Subscription) -> dict[str, object]:
        last = subscription.market.recent_trades[-1]
        return {
            "type": "heartbeat",
            "last_trade_id": last.number,
            "product_id": last.market,
            "sequence": last.sequence,
            "time": _rfc3339(subscription.market.now_ns()),
        }


def _wanted(request: dict[str, object]) -> list[str] | None:
    """A "channel product" for each subscription asked for, None for a request of another form."""
    products, channels = texts(request.get("product_ids", [])), request.get("channels")
    if request.get("type") not in ("subscribe", "unsubscribe") or products is None or not isinstance(channels, list):
        return None
    wanted = []
    for channel in channels:
        own = products
        if isinstance(channel, dict):
            own = texts(channel.get("product_ids", products)) or products
            channel = channel.get("name")
        wanted += [f"{channel} {product}" for product in own]
    return wanted


def _match(trade: Trade) -> dict[str, object]:
    return {
        "type": "last_match" if trade.history else "match",
        "trade_id": trade.number,
        "maker_order_id": stable_uuid("maker", trade.market, trade.number),
        "taker_order_id": stable_uuid("taker", trade.market, trade.number),
        "side": opposite(trade.side),
        "size": trade.amount,
        "price": trade.price,
        "product_id": trade.market,
        "sequence": trade.sequence,
        "time": _rfc3339(trade.time_ns),
    }


def _rfc3339(time_ns: int) -> str:
    """`2014-11-07T08:19:27.028459Z`."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000:06d}Z"

"""Kraken's WebSocket API version 1: trades and the spread (best prices).

Follows "Spot WebSocket v1" of docs.kraken.com: systemStatus, heartbeat, ping, subscribe,
subscriptionStatus, trade, spread.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Final

from ..connection import Connection, Subscription
from ..events import BestBidAsk, Event, Kind
from ..faults import Fault
from ..market import Market, market_of
from ..simulation import Rules, SimulatedMarket
from .base import Exchange
from .wire import dumps, parse_object, texts, trades

#: Kraken's own codes of assets; the others are as everywhere.
_ASSETS: Final = {"btc": "XBT", "doge": "XDG"}
_CHANNEL_KINDS: Final[dict[str, Kind]] = {"trade": "trades", "spread": "l1"}


class Kraken(Exchange):
    """`ws.kraken.com`. Pairs are upper-case: `XBT/USD`.

    A pair of any other spelling is refused, unless the local exchange is lenient: then it is found
    whatever its case, and echoed as the client wrote it.
    """

    name = "kraken"
    kinds = ("trades", "l1")
    rules = Rules(
        time_resolution_ns=1_000,
        price_decimals=5,
        amount_decimals=8,
        trade_id=lambda _, __: None,
    )
    trades_per_frame = 3
    idle_seconds = 60.0

    def default_markets(self) -> Sequence[Market]:
        """Spot pairs against usd, eur and btc."""
        pairs = (("btc", "usd"), ("eth", "usd"), ("sol", "usd"), ("xrp", "usd"), ("doge", "usd"))
        crosses = (("btc", "eur"), ("btc", "usdt"), ("eth", "btc"))
        return [market_of(*pair, tick=_tick(*pair)) for pair in pairs + crosses]

    def market_name(self, market: Market) -> str:
        """`XBT/USD`."""
        base, quote = (_ASSETS.get(each, each.upper()) for each in (market.base, market.quote))
        return f"{base}/{quote}"

    def accepts(self, path: str) -> bool:
        """The root."""
        return path in ("", "/")

    def greeting(self, connection: Connection) -> list[str]:
        """`systemStatus`."""
        return [self._system_status("online", connection.number)]

    def received(self, connection: Connection, text: str) -> None:
        """`subscribe`, `unsubscribe` and `ping`; anything else is malformed."""
        request = parse_object(text) or {}
        event = request.get("event")
        reqid = {"reqid": request["reqid"]} if "reqid" in request else {}
        if event == "ping":
            connection.send_control(dumps({"event": "pong", **reqid}))
            return
        subscription = request.get("subscription")
        if event not in ("subscribe", "unsubscribe") or not isinstance(subscription, dict):
            error = {"errorMessage": "Malformed request", "event": "error", **reqid}
            connection.send_control(dumps(error))
            return
        pairs = texts(request.get("pair"))
        if pairs is None:
            self._refuse(connection, "Pair field must be an array", None, subscription, reqid)
            return
        for pair in pairs:
            if event == "subscribe":
                self._subscribe(connection, pair, subscription, reqid)
            else:
                self._unsubscribe(connection, pair, subscription, reqid)

    def encode(self, subscription: Subscription, events: Sequence[Event]) -> list[str]:
        """`[channelID, payload, channelName, pair]`.

        "trade": a list of `[price, volume, time, side, orderType, misc]`, side `b` or `s` the
        taker's. "spread": `[bid, ask, timestamp, bidVolume, askVolume]`.
        """
        channel, _, pair = subscription.channel.partition(" ")
        if subscription.kind == "l1":
            return [
                dumps([subscription.channel_id, _spread(event), channel, pair])
                for event in events
                if isinstance(event, BestBidAsk)
            ]
        rows = [
            [
                trade.price,
                trade.amount,
                _seconds(trade.time_ns),
                "b" if trade.side == "buy" else "s",
                "m" if trade.number % 2 else "l",
                "",
            ]
            for trade in trades(events)
        ]
        return [dumps([subscription.channel_id, rows, channel, pair])]

    def beat(self, connection: Connection) -> None:
        """By "heartbeat": one for each second without other frames, once anything is subscribed."""
        if not connection.subscriptions:
            super().beat(connection)
        elif connection.now - connection.last_sent_at >= self.seconds(self.beat_seconds):
            connection.send_control(dumps({"event": "heartbeat"}))

    def notices(self) -> Mapping[str, str]:
        """By "systemStatus": sent at every change of the trading engine's state."""
        states = ("online", "cancel_only", "post_only", "maintenance")
        return {state.replace("_", "-"): self._system_status(state, 0) for state in states}

    def _subscribe(
        self,
        connection: Connection,
        pair: str,
        subscription: dict[str, object],
        reqid: dict[str, object],
    ) -> None:
        channel = str(subscription.get("name"))
        kind = _CHANNEL_KINDS.get(channel)
        simulated = self._find(pair)
        if self.fault(Fault.REFUSE_SUBSCRIPTION):
            self._refuse(connection, "Exceeded msg rate", pair, subscription, reqid)
        elif kind is None:
            self._refuse(connection, "Subscription name invalid", pair, subscription, reqid)
        elif simulated is None:
            known_form = "/" in pair
            what = "not supported" if known_form else "not in ISO 4217-A3 format"
            self._refuse(connection, f"Currency pair {what} {pair}", pair, subscription, reqid)
        elif not self.fault(Fault.WITHHOLD_ACKNOWLEDGEMENT):
            number = zlib.crc32(f"{channel} {simulated.name}".encode())
            self._acknowledge(connection, "subscribed", channel, number, pair, subscription, reqid)
            added = self.subscribe(connection, kind, simulated, f"{channel} {pair}", number)
            if added is not None and kind == "l1":
                best = simulated.current_best()
                self.replay(added, best, self.encode(added, [best]))

    def _unsubscribe(
        self,
        connection: Connection,
        pair: str,
        subscription: dict[str, object],
        reqid: dict[str, object],
    ) -> None:
        channel = str(subscription.get("name"))
        held = connection.subscriptions.get(f"{channel} {pair}")
        if held is None:
            self._refuse(connection, "Subscription Not Found", pair, subscription, reqid)
            return
        self.unsubscribe(connection, held.channel)
        number = held.channel_id
        self._acknowledge(connection, "unsubscribed", channel, number, pair, subscription, reqid)

    def _find(self, pair: str) -> SimulatedMarket | None:
        return self.market(pair.upper() if self.options.lenient else pair)

    def _acknowledge(
        self,
        connection: Connection,
        status: str,
        channel: str,
        number: int,
        pair: str,
        subscription: dict[str, object],
        reqid: dict[str, object],
    ) -> None:
        """`subscriptionStatus`, one for each pair."""
        connection.send_control(
            dumps(
                {
                    "channelID": number,
                    "channelName": channel,
                    "event": "subscriptionStatus",
                    "pair": pair,
                    **reqid,
                    "status": status,
                    "subscription": subscription,
                }
            )
        )

    def _refuse(
        self,
        connection: Connection,
        message: str,
        pair: str | None,
        subscription: dict[str, object],
        reqid: dict[str, object],
    ) -> None:
        """`subscriptionStatus` of status `error`."""
        named = {} if pair is None else {"pair": pair}
        connection.send_control(
            dumps(
                {
                    "errorMessage": message,
                    "event": "subscriptionStatus",
                    **named,
                    **reqid,
                    "status": "error",
                    "subscription": subscription,
                }
            )
        )

    def _system_status(self, status: str, connection: int) -> str:
        """`systemStatus`; `upcoming_maintenance` and `emergency` as the live server adds them."""
        return dumps(
            {
                "event": "systemStatus",
                "version": "1.9.6",
                "status": status,
                "connectionID": 14_463_420_050_456_470_000 + connection,
                "upcoming_maintenance": [],
                "emergency": [],
            }
        )


def _tick(base: str, quote: str) -> str:
    """Kraken's prices have at most five decimals here."""
    return "0.1" if base == "btc" else "0.01" if base == "eth" and quote == "usd" else "0.00001"


def _spread(best: BestBidAsk) -> list[str]:
    return [
        best.bid.price,
        best.ask.price,
        _seconds(best.time_ns),
        best.bid.amount,
        best.ask.amount,
    ]


def _seconds(time_ns: int) -> str:
    """`1534614057.321597`."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    return f"{seconds}.{rest_ns // 1_000:06d}"

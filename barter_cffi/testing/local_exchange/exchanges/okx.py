"""OKX's public channel of trades: spot, perpetual swaps, futures and options.

Follows "Connect", "Subscribe", "Notification" and "Trades channel" of the v5 API documents. The
last trade of an instrument is pushed as soon as it is subscribed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ..connection import Connection, Subscription
from ..events import Event
from ..faults import Fault
from ..market import DEFAULT_EXPIRY, Market, market_of, markets
from ..simulation import Rules
from .base import Exchange
from .wire import dumps, parse_object, stable_uuid, trades

#: "Subscribe": length of the arguments of a connection's channels, in bytes.
_MAX_ARGUMENT_BYTES: Final = 64 * 1024
#: "Connect": subscribe, unsubscribe and login requests of a connection in an hour.
_MAX_REQUESTS_AN_HOUR: Final = 480


class Okx(Exchange):
    """`ws.okx.com:8443/ws/v5/public`. Amounts of swaps, futures and options are contracts."""

    name = "okx"
    kinds = ("trades",)
    rules = Rules()
    #: "Connect": without any frame for so long the connection is closed, code 4004.
    idle_seconds = 30.0

    def default_markets(self) -> Sequence[Market]:
        """Spot and swaps against usdt, a future, and two options."""
        return [
            *markets(["btc/usdt", "eth/usdt", "sol/usdt", "xrp/usdt", "doge/usdt"]),
            *(market_of(base, "usdt", "perpetual", lot="0.01") for base in ("btc", "eth", "sol", "xrp", "doge")),
            market_of("btc", "usdt", "future", expiry=DEFAULT_EXPIRY, lot="0.01"),
            market_of("btc", "usd", "option", expiry=DEFAULT_EXPIRY, strike="60000", option="call", lot="1"),
            market_of("btc", "usd", "option", expiry=DEFAULT_EXPIRY, strike="60000", option="put", lot="1"),
        ]

    def market_name(self, market: Market) -> str:
        """`BTC-USDT`, `BTC-USDT-SWAP`, `BTC-USDT-301227`, `BTC-USD-301227-60000-C`."""
        name = f"{market.base}-{market.quote}".upper()
        if market.kind == "perpetual":
            return f"{name}-SWAP"
        if market.expiry is None:
            return name
        dated = f"{name}-{market.expiry:%y%m%d}"
        if market.option is None:
            return dated
        return f"{dated}-{market.strike}-{market.option[0].upper()}"

    def accepts(self, path: str) -> bool:
        """The public service."""
        return path == "/ws/v5/public"

    def received(self, connection: Connection, text: str) -> None:
        """The text `ping`, or `{"op":"subscribe","args":[{"channel":…,"instId":…}]}`."""
        if text == "ping":
            connection.send_control("pong")
            return
        request = parse_object(text) or {}
        op, arguments = request.get("op"), request.get("args")
        if op not in ("subscribe", "unsubscribe") or not isinstance(arguments, list):
            self._refuse(connection, "60012", f"Illegal request: {text}")
            return
        count = connection.state["requests"] = self._requests(connection) + 1
        if count > _MAX_REQUESTS_AN_HOUR:
            self._refuse(connection, "60014", "Requests too frequent")
            return
        if sum(len(dumps(each)) for each in arguments) > _MAX_ARGUMENT_BYTES:
            self._refuse(connection, "60012", "Illegal request: args are over 64 KB")
            return
        for argument in arguments:
            if not isinstance(argument, dict):
                self._refuse(connection, "60012", f"Illegal request: {text}")
            elif op == "subscribe":
                self._subscribe(connection, argument)
            else:
                self.unsubscribe(connection, _channel(argument))
                self._acknowledge(connection, "unsubscribe", argument)

    def beat(self, connection: Connection) -> None:
        """Closes a connection on which nothing passes."""
        quiet = connection.now - max(connection.last_sent_at, connection.last_received_at)
        if quiet >= self.seconds(self.idle_seconds):
            connection.close(4004, "No data received in 30s.")

    def encode(self, subscription: Subscription, events: Sequence[Event]) -> list[str]:
        """By "Trades channel": all values are strings but `seqId`, `side` is the taker's."""
        argument = {"channel": "trades", "instId": subscription.market.name}
        return [
            dumps(
                {
                    "arg": argument,
                    "data": [
                        {
                            "instId": trade.market,
                            "tradeId": trade.id,
                            "px": trade.price,
                            "sz": trade.amount,
                            "side": trade.side,
                            "ts": str(trade.time_ns // 1_000_000),
                            "count": "1",
                            "source": "0",
                            "seqId": trade.sequence,
                        }
                    ],
                }
            )
            for trade in trades(events)
        ]

    def notices(self) -> Mapping[str, str]:
        """By "Notification": sent before a service upgrade closes the connection."""
        message = "The connection will soon be closed for a service upgrade. Please reconnect."
        notice = {"event": "notice", "code": "64008", "msg": message, "connId": "a4d3ae55"}
        return {"service-upgrade": dumps(notice)}

    def _subscribe(self, connection: Connection, argument: dict[str, object]) -> None:
        simulated = self.market(str(argument.get("instId")))
        known = argument.get("channel") == "trades" and simulated is not None
        if simulated is None or not known or self.fault(Fault.REFUSE_SUBSCRIPTION):
            named = ",".join(f"{key}:{value}" for key, value in argument.items())
            advice = "Please use the correct URL, channel and parameters referring to API document."
            message = f"Wrong URL or {named} doesn't exist. {advice}"
            self._refuse(connection, "60018", message)
            return
        if self.fault(Fault.WITHHOLD_ACKNOWLEDGEMENT):
            return
        self._acknowledge(connection, "subscribe", argument)
        added = self.subscribe(connection, "trades", simulated, _channel(argument))
        if added is not None:
            last = replace(simulated.recent_trades[-1], history=True)
            self.replay(added, last, self.encode(added, [last]))

    def _requests(self, connection: Connection) -> int:
        count = connection.state.get("requests", 0)
        assert isinstance(count, int), "only this module writes it"
        return count

    def _acknowledge(self, connection: Connection, event: str, argument: dict[str, object]) -> None:
        """`{"event":"subscribe","arg":{…},"connId":"…"}`, one for each argument."""
        answer = {"event": event, "arg": argument, "connId": self._id(connection)}
        connection.send_control(dumps(answer))

    def _refuse(self, connection: Connection, code: str, message: str) -> None:
        """`{"event":"error","code":"60018","msg":"…","connId":"…"}`."""
        error = {"event": "error", "code": code, "msg": message, "connId": self._id(connection)}
        connection.send_control(dumps(error))

    def _id(self, connection: Connection) -> str:
        return stable_uuid(self.name, connection.number)[:8]


def _channel(argument: dict[str, object]) -> str:
    return f"{argument.get('channel')} {argument.get('instId')}"

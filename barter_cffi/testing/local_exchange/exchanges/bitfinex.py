"""Bitfinex's public WebSocket API version 2: trades.

Follows "General", "Public channels" and "Trades" of the WebSocket documents. A trade comes twice:
as `te` when it is executed and as `tu` when it is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ..connection import Connection, Subscription
from ..events import Event, Trade
from ..faults import Fault
from ..market import Market, markets
from ..simulation import Rules, SimulatedMarket
from .base import Exchange
from .wire import dumps, number, parse_object, stable_uuid, trades

_ASSETS: Final = {"usdt": "UST"}
#: "General", "Rate limits": channels of one connection.
MAX_CHANNELS: Final = 25
#: A connection without subscriptions on which the client says nothing is dropped.
_UNUSED_SECONDS: Final = 60.0
_INFO_CODES: Final = {
    "reconnect": (20051, "Stop/Restart Websocket Server (please reconnect)"),
    "maintenance-start": (20060, "Entering in Maintenance mode"),
    "maintenance-end": (20061, "Maintenance ended"),
}


class Bitfinex(Exchange):
    """`api-pub.bitfinex.com/ws/2`. Values are JSON numbers; a sale's amount is negative."""

    name = "bitfinex"
    kinds = ("trades",)
    rules = Rules()
    beat_seconds = 15.0

    def default_markets(self) -> Sequence[Market]:
        """Spot pairs against usd and usdt, and one against btc."""
        pairs = ["btc/usd", "eth/usd", "sol/usd", "xrp/usd", "doge/usd", "btc/usdt", "eth/btc"]
        return markets(pairs)

    def market_name(self, market: Market) -> str:
        """`tBTCUSD`; names longer than three letters take a colon: `tDOGE:USD`."""
        base, quote = (_ASSETS.get(each, each.upper()) for each in (market.base, market.quote))
        colon = ":" if len(base) > 3 or len(quote) > 3 else ""
        return f"t{base}{colon}{quote}"

    def accepts(self, path: str) -> bool:
        """Version 2."""
        return path in ("/ws/2", "/ws/2/")

    def greeting(self, connection: Connection) -> list[str]:
        """`info` with the version and the platform's status: 1 operative, 0 maintenance."""
        server = stable_uuid(self.name, connection.number)
        info = {"event": "info", "version": 2, "serverId": server, "platform": {"status": 1}}
        return [dumps(info)]

    def received(self, connection: Connection, text: str) -> None:
        """`subscribe`, `unsubscribe`, `ping`, `conf`; text that is no JSON gets no answer."""
        request = parse_object(text)
        if request is None:
            return
        event = request.get("event")
        if event == "ping":
            now_ms = self.options.clock() // 1_000_000
            pong = {"event": "pong", "ts": now_ms, "cid": request.get("cid")}
            connection.send_control(dumps(pong))
        elif event == "conf":
            conf = {"event": "conf", "status": "OK", "flags": request.get("flags")}
            connection.send_control(dumps(conf))
        elif event == "subscribe":
            self._subscribe(connection, request)
        elif event == "unsubscribe":
            self._unsubscribe(connection, request.get("chanId"))
        else:
            error = {"event": "error", "msg": f"event: invalid ({event})", "code": 10000}
            connection.send_control(dumps(error))

    def beat(self, connection: Connection) -> None:
        """`[chanId,"hb"]` on every channel, busy or quiet."""
        for subscription in connection.subscriptions.values():
            connection.send_control(dumps([subscription.channel_id, "hb"]))
        said = connection.now - connection.last_received_at
        if not connection.subscriptions and said >= self.seconds(_UNUSED_SECONDS):
            connection.abort()

    def encode(self, subscription: Subscription, events: Sequence[Event]) -> list[str]:
        """`[chanId,"te",[id,ms,±amount,price]]`, then the same as `tu`."""
        return [
            dumps([subscription.channel_id, what, _row(trade)]) for trade in trades(events) for what in ("te", "tu")
        ]

    def notices(self) -> Mapping[str, str]:
        """By "General", "Info messages": what the server is about to do."""
        return {
            name: dumps({"event": "info", "code": code, "msg": message})
            for name, (code, message) in _INFO_CODES.items()
        }

    def _subscribe(self, connection: Connection, request: dict[str, object]) -> None:
        symbol = str(request.get("symbol"))
        name = symbol if symbol.startswith("t") else f"t{symbol}"
        simulated = self.market(name)
        held = connection.subscriptions.get(name)
        if request.get("channel") != "trades":
            self._refuse(connection, request, 10300, "channel: unknown")
        elif simulated is None or self.fault(Fault.REFUSE_SUBSCRIPTION):
            self._refuse(connection, request, 10300, "symbol: invalid")
        elif held is not None:
            self._refuse(connection, request, 10301, "subscribe: dup", held.channel_id)
        elif len(connection.subscriptions) >= MAX_CHANNELS:
            self._refuse(connection, request, 10305, "subscribe: limit")
        elif not self.fault(Fault.WITHHOLD_ACKNOWLEDGEMENT):
            self._add(connection, simulated)

    def _add(self, connection: Connection, simulated: SimulatedMarket) -> None:
        opened = connection.state["channels"] = self._channels(connection) + 1
        channel_id = 10_000 + connection.number % 1_000 * 100 + opened
        acknowledgement = {
            "event": "subscribed",
            "channel": "trades",
            "chanId": channel_id,
            "symbol": simulated.name,
            "pair": simulated.name[1:],
        }
        connection.send_control(dumps(acknowledgement))
        added = self.subscribe(connection, "trades", simulated, simulated.name, channel_id)
        if added is not None:
            self._snapshot(added)

    def _snapshot(self, subscription: Subscription) -> None:
        """By "Trades": the last trades, the newest first, in one frame."""
        recent = [replace(trade, history=True) for trade in subscription.market.recent_trades]
        for trade in recent[:-1]:
            self.replay(subscription, trade, [])
        rows = [_row(trade) for trade in reversed(recent)]
        self.replay(subscription, recent[-1], [dumps([subscription.channel_id, rows])])

    def _unsubscribe(self, connection: Connection, channel_id: object) -> None:
        for subscription in connection.subscriptions.values():
            if subscription.channel_id == channel_id:
                self.unsubscribe(connection, subscription.channel)
                answer = {"event": "unsubscribed", "status": "OK", "chanId": channel_id}
                connection.send_control(dumps(answer))
                return
        error = {"event": "error", "msg": "unsubscribe: invalid", "code": 10400}
        connection.send_control(dumps({**error, "chanId": channel_id}))

    def _refuse(
        self,
        connection: Connection,
        request: dict[str, object],
        code: int,
        message: str,
        channel_id: int | None = None,
    ) -> None:
        """`{"channel":…,"symbol":…,"event":"error","msg":…,"code":…,"pair":…}`."""
        asked = {key: value for key, value in request.items() if key != "event"}
        chosen = {} if channel_id is None else {"chanId": channel_id}
        pair = {"pair": str(request.get("symbol")).removeprefix("t")}
        error = {**asked, "event": "error", "msg": message, "code": code, **chosen, **pair}
        connection.send_control(dumps(error))

    def _channels(self, connection: Connection) -> int:
        opened = connection.state.get("channels", 0)
        assert isinstance(opened, int), "only this module writes it"
        return opened


def _row(trade: Trade) -> list[int | float]:
    amount = number(trade.amount)
    signed = amount if trade.side == "buy" else -amount
    return [trade.number, trade.time_ns // 1_000_000, signed, number(trade.price)]

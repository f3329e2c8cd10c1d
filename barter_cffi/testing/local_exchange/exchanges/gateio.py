"""Gate's WebSocket API version 4: what its six servers share, and spot.

Follows "WebSocket V4" of the spot, futures, delivery and options documents. One market that does
not exist refuses the whole request.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from ..connection import Connection, Subscription
from ..events import Event, Trade
from ..faults import Fault
from ..market import Market, markets
from ..simulation import Rules, SimulatedMarket
from .base import Exchange
from .wire import dumps, parse_object, stable_uuid, texts, trades


class Gateio(Exchange):
    """The protocol; the subclasses add their path, channel and rows."""

    path: ClassVar[str]
    #: What channel names begin with: `spot`, `futures`, `options`.
    prefix: ClassVar[str]

    kinds = ("trades",)
    beat_seconds = 15.0
    #: A client that does not answer the server's pings is disconnected.
    pong_timeout: ClassVar[float] = 60.0

    def accepts(self, path: str) -> bool:
        """The server's path, to the letter: spot's trailing slash belongs to it."""
        return path == self.path

    @abstractmethod
    def result(self, subscription: Subscription, drawn: Sequence[Trade]) -> list[object]:
        """The `result` of each update frame that carries these trades."""

    def received(self, connection: Connection, text: str) -> None:
        """`{"time":…,"channel":…,"event":"subscribe","payload":[…]}`, or `<prefix>.ping`."""
        request = parse_object(text)
        if request is None:
            self._refuse(connection, {}, 1, "invalid argument struct")
            return
        channel, event = request.get("channel"), request.get("event")
        names = texts(request.get("payload"))
        if channel == f"{self.prefix}.ping":
            pong = {"channel": f"{self.prefix}.pong", "event": "", "error": None, "result": None}
            connection.send_control(dumps({**self._time(), **pong}))
        elif channel != f"{self.prefix}.trades" or event not in ("subscribe", "unsubscribe"):
            self._refuse(connection, request, 2, f"unknown channel {channel}")
        elif names is None:
            self._refuse(connection, request, 1, "invalid argument struct")
        elif event == "unsubscribe":
            for name in names:
                self.unsubscribe(connection, name)
            self._answer(connection, request, {"result": {"status": "success"}})
        else:
            self._subscribe(connection, request, names)

    def beat(self, connection: Connection) -> None:
        """Pings; disconnects a client whose pong stays away."""
        if connection.now - connection.last_pong_at > self.seconds(self.pong_timeout):
            connection.abort()
        connection.ping(b"")

    def encode(self, subscription: Subscription, events: Sequence[Event]) -> list[str]:
        """`{"time":…,"time_ms":…,"channel":…,"event":"update","result":…}`."""
        head = {**self._time(), "channel": f"{self.prefix}.trades", "event": "update"}
        results = self.result(subscription, trades(events))
        return [dumps({**head, "result": result}) for result in results]

    def find(self, name: str) -> SimulatedMarket | None:
        """The market a client means."""
        return self.market(name)

    def _subscribe(self, connection: Connection, request: dict[str, object], names: Sequence[str]) -> None:
        if self.fault(Fault.REFUSE_SUBSCRIPTION):
            error = {"error": {"code": 2, "message": "invalid argument"}, "result": None}
            self._answer(connection, request, error)
            return
        found = [(name, self.find(name)) for name in names]
        for name, simulated in found:
            if simulated is None:
                self._refuse(connection, request, 2, f"unknown currency pair {name}")
                return
        if self.fault(Fault.WITHHOLD_ACKNOWLEDGEMENT):
            return
        self._answer(connection, request, {"result": {"status": "success"}})
        for name, simulated in found:
            if simulated is not None:
                self.subscribe(connection, "trades", simulated, name)

    def _refuse(self, connection: Connection, request: dict[str, object], code: int, message: str) -> None:
        """As the live servers refuse; the documents show `"result":null` in its place, which is
        what the fault sends."""
        error = {"error": {"code": code, "message": message}, "result": {"status": "fail"}}
        self._answer(connection, request, error)

    def _answer(self, connection: Connection, request: dict[str, object], outcome: Mapping[str, object]) -> None:
        number = {"id": request["id"]} if "id" in request else {}
        trace = stable_uuid(self.name, connection.number).replace("-", "")
        connection.send_control(
            dumps(
                {
                    **self._time(),
                    **number,
                    "conn_id": trace[:16],
                    "trace_id": trace,
                    "channel": request.get("channel", ""),
                    "event": request.get("event", ""),
                    "payload": request.get("payload", []),
                    **outcome,
                    "requestId": trace,
                }
            )
        )

    def _time(self) -> dict[str, object]:
        """`time` in seconds, `time_ms` in milliseconds."""
        now_ms = self.options.clock() // 1_000_000
        return {"time": now_ms // 1_000, "time_ms": now_ms}


class GateioSpot(Gateio):
    """`api.gateio.ws/ws/v4/`."""

    name = "gateio_spot"
    path = "/ws/v4/"
    prefix = "spot"
    rules = Rules(time_resolution_ns=1_000)

    def default_markets(self) -> Sequence[Market]:
        """Spot pairs against usdt, and one against btc."""
        return markets(["btc/usdt", "eth/usdt", "sol/usdt", "xrp/usdt", "doge/usdt", "eth/btc"])

    def market_name(self, market: Market) -> str:
        """`BTC_USDT`."""
        return f"{market.base}_{market.quote}".upper()

    def result(self, subscription: Subscription, drawn: Sequence[Trade]) -> list[object]:
        """By "Public Trades Channel": one trade a frame, the time with six decimals of a
        millisecond."""
        base, _, quote = subscription.market.name.partition("_")
        return [
            {
                "id": trade.number,
                "id_market": trade.number,
                "create_time": trade.time_ns // 1_000_000_000,
                "create_time_ms": f"{trade.time_ns // 1_000_000}.{trade.time_ns % 1_000_000:06d}",
                "side": trade.side,
                "currency_pair": trade.market,
                "amount": trade.amount,
                "price": trade.price,
                "range": f"{trade.number}-{trade.number}",
                "stock": base,
                "money": quote,
                "trade_mode": 0,
            }
            for trade in drawn
        ]

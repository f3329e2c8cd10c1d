"""What Binance spot and USD-M futures share: requests, acknowledgements, errors, keep-alive, depth.

Follows "WebSocket Streams for Binance" (web-socket-streams.md) and "Public Rest API for Binance"
(rest-api.md) of the spot API documents, and "Websocket Market Streams" of the USD-M futures ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from ..connection import Connection, Subscription
from ..events import BookSnapshot, Event, Kind, Level
from ..faults import Fault
from ..market import Market
from ..simulation import SimulatedMarket
from .base import Exchange, Reply
from .wire import dumps, parse_object, texts

_STREAM_KINDS: Final[dict[str, Kind]] = {
    "trade": "trades",
    "bookTicker": "l1",
    "depth": "l2",
    "depth@100ms": "l2",
    "forceOrder": "liquidations",
}
_METHODS: Final = (
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST_SUBSCRIPTIONS",
    "SET_PROPERTY",
    "GET_PROPERTY",
)
#: web-socket-streams.md, "WebSocket Limits": streams one connection can listen to.
MAX_STREAMS: Final = 1_024
#: Bodies of HTTP errors: rest-api.md names the codes, the restriction's text is the live answer's.
_ERROR_BODIES: Final[dict[int, dict[str, object]]] = {
    418: {"code": -1003, "msg": "Way too much request weight used; IP banned."},
    429: {"code": -1003, "msg": "Too much request weight used; please use WebSocket Streams."},
    451: {"code": 0, "msg": "Service unavailable from a restricted location."},
}


class Binance(Exchange):
    """The protocol of both venues; the subclasses add paths, frames and the depth request."""

    #: Seconds without a pong until the server disconnects; it pings every `beat_seconds`.
    pong_timeout: ClassVar[float]
    depth_path: ClassVar[str]
    ticker_path: ClassVar[str]

    def market_name(self, market: Market) -> str:
        """`BTCUSDT`."""
        return f"{market.base}{market.quote}".upper()

    @abstractmethod
    def serves(self, connection: Connection, kind: Kind) -> bool:
        """Whether streams of that kind flow on the path the connection came in on."""

    @abstractmethod
    def payload(self, kind: Kind, event: Event) -> list[dict[str, object]]:
        """The raw payloads that carry one event."""

    @abstractmethod
    def depth_limit(self, text: str | None) -> int | Reply:
        """The levels a depth request gets for its `limit`, or the error."""

    @abstractmethod
    def depth_body(self, snapshot: BookSnapshot) -> dict[str, object]:
        """The body of a depth request's answer."""

    def accepts(self, path: str) -> bool:
        """`/ws` (raw streams, with or without names) and `/stream` (combined streams)."""
        return path in ("/ws", "/stream") or path.startswith("/ws/")

    def opened(self, connection: Connection) -> None:
        """No greeting; streams named in the path or in `streams=` are subscribed at once."""
        connection.state["combined"] = connection.path.endswith("/stream")
        _, _, named = connection.path.partition("/ws/")
        for stream in (named or connection.query.get("streams", "")).split("/"):
            self._add(connection, stream)

    def received(self, connection: Connection, text: str) -> None:
        """A request: `{"method":…,"params":[…],"id":…}`."""
        request = parse_object(text)
        if request is None:
            self._refuse(connection, 3, "Invalid JSON: expected value at line 1 column 1")
            return
        method, params, number = request.get("method"), request.get("params"), request.get("id")
        if method is None:
            self._refuse(connection, 2, "Invalid request: missing field `method`", number)
        elif method not in _METHODS:
            expected = ", ".join(f"`{each}`" for each in _METHODS)
            message = f"Invalid request: unknown variant `{method}`, expected one of {expected}"
            self._refuse(connection, 2, message, number)
        elif method == "LIST_SUBSCRIPTIONS":
            self._answer(connection, list(connection.subscriptions), number)
        elif method in ("SET_PROPERTY", "GET_PROPERTY"):
            self._property(connection, method, params, number)
        else:
            self._change_streams(connection, method, params, number)

    def encode(self, subscription: Subscription, events: Sequence[Event]) -> list[str]:
        """One frame a payload, wrapped in `{"stream":…,"data":…}` on combined connections."""
        payloads = [each for event in events for each in self.payload(subscription.kind, event)]
        if subscription.connection.state["combined"]:
            return [dumps({"stream": subscription.channel, "data": each}) for each in payloads]
        return [dumps(each) for each in payloads]

    def beat(self, connection: Connection) -> None:
        """Pings with the time in milliseconds; disconnects a client whose pong stays away."""
        if connection.now - connection.last_pong_at > self.seconds(self.pong_timeout):
            connection.abort()
        connection.ping(str(self.options.clock() // 1_000_000).encode())

    def rest(self, path: str, query: Mapping[str, str]) -> Reply:
        """The depth request, the list of all symbols' prices, and the list of markets."""
        if path == self.ticker_path:
            prices = ({"symbol": name, "price": str(each.price)} for name, each in self.instruments.items())
            return Reply(200, dumps(list(prices)))
        if path != self.depth_path:
            return super().rest(path, query)
        fault = self.faults.take(self.name, Fault.SNAPSHOT_STATUS)
        if fault is not None:
            return self.error_reply(fault.status, fault.retry_after_s)
        if self.fault(Fault.SNAPSHOT_WITHOUT_BOOK):
            return Reply(200, dumps({"code": -1000, "msg": "An unknown error occurred."}))
        if self.fault(Fault.SNAPSHOT_INVALID_JSON):
            return Reply(200, '{"lastUpdateId":', {})
        symbol = query.get("symbol")
        if not symbol:
            message = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
            return Reply(400, dumps({"code": -1102, "msg": message}))
        market = self.market(symbol)
        if market is None:
            return Reply(400, dumps({"code": -1121, "msg": "Invalid symbol."}))
        limit = self.depth_limit(query.get("limit"))
        return limit if isinstance(limit, Reply) else self.depth(market, limit)

    def depth(self, market: SimulatedMarket, limit: int) -> Reply:
        """The book of a market, so many levels a side."""
        outdated = self.fault(Fault.SNAPSHOT_OUTDATED)
        snapshot = market.oldest_snapshot(limit) if outdated else market.snapshot(limit)
        self.journal.event_sent(self.name, "l2", snapshot, ())
        return Reply(200, dumps(self.depth_body(snapshot)))

    def no_such_path(self, path: str) -> Reply:
        """As the venue words it."""
        return Reply(404, dumps({"code": -5000, "msg": f"Path {path}, Method GET is invalid"}))

    def error_reply(self, status: int, retry_after_s: float | None) -> Reply:
        """An HTTP error as the venue words it; `Retry-After` in whole seconds."""
        body = _ERROR_BODIES.get(status, {"code": -1000, "msg": "An unknown error occurred."})
        headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:.0f}"}
        return Reply(status, dumps(body), headers)

    def _change_streams(self, connection: Connection, method: object, params: object, number: object) -> None:
        streams = texts(params)
        if streams is None:
            self._refuse(connection, 2, "Invalid request: params must be strings", number)
        elif method == "UNSUBSCRIBE":
            self._answer(connection, None, number)
            for stream in streams:
                self.unsubscribe(connection, stream)
        elif self.fault(Fault.REFUSE_SUBSCRIPTION):
            self._refuse(connection, 2, "Invalid request: request was refused", number)
        elif len({*connection.subscriptions, *streams}) > MAX_STREAMS:
            self._refuse(connection, 2, f"Invalid request: over {MAX_STREAMS} streams", number)
            connection.close(1008, "Too many streams")
        elif self.fault(Fault.WITHHOLD_ACKNOWLEDGEMENT):
            return
        else:
            self._answer(connection, None, number)
            for stream in streams:
                self._add(connection, stream)

    def _add(self, connection: Connection, stream: str) -> None:
        """Subscribes to a stream; one that does not exist is accepted and stays silent."""
        symbol, _, what = stream.partition("@")
        kind = _STREAM_KINDS.get(what)
        if kind not in self.kinds or symbol != symbol.lower() or not self.serves(connection, kind):
            return
        market = self.market(symbol.upper())
        if market is not None:
            self.subscribe(connection, kind, market, stream)

    def _property(self, connection: Connection, method: object, params: object, number: object) -> None:
        if not isinstance(params, list) or not params or params[0] != "combined":
            self._refuse(connection, 0, "Unknown property", number)
        elif method == "GET_PROPERTY":
            self._answer(connection, connection.state["combined"], number)
        elif len(params) != 2 or not isinstance(params[1], bool):
            self._refuse(connection, 1, "Invalid value type: expected Boolean", number)
        else:
            connection.state["combined"] = params[1]
            self._answer(connection, None, number)

    def _answer(self, connection: Connection, result: object, number: object) -> None:
        """`{"result":null,"id":1}`."""
        connection.send_control(dumps({"result": result, "id": number}))

    def _refuse(self, connection: Connection, code: int, message: str, number: object = None) -> None:
        """`{"error":{"code":2,"msg":"…"},"id":1}`: the documents list code and msg, the live
        answer wraps them."""
        connection.send_control(dumps({"error": {"code": code, "msg": message}, "id": number}))


def levels(side: Sequence[Level]) -> list[list[str]]:
    """`[["price","amount"],…]`."""
    return [[level.price, level.amount] for level in side]

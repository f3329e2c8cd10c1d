"""Bybit's public streams, version 5: spot and linear (perpetuals against usdt).

Follows "Connect", "Trade" and "Orderbook" of the v5 WebSocket documents. One topic that does not
exist refuses the whole request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from ..connection import Connection, Subscription
from ..events import BestBidAsk, BookSnapshot, BookUpdate, Event, Kind, Level
from ..faults import Fault
from ..market import Market, MarketKind, markets
from ..simulation import Rules, SimulatedMarket
from .base import Exchange
from .wire import dumps, parse_object, stable_uuid, texts, tick_directions, trades

_TOPIC_KINDS: Final[dict[str, Kind]] = {
    "publicTrade": "trades",
    "orderbook.1": "l1",
    "orderbook.50": "l2",
}
#: "Connect": characters that all arguments of one connection may have together.
_MAX_ARGUMENT_CHARACTERS: Final = 21_000


class Bybit(Exchange):
    """What both categories share; the subclasses say where they differ."""

    path: ClassVar[str]
    market_kind: ClassVar[MarketKind]
    #: Most topics in one request, None where there is no limit.
    max_arguments: ClassVar[int | None]
    #: `ret_msg` of an accepted subscription.
    accepted: ClassVar[str]

    kinds = ("trades", "l1", "l2")
    trades_per_frame = 3
    #: "Connect": a client that sends nothing for ten minutes is cut.
    idle_seconds = 600.0

    def default_markets(self) -> Sequence[Market]:
        """Pairs against usdt."""
        pairs = ["btc/usdt", "eth/usdt", "sol/usdt", "xrp/usdt", "doge/usdt"]
        return markets(pairs, self.market_kind)

    def market_name(self, market: Market) -> str:
        """`BTCUSDT`."""
        return f"{market.base}{market.quote}".upper()

    def accepts(self, path: str) -> bool:
        """The category's path."""
        return path == self.path

    def received(self, connection: Connection, text: str) -> None:
        """`{"op":"subscribe","args":[…]}`, `unsubscribe`, `ping`."""
        request = parse_object(text)
        op = None if request is None else request.get("op")
        reqid = "" if request is None else str(request.get("req_id", ""))
        topics = None if request is None else texts(request.get("args"))
        if op == "ping":
            self._answer(connection, True, "pong", reqid, "ping")
        elif op == "unsubscribe" and topics is not None:
            for topic in topics:
                self.unsubscribe(connection, topic)
            self._answer(connection, True, "unsubscribe" if self.accepted else "", reqid, "unsubscribe")
        elif op == "subscribe" and topics is not None:
            refusal = self._refusal(connection, topics)
            if refusal is not None:
                self._answer(connection, False, refusal, reqid, "subscribe")
                return
            if self.fault(Fault.WITHHOLD_ACKNOWLEDGEMENT):
                return
            self._answer(connection, True, self.accepted, reqid, "subscribe")
            for topic in topics:
                self._subscribe(connection, topic)
        else:
            self._answer(connection, False, "error:invalid request", reqid, str(op or ""))

    def beat(self, connection: Connection) -> None:
        """Cuts a client that has sent nothing for long, whatever it was sent."""
        if connection.now - connection.last_received_at >= self.seconds(self.idle_seconds):
            connection.close(1000)

    def encode(self, subscription: Subscription, events: Sequence[Event]) -> list[str]:
        """By "Trade": rows of one frame, `S` the taker's side. "Orderbook": depth 1 sends snapshots
        only, depth 50 a snapshot and then deltas; `u` counts messages, `seq` changes."""
        if subscription.kind == "trades":
            return [self._trade_frame(subscription, events)]
        frames = []
        for event in events:
            if isinstance(event, BestBidAsk):
                book = self._book(event, [event.bid], [event.ask], event.sequence)
                frames.append(self._frame(subscription, "snapshot", event.time_ns, book))
            elif isinstance(event, (BookSnapshot, BookUpdate)):
                book = self._book(event, event.bids, event.asks, event.update_id)
                what = "snapshot" if isinstance(event, BookSnapshot) else "delta"
                frames.append(self._frame(subscription, what, event.time_ns, book))
        return frames

    def trade_row(self, trade_direction: str) -> dict[str, object]:
        """What a category adds to a trade's row."""
        return {}

    def missing(self, topic: str) -> str:
        """`ret_msg` for a topic that does not exist."""
        return f"error:handler not found,topic:{topic}"

    def _refusal(self, connection: Connection, topics: Sequence[str]) -> str | None:
        """Why a request is refused as a whole."""
        if self.fault(Fault.REFUSE_SUBSCRIPTION):
            return self.missing(topics[0] if topics else "")
        if self.max_arguments is not None and len(topics) > self.max_arguments:
            return f"args size >{self.max_arguments}"
        characters = sum(map(len, {*connection.subscriptions, *topics}))
        if characters > _MAX_ARGUMENT_CHARACTERS:
            return f"error:args length >{_MAX_ARGUMENT_CHARACTERS}"
        for topic in topics:
            if topic in connection.subscriptions:
                return f"error:already subscribed,topic:{topic}"
            if self._find(topic) is None:
                return self.missing(topic)
        return None

    def _find(self, topic: str) -> tuple[Kind, SimulatedMarket] | None:
        what, _, symbol = topic.rpartition(".")
        kind, market = _TOPIC_KINDS.get(what), self.market(symbol)
        return None if kind is None or market is None else (kind, market)

    def _subscribe(self, connection: Connection, topic: str) -> None:
        found = self._find(topic)
        assert found is not None, "refused requests do not come here"
        added = self.subscribe(connection, *found, topic)
        if added is None or added.kind == "trades":
            return
        market = added.market
        first = market.current_best() if added.kind == "l1" else market.published_snapshot()
        self.replay(added, first, self.encode(added, [first]))

    def _trade_frame(self, subscription: Subscription, events: Sequence[Event]) -> str:
        drawn = trades(events)
        directions = tick_directions(subscription.market, drawn)
        rows = [
            {
                "T": trade.time_ns // 1_000_000,
                "s": trade.market,
                "S": trade.side.capitalize(),
                "v": trade.amount,
                "p": trade.price,
                **self.trade_row(direction),
                "i": trade.id,
                "BT": False,
                "RPI": False,
                "seq": trade.sequence,
            }
            for trade, direction in zip(drawn, directions, strict=True)
        ]
        time_ms = drawn[-1].time_ns // 1_000_000
        return dumps({"topic": subscription.channel, "type": "snapshot", "ts": time_ms, "data": rows})

    def _frame(self, subscription: Subscription, what: str, time_ns: int, book: dict[str, object]) -> str:
        time_ms = time_ns // 1_000_000
        head = {"topic": subscription.channel, "type": what, "ts": time_ms}
        return dumps({**head, "data": book, "cts": time_ms})

    def _book(
        self,
        event: BestBidAsk | BookSnapshot | BookUpdate,
        bids: Sequence[Level],
        asks: Sequence[Level],
        update_id: int,
    ) -> dict[str, object]:
        return {
            "s": event.market,
            "b": [list(level) for level in bids],
            "a": [list(level) for level in asks],
            "u": update_id,
            "seq": event.sequence,
        }

    def _answer(self, connection: Connection, success: bool, message: str, reqid: str, op: str) -> None:
        """`{"success":true,"ret_msg":"…","conn_id":"…","req_id":"…","op":"…"}`."""
        connection.send_control(
            dumps(
                {
                    "success": success,
                    "ret_msg": message,
                    "conn_id": stable_uuid(self.name, connection.number),
                    "req_id": reqid,
                    "op": op,
                }
            )
        )


class BybitSpot(Bybit):
    """`stream.bybit.com/v5/public/spot`."""

    name = "bybit_spot"
    path = "/v5/public/spot"
    market_kind = "spot"
    max_arguments = 10
    accepted = "subscribe"
    rules = Rules(trade_id=lambda _, number: str(2_290_000_000_000_000_000 + number), window=50)

    def missing(self, topic: str) -> str:
        """Spot names the topic as an invalid symbol."""
        return f"Invalid symbol :[{topic}]"


class BybitPerpetualsUsd(Bybit):
    """`stream.bybit.com/v5/public/linear`."""

    name = "bybit_perpetuals_usd"
    path = "/v5/public/linear"
    market_kind = "perpetual"
    max_arguments = None
    accepted = ""
    rules = Rules(trade_id=lambda market, number: stable_uuid("linear", market, number), window=50)

    def trade_row(self, trade_direction: str) -> dict[str, object]:
        """`L`, the direction of the price's change, is for derivatives only."""
        return {"L": trade_direction}

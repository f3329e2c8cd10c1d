"""A client's side of each exchange's protocol, written apart from the local exchange: what to send, and how to read
what comes. The tests of the local exchange compare it with what the local exchange says it sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from barter_cffi.testing.local_exchange import BestBidAsk, BookSnapshot, BookUpdate, Event, Kind, Trade


@dataclass(frozen=True)
class Wire:
    """A client's side of one exchange: where it connects, what it sends, how it reads a frame.

    `decode` gives the events of a frame in the form of `seen`, nothing for a control frame.
    """

    path: Callable[[Kind], str]
    subscribe: Callable[[Kind, list[str]], list[Any]]
    decode: Callable[[Any], list[tuple[Any, ...]]]
    accepted: Callable[[Any], int]
    refused: Callable[[Any], str | None]


def levels(side: Iterable[Iterable[str]]) -> tuple[tuple[Decimal, ...], ...]:
    return tuple(tuple(Decimal(each) for each in level) for level in side)


def seen(event: Event) -> tuple[Any, ...]:
    """What a client can know of an event, in the form in which `Wire.decode` gives it."""
    if isinstance(event, Trade):
        values = Decimal(event.price), Decimal(event.amount)
        return "trade", event.market, event.id, *values, event.side, event.time_ns
    if isinstance(event, BestBidAsk):
        return "best", event.market, levels([event.bid, event.ask])
    if isinstance(event, BookSnapshot):
        return "snapshot", event.market, event.sequence, levels(event.bids), levels(event.asks)
    if isinstance(event, BookUpdate):
        return "update", event.market, event.sequence, levels(event.bids), levels(event.asks)
    values = Decimal(event.price), Decimal(event.quantity)
    return "liquidation", event.market, *values, event.side, event.time_ns


def trade(market: str, number: str | None, price: Any, amount: Any, side: str, time_ns: int) -> tuple[Any, ...]:
    return "trade", market, number, Decimal(price), Decimal(amount), side, time_ns


def ms(value: Any) -> int:
    return int(value) * 1_000_000


def rfc3339(text: str) -> int:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return int(seconds.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def decode_binance(frame: Any) -> list[tuple[Any, ...]]:
    what = frame.get("e")
    if what == "trade":
        if frame.get("X") == "NA":
            return []
        side = "sell" if frame["m"] else "buy"
        return [trade(frame["s"], str(frame["t"]), frame["p"], frame["q"], side, ms(frame["T"]))]
    if what == "depthUpdate":
        return [("update", frame["s"], frame["u"], levels(frame["b"]), levels(frame["a"]))]
    if what == "forceOrder":
        order = frame["o"]
        values = Decimal(order["p"]), Decimal(order["q"])
        return [("liquidation", order["s"], *values, order["S"].lower(), ms(order["T"]))]
    if "B" in frame:
        return [("best", frame["s"], levels([[frame["b"], frame["B"]], [frame["a"], frame["A"]]]))]
    return []


def decode_bybit(frame: Any) -> list[tuple[Any, ...]]:
    topic = frame.get("topic", "")
    if topic.startswith("publicTrade."):
        return [trade(row["s"], row["i"], row["p"], row["v"], row["S"].lower(), ms(row["T"])) for row in frame["data"]]
    if topic.startswith("orderbook.1."):
        return [("best", frame["data"]["s"], levels(frame["data"]["b"] + frame["data"]["a"]))]
    if topic.startswith("orderbook.50."):
        book = frame["data"]
        what = "snapshot" if frame["type"] == "snapshot" else "update"
        return [(what, book["s"], book["seq"], levels(book["b"]), levels(book["a"]))]
    return []


def decode_okx(frame: Any) -> list[tuple[Any, ...]]:
    if frame == "pong" or "data" not in frame:
        return []
    return [
        trade(row["instId"], row["tradeId"], row["px"], row["sz"], row["side"], ms(row["ts"])) for row in frame["data"]
    ]


def decode_kraken(frame: Any) -> list[tuple[Any, ...]]:
    if not isinstance(frame, list):
        return []
    _, payload, channel, pair = frame
    if channel == "spread":
        bid, ask, _, bid_amount, ask_amount = payload
        return [("best", pair, levels([[bid, bid_amount], [ask, ask_amount]]))]
    side = {"b": "buy", "s": "sell"}
    return [trade(pair, None, row[0], row[1], side[row[3]], int(Decimal(row[2]) * 10**9)) for row in payload]


def decode_coinbase(frame: Any) -> list[tuple[Any, ...]]:
    if frame["type"] not in ("match", "last_match"):
        return []
    taker = "buy" if frame["side"] == "sell" else "sell"  # the frame's side is the maker's
    time_ns = rfc3339(frame["time"])
    return [trade(frame["product_id"], str(frame["trade_id"]), frame["price"], frame["size"], taker, time_ns)]


class BitfinexDecoder:
    """Bitfinex's data frames name a channel number only, so its reader remembers the acknowledgements."""

    def __init__(self) -> None:
        self.symbols: dict[int, str] = {}

    def __call__(self, frame: Any) -> list[tuple[Any, ...]]:
        if isinstance(frame, dict):
            if frame["event"] == "subscribed":
                self.symbols[frame["chanId"]] = frame["symbol"]
            return []
        symbol, what = self.symbols[frame[0]], frame[1]
        if what == "te":
            return [self.row(symbol, frame[2])]
        return [self.row(symbol, row) for row in reversed(what)] if isinstance(what, list) else []

    @staticmethod
    def row(symbol: str, row: list[Any]) -> tuple[Any, ...]:
        number, time_ms, amount, price = row
        return trade(symbol, str(number), price, abs(amount), "buy" if amount > 0 else "sell", ms(time_ms))


def decode_bitmex(frame: Any) -> list[tuple[Any, ...]]:
    if frame == "pong" or frame.get("table") != "trade":
        return []
    return [
        trade(
            row["symbol"],
            row["trdMatchID"],
            row["price"],
            row["size"],
            row["side"].lower(),
            rfc3339(row["timestamp"]),
        )
        for row in frame["data"]
    ]


def decode_gateio(frame: Any) -> list[tuple[Any, ...]]:
    if frame.get("event") != "update":
        return []
    result = frame["result"]
    if isinstance(result, dict):
        time_ns = int(Decimal(result["create_time_ms"]) * 10**6)
        name, number = result["currency_pair"], str(result["id"])
        return [trade(name, number, result["price"], result["amount"], result["side"], time_ns)]
    return [
        trade(
            row["contract"],
            str(row["id"]),
            row["price"],
            abs(Decimal(row["size"])),
            "buy" if Decimal(row["size"]) > 0 else "sell",
            ms(row["create_time_ms"]),
        )
        for row in result
    ]


BINANCE_STREAMS = {"trades": "trade", "l1": "bookTicker", "l2": "depth@100ms", "liquidations": "forceOrder"}
BYBIT_TOPICS = {"trades": "publicTrade", "l1": "orderbook.1", "l2": "orderbook.50"}
KRAKEN_CHANNELS = {"trades": "trade", "l1": "spread"}


def binance(path: Callable[[Kind], str]) -> Wire:
    return Wire(
        path,
        lambda kind, names: [
            {
                "method": "SUBSCRIBE",
                "params": [f"{name.lower()}@{BINANCE_STREAMS[kind]}" for name in names],
                "id": 1,
            }
        ],
        decode_binance,
        lambda frame: int("result" in frame and frame["result"] is None),
        lambda frame: frame["error"]["msg"] if "error" in frame else None,
    )


def bybit(path: str) -> Wire:
    return Wire(
        lambda kind: path,
        lambda kind, names: [{"op": "subscribe", "args": [f"{BYBIT_TOPICS[kind]}.{name}" for name in names]}],
        decode_bybit,
        lambda frame: int(frame.get("op") == "subscribe" and frame["success"]),
        lambda frame: frame["ret_msg"] if frame.get("success") is False else None,
    )


def gateio(path: str, channel: str) -> Wire:
    return Wire(
        lambda kind: path,
        lambda kind, names: [
            {"time": 1606292218, "channel": channel, "event": "subscribe", "payload": [name]} for name in names
        ],
        decode_gateio,
        lambda frame: int(frame.get("event") == "subscribe" and frame["result"] == {"status": "success"}),
        lambda frame: frame["error"]["message"] if frame.get("error") else None,
    )


WIRES: dict[str, Callable[[], Wire]] = {
    "binance_spot": lambda: binance(lambda kind: "/ws"),
    "binance_futures_usd": lambda: binance(
        lambda kind: "/market/ws" if kind in ("trades", "liquidations") else "/public/ws"
    ),
    "bybit_spot": lambda: bybit("/v5/public/spot"),
    "bybit_perpetuals_usd": lambda: bybit("/v5/public/linear"),
    "okx": lambda: Wire(
        lambda kind: "/ws/v5/public",
        lambda kind, names: [{"op": "subscribe", "args": [{"channel": "trades", "instId": name} for name in names]}],
        decode_okx,
        lambda frame: int(frame.get("event") == "subscribe"),
        lambda frame: frame["msg"] if frame.get("event") == "error" else None,
    ),
    "kraken": lambda: Wire(
        lambda kind: "/",
        lambda kind, names: [
            {"event": "subscribe", "pair": [name], "subscription": {"name": KRAKEN_CHANNELS[kind]}} for name in names
        ],
        decode_kraken,
        lambda frame: int(isinstance(frame, dict) and frame.get("status") == "subscribed"),
        lambda frame: frame.get("errorMessage") if isinstance(frame, dict) else None,
    ),
    "coinbase": lambda: Wire(
        lambda kind: "",
        lambda kind, names: [{"type": "subscribe", "product_ids": [name], "channels": ["matches"]} for name in names],
        decode_coinbase,
        lambda frame: int(frame["type"] == "subscriptions"),
        lambda frame: frame.get("reason") if frame["type"] == "error" else None,
    ),
    "bitfinex": lambda: Wire(
        lambda kind: "/ws/2",
        lambda kind, names: [{"event": "subscribe", "channel": "trades", "symbol": name} for name in names],
        BitfinexDecoder(),
        lambda frame: int(isinstance(frame, dict) and frame["event"] == "subscribed"),
        lambda frame: frame["msg"] if isinstance(frame, dict) and frame["event"] == "error" else None,
    ),
    "bitmex": lambda: Wire(
        lambda kind: "/realtime",
        lambda kind, names: [{"op": "subscribe", "args": [f"trade:{name}" for name in names]}],
        decode_bitmex,
        lambda frame: int("subscribe" in frame and frame["success"]),
        lambda frame: frame.get("error"),
    ),
    "gateio_spot": lambda: gateio("/ws/v4/", "spot.trades"),
    "gateio_futures_usd": lambda: gateio("/v4/ws/delivery/usdt", "futures.trades"),
    "gateio_futures_btc": lambda: gateio("/v4/ws/delivery/btc", "futures.trades"),
    "gateio_perpetuals_usd": lambda: gateio("/v4/ws/usdt", "futures.trades"),
    "gateio_perpetuals_btc": lambda: gateio("/v4/ws/btc", "futures.trades"),
    "gateio_options": lambda: gateio("/v4/ws", "options.trades"),
}

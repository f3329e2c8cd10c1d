"""Key sets and types of the frames each exchange sends, and how it refuses an unknown market. A list stands for its
elements: one form where all are alike, else one each.
"""

from __future__ import annotations

from typing import Any

from barter_cffi.testing.local_exchange import EXCHANGES

# fmt: off
BOOK_SIDE = [["str"]]
BYBIT_BOOK = {"a": BOOK_SIDE, "b": BOOK_SIDE, "s": "str", "seq": "number", "u": "number"}
BYBIT_BOOK_FRAME = {"cts": "number", "data": BYBIT_BOOK, "topic": "str", "ts": "number", "type": "str"}
BYBIT_TRADE = {
    "BT": "bool", "RPI": "bool", "S": "str", "T": "number", "i": "str", "p": "str", "s": "str", "seq": "number",
    "v": "str",
}
BYBIT_HEAD = {"topic": "str", "ts": "number", "type": "str"}
FUTURES_TRADE = {
    "E": "number", "T": "number", "X": "str", "e": "str", "m": "bool", "p": "str", "q": "str", "s": "str",
    "st": "number", "t": "number",
}
CONTRACT_TRADE = {
    "contract": "str", "create_time": "number", "create_time_ms": "number", "id": "number", "price": "str",
    "size": "number",
}
GATE_HEAD = {"channel": "str", "event": "str", "time": "number", "time_ms": "number"}
CONTRACT_FRAME = {**GATE_HEAD, "result": [CONTRACT_TRADE]}

SHAPES: dict[tuple[str, str], Any] = {
    ("binance_spot", "trades"): {
        "E": "number", "M": "bool", "T": "number", "e": "str", "m": "bool", "p": "str", "q": "str", "s": "str",
        "t": "number",
    },
    ("binance_spot", "l1"): {"A": "str", "B": "str", "a": "str", "b": "str", "s": "str", "u": "number"},
    ("binance_spot", "l2"): {
        "E": "number", "U": "number", "a": BOOK_SIDE, "b": BOOK_SIDE, "e": "str", "s": "str", "u": "number",
    },
    ("binance_futures_usd", "trades"): FUTURES_TRADE,
    ("binance_futures_usd", "l1"): {
        "A": "str", "B": "str", "E": "number", "T": "number", "a": "str", "b": "str", "e": "str", "ps": "str",
        "s": "str", "st": "number", "u": "number",
    },
    ("binance_futures_usd", "l2"): {
        "E": "number", "T": "number", "U": "number", "a": BOOK_SIDE, "b": BOOK_SIDE, "e": "str", "ps": "str",
        "pu": "number", "s": "str", "st": "number", "u": "number",
    },
    ("binance_futures_usd", "liquidations"): {
        "E": "number", "e": "str",
        "o": {
            "S": "str", "T": "number", "X": "str", "ap": "str", "f": "str", "l": "str", "o": "str", "p": "str",
            "ps": "str", "q": "str", "s": "str", "st": "number", "z": "str",
        },
    },
    ("bybit_spot", "trades"): {**BYBIT_HEAD, "data": [BYBIT_TRADE]},
    ("bybit_spot", "l1"): BYBIT_BOOK_FRAME,
    ("bybit_spot", "l2"): BYBIT_BOOK_FRAME,
    ("bybit_perpetuals_usd", "trades"): {**BYBIT_HEAD, "data": [{**BYBIT_TRADE, "L": "str"}]},
    ("bybit_perpetuals_usd", "l1"): BYBIT_BOOK_FRAME,
    ("bybit_perpetuals_usd", "l2"): BYBIT_BOOK_FRAME,
    ("okx", "trades"): {
        "arg": {"channel": "str", "instId": "str"},
        "data": [{
            "count": "str", "instId": "str", "px": "str", "seqId": "number", "side": "str", "source": "str",
            "sz": "str", "tradeId": "str", "ts": "str",
        }],
    },
    ("kraken", "trades"): ["number", [["str"]], "str", "str"],
    ("kraken", "l1"): ["number", ["str"], "str", "str"],
    ("coinbase", "trades"): {
        "maker_order_id": "str", "price": "str", "product_id": "str", "sequence": "number", "side": "str",
        "size": "str", "taker_order_id": "str", "time": "str", "trade_id": "number", "type": "str",
    },
    ("bitfinex", "trades"): ["number", "str", ["number"]],
    ("bitmex", "trades"): {
        "action": "str", "table": "str",
        "data": [{
            "foreignNotional": "number", "grossValue": "number", "homeNotional": "number", "pool": "str",
            "price": "number", "side": "str", "size": "number", "symbol": "str", "tickDirection": "str",
            "timestamp": "str", "trdMatchID": "str", "trdType": "str",
        }],
    },
    ("gateio_spot", "trades"): {
        **GATE_HEAD,
        "result": {
            "amount": "str", "create_time": "number", "create_time_ms": "str", "currency_pair": "str", "id": "number",
            "id_market": "number", "money": "str", "price": "str", "range": "str", "side": "str", "stock": "str",
            "trade_mode": "number",
        },
    },
    ("gateio_futures_usd", "trades"): CONTRACT_FRAME,
    ("gateio_futures_btc", "trades"): CONTRACT_FRAME,
    ("gateio_perpetuals_usd", "trades"): CONTRACT_FRAME,
    ("gateio_perpetuals_btc", "trades"): CONTRACT_FRAME,
    ("gateio_options", "trades"): {
        **GATE_HEAD, "result": [{**CONTRACT_TRADE, "price": "number", "underlying": "str"}],
    },
}

BYBIT_ACK = {"conn_id": "str", "op": "str", "req_id": "str", "ret_msg": "str", "success": "bool"}
GATE_ACK = {
    **GATE_HEAD, "conn_id": "str", "payload": ["str"], "requestId": "str", "result": {"status": "str"},
    "trace_id": "str",
}
#: The acknowledgement of a subscription to one market's trades, and how an unknown market is refused.
CONTROL_SHAPES: dict[str, tuple[Any, Any]] = {
    "binance_spot": ({"id": "number", "result": "null"}, None),
    "binance_futures_usd": ({"id": "number", "result": "null"}, None),
    "bybit_spot": (BYBIT_ACK, BYBIT_ACK),
    "bybit_perpetuals_usd": (BYBIT_ACK, BYBIT_ACK),
    "okx": (
        {"arg": {"channel": "str", "instId": "str"}, "connId": "str", "event": "str"},
        {"code": "str", "connId": "str", "event": "str", "msg": "str"},
    ),
    "kraken": (
        {
            "channelID": "number", "channelName": "str", "event": "str", "pair": "str", "status": "str",
            "subscription": {"name": "str"},
        },
        {"errorMessage": "str", "event": "str", "pair": "str", "status": "str", "subscription": {"name": "str"}},
    ),
    "coinbase": (
        {"channels": [{"account_ids": "null", "name": "str", "product_ids": ["str"]}], "type": "str"},
        {"message": "str", "reason": "str", "type": "str"},
    ),
    "bitfinex": (
        {"chanId": "number", "channel": "str", "event": "str", "pair": "str", "symbol": "str"},
        {"channel": "str", "code": "number", "event": "str", "msg": "str", "pair": "str", "symbol": "str"},
    ),
    "bitmex": (
        {"pool": "str", "request": {"args": ["str"], "op": "str"}, "subscribe": "str", "success": "bool"},
        {"error": "str", "meta": {}, "request": {"args": ["str"], "op": "str"}, "status": "number"},
    ),
    **{
        name: (GATE_ACK, {**GATE_ACK, "error": {"code": "number", "message": "str"}})
        for name in EXCHANGES
        if name.startswith("gateio_")
    },
}

GREETINGS: dict[str, Any] = {
    "kraken": {
        "connectionID": "number", "emergency": [], "event": "str", "status": "str", "upcoming_maintenance": [],
        "version": "str",
    },
    "bitfinex": {"event": "str", "platform": {"status": "number"}, "serverId": "str", "version": "number"},
    "bitmex": {
        "appName": "str", "docs": "str", "heartbeatEnabled": "bool", "info": "str", "limit": {"remaining": "number"},
        "timestamp": "str", "version": "str",
    },
}
# fmt: on

UNKNOWN_MARKETS = {
    "bybit_spot": ("NOPEUSDT", "Invalid symbol :[publicTrade.NOPEUSDT]"),
    "bybit_perpetuals_usd": ("NOPEUSDT", "error:handler not found,topic:publicTrade.NOPEUSDT"),
    "okx": (
        "NOPE-USDT",
        "Wrong URL or channel:trades,instId:NOPE-USDT doesn't exist. Please use the correct URL, channel and "
        "parameters referring to API document.",
    ),
    "kraken": ("NOPE/USD", "Currency pair not supported NOPE/USD"),
    "coinbase": ("NOPE-USD", "NOPE-USD is not a valid product"),
    "bitfinex": ("tNOPE:USD", "symbol: invalid"),
    "bitmex": ("NOPEUSD", "Unknown or expired symbol."),
    **{name: ("NOPE_USDT", "unknown currency pair NOPE_USDT") for name in EXCHANGES if name.startswith("gateio_")},
}


def shape(value: Any) -> Any:
    """The key sets and types of a frame."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        forms = [shape(each) for each in value]
        return forms[:1] if all(form == forms[0] for form in forms) else forms
    if value is None:
        return "null"
    return {bool: "bool", str: "str"}.get(type(value), "number")

"""What the bytes of a `barter_event` are: one `struct` of a whole record for each kind, every field of it checked
against the C header when this is imported. `record` decodes with them, `testing.encode` makes records.
"""

from __future__ import annotations

import re
import struct

from barter_cffi._ffi import ffi, lib
from barter_cffi.event import Side

EVENT_BYTES: int = ffi.sizeof("barter_event")


def field_offset(name: str, payload: str = "") -> int:
    """At which byte of a record the C header has a field: of the header, or else of the payload of a kind."""
    path = [name] if name in _HEADER else ["payload", payload, name]
    return int(ffi.offsetof("barter_event", *path))


def _record(layout: str, payload: str, *fields: str) -> struct.Struct:
    """A `struct` of a whole record, of which each field was found where the C header has it."""
    made, at, names = struct.Struct("=" + layout.replace(" ", "")), 0, iter(fields)
    for count, code in re.findall(r"(\d*)([A-Za-z])", layout):
        for _ in range(1 if code in "sx" else int(count or 1)):
            if code != "x":
                name = next(names)
                if field_offset(name, payload) != at:
                    raise ImportError(f"barter_event's {payload} {name} is not at byte {at} in the header")
            at += int(count or 1) if code in "sx" else struct.calcsize("=" + code)
    if made.size != EVENT_BYTES:
        raise ImportError(f"a {payload} record has {made.size} bytes, in the header {EVENT_BYTES}")
    return made


_HEADER = ("time_exchange_ns", "time_received_ns", "instrument", "exchange", "kind", "flags")
_TIMES = _HEADER[:3]
KIND_OFFSET = field_offset("kind")
HEAD = struct.Struct("=qqIHBB")
TRADE = _record("qqI3xB ddB3xI40s40x", "trade", *_TIMES, "flags", "price", "amount", "side", "id_len", "id")
L1 = _record(
    "qqI3xB qdddd32s32s", "l1", *_TIMES, "flags", "last_update_time_ns",
    "bid_price", "bid_amount", "ask_price", "ask_amount", "bid_price_decimal", "ask_price_decimal",
)  # fmt: skip
BOOK = _record(
    "qqI3xB QqIIII72x", "book", *_TIMES, "flags", "sequence", "time_engine_ns",
    "bids_offset", "bids_len", "asks_offset", "asks_len",
)  # fmt: skip
LIQUIDATION = _record("qqI4x ddqB79x", "liquidation", *_TIMES, "price", "quantity", "time_ns", "side")
NOTICE = _record(
    "q8xIHBx 40xQqqQIHBxIIQq", "notice", "time_exchange_ns", "instrument", "exchange", "kind",
    "count", "first_ns", "last_ns", "text_offset", "text_len", "code", "sub_kind",
    "attempts", "instruments_len", "instruments_offset", "duration_ns",
)  # fmt: skip

SIDE_NUMBERS: dict[Side, int] = {Side.BUY: lib.BARTER_SIDE_BUY, Side.SELL: lib.BARTER_SIDE_SELL}
SIDES: dict[int, Side] = {number: side for side, number in SIDE_NUMBERS.items()}
INLINE_ID: int = ffi.sizeof("barter_trade_id")
HAS_BID, HAS_ASK = lib.BARTER_FLAG_HAS_BID, lib.BARTER_FLAG_HAS_ASK
HAS_TIME_ENGINE, ID_IN_TEXT = lib.BARTER_FLAG_HAS_TIME_ENGINE, lib.BARTER_FLAG_ID_IN_TEXT
SNAPSHOT, RECOVERED = lib.BARTER_FLAG_SNAPSHOT, lib.BARTER_FLAG_RECOVERED
MARKET_KINDS = bytes((lib.BARTER_EVENT_TRADE, lib.BARTER_EVENT_L1, lib.BARTER_EVENT_BOOK, lib.BARTER_EVENT_LIQUIDATION))
NOTICE_KIND: int = lib.BARTER_EVENT_RECONNECTING
"""The first kind that is a notice or an error."""

"""Market events as the library's records, the inverse of `record.decode`: what an `Injector` hands over."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable

from barter_cffi._ffi import lib
from barter_cffi.errors import ArgumentError
from barter_cffi.event import (
    BookSnapshotEvent,
    BookUpdateEvent,
    LiquidationEvent,
    MarketEvent,
    OrderBookL1Event,
    TradeEvent,
)
from barter_cffi.instrument import Instrument, exchange_number
from barter_cffi.layout import (
    BOOK,
    HAS_ASK,
    HAS_BID,
    HAS_TIME_ENGINE,
    HEAD,
    ID_IN_TEXT,
    INLINE_ID,
    L1,
    LIQUIDATION,
    SIDE_NUMBERS,
    SNAPSHOT,
    TRADE,
)
from barter_cffi.level import LEVEL_BYTES, Levels


def encode(events: Iterable[MarketEvent], index: Callable[[Instrument], int]) -> tuple[bytes, bytes, bytes]:
    """Records, levels and text of market events; `index` gives an instrument's index.

    Raises:
        ArgumentError: a value does not fit a record; the message names the event.
        TypeError: one is not a market event.
    """
    records, levels, text = bytearray(), bytearray(), bytearray()
    for event in events:
        if not isinstance(event, MarketEvent):
            raise TypeError(f"only market events can be injected, not {event!r}")
        number = exchange_number(event.exchange)
        head = (event.time_exchange_ns, event.time_received_ns, index(event.instrument), number)
        try:
            kind, flags, record = _encode_payload(event, levels, text)
            HEAD.pack_into(record, 0, *head, kind, flags)
        except (struct.error, UnicodeEncodeError, KeyError) as error:
            raise ArgumentError(f"{event!r} does not fit a record: {error}") from error
        records += record
    return bytes(records), bytes(levels), bytes(text)


def _encode_payload(event: MarketEvent, levels: bytearray, text: bytearray) -> tuple[int, int, bytearray]:
    """Kind, flags and record of an event, its header still to be filled in; its levels and text appended."""
    none = (0, 0, 0)
    if isinstance(event, TradeEvent):
        id, flags = event.id.encode(), 0
        id_len = len(id)
        if id_len > INLINE_ID:
            flags, offset = ID_IN_TEXT, len(text)
            text += id
            id = offset.to_bytes(8, sys.byteorder)
        trade = (event.price, event.amount, SIDE_NUMBERS[event.side], id_len, id)
        return lib.BARTER_EVENT_TRADE, flags, bytearray(TRADE.pack(*none, 0, *trade))
    if isinstance(event, OrderBookL1Event):
        flags, doubles, exact = 0, [], []
        for level, flag in ((event.best_bid, HAS_BID), (event.best_ask, HAS_ASK)):
            flags |= flag if level else 0
            doubles += [level.price, level.amount] if level else [float("nan")] * 2
            exact.append(Levels.of(level).exact if level else b"")
        record = L1.pack(*none, 0, event.last_update_time_ns, *doubles, *exact)
        return lib.BARTER_EVENT_L1, flags, bytearray(record)
    if isinstance(event, (BookSnapshotEvent, BookUpdateEvent)):
        flags = HAS_TIME_ENGINE if event.time_engine_ns is not None else 0
        if isinstance(event, BookSnapshotEvent):
            flags |= SNAPSHOT
        ranges = []
        for side in (event.bids, event.asks):
            ranges += [len(levels) // LEVEL_BYTES, len(side)]
            levels += side.exact
        return (
            lib.BARTER_EVENT_BOOK,
            flags,
            bytearray(BOOK.pack(*none, 0, event.sequence, event.time_engine_ns or 0, *ranges)),
        )
    if isinstance(event, LiquidationEvent):
        liquidation = (event.price, event.quantity, event.time_ns, SIDE_NUMBERS[event.side])
        return lib.BARTER_EVENT_LIQUIDATION, 0, bytearray(LIQUIDATION.pack(*none, *liquidation))
    raise TypeError(f"{event!r} is not a market event that has a record")

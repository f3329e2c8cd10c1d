"""The one decoder: `Records` holds what the library handed out, `decode` makes objects of it, about a thousand at a
time. `Batch` calls it; everything that yields items gets them through a batch.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from barter_cffi._ffi import NO_INSTRUMENT, NO_TIME, check, constants, ffi, lib
from barter_cffi.errors import BarterError, DataError
from barter_cffi.event import (
    BookSnapshotEvent,
    BookUpdateEvent,
    LiquidationEvent,
    MarketEvent,
    OrderBookL1Event,
    TradeEvent,
)
from barter_cffi.instrument import Instrument, Instruments, exchange_name
from barter_cffi.layout import (
    BOOK,
    EVENT_BYTES,
    HAS_ASK,
    HAS_BID,
    HAS_TIME_ENGINE,
    ID_IN_TEXT,
    KIND_OFFSET,
    L1,
    LIQUIDATION,
    MARKET_KINDS,
    NOTICE,
    RECOVERED,
    SIDES,
    SNAPSHOT,
    TRADE,
)
from barter_cffi.level import LEVEL_BYTES, Level, Levels
from barter_cffi.notice import Dropped, Notice, Reconnected, Reconnecting, Silent
from barter_cffi.subscription import SubKind

Item: TypeAlias = MarketEvent | Notice | DataError
"""What a stream carries."""

_VARIANTS = constants("BARTER_ERROR_")
_REASONS = constants("BARTER_DROPPED_")


class Records:
    """The memory of one batch of the library: empty until `receive` has filled it, freed with the object."""

    __slots__ = ("__weakref__", "_batch", "_bytes", "_first", "_head")

    def __init__(self) -> None:
        self._bytes: memoryview | None = None
        batch = ffi.new("barter_batch *", {"struct_size": ffi.sizeof("barter_batch")})
        self._head = memoryview(ffi.buffer(batch))
        self._first = self._head[_FIRST : _FIRST + EVENT_BYTES]
        self._batch = ffi.gc(batch, lib.barter_batch_free)

    def receive(self, stream: Any, max_events: int, timeout_ns: int) -> int:
        """Calls `barter_stream_recv` and gives its status."""
        status: int = _recv(stream, max_events, timeout_ns, self._batch)
        return status

    def clear(self) -> None:
        """Frees the records: nothing reads them any more, and it can be filled again."""
        self._bytes = None
        lib.barter_batch_free(self._batch)

    def __len__(self) -> int:
        length: int = self._batch.events_len
        return length

    def events(self, start: int, stop: int) -> memoryview:
        """The bytes of records `start` to `stop`; this object must outlive them."""
        if self._bytes is None:
            self._bytes = memoryview(ffi.buffer(self._batch.events, len(self) * EVENT_BYTES))
        return self._bytes[start * EVENT_BYTES : stop * EVENT_BYTES]

    def address(self, start: int) -> int:
        """Where record `start` is in memory; this object must outlive what reads it."""
        address: int = int(ffi.cast("uintptr_t", self._batch.events + start))
        return address

    @property
    def levels_len(self) -> int:
        """How many levels all records have together."""
        length: int = self._batch.levels_len
        return length

    @property
    def first_level(self) -> Any:
        """The levels of all records, a `barter_level *`; this object must outlive what reads it."""
        return self._batch.levels

    def has_only(self, kind: int) -> bool:
        """Whether it is known that all records are of this kind."""
        only: bool = self._batch.kinds == 1 << kind
        return only

    def may_have(self, flag: int) -> bool:
        """Whether a record may have this flag."""
        return bool(self._batch.flags & flag)

    def decode_all(self, instruments: Instruments) -> Sequence[Item] | None:
        """The items, where it is known that all are market events of one kind; else None. The shortest way for few."""
        length, kinds = _unpack_head(self._head)
        decoder = _ONLY.get(kinds)
        if decoder is None:
            return None
        view = self._first if length == 1 else ffi.buffer(self._batch.events, length * EVENT_BYTES)
        try:
            return decoder(self, view, instruments.known)
        except IndexError:  # of an instrument that is not known yet
            return None

    def kinds(self, start: int, stop: int) -> bytes:
        """`barter_event.kind` of records `start` to `stop`."""
        return self.events(start, stop)[KIND_OFFSET::EVENT_BYTES].tobytes()

    def text(self, offset: int, length: int) -> bytes:
        """A range of the batch's text."""
        return bytes(ffi.buffer(self._batch.text + offset, length)) if length else b""

    def levels(self, start: int, stop: int) -> Levels:
        """A range of the batch's levels."""
        count = stop - start
        if not count:
            return Levels()
        doubles = _new_doubles("double[]", 2 * count)
        check(lib.barter_levels_to_f64(self._batch.levels + start, count, doubles))
        columns = memoryview(ffi.buffer(doubles)).cast("d")
        exact = bytes(ffi.buffer(self._batch.levels + start, LEVEL_BYTES * count))
        return Levels(tuple(columns[0::2].tolist()), tuple(columns[1::2].tolist()), exact)


_FIRST: int = ffi.offsetof("barter_batch", "first")
_LENGTH: int = ffi.offsetof("barter_batch", "events_len")
_unpack_head = struct.Struct(f"={_LENGTH}xQ{ffi.offsetof('barter_batch', 'kinds') - _LENGTH - 8}xQ").unpack_from
"""`events_len` and `kinds` of a `barter_batch`, in one go."""
_recv = lib.barter_stream_recv
_new_doubles = ffi.new_allocator(should_clear_after_alloc=False)


def decode(records: Records, start: int, kinds: bytes, instruments: Instruments) -> list[Item]:
    """The items of the records from `start`, which are of these kinds, run by run of equal ones; meant for about a
    thousand at a time.
    """
    stop = start + len(kinds)
    items: list[Item] = []
    while kinds:
        rest = kinds.lstrip(kinds[:1])
        end = stop - len(rest)
        decoder = _DECODERS[kinds[0]]
        try:
            run = decoder(records, records.events(start, end), instruments.known)
        except IndexError:
            run = _decode_with_late_instruments(decoder, records, records.events(start, end), instruments)
        items += run
        start, kinds = end, rest
    return items


def _decode_with_late_instruments(
    decoder: _Decoder, records: Records, view: memoryview, instruments: Instruments
) -> Sequence[Item]:
    """What was registered since the set was made is read from the library when it is first met."""
    instruments.refresh()
    try:
        return decoder(records, view, instruments.known)
    except IndexError as error:
        raise BarterError("a record names an instrument that its set of streams does not have") from error


def _trades(records: Records, view: Any, instruments: list[Instrument]) -> list[TradeEvent]:
    sides, in_text = SIDES, ID_IN_TEXT
    return [
        TradeEvent(
            price,
            amount,
            sides[side],
            _id_in_text(records, id, id_len) if flags & in_text else id[:id_len].decode(),
            instruments[instrument],
            exchange_ns,
            received_ns,
        )
        for exchange_ns, received_ns, instrument, flags, price, amount, side, id_len, id in TRADE.iter_unpack(view)
    ]


def _id_in_text(records: Records, text_offset: bytes, length: int) -> str:
    (offset,) = struct.unpack_from("=Q", text_offset)
    return records.text(offset, length).decode()


def _l1s(_: Records, view: Any, instruments: list[Instrument]) -> list[OrderBookL1Event]:
    has_bid, has_ask = HAS_BID, HAS_ASK
    return [
        OrderBookL1Event(
            update_ns,
            Level(bid_price, bid_amount, bid) if flags & has_bid else None,
            Level(ask_price, ask_amount, ask) if flags & has_ask else None,
            instruments[instrument],
            exchange_ns,
            received_ns,
        )
        for exchange_ns, received_ns, instrument, flags, update_ns,
            bid_price, bid_amount, ask_price, ask_amount, bid, ask in L1.iter_unpack(view)
    ]  # fmt: skip


def _books(records: Records, view: Any, instruments: list[Instrument]) -> list[BookSnapshotEvent | BookUpdateEvent]:
    rows = list(BOOK.iter_unpack(view))
    # One conversion for all levels of the run; the batch may have levels of records beyond it.
    first = min([min(row[6], row[8]) for row in rows])
    columns = records.levels(first, max([max(row[6] + row[7], row[8] + row[9]) for row in rows]))
    prices, amounts, exact = columns.prices, columns.amounts, columns.exact

    books: list[BookSnapshotEvent | BookUpdateEvent] = []
    for exchange_ns, received_ns, instrument, flags, sequence, engine_ns, bids, bids_len, asks, asks_len in rows:
        bids -= first
        bids_end = bids + bids_len
        asks -= first
        asks_end = asks + asks_len
        fields = (
            sequence,
            engine_ns if flags & HAS_TIME_ENGINE else None,
            Levels(prices[bids:bids_end], amounts[bids:bids_end], exact[LEVEL_BYTES * bids : LEVEL_BYTES * bids_end]),
            Levels(prices[asks:asks_end], amounts[asks:asks_end], exact[LEVEL_BYTES * asks : LEVEL_BYTES * asks_end]),
            instruments[instrument],
            exchange_ns,
            received_ns,
        )
        if flags & SNAPSHOT:
            books.append(BookSnapshotEvent(*fields, bool(flags & RECOVERED)))
        else:
            books.append(BookUpdateEvent(*fields))
    return books


def _liquidations(_: Records, view: Any, instruments: list[Instrument]) -> list[LiquidationEvent]:
    return [
        LiquidationEvent(price, quantity, SIDES[side], time_ns, instruments[instrument], exchange_ns, received_ns)
        for exchange_ns, received_ns, instrument, price, quantity, time_ns, side in LIQUIDATION.iter_unpack(view)
    ]


def _notices(records: Records, view: Any, instruments: list[Instrument]) -> list[Item]:
    return [_notice(records, instruments, row) for row in NOTICE.iter_unpack(view)]


def _notice(records: Records, instruments: list[Instrument], row: tuple[int, ...]) -> Item:
    time_ns, instrument_index, exchange_index, kind, count, first, last, *row_text = row
    text_offset, text_len, code, sub_kind_index, attempts, instruments_len, instruments_offset, duration = row_text
    exchange, sub_kind = exchange_name(exchange_index), SubKind.from_number(sub_kind_index)
    text = records.text(text_offset, text_len).decode()
    first_ns, last_ns = _known(first), _known(last)
    seconds = None if duration == NO_TIME else duration / 1e9
    instrument = None if instrument_index == NO_INSTRUMENT else instruments[instrument_index]
    if kind == lib.BARTER_EVENT_ERROR:
        return DataError(text, exchange, sub_kind, _VARIANTS[code], time_ns)
    if kind == lib.BARTER_EVENT_RECONNECTING:
        indices = struct.unpack(f"={instruments_len}I", records.text(instruments_offset, 4 * instruments_len))
        touched = tuple([instruments[index] for index in indices]) or None
        return Reconnecting(exchange, sub_kind, text or None, last_ns, touched, count, time_ns)
    if kind == lib.BARTER_EVENT_RECONNECTED:
        return Reconnected(exchange, sub_kind, attempts, seconds, count, time_ns)
    if kind == lib.BARTER_EVENT_DROPPED:
        return Dropped(count, exchange, sub_kind, instrument, first_ns, last_ns, _REASONS.get(code), time_ns)
    return Silent(instrument, sub_kind, seconds, count, time_ns)


def _known(ns: int) -> int | None:
    return None if ns == NO_TIME else ns


_Decoder: TypeAlias = Callable[[Records, Any, list[Instrument]], Sequence[Item]]
_DECODERS: dict[int, _Decoder] = {
    lib.BARTER_EVENT_TRADE: _trades,
    lib.BARTER_EVENT_L1: _l1s,
    lib.BARTER_EVENT_BOOK: _books,
    lib.BARTER_EVENT_LIQUIDATION: _liquidations,
    lib.BARTER_EVENT_RECONNECTING: _notices,
    lib.BARTER_EVENT_RECONNECTED: _notices,
    lib.BARTER_EVENT_ERROR: _notices,
    lib.BARTER_EVENT_DROPPED: _notices,
    lib.BARTER_EVENT_SILENT: _notices,
}
_ONLY = {1 << kind: _DECODERS[kind] for kind in MARKET_KINDS}
"""The decoder of what `barter_batch.kinds` says where all are market events of one kind."""

"""Arrays and Arrow record batches say what the objects say, field by field and bit by bit, whatever a
stream carries: all kinds, notices and errors, empty sides, ids of any length, any time and number.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barter_cffi import (
    Batch,
    BookEvent,
    BookSnapshotEvent,
    DataError,
    Dropped,
    Level,
    Levels,
    LiquidationEvent,
    MarketEvent,
    Notice,
    OrderBookL1Event,
    Reconnected,
    Reconnecting,
    Side,
    Silent,
    TradeEvent,
)
from barter_cffi._ffi import constants
from barter_cffi.instrument import exchange_name
from barter_cffi.subscription import SubKind

from .sets import EXCHANGES, INSTRUMENTS, inject, select, set_of
from .strategies import Source, items_of

NAT = -(1 << 63)
NO_INSTRUMENT = (1 << 32) - 1
SIDES = {0: None, 1: Side.BUY, 2: Side.SELL}
NOTICES = {32: Reconnecting, 33: Reconnected, 34: DataError, 35: Dropped, 36: Silent}
ERRORS, REASONS = constants("BARTER_ERROR_"), constants("BARTER_DROPPED_")
Row = dict[str, Any]


def float_bits(value: float | None) -> bytes | None:
    """A float exactly, NaN and the sign of zero too."""
    return None if value is None else struct.pack("<d", value)


def header(item: Any) -> Row:
    """What every row says of an item."""
    notice = isinstance(item, (Notice, DataError))
    instrument = getattr(item, "instrument", None)
    name = "error" if isinstance(item, DataError) else type(item).__struct_config__.tag
    return {
        "time_exchange": item.time_ns if notice else item.time_exchange_ns,
        # of merged notices, which are one object, the last one's
        "time_received": None if notice else item.time_received_ns,
        "instrument": None if instrument is None else str(instrument),
        "exchange": item.exchange,
        "kind": name,
    }


def level_fields(side: str, level: Level | None) -> Row:
    """The best level of a side."""
    return {
        f"{side}_price": None if level is None else float_bits(level.price),
        f"{side}_amount": None if level is None else float_bits(level.amount),
        f"{side}_price_exact": None if level is None else str_of(level.price_decimal),
        f"{side}_amount_exact": None if level is None else str_of(level.amount_decimal),
    }


def side_fields(levels: Levels) -> list[tuple[Any, ...]]:
    """The levels of a side of a book."""
    return [
        (float_bits(one.price), float_bits(one.amount), str_of(one.price_decimal), str_of(one.amount_decimal))
        for one in levels
    ]


def str_of(number: Any) -> str:
    """All digits of a number."""
    return format(number, "f")


def payload(item: Any, kind: SubKind) -> Row:
    """What the row of a stream of one kind says of an item beside its header; None where it says nothing."""
    if isinstance(item, TradeEvent):
        return {"price": float_bits(item.price), "amount": float_bits(item.amount), "side": item.side, "id": item.id}
    if isinstance(item, OrderBookL1Event):
        best = level_fields("bid", item.best_bid) | level_fields("ask", item.best_ask)
        return {"last_update_time": item.last_update_time_ns} | best
    if isinstance(item, BookEvent):
        return {
            "sequence": item.sequence,
            # the first nanosecond that 64 bits can say is NaT to numpy
            "time_engine": None if item.time_engine_ns == NAT else item.time_engine_ns,
            "recovered": isinstance(item, BookSnapshotEvent) and item.recovered,
            "bids": side_fields(item.bids),
            "asks": side_fields(item.asks),
        }
    if isinstance(item, LiquidationEvent):
        return {
            "price": float_bits(item.price),
            "quantity": float_bits(item.quantity),
            "side": item.side,
            "time": item.time_ns,
        }
    assert isinstance(item, (Notice, DataError))
    names = {
        SubKind.PUBLIC_TRADES: ["price", "amount", "side", "id"],
        SubKind.ORDER_BOOKS_L1: ["last_update_time", *level_fields("bid", None), *level_fields("ask", None)],
        SubKind.ORDER_BOOKS_L2: ["sequence", "time_engine", "recovered", "bids", "asks"],
        SubKind.LIQUIDATIONS: ["price", "quantity", "side", "time"],
    }
    return dict.fromkeys(names[kind])


def notice_payload(item: Any) -> Row:
    """What the row of a notice or an error says beside its header."""
    seconds = getattr(item, "gap_seconds", getattr(item, "seconds", None))
    instruments = getattr(item, "instruments", None)
    return {
        "sub_kind": item.sub_kind,
        "count": getattr(item, "count", None) or getattr(item, "merged", 1),
        "first": getattr(item, "first_ns", None),
        "last": getattr(item, "last_ns", getattr(item, "last_event_ns", None)),
        "attempts": getattr(item, "attempts", None),
        "duration": None if seconds is None else round(seconds * 1e9),
        "reason": str(item) if isinstance(item, DataError) else getattr(item, "reason", None),
        "variant": getattr(item, "variant", None),
        "instruments": None if instruments is None else [str(one) for one in instruments],
    }


def numpy_header(batch: Batch[Any], row: Any) -> Row:
    """The header columns of a row, as `header` has them."""
    index, number = int(row["instrument"]), int(row["kind"])
    names = {1: "trade", 2: "l1", 3: "book_snapshot" if row["flags"] & 16 else "book_update", 4: "liquidation"}
    notices = {32: "reconnecting", 33: "reconnected", 34: "error", 35: "dropped", 36: "silent"}
    return {
        "time_exchange": int(row["time_exchange"].view(np.int64)),
        "time_received": None if number >= 32 else int(row["time_received"].view(np.int64)),
        "instrument": None if index == NO_INSTRUMENT else str(batch.instruments[index]),
        "exchange": exchange_name(int(row["exchange"])),
        "kind": (names | notices)[number],
    }


def time_of(value: Any) -> int | None:
    """A time or a duration in nanoseconds, None for NaT."""
    ns = int(value.view(np.int64))
    return None if ns == NAT else ns


def numpy_rows(batch: Batch[Any], array: Any, kind: SubKind) -> list[Row]:
    """The rows of an array, as `header` and `payload` have them."""
    levels = (batch.levels(), batch.levels(exact=True))
    return [numpy_header(batch, row) | numpy_payload(batch, row, kind, levels) for row in array]


def numpy_payload(batch: Batch[Any], row: Any, kind: SubKind, levels: tuple[Any, Any]) -> Row:
    """The payload columns of a row, as `payload` has them."""
    here = row["kind"] < 32
    if kind == SubKind.PUBLIC_TRADES:
        assert here or (np.isnan(row["price"]) and np.isnan(row["amount"]) and row["id_len"] == 0)
        return {
            "price": float_bits(row["price"]) if here else None,
            "amount": float_bits(row["amount"]) if here else None,
            "side": SIDES[int(row["side"])],
            "id": row["id"].ljust(int(row["id_len"]), b"\0").decode() if here else None,
        }
    if kind == SubKind.ORDER_BOOKS_L1:
        best: Row = {"last_update_time": int(row["last_update_time"].view(np.int64)) if here else None}
        assert here or np.isnat(row["last_update_time"])
        for side, flag in (("bid", 1), ("ask", 2)):
            for name in (f"{side}_price", f"{side}_amount"):
                there = bool(row["flags"] & flag)
                assert there or np.isnan(row[name])
                exact = batch.decimals(np.array(row[f"{name}_decimal"]))
                best[name] = float_bits(row[name]) if there else None
                best[f"{name}_exact"] = str_of(exact.item()) if there else None
        return best
    if kind == SubKind.ORDER_BOOKS_L2:
        sides = {}
        for side in ("bids", "asks"):
            rows = slice(int(row[f"{side}_offset"]), int(row[f"{side}_offset"]) + int(row[f"{side}_len"]))
            floats, exact = (both[rows] for both in levels)
            assert floats.shape == exact.shape == (row[f"{side}_len"], 2)
            pairs = zip(floats, exact, strict=True)
            sides[side] = [(*map(float_bits, one), *map(str_of, both)) for one, both in pairs] if here else None
        assert here or (row["bids_len"] == row["asks_len"] == 0)
        return {
            "sequence": int(row["sequence"]) if here else None,
            "time_engine": time_of(row["time_engine"]),
            "recovered": bool(row["flags"] & 32) if here else None,
        } | sides
    assert here or (np.isnan(row["price"]) and np.isnan(row["quantity"]))
    return {
        "price": float_bits(row["price"]) if here else None,
        "quantity": float_bits(row["quantity"]) if here else None,
        "side": SIDES[int(row["side"])],
        "time": int(row["time"].view(np.int64)) if here else None,
    }


def arrow_rows(table: pa.RecordBatch) -> list[Row]:
    """The rows of a record batch, times and durations as nanoseconds, floats as their bits."""

    def value(scalar: Any) -> Any:
        if not scalar.is_valid:
            return None
        if isinstance(scalar, (pa.TimestampScalar, pa.DurationScalar)):
            return scalar.value
        if isinstance(scalar, pa.DoubleScalar):
            return float_bits(scalar.as_py())
        if isinstance(scalar, pa.ListScalar) and isinstance(scalar.type.value_type, pa.StructType):
            return [tuple(value(field) for field in level.values()) for level in scalar.values]
        return scalar.as_py()

    columns = {name: [value(scalar) for scalar in table.column(name)] for name in table.schema.names}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for row in rows:
        if row["kind"] in ("reconnecting", "reconnected", "error", "dropped", "silent"):
            row["time_received"] = None
    return rows


def nat_is_none(row: Row) -> Row:
    """A row as Arrow has it: the one time that numpy calls NaT is null there."""
    return {name: None if isinstance(value, int) and value == NAT else value for name, value in row.items()}


def check(batch: Batch[Any], kind: SubKind) -> None:
    """A batch of a stream of one kind, in all of its forms."""
    items = list(batch)
    array, table = batch.numpy(), batch.arrow(exact=True)
    assert len(array) == table.num_rows == len(items)
    expected = [header(item) | payload(item, kind) for item in items]
    assert numpy_rows(batch, array, kind) == expected
    assert arrow_rows(table) == [nat_is_none(row) for row in expected]
    check_kinds(batch, items, [kind])


def check_kinds(batch: Batch[Any], items: list[Any], kinds: list[SubKind]) -> None:
    """The rows of each kind by themselves, and those of notices."""
    for kind in kinds:
        events = [item for item in items if isinstance(item, MarketEvent) and item.sub_kind == kind]
        expected = [header(item) | payload(item, kind) for item in events]
        array = batch.numpy(kind)
        assert numpy_rows(batch, array, kind) == expected
        assert arrow_rows(batch.arrow(kind, exact=True)) == [nat_is_none(row) for row in expected]
    notices = [item for item in items if not isinstance(item, MarketEvent)]
    assert batch.notices == notices
    told = batch.numpy("notices")
    assert [NOTICES[int(number)] for number in told["kind"]] == [type(item) for item in notices]
    assert [(ERRORS if row["kind"] == 34 else REASONS).get(int(row["code"])) for row in told] == [
        getattr(item, "variant", getattr(item, "reason", None) if isinstance(item, Dropped) else None)
        for item in notices
    ]
    expected = [nat_is_none(header(item) | notice_payload(item)) for item in notices]
    assert arrow_rows(batch.arrow("notices")) == expected


@pytest.mark.parametrize("kind", SubKind)
@given(data=st.data(), most=st.integers(1, 20))
@settings(max_examples=12)
def test_arrays_and_arrow_say_what_the_objects_of_a_stream_of_one_kind_say(
    kind: SubKind, data: st.DataObject, most: int
) -> None:
    source: Source = ("binance_spot", kind)
    items = data.draw(st.lists(items_of(source, INSTRUMENTS), min_size=1, max_size=6))
    streams, injector = set_of([source], data.draw(st.just(70_000) | st.integers(1, 8)), 1 << 30)
    stream = select(streams, source, "raise")
    inject(injector, items)
    injector.close(*source)
    for batch in stream.batches(most):
        check(batch, kind)


@given(data=st.data(), sources=st.lists(st.tuples(st.sampled_from(EXCHANGES), st.sampled_from(SubKind)),
                                        min_size=2, max_size=4, unique=True))  # fmt: skip
@settings(max_examples=12)
def test_arrays_and_arrow_of_a_stream_of_several_kinds_have_the_header_of_all_and_each_kind_when_asked(
    data: st.DataObject, sources: list[Source]
) -> None:
    items = data.draw(st.lists(st.sampled_from(sources).flatmap(lambda one: items_of(one, INSTRUMENTS)), max_size=8))
    streams, injector = set_of(sources, None, 1 << 30)
    stream = streams.select_all()
    assert stream is not None
    inject(injector, items)
    for source in sources:
        injector.close(*source)
    for batch in stream.batches():
        received = list(batch)
        expected = [header(item) for item in received]
        assert [numpy_header(batch, row) for row in batch.numpy()] == expected
        assert arrow_rows(batch.arrow()) == [nat_is_none(row) for row in expected]
        check_kinds(batch, received, list(SubKind))

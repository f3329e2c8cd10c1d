"""Batches as numpy arrays: structured arrays over the library's own memory, made with what `barter_event` is in the C
header. Called by `Batch`, whose methods say what is in them; importing this needs the extra `numpy`.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from barter_cffi._ffi import check, ffi, lib
from barter_cffi.layout import EVENT_BYTES, ID_IN_TEXT, INLINE_ID, NOTICE_KIND, field_offset
from barter_cffi.level import LEVEL_BYTES, decimal_of
from barter_cffi.record import Records
from barter_cffi.subscription import SubKind

try:
    import numpy as np
except ImportError as error:
    raise ImportError(f"arrays need the extra numpy: pip install 'barter-cffi[numpy]' ({error})") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rows: TypeAlias = SubKind | Literal["notices"]
"""What the rows of an array are: events of a kind, or notices and errors."""

_TIME, _DURATION = "M8[ns]", "m8[ns]"
DECIMAL = np.dtype({
    "names": ["lo", "mid", "hi", "scale", "negative"],
    "formats": ["u4", "u4", "u4", "u1", "u1"],
    "itemsize": LEVEL_BYTES // 2,
})  # fmt: skip
_LEVEL = np.dtype([("price", DECIMAL), ("amount", DECIMAL)])
_HEADER: dict[str, Any] = {
    "time_exchange": _TIME,
    "time_received": _TIME,
    "instrument": "u4",
    "exchange": "u2",
    "kind": "u1",
    "flags": "u1",
}
_PAYLOADS: dict[Rows, tuple[str, dict[str, Any]]] = {
    SubKind.PUBLIC_TRADES: (
        "trade",
        {"price": "f8", "amount": "f8", "side": "u1", "id_len": "u4", "id": f"S{INLINE_ID}"},
    ),
    SubKind.ORDER_BOOKS_L1: (
        "l1",
        {
            "last_update_time": _TIME,
            "bid_price": "f8",
            "bid_amount": "f8",
            "ask_price": "f8",
            "ask_amount": "f8",
            "bid_price_decimal": DECIMAL,
            "bid_amount_decimal": DECIMAL,
            "ask_price_decimal": DECIMAL,
            "ask_amount_decimal": DECIMAL,
        },
    ),
    SubKind.ORDER_BOOKS_L2: (
        "book",
        {
            "sequence": "u8",
            "time_engine": _TIME,
            "bids_offset": "u4",
            "bids_len": "u4",
            "asks_offset": "u4",
            "asks_len": "u4",
        },
    ),
    SubKind.LIQUIDATIONS: ("liquidation", {"price": "f8", "quantity": "f8", "time": _TIME, "side": "u1"}),
    "notices": (
        "notice",
        {
            "count": "u8",
            "first": _TIME,
            "last": _TIME,
            "code": "u2",
            "sub_kind": "u1",
            "attempts": "u4",
            "duration": _DURATION,
        },
    ),
}


def records_array(records: Records, start: int, stop: int, of: Rows | None, only: bool) -> NDArray[np.void]:
    """Records `start` to `stop` as a structured array; read-only.

    Args:
        of: whose payload columns it has beside those of the header; None for none.
        only: without the rows that are anything else.
    """
    rows = _over_the_library(records, records.address(start), stop - start, EVENT_BYTES).view(_dtype(of))
    if of is None:
        return rows
    if of == "notices" or not records.has_only(of.number):
        kinds = rows["kind"]
        others = kinds < NOTICE_KIND if of == "notices" else kinds != of.number
        if others.any():
            rows = rows[~others] if only else _blank(rows, others, of)
    if of == SubKind.PUBLIC_TRADES and records.may_have(ID_IN_TEXT) and (long := rows["flags"] & ID_IN_TEXT).any():
        rows = _with_long_ids(records, rows, np.flatnonzero(long))
    rows.flags.writeable = False
    return rows


def levels_array(records: Records) -> NDArray[np.float64]:
    """Price and amount of all levels of the memory, shape (n, 2); read-only."""
    levels = np.empty((records.levels_len, 2))
    if len(levels):
        check(lib.barter_levels_to_f64(records.first_level, len(levels), ffi.from_buffer("double[]", levels)))
    levels.flags.writeable = False
    return levels


def exact_levels_array(records: Records) -> NDArray[np.void]:
    """The same as `barter_level`s, over the library's memory: fields `price` and `amount`, each a `barter_decimal`."""
    address = int(ffi.cast("uintptr_t", records.first_level))
    return _over_the_library(records, address, records.levels_len, LEVEL_BYTES).view(_LEVEL)


def decimals(column: NDArray[np.void]) -> NDArray[np.object_]:
    """`barter_decimal`s as `decimal.Decimal`s, in an array of the same shape."""
    made = np.empty(column.shape, object)
    for place in np.ndindex(column.shape):
        lo, mid, hi, scale, negative = column[place].item()
        made[place] = decimal_of(lo, mid, hi, scale, negative)
    return made


class _Memory:
    """What arrays over the library's memory have as base: keeps it alive."""

    __slots__ = ("__array_interface__", "_records")

    def __init__(self, records: Records, address: int, count: int, size: int) -> None:
        self._records = records
        self.__array_interface__ = {
            "version": 3, "shape": (count,), "typestr": f"|V{size}", "data": (address, True),
        }  # fmt: skip


def _over_the_library(records: Records, address: int, count: int, size: int) -> NDArray[np.void]:
    form: np.dtype[np.void] = np.dtype((np.void, size))
    if not count:
        return np.empty(0, form)
    over: NDArray[np.void] = np.asarray(_Memory(records, address, count, size), form)
    return over


@cache
def _dtype(of: Rows | None) -> np.dtype[np.void]:
    """The columns of a record where the C header has them."""
    payload, fields = ("", {}) if of is None else _PAYLOADS[of]
    columns = _HEADER | fields
    in_c = [name + "_ns" if form in (_TIME, _DURATION) else name for name, form in columns.items()]
    offsets = [field_offset(name, payload) for name in in_c]
    formats = [*columns.values()]
    return np.dtype({"names": [*columns], "formats": formats, "offsets": offsets, "itemsize": EVENT_BYTES})


@cache
def _blanks(of: Rows) -> NDArray[np.void]:
    """A row that says nothing: NaN, NaT, 0 and no text."""
    row = np.zeros(1, _dtype(of))
    for name in _PAYLOADS[of][1]:
        if row.dtype[name].kind in "fmM":
            row[name] = np.nan if row.dtype[name].kind == "f" else "NaT"
    return row


def _blank(rows: NDArray[np.void], others: NDArray[np.bool_], of: Rows) -> NDArray[np.void]:
    """A copy in which the rows that are of another kind have their header only."""
    copy: NDArray[np.void] = rows.copy()
    copy[others] = _blanks(of)
    for name in _HEADER:
        copy[name][others] = rows[name][others]
    return copy


def _with_long_ids(records: Records, rows: NDArray[np.void], long: NDArray[np.intp]) -> NDArray[np.void]:
    """A copy in which the column `id` is as wide as the longest id."""
    width = int(rows["id_len"].max())
    forms = [(name, rows.dtype[name] if name != "id" else f"S{width}") for name in rows.dtype.names or ()]
    copy = np.empty(len(rows), forms)
    for name in rows.dtype.names or ():
        copy[name] = rows[name]
    for place in long:
        row = rows[place]
        offset = int.from_bytes(row["id"][:8].ljust(8, b"\0"), sys.byteorder)
        copy["id"][place] = records.text(offset, int(row["id_len"]))
    return copy

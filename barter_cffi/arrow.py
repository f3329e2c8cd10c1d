"""Batches as Arrow record batches, which pyarrow makes and everything that reads Arrow's PyCapsule interface takes.
Called by `Batch`, whose methods say what is in them; importing this needs the extra `arrow`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

from barter_cffi._ffi import NO_INSTRUMENT, lib
from barter_cffi.arrays import Rows, decimals, exact_levels_array
from barter_cffi.errors import DataError
from barter_cffi.instrument import exchange_name
from barter_cffi.layout import HAS_ASK, HAS_BID, NOTICE_KIND, RECOVERED, SIDES, SNAPSHOT
from barter_cffi.notice import Notice
from barter_cffi.subscription import SubKind

try:
    import numpy as np
    import pyarrow as pa
except ImportError as error:
    raise ImportError(f"Arrow needs the extra arrow: pip install 'barter-cffi[arrow]' ({error})") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from barter_cffi.batch import Batch

_TIME = pa.timestamp("ns", "UTC")
_TYPES: dict[int, str] = {
    lib.BARTER_EVENT_TRADE: "trade",
    lib.BARTER_EVENT_L1: "l1",
    lib.BARTER_EVENT_BOOK: "book_update",
    lib.BARTER_EVENT_LIQUIDATION: "liquidation",
    lib.BARTER_EVENT_RECONNECTING: "reconnecting",
    lib.BARTER_EVENT_RECONNECTED: "reconnected",
    lib.BARTER_EVENT_ERROR: "error",
    lib.BARTER_EVENT_DROPPED: "dropped",
    lib.BARTER_EVENT_SILENT: "silent",
}
_NAMES = pa.array([*_TYPES.values(), "book_snapshot"])
_PLACES = np.zeros(256, np.int32)
_PLACES[list(_TYPES)] = range(len(_TYPES))
_EXCHANGES = pa.array([*takewhile(bool, map(exchange_name, count(1)))])
_SIDES = pa.array([str(SIDES[number]) for number in sorted(SIDES)])
_KINDS = pa.array([*map(str, SubKind)])


def record_batch(batch: Batch[Any], of: Rows | None, only: bool, exact: bool) -> pa.RecordBatch:
    """See `Batch.arrow`."""
    rows = batch._rows(of, only)
    columns = _header(batch, rows)
    if of is not None:
        columns |= _PAYLOADS[of](batch, rows, exact)
    return pa.RecordBatch.from_arrays([*columns.values()], [*columns])


def _header(batch: Batch[Any], rows: NDArray[np.void]) -> dict[str, pa.Array]:
    kinds = _PLACES[rows["kind"]]
    kinds[(rows["kind"] == lib.BARTER_EVENT_BOOK) & (rows["flags"] & SNAPSHOT != 0)] = len(_NAMES) - 1
    instruments = rows["instrument"]
    known = instruments != NO_INSTRUMENT
    names = batch._instruments.names(int(instruments[known].max()) + 1 if known.any() else 0)
    return {
        "time_exchange": _times(rows["time_exchange"]),
        "time_received": _times(rows["time_received"]),
        "instrument": _dictionary(instruments.astype(np.int32), pa.array(names, pa.string()), ~known),
        "exchange": _dictionary(rows["exchange"].astype(np.int32) - 1, _EXCHANGES, rows["exchange"] == 0),
        "kind": _dictionary(kinds, _NAMES, None),
    }


def _trades(_: Batch[Any], rows: NDArray[np.void], __: bool) -> dict[str, pa.Array]:
    none = rows["kind"] >= NOTICE_KIND
    return {
        "price": _floats(rows["price"], none),
        "amount": _floats(rows["amount"], none),
        "side": _sides(rows["side"]),
        "id": _ids(rows, none),
    }


def _l1s(_: Batch[Any], rows: NDArray[np.void], exact: bool) -> dict[str, pa.Array]:
    columns = {"last_update_time": _times(rows["last_update_time"])}
    for side, flag in (("bid", HAS_BID), ("ask", HAS_ASK)):
        none = rows["flags"] & flag == 0
        for name in (f"{side}_price", f"{side}_amount"):
            columns[name] = _floats(rows[name], none)
            if exact:
                columns[f"{name}_exact"] = _texts(decimals(rows[f"{name}_decimal"]), none)
    return columns


def _books(batch: Batch[Any], rows: NDArray[np.void], exact: bool) -> dict[str, pa.Array]:
    none = rows["kind"] >= NOTICE_KIND
    prices_and_amounts = batch.levels()
    levels: dict[str, Any] = {"price": prices_and_amounts[:, 0], "amount": prices_and_amounts[:, 1]}
    if exact:
        numbers = exact_levels_array(batch._open())
        levels |= {f"{name}_exact": numbers[name] for name in ("price", "amount")}
    return {
        "sequence": pa.array(rows["sequence"], mask=none),
        "time_engine": _times(rows["time_engine"]),
        "recovered": pa.array(rows["flags"] & RECOVERED != 0, mask=none),
        "bids": _side(levels, rows["bids_offset"], rows["bids_len"], none),
        "asks": _side(levels, rows["asks_offset"], rows["asks_len"], none),
    }


def _liquidations(_: Batch[Any], rows: NDArray[np.void], __: bool) -> dict[str, pa.Array]:
    none = rows["kind"] >= NOTICE_KIND
    return {
        "price": _floats(rows["price"], none),
        "quantity": _floats(rows["quantity"], none),
        "side": _sides(rows["side"]),
        "time": _times(rows["time"]),
    }


def _notices(batch: Batch[Any], rows: NDArray[np.void], _: bool) -> dict[str, pa.Array]:
    items = batch.notices
    return {
        "sub_kind": _dictionary(rows["sub_kind"].astype(np.int32) - 1, _KINDS, rows["sub_kind"] == 0),
        "count": pa.array(rows["count"]),
        "first": _times(rows["first"]),
        "last": _times(rows["last"]),
        "attempts": pa.array(rows["attempts"], mask=rows["kind"] != lib.BARTER_EVENT_RECONNECTED),
        "duration": pa.array(np.ascontiguousarray(rows["duration"])),
        "reason": pa.array([_reason(item) for item in items], pa.string()),
        "variant": pa.array([getattr(item, "variant", None) for item in items], pa.string()),
        "instruments": pa.array([_touched(item, batch) for item in items], pa.list_(pa.string())),
    }


_PAYLOADS: dict[Rows, Callable[[Any, Any, bool], dict[str, pa.Array]]] = {
    SubKind.PUBLIC_TRADES: _trades,
    SubKind.ORDER_BOOKS_L1: _l1s,
    SubKind.ORDER_BOOKS_L2: _books,
    SubKind.LIQUIDATIONS: _liquidations,
    "notices": _notices,
}


def _reason(item: Notice | DataError) -> str | None:
    return str(item) if isinstance(item, DataError) else getattr(item, "reason", None)


def _touched(item: Notice | DataError, batch: Batch[Any]) -> list[str] | None:
    instruments = getattr(item, "instruments", None)
    return instruments and [batch._instruments.names(one.index + 1)[one.index] for one in instruments]


def _times(column: NDArray[Any]) -> pa.Array:
    return pa.array(np.ascontiguousarray(column), _TIME)


def _floats(column: NDArray[Any], none: NDArray[np.bool_]) -> pa.Array:
    # Not from pandas: a NaN that an exchange sent stays one.
    return pa.array(np.ascontiguousarray(column), pa.float64(), mask=none, from_pandas=False)


def _sides(column: NDArray[Any]) -> pa.Array:
    return _dictionary(column.astype(np.int32) - 1, _SIDES, column == 0)


def _dictionary(places: NDArray[np.int32], names: pa.Array, none: NDArray[np.bool_] | None) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(places, mask=none), names)


def _ids(rows: NDArray[np.void], none: NDArray[np.bool_]) -> pa.Array:
    lengths, width = rows["id_len"].astype(np.int64), rows.dtype["id"].itemsize
    longest = lengths.max(initial=0)
    letters = np.ascontiguousarray(rows["id"]).view(np.uint8).reshape(len(rows), width)[:, :longest]
    text = letters[np.arange(longest) < lengths[:, None]]
    return pa.Array.from_buffers(pa.string(), len(rows), [_validity(none), _offsets(lengths), pa.py_buffer(text)])


def _texts(numbers: NDArray[np.object_], none: NDArray[np.bool_] | None) -> pa.Array:
    return pa.array([format(number, "f") for number in numbers], pa.string(), mask=none)


def _side(
    levels: dict[str, NDArray[Any]], first: NDArray[Any], lengths: NDArray[Any], none: NDArray[np.bool_]
) -> pa.Array:
    """A list of structs: of each row the levels from `first`, as many as `lengths` says."""
    first, lengths = first.astype(np.int64), lengths.astype(np.int64)
    offsets = np.cumsum(lengths) - lengths
    places = np.repeat(first - offsets, lengths) + np.arange(lengths.sum())
    fields = {}
    for name, column in levels.items():
        taken = column[places]
        fields[name] = _texts(decimals(taken), None) if name.endswith("_exact") else pa.array(taken)
    structs = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    buffers = [_validity(none), _offsets(lengths)]
    return pa.Array.from_buffers(pa.list_(structs.type), len(lengths), buffers, children=[structs])


def _offsets(lengths: NDArray[Any]) -> pa.Buffer:
    return pa.py_buffer(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))


def _validity(none: NDArray[np.bool_]) -> pa.Buffer | None:
    return pa.py_buffer(np.packbits(~none, bitorder="little")) if none.any() else None

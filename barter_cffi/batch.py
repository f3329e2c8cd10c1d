"""Batches: what one receive took from a stream, as a sequence of items that is decoded when it is read, as a numpy
array over the library's memory, or as an Arrow record batch. A batch keeps that memory alive, is immutable, independent
of its stream, and readable from any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar, cast, overload

from barter_cffi.errors import DataError
from barter_cffi.event import MarketEvent
from barter_cffi.instrument import Instrument, Instruments
from barter_cffi.layout import MARKET_KINDS, NOTICE_KIND
from barter_cffi.notice import Notice
from barter_cffi.record import Records, decode
from barter_cffi.subscription import SubKind, SubKindName

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from barter_cffi.arrays import Rows

RowsName: TypeAlias = SubKindName | Literal["notices"]
"""What rows to take: events of a kind, or notices and errors."""

EventT = TypeVar("EventT", bound=MarketEvent, covariant=True)

CHUNK = 1_024
"""Records that are decoded in one go; more at once is slower."""


class Batch(Sequence[EventT | Notice | DataError], Generic[EventT]):
    """Items in their order, at least one: market events, notices, and errors as `DataError` items.

    `len`, indexing, slicing and iteration decode what they touch, a chunk at a time. `numpy` and `arrow` have a row for
    each item, in the same order, or for each of the kind that they were asked for.

    Attributes:
        sub_kind: the kind of its events, None where the stream merges several.
    """

    __slots__ = ("__weakref__", "_chunks", "_instruments", "_records", "_start", "_stop", "sub_kind")

    def __init__(
        self, records: Records, start: int, stop: int, instruments: Instruments, sub_kind: SubKind | None
    ) -> None:
        self._records: Records | None = records
        self._start = start
        self._stop = stop
        self._instruments = instruments
        self.sub_kind = sub_kind
        self._chunks: dict[int, list[EventT | Notice | DataError]] = {}

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def events(self) -> int:
        """How many of the items are market events."""
        return sum(map(self._kinds().count, MARKET_KINDS))

    @property
    def notices(self) -> list[Notice | DataError]:
        """The items that are no market events, in their order."""
        kinds = self._kinds()
        return [cast("Notice | DataError", self[place]) for place, kind in enumerate(kinds) if kind >= NOTICE_KIND]

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """All instruments of the stream's set: the column `instrument` of `numpy` has their indices."""
        return self._instruments.refresh()

    def numpy(self, kind: RowsName | None = None) -> NDArray[np.void]:
        """The items as a structured array, a row each, read-only; it keeps the memory alive that it is made over.

        Every array has the columns `time_exchange` and `time_received` (`datetime64[ns]`, UTC), `instrument` (an index
        into `instruments`; 4294967295 for none), `exchange` (its number, `ExchangeSupport.number`, 0 for none), `kind`
        (1 trade, 2 L1, 3 book, 4 liquidation; a notice or an error from 32 on) and `flags`
        (`BARTER_FLAG_*` of the C header). The others depend on what the stream carries:

        - trades: `price`, `amount`, `side` (1 buy, 2 sell), `id` (UTF-8), `id_len` (its bytes);
        - L1: `last_update_time`, `bid_price`, `bid_amount`, `ask_price`, `ask_amount` (NaN for a side that is empty),
          and `bid_price_decimal` and so on, exact, for `decimals`;
        - books: `sequence`, `time_engine` (NaT where it is not sent), and `bids_offset`, `bids_len`, `asks_offset`,
          `asks_len`: which rows of `levels()` are its bids and asks, best first;
        - liquidations: `price`, `quantity`, `time`, `side`;
        - `"notices"`: `count`, `first`, `last`, `code`, `sub_kind`, `attempts`, `duration`; their texts are in
          `notices`;
        - a stream of several kinds: none.

        Nothing is copied, except where notices stand among the events, whose rows are then blank (NaN, NaT, 0) behind
        their header, and where an id is longer than 40 bytes, which makes the column `id` wider.

        Args:
            kind: only rows of this kind, `"notices"` for notices and errors; copied where the batch has others.
                None for a row of each item.

        Raises:
            ImportError: numpy is not installed; the message names the extra.
            ValueError: the batch was closed.
        """
        return self._rows(*self._of(kind))

    @overload
    def levels(self, exact: Literal[False] = False) -> NDArray[np.float64]: ...
    @overload
    def levels(self, exact: Literal[True]) -> NDArray[np.object_]: ...
    def levels(self, exact: bool = False) -> NDArray[np.float64] | NDArray[np.object_]:
        """Price and amount of the levels of all books, shape (n, 2): what the columns `bids_offset` and `asks_offset`
        of `numpy` point into, whatever part of the library's batch this is.

        Args:
            exact: an array of `decimal.Decimal`s, made one by one, instead of a read-only one of floats.
        """
        from barter_cffi import arrays

        records = self._open()
        if not exact:
            return arrays.levels_array(records)
        levels = arrays.exact_levels_array(records)
        return arrays.decimals(levels.view(arrays.DECIMAL).reshape(-1, 2))

    @staticmethod
    def decimals(column: NDArray[np.void]) -> NDArray[np.object_]:
        """The exact numbers of a column of `numpy` whose name ends in `_decimal`, as `decimal.Decimal`s."""
        from barter_cffi import arrays

        return arrays.decimals(column)

    def arrow(self, kind: RowsName | None = None, *, exact: bool = False) -> pa.RecordBatch:
        """The items as an Arrow record batch of pyarrow, a row each; polars and others read it by Arrow's
        PyCapsule interface, which a `Batch` itself has too: `polars.DataFrame(batch.arrow())`,
        `pyarrow.record_batch(batch)`.

        Columns as of `numpy`, with these differences: times are `timestamp[ns, UTC]`; `instrument` (such as
        `binance_spot:btc/usdt:spot`), `exchange`, `side` and `kind` (the item's `type` in JSON: `trade`, `l1`,
        `book_snapshot`, `book_update`, `liquidation`, `reconnecting`, …, `error`) are dictionaries of their names;
        `bids` and `asks` are list<struct<price, amount>>; what is not there is null, also in the rows of notices.
        `"notices"` has their `reason` or error text, `variant` and `instruments` too.

        Args:
            kind: as of `numpy`.
            exact: L1 and levels have the exact numbers too, as text with all digits: `bid_price_exact` and so on, and
                `price_exact` and `amount_exact` in each level.

        Raises:
            ImportError: pyarrow or numpy is not installed; the message names the extra.
            ValueError: the batch was closed.
        """
        from barter_cffi import arrow

        return arrow.record_batch(self, *self._of(kind), exact)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """`arrow()` as the PyCapsules of Arrow's C data interface."""
        capsules: tuple[object, object] = self.arrow().__arrow_c_array__(requested_schema)
        return capsules

    @overload
    def __getitem__(self, index: int) -> EventT | Notice | DataError: ...
    @overload
    def __getitem__(self, index: slice) -> list[EventT | Notice | DataError]: ...
    def __getitem__(self, index: int | slice) -> object:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        return self._chunk(place - place % CHUNK)[place % CHUNK]

    def __iter__(self) -> Iterator[EventT | Notice | DataError]:
        for place in range(0, len(self), CHUNK):
            yield from self._chunk(place)

    def __repr__(self) -> str:
        return f"<Batch of {len(self)} items>" if self._records is not None else "<Batch, closed>"

    def close(self) -> None:
        """Lets go of the library's memory at once instead of with the last reference. Items read before stay valid;
        reading from the batch afterwards is a ValueError. Arrays keep the memory until they are gone.
        """
        self._records = None
        self._chunks = {}

    def _part(self, start: int, stop: int) -> Batch[EventT]:
        """A batch of the items from `start` to `stop`, over the same memory."""
        end = min(self._start + stop, self._stop)
        return Batch(self._open(), self._start + start, end, self._instruments, self.sub_kind)

    def _of(self, kind: RowsName | None) -> tuple[Rows | None, bool]:
        """What the rows of an array are, and whether all others are left out."""
        if kind is None:
            return self.sub_kind, False
        return (kind if kind == "notices" else SubKind(kind)), True

    def _rows(self, of: Rows | None, only: bool) -> NDArray[np.void]:
        from barter_cffi import arrays

        return arrays.records_array(self._open(), self._start, self._stop, of, only)

    def _chunk(self, place: int) -> list[EventT | Notice | DataError]:
        """The items from `place`, a multiple of `CHUNK`, up to the next such place; decoded once."""
        self._open()
        chunk = self._chunks.get(place)
        if chunk is None:
            chunk = self._chunks[place] = self._decode(place, self._kinds()[place : place + CHUNK])
        return chunk

    def _decode(self, start: int, kinds: bytes) -> list[EventT | Notice | DataError]:
        """The items from `start`, which are of these kinds."""
        items = decode(self._open(), self._start + start, kinds, self._instruments)
        return cast("list[EventT | Notice | DataError]", items)

    def _kinds(self) -> bytes:
        return self._open().kinds(self._start, self._stop)

    def _open(self) -> Records:
        if self._records is None:
            raise ValueError("the batch was closed")
        return self._records

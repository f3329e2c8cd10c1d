"""Batches: what one receive took from a stream, as a sequence of items that is decoded when it is read. A batch keeps
the library's memory alive, is immutable, independent of its stream, and readable from any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar, cast, overload

from barter_cffi.errors import DataError
from barter_cffi.event import MarketEvent
from barter_cffi.instrument import Instruments
from barter_cffi.layout import MARKET_KINDS
from barter_cffi.notice import Notice
from barter_cffi.record import Records, decode

EventT = TypeVar("EventT", bound=MarketEvent)

CHUNK = 1_024
"""Records that are decoded in one go; more at once is slower."""


class Batch(Sequence[EventT | Notice | DataError], Generic[EventT]):
    """Items in their order, at least one: market events, notices, and errors as `DataError` items.

    `len`, indexing, slicing and iteration decode what they touch, a chunk at a time.
    """

    __slots__ = ("__weakref__", "_chunks", "_instruments", "_records", "_start", "_stop")

    def __init__(self, records: Records, start: int, stop: int, instruments: Instruments) -> None:
        self._records: Records | None = records
        self._start = start
        self._stop = stop
        self._instruments = instruments
        self._chunks: dict[int, list[EventT | Notice | DataError]] = {}

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def events(self) -> int:
        """How many of the items are market events."""
        return sum(map(self._kinds().count, MARKET_KINDS))

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
        reading from the batch afterwards is a ValueError.
        """
        self._records = None
        self._chunks = {}

    def _part(self, start: int, stop: int) -> Batch[EventT]:
        """A batch of the items from `start` to `stop`, over the same memory."""
        return Batch(self._open(), self._start + start, min(self._start + stop, self._stop), self._instruments)

    def _chunk(self, place: int) -> list[EventT | Notice | DataError]:
        """The items from `place`, a multiple of `CHUNK`, up to the next such place; decoded once."""
        self._open()
        chunk = self._chunks.get(place)
        if chunk is None:
            chunk = self._chunks[place] = self._decode(place, min(place + CHUNK, len(self)))
        return chunk

    def _decode(self, start: int, stop: int) -> list[EventT | Notice | DataError]:
        items = decode(self._open(), self._start + start, self._start + stop, self._instruments)
        return cast("list[EventT | Notice | DataError]", items)

    def _kinds(self) -> bytes:
        return self._open().kinds(self._start, self._stop)

    def _open(self) -> Records:
        if self._records is None:
            raise ValueError("the batch was closed")
        return self._records

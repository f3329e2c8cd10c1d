"""What the laws inject: market events of every kind over the whole of their ranges, errors and
markers of a broken connection. Large ids and books are grown from a drawn seed, because drawing
them piece by piece is slow.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from barter_cffi.event import (
    BookSnapshotEvent,
    BookUpdateEvent,
    LiquidationEvent,
    MarketEvent,
    OrderBookL1Event,
    Side,
    TradeEvent,
)
from barter_cffi.instrument import ExchangeId, Instrument
from barter_cffi.level import Level, Levels
from barter_cffi.subscription import SubKind

ID_CHARACTERS_MAX = 5_000
BOOK_LEVELS_MAX = 5_000
MANTISSA_MAX = (1 << 96) - 1
SCALE_MAX = 28

Source: TypeAlias = tuple[ExchangeId, SubKind]
"""One exchange server and kind: what a producer of its own stands behind."""


@dataclass(frozen=True)
class Failure:
    """A `DataError::Socket` to inject."""

    source: Source
    message: str


@dataclass(frozen=True)
class Broken:
    """A marker of a broken connection to inject."""

    source: Source


Item: TypeAlias = MarketEvent | Failure | Broken


def source_of(item: Item) -> Source:
    """The source that an item is injected into."""
    return item.source if isinstance(item, (Failure, Broken)) else (item.exchange, item.sub_kind)


times_ns = st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from(
    [-(1 << 63), -(1 << 63) + 1, -1, 0, 1, 1_700_000_000_000_000_000, (1 << 63) - 1]
)
"""Nanoseconds since the Unix epoch, over all of int64."""

floats = st.integers(0, (1 << 64) - 1).map(
    lambda bits: float(struct.unpack("<d", struct.pack("<Q", bits))[0])
) | st.floats(allow_nan=True, allow_infinity=True)
"""Any pattern of 64 bits: every payload of NaN, both zeros, subnormals, infinities."""

sides = st.sampled_from(Side)


@st.composite
def _grown_text(draw: st.DrawFn) -> str:
    seed = draw(st.text(min_size=1, max_size=12))
    return (seed * ID_CHARACTERS_MAX)[: draw(st.integers(1, ID_CHARACTERS_MAX))]


texts = st.text(max_size=50) | _grown_text()
"""Up to 5,000 characters of any script."""


def decimal_of(negative: bool, mantissa: int, scale: int) -> Decimal:
    """A decimal with exactly this mantissa and scale, trailing zeros and the sign of zero kept."""
    return Decimal((int(negative), tuple(map(int, str(mantissa))), -scale))


_SPECIAL_MANTISSAS = [0, 1, 10, 100, (1 << 32) - 1, 1 << 32, 1 << 64, MANTISSA_MAX]
decimals = st.builds(
    decimal_of,
    st.booleans(),
    st.integers(0, MANTISSA_MAX) | st.sampled_from(_SPECIAL_MANTISSAS),
    st.integers(0, SCALE_MAX),
)
"""Everything that 96 bits and 28 digits after the point can say."""

levels = st.builds(Level.of, decimals, decimals)


@st.composite
def _grown_levels(draw: st.DrawFn) -> list[tuple[Decimal, Decimal]]:
    grown = random.Random(draw(st.integers(0, (1 << 32) - 1)))
    count, scale = draw(st.integers(0, BOOK_LEVELS_MAX)), draw(st.integers(0, SCALE_MAX))
    return [
        (
            decimal_of(False, mantissa, scale),
            decimal_of(False, grown.getrandbits(grown.randrange(97)), grown.randrange(29)),
        )
        for mantissa in grown.sample(range(1, 20 * BOOK_LEVELS_MAX), count)
    ]


_drawn_levels = st.lists(st.tuples(decimals, decimals), max_size=8, unique_by=lambda row: row[0])


def book_side(rows: Iterable[tuple[Decimal, Decimal]], best_first: int) -> Levels:
    """Levels in barter-data's order: by price, downwards for bids (-1), upwards for asks (1)."""
    return Levels.of(*sorted(rows, key=lambda row: row[0], reverse=best_first < 0))


def _book_sides(best_first: int) -> SearchStrategy[Levels]:
    return (_drawn_levels | _grown_levels()).map(lambda rows: book_side(rows, best_first))


def events_of(kind: SubKind, instruments: list[Instrument]) -> SearchStrategy[MarketEvent]:
    """Any market event of a kind about one of the instruments."""
    common = {
        "instrument": st.sampled_from(instruments),
        "time_exchange_ns": times_ns,
        "time_received_ns": times_ns,
    }
    book = {
        "sequence": st.integers(0, (1 << 64) - 1),
        "time_engine_ns": st.none() | times_ns,
        "bids": _book_sides(-1),
        "asks": _book_sides(1),
    }
    by_kind: dict[SubKind, SearchStrategy[MarketEvent]] = {
        SubKind.PUBLIC_TRADES: st.builds(
            TradeEvent,
            price=floats,
            amount=floats,
            side=sides,
            id=texts,
            **common,
        ),
        SubKind.ORDER_BOOKS_L1: st.builds(
            OrderBookL1Event,
            last_update_time_ns=times_ns,
            best_bid=st.none() | levels,
            best_ask=st.none() | levels,
            **common,
        ),
        SubKind.ORDER_BOOKS_L2: st.builds(BookSnapshotEvent, **book, **common)
        | st.builds(BookUpdateEvent, **book, **common),
        SubKind.LIQUIDATIONS: st.builds(
            LiquidationEvent, price=floats, quantity=floats, side=sides, time_ns=times_ns, **common
        ),
    }
    return by_kind[kind]


def items_of(source: Source, instruments: list[Instrument]) -> SearchStrategy[Item]:
    """Anything that a source can bring; of four items about three are events."""
    events = events_of(source[1], [one for one in instruments if one.exchange == source[0]])
    other = st.builds(Failure, st.just(source), texts) | st.just(Broken(source))
    return st.one_of(events, events, events, other)

"""Price levels of order books. Prices and amounts are floats, and stand beside the exact decimals that the exchange
sent, which are kept as the library's 32-byte `barter_level` and become `Decimal` when they are asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import TypeAlias, overload

import msgspec

from barter_cffi.errors import ArgumentError

Number: TypeAlias = Decimal | str | int | float

LEVEL_BYTES = 32
SCALE_MAX = 28
_DECIMAL = struct.Struct("=IIIBB2x")  # barter_decimal: lo, mid, hi, scale, negative
_LEVEL = struct.Struct(f"={LEVEL_BYTES}s")


class Level(msgspec.Struct, frozen=True, gc=False):
    """One price level. Equal where the exact numbers are, whatever their trailing zeros.

    Attributes:
        price: in the quote asset.
        amount: in the instrument's amount unit; 0 in an update removes the level.
        exact: both decimals as the library has them (`barter_level`); empty in a level made of floats, whose exact
            numbers are the shortest that give those floats.
    """

    price: float
    amount: float
    exact: bytes = b""

    @classmethod
    def of(cls, price: Number, amount: Number) -> Level:
        """A level with exact numbers: `Level.of("100.50", "3")` keeps digits and trailing zeros.

        Raises:
            ArgumentError: a number is not finite, or does not fit 96 bits and 28 digits after the point.
        """
        price, amount = _exactly(price), _exactly(amount)
        return cls(float(price), float(amount), decimal_record(price) + decimal_record(amount))

    @property
    def price_decimal(self) -> Decimal:
        """The exact price, with its trailing zeros."""
        return _decimal(self.exact, 0) if self.exact else Decimal(repr(self.price))

    @property
    def amount_decimal(self) -> Decimal:
        """The exact amount, with its trailing zeros."""
        return _decimal(self.exact, LEVEL_BYTES // 2) if self.exact else Decimal(repr(self.amount))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Level):
            return NotImplemented
        if self.price != other.price or self.amount != other.amount:
            return False
        return self.exact == other.exact or (
            self.price_decimal == other.price_decimal and self.amount_decimal == other.amount_decimal
        )

    def __hash__(self) -> int:
        return hash((self.price, self.amount))

    def __repr__(self) -> str:
        return f"Level(price={self.price!r}, amount={self.amount!r})"


class Levels(msgspec.Struct, frozen=True, gc=False):
    """The levels of one side of a book, best first: an immutable sequence of `Level`, kept as columns.

    Attributes:
        prices: price of each level.
        amounts: amount of each level.
        exact: the `barter_level` of each, 32 bytes after one another.
    """

    prices: tuple[float, ...] = ()
    amounts: tuple[float, ...] = ()
    exact: bytes = b""

    @classmethod
    def of(cls, *levels: Level | tuple[Number, Number]) -> Levels:
        """Levels from `Level`s or (price, amount) pairs: `Levels.of(("100.50", "3"), ("100.49", "1"))`.

        Raises:
            ArgumentError: as of `Level.of`.
        """
        return cls._of(level if isinstance(level, Level) else Level.of(*level) for level in levels)

    @classmethod
    def _of(cls, levels: Iterable[Level]) -> Levels:
        exact = [
            level if level.exact else Level.of(Decimal(repr(level.price)), Decimal(repr(level.amount)))
            for level in levels
        ]
        return cls(
            tuple([level.price for level in exact]),
            tuple([level.amount for level in exact]),
            b"".join([level.exact for level in exact]),
        )

    def __len__(self) -> int:
        return len(self.prices)

    def __iter__(self) -> Iterator[Level]:
        return map(Level, self.prices, self.amounts, chain.from_iterable(_LEVEL.iter_unpack(self.exact)))

    def __reversed__(self) -> Iterator[Level]:
        return reversed(tuple(self))

    @overload
    def __getitem__(self, index: int) -> Level: ...
    @overload
    def __getitem__(self, index: slice) -> Levels: ...
    def __getitem__(self, index: int | slice) -> Level | Levels:
        if isinstance(index, slice):
            return self._of(tuple(self)[index])
        start = LEVEL_BYTES * range(len(self))[index]
        return Level(self.prices[index], self.amounts[index], self.exact[start : start + LEVEL_BYTES])

    def __contains__(self, level: object) -> bool:
        return any(level == here for here in self)

    def index(self, level: object, start: int = 0, stop: int | None = None) -> int:
        """The place of the first equal level; ValueError where there is none."""
        return tuple(self).index(level, start, len(self) if stop is None else stop)

    def count(self, level: object) -> int:
        """How many levels are equal."""
        return tuple(self).count(level)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Levels):
            return NotImplemented
        if self.prices != other.prices or self.amounts != other.amounts:
            return False
        return self.exact == other.exact or all(map(Level.__eq__, self, other))

    def __hash__(self) -> int:
        return hash((self.prices, self.amounts))

    def __repr__(self) -> str:
        shown = [f"{price!r} × {amount!r}" for price, amount in zip(self.prices[:5], self.amounts[:5], strict=True)]
        if len(self) > len(shown):
            shown.append(f"… {len(self) - len(shown)} more")
        return f"Levels[{', '.join(shown)}]"


Sequence.register(Levels)


def decimal_record(value: Decimal) -> bytes:
    """A decimal as the library's 16-byte `barter_decimal`, scale and sign kept.

    Raises:
        ArgumentError: it is not finite, or does not fit 96 bits and 28 digits after the point.
    """
    if not value.is_finite():
        raise ArgumentError(f"{value} is not a finite number")
    negative, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "finite"
    scale = max(0, -exponent)
    if scale > SCALE_MAX or exponent > SCALE_MAX:
        raise ArgumentError(f"{value} does not fit: at most {SCALE_MAX} digits after the point, and 96 bits in all")
    mantissa = int("".join(map(str, digits))) * 10 ** max(0, exponent)
    if mantissa >> 96:
        raise ArgumentError(f"{value} does not fit: its digits are a number past 2^96 - 1")
    word = 0xFFFF_FFFF
    return _DECIMAL.pack(mantissa & word, mantissa >> 32 & word, mantissa >> 64, scale, negative)


def decimal_of(lo: int, mid: int, hi: int, scale: int, negative: int) -> Decimal:
    """The fields of a `barter_decimal` as a decimal."""
    # From text, because a Decimal made of text has all its digits whatever the context's precision.
    return Decimal(f"{'-' if negative else ''}{hi << 64 | mid << 32 | lo}E-{scale}")


def _decimal(record: bytes, offset: int) -> Decimal:
    return decimal_of(*_DECIMAL.unpack_from(record, offset))


def _exactly(value: Number) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (Decimal, str, int, float)):
        raise TypeError(f"a price or an amount is a Decimal, str, int or float, not {value!r}")
    try:
        return Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ArgumentError(f"{value!r} is not a number") from None

"""An order book in whole ticks and lots, and its history.

The simulation changes the book one level at a time; every change has a sequence number. The history
answers what the book was after any of the changes it still holds.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import NamedTuple

from .events import Side


class Change(NamedTuple):
    """One change of one level: amount 0 removes it."""

    sequence: int
    side: Side
    price: int
    amount: int


class OrderBook:
    """Two sides of price → amount, both in whole steps; "buy" is the bids' side."""

    __slots__ = ("_amounts", "_prices")

    def __init__(self) -> None:
        self._amounts: dict[Side, dict[int, int]] = {"buy": {}, "sell": {}}
        self._prices: dict[Side, list[int]] = {"buy": [], "sell": []}  # ascending

    def copy(self) -> OrderBook:
        """An independent book with the same levels."""
        twin = OrderBook()
        for side in self._amounts:
            twin._amounts[side] = self._amounts[side].copy()
            twin._prices[side] = self._prices[side].copy()
        return twin

    def set(self, side: Side, price: int, amount: int) -> None:
        """Sets a level's amount; 0 removes the level and ignores one that is not there."""
        amounts, prices = self._amounts[side], self._prices[side]
        if amount:
            if price not in amounts:
                insort(prices, price)
            amounts[price] = amount
        elif amounts.pop(price, None) is not None:
            del prices[bisect_left(prices, price)]

    def amount(self, side: Side, price: int) -> int:
        """The amount at a price, 0 where there is no level."""
        return self._amounts[side].get(price, 0)

    def count(self, side: Side) -> int:
        """How many levels a side has."""
        return len(self._prices[side])

    def price(self, side: Side, index: int) -> int:
        """The price of the level at `index` from the best outwards; -1 is the farthest."""
        prices = self._prices[side]
        return prices[-1 - index] if side == "buy" else prices[index]

    @property
    def best_bid(self) -> int:
        """The highest bid's price."""
        return self._prices["buy"][-1]

    @property
    def best_ask(self) -> int:
        """The lowest ask's price."""
        return self._prices["sell"][0]

    def top(self, side: Side, levels: int | None = None) -> list[tuple[int, int]]:
        """(price, amount) of the best `levels` levels (all where None), best first."""
        prices, amounts = self._prices[side], self._amounts[side]
        count = len(prices) if levels is None else levels
        chosen = reversed(prices[max(0, len(prices) - count) :]) if side == "buy" else prices[:count]
        return [(price, amounts[price]) for price in chosen]


class BookHistory:
    """The last `limit` changes of a book and the book before them."""

    __slots__ = ("_base", "_base_sequence", "_changes", "_limit")

    def __init__(self, limit: int) -> None:
        self._base = OrderBook()
        self._base_sequence = 0
        self._changes: deque[Change] = deque()
        self._limit = limit

    @property
    def oldest(self) -> int:
        """The least sequence that `book_at` takes."""
        return self._base_sequence

    def append(self, change: Change) -> None:
        """Adds the newest change; the oldest beyond the limit moves into the base."""
        self._changes.append(change)
        if len(self._changes) > self._limit:
            oldest = self._changes.popleft()
            self._base.set(oldest.side, oldest.price, oldest.amount)
            self._base_sequence = oldest.sequence

    def book_at(self, sequence: int) -> OrderBook:
        """The book after the last change numbered `sequence` or less.

        Raises `LookupError` when that is before the oldest change kept or after the newest.
        """
        newest = self._changes[-1].sequence if self._changes else self._base_sequence
        if not self._base_sequence <= sequence <= newest:
            raise LookupError(
                f"sequence {sequence} is not in the history, which holds {self._base_sequence} to {newest}"
            )
        book = self._base.copy()
        for change in self._changes:
            if change.sequence > sequence:
                break
            book.set(change.side, change.price, change.amount)
        return book

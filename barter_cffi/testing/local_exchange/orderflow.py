"""The orders that move a market: a book that changes one numbered level at a time.

`simulation.py` draws from it. It guarantees that the book is never crossed, that each side always
has the same count of levels, and that the seed and the order of the calls decide every change.
"""

from __future__ import annotations

from random import Random
from typing import Final

from .book import BookHistory, Change, OrderBook
from .events import Side
from .market import Market

SIDES: Final[tuple[Side, Side]] = ("buy", "sell")


def opposite(side: Side) -> Side:
    """The other side."""
    return "sell" if side == "buy" else "buy"


class OrderFlow:
    """A book with `depth` levels a side around the market's starting price.

    `sparse` leaves gaps between change numbers. Raises `ValueError` when so many levels do not fit
    between zero and the price.
    """

    def __init__(self, market: Market, random: Random, *, depth: int, history_limit: int, sparse: bool) -> None:
        self.book = OrderBook()
        self.history = BookHistory(history_limit)
        self.sequence = random.randrange(10**10, 10**11)
        self.pending_from = self.sequence + 1
        self.pending: dict[Side, dict[int, int]] = {"buy": {}, "sell": {}}
        self.anchor = int(market.price / market.tick)
        self._random = random
        self._depth = depth
        self._sparse = sparse
        self._gap = max(1, self.anchor // 100_000)
        self._usual_lots = market.usual_lots
        if depth < 1 or 3 * self._gap * depth > self.anchor // 2:
            raise ValueError(f"{depth} levels a side do not fit under {market.price}")
        self._fill()

    def take(self, side: Side) -> tuple[int, int]:
        """A taker on `side` takes from the other side's best level: (price, amount)."""
        maker = opposite(side)
        price = self.book.price(maker, 0)
        available = self.book.amount(maker, price)
        amount = min(available, self.random_lots())
        self._change(maker, price, available - amount)
        self._keep_depth(maker)
        return price, amount

    def move(self, orders: int) -> None:
        """So many orders come or go."""
        for _ in range(orders):
            side = self._random.choice(SIDES)
            what = self._random.random()
            if what < 0.6:
                self._place(side)
            elif what < 0.85:
                self._cancel(side)
            else:
                self._walk()

    def move_top(self) -> None:
        """The amount at one of the best prices changes."""
        side = self._random.choice(SIDES)
        price = self.book.price(side, 0)
        amount = self.random_lots()
        if amount == self.book.amount(side, price):
            amount += 1
        self._change(side, price, amount)

    def taker_side(self) -> Side:
        """A side, the likelier the one that leads the price back to where it started."""
        drift = (self.book.best_bid - self.anchor) / (0.2 * self.anchor)
        return "buy" if self._random.random() < 0.5 - 0.4 * max(-1.0, min(1.0, drift)) else "sell"

    def random_lots(self) -> int:
        """An order's amount, most often near the market's typical one."""
        return 1 + int(self._random.expovariate(1 / self._usual_lots))

    def clear_pending(self) -> None:
        """Forgets the changes collected since the last call."""
        self.pending["buy"].clear()
        self.pending["sell"].clear()

    def _fill(self) -> None:
        bid, ask = self.anchor, self.anchor + self._gap
        for _ in range(self._depth):
            self._change("buy", bid, self.random_lots())
            self._change("sell", ask, self.random_lots())
            bid -= self._random.randint(1, 2 * self._gap)
            ask += self._random.randint(1, 2 * self._gap)

    def _place(self, side: Side) -> None:
        """An order joins a level or makes one, seldom far from the best price; into a wide spread
        it comes better than the best."""
        room = self.book.best_ask - self.book.best_bid - 1
        if room > 2 * self._gap:
            distance = -self._random.randint(1, room)
        else:
            distance = int(self._random.expovariate(1 / (10 * self._gap)))
        self._change(side, _away(side, self.book.price(side, 0), distance), self.random_lots())
        self._keep_depth(side)

    def _cancel(self, side: Side) -> None:
        index = int(self._random.expovariate(1 / 10)) % self.book.count(side)
        self._change(side, self.book.price(side, index), 0)
        self._keep_depth(side)

    def _walk(self) -> None:
        """The best level of one side goes and the other side follows: the price has moved."""
        side = self.taker_side()
        maker = opposite(side)
        self._change(maker, self.book.price(maker, 0), 0)
        self._keep_depth(maker)
        room = self.book.best_ask - self.book.best_bid - 1
        if room > 0:
            step = self._random.randint(1, min(room, 2 * self._gap))
            self._change(side, _away(side, self.book.price(side, 0), -step), self.random_lots())
            self._keep_depth(side)

    def _keep_depth(self, side: Side) -> None:
        while self.book.count(side) > self._depth:
            self._change(side, self.book.price(side, -1), 0)
        while self.book.count(side) < self._depth:
            step = self._random.randint(1, 2 * self._gap)
            self._change(side, _away(side, self.book.price(side, -1), step), self.random_lots())

    def _change(self, side: Side, price: int, amount: int) -> None:
        self.sequence += self._random.randint(1, 9) if self._sparse else 1
        if not self.pending["buy"] and not self.pending["sell"]:
            self.pending_from = self.sequence
        self.book.set(side, price, amount)
        self.pending[side][price] = amount
        self.history.append(Change(self.sequence, side, price, amount))


def _away(side: Side, price: int, distance: int) -> int:
    """The price `distance` ticks farther from the other side; nearer where negative."""
    return price - distance if side == "buy" else price + distance

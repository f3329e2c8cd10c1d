"""A market that moves, as a venue publishes it: trades, best prices, book updates, liquidations.

The exchange modules ask it for the next event of a kind. All events agree with one book whose
changes are numbered, so they can be checked against each other. What happens is decided by the seed
and the order of the calls alone: two runs with the same calls give the same events but for times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from .events import BestBidAsk, BookSnapshot, BookUpdate, Level, Liquidation, Side, Trade
from .market import Market, Step
from .orderflow import SIDES, OrderFlow, opposite

_HISTORY_TRADES: Final = 30
_HISTORY_SPACING_NS: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """How a venue writes and numbers a market's events.

    `time_resolution_ns`: its times are multiples of this. `price_decimals`, `amount_decimals`: at
    least so many decimals are written, more where the step needs them. `trade_id`: the wire's
    identity of a trade from the market's name and the trade's number. `sparse_sequence`: change
    numbers leave gaps, as where one counter serves several books. `window`: only so many levels a
    side are published, None for all.
    """

    time_resolution_ns: int = 1_000_000
    price_decimals: int = 0
    amount_decimals: int = 0
    trade_id: Callable[[str, int], str | None] = lambda _, number: str(number)
    sparse_sequence: bool = False
    window: int | None = None


class SimulatedMarket:
    """One market of one exchange, from which events are drawn.

    `depth` levels stand on each side at all times; `history_limit` changes of the book are kept for
    `book_at`. Not thread-safe: the server draws under the journal's lock.
    """

    def __init__(
        self,
        exchange: str,
        name: str,
        market: Market,
        rules: Rules,
        *,
        seed: int,
        depth: int,
        history_limit: int,
        clock: Callable[[], int],
    ) -> None:
        self.exchange = exchange
        self.name = name
        self.market = market
        self.rules = rules
        self.random = Random(f"{seed}/{exchange}/{name}")
        self.recent_trades: deque[Trade] = deque(maxlen=_HISTORY_TRADES)
        self._clock = clock
        self._price_step = Step.of(market.tick, rules.price_decimals)
        self._amount_step = Step.of(market.lot, rules.amount_decimals)
        self._flow = OrderFlow(
            market,
            self.random,
            depth=depth,
            history_limit=history_limit,
            sparse=rules.sparse_sequence,
        )
        self._filled_sequence = self._published_sequence = self._flow.sequence
        self._update_id = self.random.randrange(10**6, 10**7)
        self._window: dict[Side, dict[int, int]] = {"buy": {}, "sell": {}}
        self._last_best: tuple[int, int, int, int] | None = None
        self._next_trade = self.random.randrange(10**9, 2 * 10**9)
        self.book_update()
        self._remember_trades()

    def trade(self) -> Trade:
        """The next trade: a taker takes from the best level of the other side."""
        side = self._flow.taker_side()
        price, amount = self._flow.take(side)
        trade = self._trade_at(side, price, amount, self.now_ns())
        self.recent_trades.append(trade)
        return trade

    def best(self) -> BestBidAsk:
        """The top of the book, which differs from the one that was told before, by this or as the current one."""
        if self._best_key() == self._last_best:
            self._flow.move_top()
        return self.current_best()

    def current_best(self) -> BestBidAsk:
        """The top of the book as it is."""
        bid, bid_amount, ask, ask_amount = self._last_best = self._best_key()
        return BestBidAsk(
            self.exchange,
            self.name,
            self._level(bid, bid_amount),
            self._level(ask, ask_amount),
            self._flow.sequence,
            self.now_ns(),
        )

    def book_update(self) -> BookUpdate:
        """What changed since the previous update, some orders later.

        One more order follows and waits for the next update: as on a busy venue, a snapshot taken
        between two updates is then newer than the first and older than the second.
        """
        while True:
            self._flow.move(self.random.randint(1, 3))
            bids, asks = self._changes("buy"), self._changes("sell")
            if bids or asks:
                break
        update = BookUpdate(
            self.exchange,
            self.name,
            self._flow.pending_from,
            self._flow.sequence,
            self._published_sequence,
            self._update_id,
            bids,
            asks,
            self.now_ns(),
        )
        self._published_sequence = self._flow.sequence
        self._update_id += 1
        self._flow.clear_pending()
        self._flow.move(1)
        return update

    def forget_changes(self) -> None:
        """Drops what was collected for the next book update, where there will be none."""
        self._flow.clear_pending()

    def snapshot(self, levels: int | None = None) -> BookSnapshot:
        """The book as it is, the best `levels` levels a side (all where None)."""
        book = self._flow.book
        bids, asks = book.top("buy", levels), book.top("sell", levels)
        return self._snapshot(self._flow.sequence, bids, asks)

    def oldest_snapshot(self, levels: int | None = None) -> BookSnapshot:
        """The oldest book that is kept: nothing that is published from now on continues it."""
        sequence = max(self._filled_sequence, self._flow.history.oldest)
        book = self._flow.history.book_at(sequence)
        return self._snapshot(sequence, book.top("buy", levels), book.top("sell", levels))

    def published_snapshot(self) -> BookSnapshot:
        """The published window as the last update left it: where the next update continues."""
        bids = sorted(self._window["buy"].items(), reverse=True)
        asks = sorted(self._window["sell"].items())
        return self._snapshot(self._published_sequence, bids, asks)

    def liquidation(self) -> Liquidation:
        """The next liquidation: an order that takes from the best level, its limit behind it.

        Its fill is not repeated among the trades.
        """
        side = self._flow.taker_side()
        price, amount = self._flow.take(side)
        slack = self._flow.anchor // 200
        return Liquidation(
            self.exchange,
            self.name,
            self._price_step.text(price + slack if side == "buy" else price - slack),
            self._price_step.text(price),
            self._amount_step.text(amount),
            side,
            self.now_ns(),
        )

    @property
    def next_trade_number(self) -> int:
        """The number the next trade will have."""
        return self._next_trade

    def skip_trade_number(self) -> int:
        """Takes the next trade's number for something that is no trade, and returns it."""
        number = self._next_trade
        self._next_trade += 1
        return number

    def book_at(self, sequence: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """(bids, asks) after the change `sequence`, best first, as many levels as are published.

        Raises `LookupError` for a sequence that is not kept.
        """
        book = self._flow.history.book_at(sequence)
        window = self.rules.window
        return self._levels(book.top("buy", window)), self._levels(book.top("sell", window))

    def now_ns(self) -> int:
        """The venue's time in nanoseconds since the Unix epoch, at its resolution."""
        now = self._clock()
        return now - now % self.rules.time_resolution_ns

    def _remember_trades(self) -> None:
        now = self.now_ns()
        for age in range(_HISTORY_TRADES, 0, -1):
            side = self.random.choice(SIDES)
            price = self._flow.book.price(opposite(side), 0)
            time_ns = now - age * _HISTORY_SPACING_NS
            trade = self._trade_at(side, price, self._flow.random_lots(), time_ns)
            self.recent_trades.append(trade)

    def _trade_at(self, side: Side, price: int, amount: int, time_ns: int) -> Trade:
        number = self.skip_trade_number()
        return Trade(
            self.exchange,
            self.name,
            number,
            self.rules.trade_id(self.name, number),
            self._price_step.text(price),
            self._amount_step.text(amount),
            side,
            time_ns,
            self._flow.sequence,
        )

    def _best_key(self) -> tuple[int, int, int, int]:
        book = self._flow.book
        bid, ask = book.best_bid, book.best_ask
        return bid, book.amount("buy", bid), ask, book.amount("sell", ask)

    def _changes(self, side: Side) -> tuple[Level, ...]:
        """One side of the next update, best first: what is pending or changed in the window."""
        changed = self._flow.pending[side]
        if self.rules.window is not None:
            before = self._window[side]
            now = dict(self._flow.book.top(side, self.rules.window))
            gone = dict.fromkeys(before.keys() - now.keys(), 0)
            changed = gone | dict(now.items() - before.items())
            self._window[side] = now
        return self._levels(sorted(changed.items(), reverse=side == "buy"))

    def _snapshot(self, sequence: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> BookSnapshot:
        return BookSnapshot(
            self.exchange,
            self.name,
            sequence,
            self._update_id - 1,
            self._levels(bids),
            self._levels(asks),
            self.now_ns(),
        )

    def _level(self, price: int, amount: int) -> Level:
        return Level(self._price_step.text(price), self._amount_step.text(amount))

    def _levels(self, levels: list[tuple[int, int]]) -> tuple[Level, ...]:
        return tuple(self._level(price, amount) for price, amount in levels)

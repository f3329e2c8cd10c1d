"""An order book kept from its snapshot and its updates, exact to the last digit."""

from __future__ import annotations

import sys
from decimal import Decimal

from barter_cffi import (
    BookEvent,
    BookSnapshotEvent,
    BookUpdateEvent,
    DataError,
    Dropped,
    Level,
    Levels,
    Reconnecting,
    StreamOptions,
    Subscription,
    init_dynamic_streams,
)

EVENTS = 50
BTC = Subscription("binance_spot", "btc", "usdt", "spot", "l2")


class Book:
    """One instrument's order book. It is stale until its first snapshot and after every gap."""

    def __init__(self) -> None:
        self.sequence = 0
        self.stale = True
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def apply(self, event: BookSnapshotEvent | BookUpdateEvent) -> None:
        """A snapshot replaces the book, an update changes levels; an amount of zero removes one."""
        if isinstance(event, BookSnapshotEvent):
            self.bids.clear()
            self.asks.clear()
            self.stale = False
        self.sequence = event.sequence
        change(self.bids, event.bids)
        change(self.asks, event.asks)

    def best(self) -> tuple[Level, Level]:
        """The highest bid and the lowest ask. ValueError where a side is empty."""
        bid, ask = max(self.bids), min(self.asks)
        return Level.of(bid, self.bids[bid]), Level.of(ask, self.asks[ask])


def change(side: dict[Decimal, Decimal], levels: Levels) -> None:
    """Gives levels their new amounts."""
    for level in levels:
        if level.amount:
            side[level.price_decimal] = level.amount_decimal
        else:
            side.pop(level.price_decimal, None)


def watch(options: StreamOptions | None = None) -> None:
    """Keeps the book and prints its top after every event."""
    book = Book()
    with init_dynamic_streams([[BTC]], options) as streams:
        books = streams.select_l2s("binance_spot", errors="yield")
        assert books is not None, "it is subscribed and was not selected before"
        seen = 0
        for item in books:
            match item:
                case BookEvent():
                    book.apply(item)
                    bid, ask = book.best()
                    spread = ask.price_decimal - bid.price_decimal
                    levels = f"{len(book.bids)} + {len(book.asks)} levels"
                    top = f"{bid.price_decimal} | {ask.price_decimal}"
                    print(f"{book.sequence}: {top}, spread {spread}, {levels}")
                    seen += 1
                case Reconnecting() | Dropped():  # a snapshot comes before the next update
                    book.stale = True
                    print(f"the book is stale until its next snapshot: {item}")
                case DataError():
                    print(f"an error, after which the stream goes on: {item}")
            if seen == EVENTS:
                break


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"]) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

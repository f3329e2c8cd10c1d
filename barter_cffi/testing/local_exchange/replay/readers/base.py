"""What every reader is, and what readers read with.

A reader reads one captured connection, from its opening to its end, and keeps what the connection
has said: the numbers of its channels, the last best prices.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, ClassVar

from ...connection import Subscription
from ...events import BestBidAsk, BookSnapshot, BookUpdate, Event, Kind, Level, Side, Trade
from ..frames import Frame, MarketFrame, Write
from ..verbatim import Number, write


class Reader(ABC):
    """Reads the frames of one captured connection of `exchange`.

    A frame of a served channel that lacks what the venue's frames have raises `KeyError`,
    `ValueError`, `TypeError`, `IndexError`, `AttributeError` or `ArithmeticError`: it is not read.
    """

    #: The channel that clients of the local exchange subscribe to, where a kind has several.
    channels: ClassVar[Mapping[Kind, str]] = {}
    #: Finds the market in a text of a request; group 1 is its name.
    market_pattern: ClassVar[re.Pattern[str]]

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange
        self._trades: Counter[str] = Counter()
        self._best: dict[str, tuple[Level, Level]] = {}

    @abstractmethod
    def frame(self, text: str, value: Any, time_ns: int) -> Frame | None:
        """What a frame that came at a time says; `value` is its JSON.

        None for what answered the captured client (acknowledgements, pongs, refusals) and for
        channels that the local exchange does not have.
        """

    def snapshot(self, value: Any, market: str, time_ns: int) -> BookSnapshot | None:
        """The book in the body of a REST answer; None where it is none."""
        return None

    def book_before(self, update: BookUpdate) -> str | None:
        """The body of a REST answer with an empty book that an update continues; None where books come in frames."""
        return None

    def requested(self, value: Any) -> Iterator[str]:
        """The markets that a request names."""
        for text in _texts(value):
            found = self.market_pattern.fullmatch(text)
            if found is not None:
                yield self.market(found[1])

    def market(self, name: str) -> str:
        """The market's name in data frames, from its name in requests."""
        return name

    def trade(
        self,
        market: str,
        trade_id: str | None,
        price: object,
        amount: object,
        side: Side,
        time_ns: int,
        *,
        history: bool = False,
    ) -> Trade:
        """A trade, numbered by its place in the capture."""
        self._trades[market] += 1
        number = self._trades[market]
        values = decimal(price), decimal(amount).removeprefix("-")
        return Trade(self.exchange, market, number, trade_id, *values, side, time_ns, number, history)

    def best(
        self, market: str, bid: Level | None, ask: Level | None, sequence: int, time_ns: int
    ) -> tuple[BestBidAsk, ...]:
        """The best prices; a side that is not told is as it was, and before both were told there are none."""
        before = self._best.get(market)
        if bid is None:
            bid = before[0] if before is not None else None
        if ask is None:
            ask = before[1] if before is not None else None
        if bid is None or ask is None:
            return ()
        self._best[market] = bid, ask
        return (BestBidAsk(self.exchange, market, bid, ask, sequence, time_ns),)


def verbatim(kind: Kind, channel: str, market: str, events: Iterable[Event], text: str) -> MarketFrame:
    """A frame of one market that any client gets as it was."""
    return MarketFrame(kind, channel, {market: tuple(events)}, lambda _: text)


def by_market(
    kind: Kind, channel: str, rows: list[tuple[str, Any, tuple[Event, ...]]], whole: Write, some: Any
) -> MarketFrame:
    """A frame of rows (market, row, events): as it was for a client that has all its markets, else
    `some(rows)`, with the rows of the client's own."""
    events: dict[str, tuple[Event, ...]] = {}
    for market, _, more in rows:
        events[market] = events.get(market, ()) + more

    def written(chosen: Mapping[str, Subscription]) -> str:
        if len(chosen) == len(events):
            return whole(chosen)
        return write(some([row for market, row, _ in rows if market in chosen]))

    return MarketFrame(kind, channel, events, written)


def decimal(value: object) -> str:
    """The digits of a number or of a decimal string; raises `ValueError` for anything else."""
    if not isinstance(value, str) or not Decimal(value).is_finite():
        raise ValueError(f"{value!r} is no decimal number")
    return str(value)


def levels(rows: Iterable[Any]) -> tuple[Level, ...]:
    """Levels from `[[price, amount, …], …]`."""
    return tuple(Level(decimal(row[0]), decimal(row[1])) for row in rows)


def first_level(rows: Iterable[Any]) -> Level | None:
    """The first of the levels, None where there are none."""
    return next(iter(levels(rows)), None)


def nanoseconds(value: object, unit: int) -> int:
    """A time since the Unix epoch in nanoseconds, of units of so many nanoseconds each."""
    return int(Decimal(decimal(value)) * unit)


def rfc3339(text: str) -> int:
    """The nanoseconds of `2014-11-07T08:19:27.028459Z`; raises `ValueError` for another form."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])


def side_of(text: str) -> Side:
    """`buy` or `sell` in any spelling of the venues; raises `ValueError` for anything else."""
    sides: dict[str, Side] = {"buy": "buy", "sell": "sell", "b": "buy", "s": "sell"}
    try:
        return sides[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is no side") from None


def _texts(value: Any) -> Iterator[str]:
    """The strings in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str) and not isinstance(value, Number):
        yield value

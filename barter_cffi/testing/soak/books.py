"""The account of one order book: every update that was sent came in its place or is contained in a later snapshot, and
the book that a reader builds is the exchange's own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from barter_cffi.errors import DataError
from barter_cffi.event import BookEvent, BookSnapshotEvent
from barter_cffi.notice import Reconnecting
from barter_cffi.testing.local_exchange import BookUpdate, Level

from .account import Account, Delivery, told

Side: TypeAlias = dict[Decimal, Decimal]


class Book:
    """A reader's book of the only market of a stream, over the rounds."""

    def __init__(self, market: str) -> None:
        self.market = market
        self.sequence: int | None = None
        self._bids: Side = {}
        self._asks: Side = {}
        #: Whether the next event must be a snapshot.
        self._broken = True

    def account_of(self, deliveries: Sequence[Delivery], items: Sequence[Any]) -> Account:
        """The account of a book that is in order at the end of the round.

        `deliveries` is what the exchange wrote, in order; `items` what the stream brought, errors as items.
        """
        sent = [event.sequence for event, to in deliveries if to and isinstance(event, BookUpdate)]
        account = told(items)
        account.sent = len(sent)
        for item in items:
            if isinstance(item, Reconnecting) or (isinstance(item, DataError) and item.variant == "invalid_sequence"):
                self._broken = True
            elif isinstance(item, BookEvent):
                account.received += self._take(item, sent, account.problems)
        last = -1 if self.sequence is None else self.sequence
        late = len(sent) - bisect_right(sent, last)
        if late:
            account.problems.append(f"{self.market}: {late} updates behind {last} did not come")
        account.reported = len(sent) - late - account.received
        return account.close()

    def differs_from(self, bids: Sequence[Level], asks: Sequence[Level]) -> str | None:
        """How the book differs from the exchange's, None where it does not."""
        sides = (("bids", self._bids, bids), ("asks", self._asks, asks))
        for name, mine, theirs in sides:
            exact = {Decimal(level.price): Decimal(level.amount) for level in theirs}
            if mine != exact:
                odd = sorted(mine.items() ^ exact.items())[:3]
                return f"{self.market}: {name} differ at {self.sequence}: {odd}"
        return None

    def _take(self, event: BookEvent, sent: Sequence[int], problems: list[str]) -> int:
        """Applies an event; 1 where it is an update that was sent."""
        snapshot = isinstance(event, BookSnapshotEvent)
        if not snapshot:
            before = self.sequence if self.sequence is not None else -1
            place = bisect_right(sent, before)
            expected = sent[place] if place < len(sent) else None
            if self._broken:
                problems.append(f"{self.market}: update {event.sequence} before the snapshot")
            elif event.sequence != expected:
                problems.append(f"{self.market}: update {event.sequence} came where {expected} was due")
        self._apply(event, snapshot)
        return 0 if snapshot else 1

    def _apply(self, event: BookEvent, snapshot: bool) -> None:
        if snapshot:
            self._bids, self._asks = {}, {}
            self._broken = False
        self.sequence = event.sequence
        for side, levels in ((self._bids, event.bids), (self._asks, event.asks)):
            for level in levels:
                if level.amount_decimal:
                    side[level.price_decimal] = level.amount_decimal
                else:
                    side.pop(level.price_decimal, None)

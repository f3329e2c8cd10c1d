"""Market events, one immutable object each, and barter-data's payloads that `event.kind` makes of them. `record` builds
the events from the library's records; programs read them, compare them, match on them, and inject them in tests.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import ClassVar, TypeAlias

import msgspec

from barter_cffi.instrument import ExchangeId, Instrument
from barter_cffi.level import Level, Levels
from barter_cffi.subscription import SubKind

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Side(str, Enum):
    """The taker's side of a trade, the order's of a liquidation; equal to its name."""

    BUY = "buy"
    SELL = "sell"

    __str__ = str.__str__


class PublicTrade(msgspec.Struct, frozen=True, gc=False):
    """barter-data's payload of a trade."""

    id: str
    price: float
    amount: float
    side: Side


class OrderBookL1(msgspec.Struct, frozen=True, gc=False):
    """barter-data's payload of a best bid and ask; a side that is empty is None."""

    last_update_time: datetime
    best_bid: Level | None
    best_ask: Level | None


class OrderBookSnapshot(msgspec.Struct, frozen=True, gc=False):
    """barter-data's payload of a whole order book."""

    sequence: int
    time_engine: datetime | None
    bids: Levels
    asks: Levels


class OrderBookUpdate(msgspec.Struct, frozen=True, gc=False):
    """barter-data's payload of a change to an order book: new amounts of levels, 0 removes one."""

    sequence: int
    time_engine: datetime | None
    bids: Levels
    asks: Levels


class Liquidation(msgspec.Struct, frozen=True, gc=False):
    """barter-data's payload of a liquidation."""

    side: Side
    price: float
    quantity: float
    time: datetime


DataKind: TypeAlias = PublicTrade | OrderBookL1 | OrderBookSnapshot | OrderBookUpdate | Liquidation


class MarketEvent:
    """What every market event has. Times are UTC; as datetimes they are floored to the microsecond.

    Attributes:
        instrument: what it is about, one object for all events of an instrument.
        time_exchange_ns: the exchange's time, nanoseconds since the Unix epoch.
        time_received_ns: when it was received, nanoseconds since the Unix epoch.
        sub_kind: the kind of subscription that brings it.
    """

    __slots__ = ()
    instrument: Instrument
    time_exchange_ns: int
    time_received_ns: int
    sub_kind: ClassVar[SubKind]

    @property
    def exchange(self) -> ExchangeId:
        """The exchange server."""
        return self.instrument.exchange

    @property
    def time_exchange(self) -> datetime:
        """The exchange's time. OverflowError outside of the years 1 to 9999."""
        return utc(self.time_exchange_ns)

    @property
    def time_received(self) -> datetime:
        """When it was received. OverflowError outside of the years 1 to 9999."""
        return utc(self.time_received_ns)

    @property
    def kind(self) -> DataKind:
        """barter-data's payload."""
        raise NotImplementedError


class TradeEvent(MarketEvent, msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="trade"):
    """A public trade.

    Attributes:
        price: in the quote asset.
        amount: in the instrument's amount unit.
        side: the taker's.
        id: the exchange's.
    """

    sub_kind = SubKind.PUBLIC_TRADES

    price: float
    amount: float
    side: Side
    id: str
    instrument: Instrument
    time_exchange_ns: int
    time_received_ns: int

    @property
    def kind(self) -> PublicTrade:
        """barter-data's payload."""
        return PublicTrade(self.id, self.price, self.amount, self.side)


class OrderBookL1Event(MarketEvent, msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="l1"):
    """The best bid and ask; a side that is empty is None.

    Attributes:
        last_update_time_ns: when the exchange last changed it, nanoseconds since the Unix epoch.
        best_bid: the highest bid.
        best_ask: the lowest ask.
    """

    sub_kind = SubKind.ORDER_BOOKS_L1

    last_update_time_ns: int
    best_bid: Level | None
    best_ask: Level | None
    instrument: Instrument
    time_exchange_ns: int
    time_received_ns: int

    @property
    def last_update_time(self) -> datetime:
        """When the exchange last changed it. OverflowError outside of the years 1 to 9999."""
        return utc(self.last_update_time_ns)

    @property
    def kind(self) -> OrderBookL1:
        """barter-data's payload."""
        return OrderBookL1(self.last_update_time, self.best_bid, self.best_ask)


class BookEvent(MarketEvent):
    """What snapshots and updates of an order book have.

    Attributes:
        sequence: the exchange's number of the book after this event.
        time_engine_ns: the matching engine's time, nanoseconds since the Unix epoch, where the exchange sends it.
        bids: levels, highest first.
        asks: levels, lowest first.
    """

    __slots__ = ()
    sub_kind = SubKind.ORDER_BOOKS_L2
    sequence: int
    time_engine_ns: int | None
    bids: Levels
    asks: Levels

    @property
    def time_engine(self) -> datetime | None:
        """The matching engine's time. OverflowError outside of the years 1 to 9999."""
        return None if self.time_engine_ns is None else utc(self.time_engine_ns)


class BookSnapshotEvent(BookEvent, msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="book_snapshot"):
    """The whole order book, or the depth of it that is sent: it replaces what a reader has.

    Attributes:
        recovered: made from the book kept beside the queue after events were dropped there, not sent by the exchange.
    """

    sequence: int
    time_engine_ns: int | None
    bids: Levels
    asks: Levels
    instrument: Instrument
    time_exchange_ns: int
    time_received_ns: int
    recovered: bool = False

    @property
    def kind(self) -> OrderBookSnapshot:
        """barter-data's payload."""
        return OrderBookSnapshot(self.sequence, self.time_engine, self.bids, self.asks)


class BookUpdateEvent(BookEvent, msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="book_update"):
    """A change to the order book: new amounts of levels, 0 removes one."""

    sequence: int
    time_engine_ns: int | None
    bids: Levels
    asks: Levels
    instrument: Instrument
    time_exchange_ns: int
    time_received_ns: int

    @property
    def kind(self) -> OrderBookUpdate:
        """barter-data's payload."""
        return OrderBookUpdate(self.sequence, self.time_engine, self.bids, self.asks)


class LiquidationEvent(MarketEvent, msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="liquidation"):
    """A liquidation.

    Attributes:
        price: in the quote asset.
        quantity: in the instrument's amount unit.
        side: the liquidation order's.
        time_ns: when it happened, nanoseconds since the Unix epoch.
    """

    sub_kind = SubKind.LIQUIDATIONS

    price: float
    quantity: float
    side: Side
    time_ns: int
    instrument: Instrument
    time_exchange_ns: int
    time_received_ns: int

    @property
    def time(self) -> datetime:
        """When it happened. OverflowError outside of the years 1 to 9999."""
        return utc(self.time_ns)

    @property
    def kind(self) -> Liquidation:
        """barter-data's payload."""
        return Liquidation(self.side, self.price, self.quantity, self.time)


def utc(ns: int) -> datetime:
    """Nanoseconds since the Unix epoch as a UTC datetime, floored to the microsecond."""
    try:
        return _EPOCH + timedelta(microseconds=ns // 1000)
    except OverflowError:
        raise OverflowError(f"{ns} ns since the epoch are outside of the years 1 to 9999 of a datetime") from None

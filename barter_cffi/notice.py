"""Notices: what a stream says of itself, in its place among the events. They are never dropped; equal neighbours become
one, whose `merged` counts them. A field that is not known is None.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from barter_cffi.event import utc
from barter_cffi.instrument import ExchangeId, Instrument
from barter_cffi.subscription import SubKind


class Notice:
    """Base of the notices.

    Attributes:
        time_ns: when it was made, nanoseconds since the Unix epoch.
    """

    __slots__ = ()
    time_ns: int

    @property
    def time(self) -> datetime:
        """When it was made, UTC, floored to the microsecond."""
        return utc(self.time_ns)


class Reconnecting(Notice, msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="reconnecting"):
    """A connection broke; it is being opened again. Books and states built from its events are stale until then.

    Attributes:
        exchange: the exchange server.
        sub_kind: what the connection carried.
        reason: why it broke.
        last_event_ns: when its last event was received, nanoseconds since the Unix epoch.
        instruments: what it carried.
        merged: how many such notices stood here.
    """

    exchange: ExchangeId | None
    sub_kind: SubKind | None
    reason: str | None
    last_event_ns: int | None
    instruments: tuple[Instrument, ...] | None
    merged: int = 1
    time_ns: int = 0


class Reconnected(Notice, msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="reconnected"):
    """Events flow again.

    Attributes:
        exchange: the exchange server.
        sub_kind: what the connection carries.
        attempts: how many it took.
        gap_seconds: time between the last event before and the first after.
        merged: how many such notices stood here.
    """

    exchange: ExchangeId | None
    sub_kind: SubKind | None
    attempts: int
    gap_seconds: float | None
    merged: int = 1
    time_ns: int = 0


class Dropped(Notice, msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="dropped"):
    """Events and errors are missing here, because the reader was slower than the exchange.

    Attributes:
        count: exactly how many.
        exchange: where they came from, None where from several.
        sub_kind: of what kind they were, None where of several.
        instrument: what they were about, None where about several.
        first_ns: the exchange's time of the first that was lost, nanoseconds since the Unix epoch.
        last_ns: the exchange's time of the last that was lost, nanoseconds since the Unix epoch.
        reason: `"queue_full"`, or `"conflated"` where something newer of the same instrument stands for them.
    """

    count: int
    exchange: ExchangeId | None
    sub_kind: SubKind | None
    instrument: Instrument | None
    first_ns: int | None
    last_ns: int | None
    reason: str | None
    time_ns: int = 0


class Silent(Notice, msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="silent"):
    """A subscription has brought no data for `StreamOptions.silence` seconds, though its connection is open.

    It is told once until data comes. Data that is late because a queue holds the connection back makes no silence.

    Attributes:
        instrument: what is silent.
        sub_kind: of what kind.
        seconds: for how long a connection was open and read without data of it.
        merged: how many such notices stood here.
    """

    instrument: Instrument | None
    sub_kind: SubKind | None
    seconds: float | None
    merged: int = 1
    time_ns: int = 0

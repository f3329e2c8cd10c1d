"""The account of one stream in one round: what was written to which connection against what came, in order. Pure
functions over the journal's entries and the stream's items; books have an account of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeAlias

from barter_cffi.errors import DataError
from barter_cffi.event import LiquidationEvent, MarketEvent, OrderBookL1Event, TradeEvent
from barter_cffi.notice import Dropped, Reconnecting
from barter_cffi.testing.local_exchange import BestBidAsk, Event, Liquidation, Trade

Key: TypeAlias = tuple[object, ...]
#: An event and the numbers of the connections it was written to, as the journal has it.
Delivery: TypeAlias = tuple[Event, tuple[int, ...]]
#: Most events that share a frame.
FRAME: Final = 3
#: Trades that may be told again are among the last so many of a stream.
_REMEMBERED: Final = 128


@dataclass
class Account:
    """Counts, and what does not balance in words."""

    sent: int = 0
    received: int = 0
    reported: int = 0
    errors: int = 0
    reconnects: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Account) -> None:
        """Adds another round, or another stream."""
        self.sent += other.sent
        self.received += other.received
        self.reported += other.reported
        self.errors += other.errors
        self.reconnects += other.reconnects
        self.problems += other.problems

    def close(self) -> Account:
        """Says so where the sides differ."""
        if self.sent != self.received + self.reported:
            self.problems.append(f"{self.sent} sent are not {self.received} received and {self.reported} reported")
        return self


@dataclass
class Slack:
    """How often faults that repeat or reorder a frame acted in the round, which is how much of that may come."""

    repeated: int = 0
    reordered: int = 0


class Memory:
    """The keys of the last trades that came, over the rounds."""

    def __init__(self) -> None:
        self._order: deque[Key] = deque()
        self._keys: set[Key] = set()

    def __contains__(self, key: Key) -> bool:
        return key in self._keys

    def add(self, key: Key) -> None:
        """Remembers one more."""
        if key not in self._keys:
            self._keys.add(key)
            self._order.append(key)
        if len(self._order) > _REMEMBERED:
            self._keys.discard(self._order.popleft())


@dataclass(frozen=True, slots=True)
class _Written:
    """One event of one connection; `index` is its place in the journal."""

    index: int
    key: Key
    history: bool


@dataclass
class _Segment:
    """What came between two `Reconnecting`; `breaks` counts those before it."""

    breaks: int
    keys: list[Key] = field(default_factory=list)


def key_of(item: MarketEvent | Event) -> Key:
    """What is equal of an event that was sent and of the one that came: all of it but what only one side has."""
    match item:
        case TradeEvent():
            known = None if item.exchange == "kraken" else item.id
            return (item.instrument.name_exchange, known, item.price, item.amount, item.side, item.time_exchange_ns)
        case Trade():
            return (item.market, item.id, float(item.price), float(item.amount), item.side, item.time_ns)
        case OrderBookL1Event():
            levels = (item.best_bid, item.best_ask)
            return (item.instrument.name_exchange, *((level.price, level.amount) for level in levels if level))
        case BestBidAsk():
            return (item.market, *((float(level.price), float(level.amount)) for level in (item.bid, item.ask)))
        case LiquidationEvent():
            return (item.instrument.name_exchange, item.price, item.quantity, item.side, item.time_ns)
        case Liquidation():
            return (item.market, float(item.price), float(item.quantity), item.side, item.time_ns)
    raise TypeError(f"no key of {item!r}")


def told(items: Sequence[Any]) -> Account:
    """The account of the errors and notices alone."""
    return Account(
        reconnects=sum(item.merged for item in items if isinstance(item, Reconnecting)),
        errors=sum(isinstance(item, DataError) for item in items),
        problems=[f"{item.count} events were dropped: {item}" for item in items if isinstance(item, Dropped)],
    )


def account_of(deliveries: Sequence[Delivery], items: Sequence[Any], memory: Memory, slack: Slack) -> Account:
    """The account of a stream that is in order at the beginning and at the end of the round.

    Args:
        deliveries: what the exchange wrote, in order, to all connections of the stream.
        items: what the stream brought, in order, errors as items.
        memory: the trades that came before; those of this round are added.
        slack: what faults may have repeated and reordered; what was found is taken off.
    """
    live = [index for index, (event, to) in enumerate(deliveries) if to and not _is_history(event)]
    segments = _segments(items)
    account = told(items)
    account.sent = len(live)
    lanes = list(_lanes(deliveries).items())
    told_again = {key_of(deliveries[index][0]): index for index in live}
    arrived: set[int] = set()
    lost: set[int] = set()
    at = 0
    for segment in segments:
        if not segment.keys:
            continue
        farthest = 0
        for skipped in range(len(lanes) - at):
            number, lane = lanes[at + skipped]
            followed, found = _follow(lane, segment.keys, memory, slack, told_again)
            if followed == len(segment.keys):
                break
            farthest = max(farthest, followed)
        else:
            odd = f"number {farthest + 1} of {len(segment.keys)}: {segment.keys[farthest]}"
            account.problems.append(f"no connection was written what came, at the latest from {odd}")
            break
        if at + skipped > segment.breaks:
            account.problems.append(f"nothing stands for the connections before {number}")
        for _, passed in lanes[at : at + skipped]:
            lost.update(written.index for written in passed)
        at += skipped + 1
        arrived |= found
        missing = [written for written in lane if written.index not in found and not written.history]
        if segment is segments[-1] and missing:
            account.problems.append(f"connection {number} is open and did not bring {len(missing)}: {missing[0].key}")
        lost.update(written.index for written in missing)
        for key in segment.keys:
            memory.add(key)
    for number, lane in lanes[at:]:
        account.problems.append(f"nothing of the {len(lane)} events of connection {number} came, and nothing says so")
    account.received = len(arrived.intersection(live))
    account.reported = len(lost.intersection(live) - arrived)
    return account.close()


def _is_history(event: Event) -> bool:
    return isinstance(event, Trade) and event.history


def _segments(items: Sequence[Any]) -> list[_Segment]:
    segments = [_Segment(0)]
    for item in items:
        if isinstance(item, Reconnecting):
            segments.append(_Segment(segments[-1].breaks + item.merged))
        elif isinstance(item, MarketEvent):
            segments[-1].keys.append(key_of(item))
    return segments


def _lanes(deliveries: Sequence[Delivery]) -> dict[int, list[_Written]]:
    """What was written to each connection, in the order of the connections."""
    lanes: dict[int, list[_Written]] = {}
    for index, (event, connections) in enumerate(deliveries):
        for number in connections:
            lanes.setdefault(number, []).append(_Written(index, key_of(event), _is_history(event)))
    return dict(sorted(lanes.items()))


def _follow(
    lane: Sequence[_Written], keys: Sequence[Key], memory: Memory, slack: Slack, told_again: dict[Key, int]
) -> tuple[int, set[int]]:
    """How many of the keys follow what was written, all where they are a prefix of it; and which events came."""
    live = [written for written in lane if not written.history]
    history = {written.key for written in lane if written.history}
    repeated, reordered = FRAME * slack.repeated, FRAME * slack.reordered
    came: set[int] = set()
    seen: deque[Key] = deque(maxlen=2 * FRAME)
    held: deque[_Written] = deque()
    at = 0
    for followed, key in enumerate(keys):
        if at < len(live) and live[at].key == key:
            came.add(live[at].index)
            at += 1
        elif held and held[0].key == key:
            came.add(held.popleft().index)
        elif key in history and key not in memory:
            history.discard(key)
            if key in told_again:
                came.add(told_again[key])
        elif repeated and key in seen:
            repeated -= 1
        else:
            ahead = (skipped for skipped, written in enumerate(islice(live, at, None)) if written.key == key)
            skipped = next(ahead, FRAME + 1)
            if skipped > min(reordered, FRAME):
                return followed, came
            reordered -= skipped
            held.extend(live[at : at + skipped])
            came.add(live[at + skipped].index)
            at += skipped + 1
        seen.append(key)
    slack.repeated, slack.reordered = -(-repeated // FRAME), -(-reordered // FRAME)
    return len(keys), came

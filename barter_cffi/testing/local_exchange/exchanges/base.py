"""What every exchange module is: one venue's public wire protocol over simulated markets.

The server hands it connections, text frames and REST requests; it answers in the venue's shapes.
What venues share is here: the markets, who subscribed to what, drawing events and sending them.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..connection import Connection, Subscription
from ..events import Event, Kind, Level
from ..faults import CLOCK_STEP_NS, Fault, Faults
from ..journal import Journal
from ..market import Market
from ..rest_markets import market_list
from ..simulation import Rules, SimulatedMarket
from .wire import dumps


@dataclass(frozen=True, slots=True)
class Options:
    """What `LocalExchange` was started with and the exchange modules need."""

    seed: int
    depth: int
    history_limit: int
    clock: Callable[[], int]
    na_trades: bool
    lenient: bool
    keepalive_scale: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange(ABC):
    """One venue. A subclass is one module and states what it follows in its docstrings.

    Its methods run on the server's loop and under the journal's lock.
    """

    #: The exchange's identifier, the prefix of its addresses.
    name: ClassVar[str]
    #: The kinds served, in the order in which one tick of traffic draws them.
    kinds: ClassVar[tuple[Kind, ...]]
    rules: ClassVar[Rules] = Rules()
    #: Most trades that share a frame.
    trades_per_frame: ClassVar[int] = 1
    #: Most events per second of a kind, where the venue states one.
    most_per_second: ClassVar[Mapping[Kind, float]] = {}
    #: Seconds between calls of `beat`.
    beat_seconds: ClassVar[float] = 1.0
    #: Seconds without a frame in either direction after which the venue closes a connection.
    idle_seconds: ClassVar[float | None] = None
    #: Most messages per second a client may send on one connection, where the venue states it.
    messages_per_second: ClassVar[int | None] = None

    def __init__(
        self,
        options: Options,
        journal: Journal,
        faults: Faults,
        markets: Iterable[Market] | None = None,
    ) -> None:
        self.options = options
        self.journal = journal
        self.faults = faults
        self.connections: dict[int, Connection] = {}
        self._subscriptions: dict[tuple[Kind, str], list[Subscription]] = {}
        self._simulated: dict[str, SimulatedMarket] = {}
        chosen = self.default_markets() if markets is None else markets
        self.instruments: dict[str, Market] = {self.market_name(each): each for each in chosen}

    # What a venue defines.

    @abstractmethod
    def default_markets(self) -> Sequence[Market]:
        """The markets served where the caller names none."""

    @abstractmethod
    def market_name(self, market: Market) -> str:
        """The venue's name of a market."""

    @abstractmethod
    def accepts(self, path: str) -> bool:
        """Whether a WebSocket is served at this path (what follows the exchange's prefix)."""

    def greeting(self, connection: Connection) -> list[str]:
        """The frames sent as soon as a WebSocket is accepted."""
        return []

    @abstractmethod
    def received(self, connection: Connection, text: str) -> None:
        """A text frame came in."""

    @abstractmethod
    def encode(self, subscription: Subscription, events: Sequence[Event]) -> list[str]:
        """The frames that carry events of the subscription's kind and market to it."""

    def rest(self, path: str, query: Mapping[str, str]) -> Reply:
        """Answers a GET request: for the list of markets, where a venue says no more."""
        listed = market_list(self.name, self.instruments, path, query)
        return self.no_such_path(path) if listed is None else Reply(200, dumps(listed))

    def no_such_path(self, path: str) -> Reply:
        """The answer to a GET request for anything else."""
        return Reply(404, dumps({"error": f"no such path: {path}"}))

    def beat(self, connection: Connection) -> None:
        """Called every `beat_seconds`: what the venue does to keep a connection alive or end it."""
        quiet = connection.now - max(connection.last_sent_at, connection.last_received_at)
        if self.idle_seconds is not None and quiet >= self.seconds(self.idle_seconds):
            connection.close(1000)

    def notices(self) -> Mapping[str, str]:
        """Frames by which the venue announces something, by a plain name."""
        return {}

    # What the modules use.

    def seconds(self, stated: float) -> float:
        """A venue's stated interval, scaled as the caller asked for keep-alives."""
        return stated * self.options.keepalive_scale

    def market(self, name: str) -> SimulatedMarket | None:
        """The market of that name, None where the venue has none."""
        simulated = self._simulated.get(name)
        if simulated is None and name in self.instruments:
            simulated = self._simulated[name] = SimulatedMarket(
                self.name,
                name,
                self.instruments[name],
                self.rules,
                seed=self.options.seed,
                depth=self.options.depth,
                history_limit=self.options.history_limit,
                clock=self.clock,
            )
        return simulated

    def clock(self) -> int:
        """The time of what happens, in nanoseconds since the Unix epoch; a fault sets it back."""
        return self.options.clock() - (CLOCK_STEP_NS if self.fault(Fault.CLOCK_BACKWARDS) else 0)

    def fault(self, fault: Fault) -> bool:
        """Whether the fault is set; counts it."""
        return self.faults.take(self.name, fault) is not None

    def subscribe(
        self,
        connection: Connection,
        kind: Kind,
        market: SimulatedMarket,
        channel: str,
        channel_id: int = 0,
    ) -> Subscription | None:
        """Subscribes a connection whose subscription was acknowledged.

        None where it already had that channel or where a fault keeps events from it.
        """
        if channel in connection.subscriptions:
            return None
        subscription = Subscription(connection, kind, market, channel, channel_id)
        connection.subscriptions[channel] = subscription
        if self.fault(Fault.CLOSE_AFTER_ACKNOWLEDGEMENT):
            asyncio.get_running_loop().call_soon(connection.close, 1001)  # after the acknowledgement
            return None
        if connection.muted or self.fault(Fault.SILENT_AFTER_ACKNOWLEDGEMENT):
            return None
        self._subscriptions.setdefault((kind, market.name), []).append(subscription)
        self.journal.changed()
        return subscription

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """Ends a subscription; one that does not exist is ignored."""
        subscription = connection.subscriptions.pop(channel, None)
        if subscription is not None:
            self._forget(subscription)
            self.journal.changed()

    def replay(self, subscription: Subscription, event: Event, frames: Sequence[str]) -> None:
        """Sends one connection what answers its subscribing: a snapshot, the last trades."""
        self._record(event, subscription.kind, (subscription.connection.number,))
        for frame in frames:
            subscription.connection.send_event(frame)

    def book_at(self, market: str, sequence: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """(bids, asks), best first, of a market's book after the change `sequence`.

        Raises `LookupError` where the market or the change is not known.
        """
        return self.resolve(market).book_at(sequence)

    # What the server uses.

    def opened(self, connection: Connection) -> None:
        """A WebSocket was accepted."""
        for frame in self.greeting(connection):
            connection.send_control(frame)

    async def tend(self, connection: Connection) -> None:
        """Calls `beat` for as long as the connection lives."""
        while not connection.closing:
            await asyncio.sleep(self.seconds(self.beat_seconds))
            with self.journal.lock:
                self.beat(connection)

    def disconnected(self, connection: Connection) -> None:
        """A connection is gone."""
        for subscription in connection.subscriptions.values():
            self._forget(subscription)
        connection.subscriptions.clear()

    def subscriptions(self, kind: Kind, market: str) -> list[Subscription]:
        """Who gets events of a kind of a market."""
        return self._subscriptions.get((kind, market), [])

    def active_markets(self) -> list[SimulatedMarket]:
        """The markets that anyone has subscribed to, in the order of their names."""
        names = {name for (_, name), held in self._subscriptions.items() if held}
        return [self._simulated[name] for name in sorted(names)]

    def draw(self, kind: Kind, market: SimulatedMarket, count: int) -> list[Event]:
        """The market's next events: `count` trades, or one event of another kind."""
        if kind == "trades":
            return [market.trade() for _ in range(count)]
        if kind == "l1":
            return [market.best()]
        if kind == "l2":
            return [market.book_update()]
        return [market.liquidation()]

    def publish(self, kind: Kind, market: SimulatedMarket, count: int = 1) -> list[Event]:
        """Draws events and sends them, the trades in one frame where the venue does so."""
        receivers = self.subscriptions(kind, market.name)
        if kind == "l2" and receivers and self.fault(Fault.SEQUENCE_GAP):
            self.draw(kind, market, 1)
        events = self.draw(kind, market, count)
        if "l2" not in self.kinds:
            market.forget_changes()  # nobody is told of them
        if receivers:
            numbers = tuple(each.connection.number for each in receivers)
            for event in events:
                self._record(event, kind, numbers)
            for receiver in receivers:
                self._send(receiver, self.encode(receiver, events))
        return events

    def resolve(self, market: str) -> SimulatedMarket:
        """The market of that venue's name, or of a pair such as "btc/usdt" where one market has it.

        Raises `LookupError` where none or several fit.
        """
        found = self.market(market)
        if found is not None:
            return found
        named = [name for name, each in self.instruments.items() if each.pair == market.lower()]
        if len(named) == 1 and (found := self.market(named[0])) is not None:
            return found
        known = ", ".join(sorted(self.instruments))
        raise LookupError(f"{self.name} has {len(named)} markets for {market!r}; it has {known}")

    def _send(self, receiver: Subscription, frames: list[str]) -> None:
        """Sends a subscription what was encoded for it, in the order that the faults leave."""
        if self.fault(Fault.UNKNOWN_SYMBOL):
            frames = [_of_unknown_market(receiver, frames[0]), *frames]
        if self.fault(Fault.OUT_OF_ORDER):
            receiver.held += frames
            return
        frames, receiver.held = frames + receiver.held, []
        for frame in frames:
            receiver.connection.send_event(frame)

    def _record(self, event: Event, kind: Kind, connections: tuple[int, ...]) -> None:
        self.journal.event_sent(self.name, kind, event, connections)

    def _forget(self, subscription: Subscription) -> None:
        held = self._subscriptions.get((subscription.kind, subscription.market.name), [])
        if subscription in held:
            held.remove(subscription)


def _of_unknown_market(subscription: Subscription, frame: str) -> str:
    """The frame as if it were of another market, by name and by number: no venue numbers a channel 1."""
    name, number = subscription.market.name, subscription.channel_id
    other = f"X{name}" if name[0] != "t" else f"tX{name[1:]}"
    changed = frame.replace(name, other)
    return changed.replace(f"[{number},", "[1,", 1) if number else changed

"""Runs the soak: one set of streams over all exchanges, rounds of faults, and the limits on memory and descriptors."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, cast

from barter_cffi import (
    FutureContract,
    OptionContract,
    Reconnecting,
    ReconnectPolicy,
    StreamOptions,
    Subscription,
    init_dynamic_streams,
)
from barter_cffi.errors import DataError
from barter_cffi.instrument import ExchangeId
from barter_cffi.testing.local_exchange import (
    EXCHANGES,
    FAULTS,
    Fault,
    Kind,
    LocalExchange,
    Market,
    NotSubscribedError,
)

from . import memory
from .account import FRAME, Account, Memory, Slack, account_of
from .books import Book
from .chaos import Chaos
from .pulse import Pulse
from .reader import Reader, Source

#: Events per second and market; the journal keeps those of a round several times over.
RATE: Final = 20.0
_JOURNAL: Final = 1_000
_CHAOS_S: Final = 3.0
#: How long a connection may say nothing and an opening may take.
_PATIENCE_S: Final = 4.0
#: A round in which this process stood still for so long is not asked what broke without a fault.
_STANDSTILL_S: Final = _PATIENCE_S / 4
_SETTLE_S: Final = 30.0
_CONNECTING_S: Final = 0.02
_DEPTH: Final = 20
#: Growth of the resident memory from the end of the first quarter on that is not called a leak.
MEMORY_GROWTH: Final = 0.05
_MARKETS_OF: Final[dict[Kind, int]] = {"trades": 2, "l1": 1, "l2": 1, "liquidations": 1}


@dataclass
class Report:
    """What the soak found; `spared` rounds, in which the process stood still, were not asked what no fault made."""

    accounts: dict[Source, Account] = field(default_factory=lambda: defaultdict(Account))
    fired: Counter[Fault] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    spared: int = 0
    problems: list[str] = field(default_factory=list)

    def conclude(self) -> None:
        """Adds what the figures of all rounds show."""
        self.problems += [f"the fault {fault.value} never acted" for fault in FAULTS if not self.fired.get(fault)]
        rounds = len(self.memory)
        if self.spared > max(1, rounds // 4):
            self.problems.append(f"the process stood still in {self.spared} of {rounds} rounds: they show too little")
        before, after = final(first_quarter(self.memory)), final(self.memory)
        if after > before * (1 + MEMORY_GROWTH):
            self.problems.append(f"memory grew from {before / 1e6:.1f} to {after / 1e6:.1f} MB")
        most, left = max(first_quarter(self.descriptors)), final(self.descriptors)
        if left > most:
            self.problems.append(f"descriptors grew from {most} to {left:.0f}")


def first_quarter(values: list[int]) -> list[int]:
    """The figures of the first quarter of the rounds."""
    return values[: max(1, len(values) // 4)]


def final(values: list[int]) -> float:
    """The figure at the end: the median of the last three rounds."""
    return statistics.median(values[-3:])


class Soak:
    """One run. `tell` is called with a line for each round."""

    def __init__(self, seed: int, tell: Callable[[str], None]) -> None:
        memory.give_back_at_once()
        self._tell = tell
        self._report = Report()
        self._exchange = LocalExchange(
            rate=RATE, seed=seed, depth=_DEPTH, journal_limit=_JOURNAL, own_ports=True, tls=True
        )
        self._chaos = Chaos(self._exchange, seed)
        self._pulse = Pulse()
        self._markets: dict[Source, list[str]] = {}
        self._wanted: list[Subscription] = []
        self._memories: dict[Source, Memory] = defaultdict(Memory)
        self._books: dict[Source, Book] = {}
        self._counted: dict[str, Counter[Fault]] = defaultdict(Counter)
        for name in EXCHANGES:
            for kind in self._exchange.kinds(name):
                chosen = list(self._exchange.markets(name).items())[: _MARKETS_OF[kind]]
                self._markets[name, kind] = [market for market, _ in chosen]
                self._wanted += [subscription(name, market, kind) for _, market in chosen]
                if kind == "l2":
                    self._books[name, kind] = Book(chosen[0][0])

    def run(self, minutes: float) -> Report:
        """Runs rounds for so long, one at least, or until something is not in order; gives the report."""
        end = time.monotonic() + 60 * minutes
        with self._exchange as exchange:
            for (name, _), markets in self._markets.items():
                for market in markets:  # so that the histories of the books are as long from the start as they get
                    exchange.emit(name, "trades", market, _JOURNAL, unheard="allow")
            options = StreamOptions(
                endpoints=exchange.endpoints,
                proxy=False,
                ca_file=exchange.ca_file,
                connect_timeout=_PATIENCE_S,
                subscribe_timeout=_PATIENCE_S,
                keepalive=_PATIENCE_S / 2,
                reconnect=ReconnectPolicy(initial=0.05, max=0.2),
                start="any",
            )
            with init_dynamic_streams([self._wanted], options) as streams:
                stream = streams.select_all(errors="yield")
                assert stream is not None, "there are subscriptions"
                reader = Reader(stream)
                self._settle(reader)
                self._account(reader, disturbed=set())
                self._report.spared = 0  # the opening is no round
                self._round(reader)
                while time.monotonic() < end and not self._report.problems:
                    self._round(reader)
            reader.join()
        self._pulse.stop()
        self._report.conclude()
        return self._report

    def _round(self, reader: Reader) -> None:
        report = self._report
        self._exchange.resume()
        disturbed = self._chaos.act(_CHAOS_S)
        self._settle(reader)
        acted = self._account(reader, disturbed)
        report.memory.append(memory.resident_bytes())
        report.descriptors.append(len(os.listdir("/proc/self/fd")))
        self._tell(
            f"round {len(report.memory)}: {acted} faults, {report.memory[-1] / 1e6:.1f} MB, "
            f"{report.descriptors[-1]} descriptors"
        )

    def _settle(self, reader: Reader) -> None:
        """Waits until every market brings an event that is sent from now on; nothing else happens meanwhile.

        It does so twice: behind the first event comes what a fault has held back until then.
        """
        self._exchange.pause()
        for _ in range(2):
            for (name, kind), market in self._stuck(reader):
                self._report.problems.append(f"{name} {kind}: {market} does not go on")

    def _stuck(self, reader: Reader) -> set[tuple[Source, str]]:
        """The markets that do not bring an event that is sent now, within a bound."""
        waiting = {(source, market) for source, markets in self._markets.items() for market in markets}
        end = time.monotonic() + _SETTLE_S
        while waiting and time.monotonic() < end:
            sent = {}
            for source, market in waiting:
                with contextlib.suppress(NotSubscribedError):  # it is being connected
                    sent[source, market] = self._exchange.emit(*source, market)[-1]
            waiting -= reader.wait(sent)
            if waiting - sent.keys():
                time.sleep(_CONNECTING_S)
        return waiting

    def _account(self, reader: Reader, disturbed: set[str]) -> int:
        """Adds the accounts of what was sent and came since the last call; gives how many faults acted."""
        report, journal, items = self._report, self._exchange.journal, reader.take()
        stood_still_s = self._pulse.longest_s()
        spared = stood_still_s >= _STANDSTILL_S
        if spared:
            report.spared += 1
            self._tell(f"the machine held this process up for {stood_still_s:.1f} s: what broke may be its making")
        fired = {name: self._fired(name) for name in EXCHANGES}
        for source in self._markets:
            name, kind = source
            deliveries = journal.deliveries(name, kind)
            if len(deliveries) >= _JOURNAL:
                report.problems.append(f"{name} {kind}: the journal did not keep the round")
            book = self._books.get(source)
            if book is not None:
                account = book.account_of(deliveries, items[source])
                account.problems += filter(None, [self._odd(name, book)])
            else:
                slack = Slack(fired[name][Fault.DUPLICATE_FRAME], fired[name][Fault.OUT_OF_ORDER])
                account = account_of(deliveries, items[source], self._memories[source], slack)
            if name not in disturbed and not spared:
                account.problems += unprovoked(items[source])
            report.accounts[source].add(account)
            report.problems += [f"{name} {kind}: {problem}" for problem in account.problems]
        for name, faults in fired.items():
            came = [item for kind in self._exchange.kinds(name) for item in items[name, kind]]
            if not spared:
                report.problems += [f"{name}: {problem}" for problem in too_many_errors(came, faults)]
            report.fired.update(faults)
        journal.forget()
        return sum(faults.total() for faults in fired.values())

    def _fired(self, name: str) -> Counter[Fault]:
        """How often each fault has acted since the last call."""
        counts = Counter({fault: self._exchange.fault_count(name, fault) for fault in FAULTS})
        fired, self._counted[name] = counts - self._counted[name], counts
        return fired

    def _odd(self, name: str, book: Book) -> str | None:
        """How the reader's book differs from the exchange's."""
        if book.sequence is None:
            return f"{book.market}: no snapshot came"
        return book.differs_from(*self._exchange.book_at(name, book.market, book.sequence))


def unprovoked(items: Iterable[Any]) -> list[str]:
    """The errors and breaks of an exchange on which no fault acted."""
    return [f"no fault made this: {item}" for item in items if isinstance(item, (DataError, Reconnecting))]


def too_many_errors(items: Iterable[Any], faults: Counter[Fault]) -> list[str]:
    """That an exchange shows more errors than the faults that acted on it can have made, if so."""
    errors = sum(isinstance(item, DataError) for item in items)
    rows = (FRAME - 1) * faults[Fault.UNKNOWN_SYMBOL]  # each row of a frame is an error then
    return [f"{errors} errors where {faults.total()} faults acted"] if errors > faults.total() + rows else []


def subscription(name: str, market: Market, kind: Kind) -> Subscription:
    """The subscription to one market of the local exchange."""
    contract: Any = market.kind
    if market.expiry is not None:
        contract = FutureContract(market.expiry)
        if market.option is not None:
            contract = OptionContract(market.option, "european", market.expiry, Decimal(market.strike or 0))
    return Subscription(cast("ExchangeId", name), market.base, market.quote, contract, kind)

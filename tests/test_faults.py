"""Every fault on every exchange server: the stream says what happened, goes on within seconds, loses nothing that was
sent after that, delivers no trade twice, and leaves nothing behind; another exchange of the same set does not notice.
"""

from __future__ import annotations

import contextlib
import gc
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from faults_table import ABSENT, CELLS, ROWS, SERVERS, Row, kind, shown
from local_exchange_compare import Side, apply, assert_same, nothing_more, select, served, server_book, sides, to
from test_live_leaks import descriptors, eventually, threads

from barter_cffi import (
    BookEvent,
    BookSnapshotEvent,
    BookUpdateEvent,
    DataError,
    DynamicStreams,
    Notice,
    Reconnected,
    Reconnecting,
    ReconnectPolicy,
    Silent,
    StreamOptions,
    TradeEvent,
    init_dynamic_streams,
)
from barter_cffi.testing import LocalExchange, in_memory
from barter_cffi.testing.local_exchange import Event, Fault, Kind, market_of
from barter_cffi.testing.local_exchange.faults import CLOCK_STEP_NS
from barter_cffi.testing.local_exchange.market import DEFAULT_EXPIRY

BOUND_S = 5.0
EXPIRIES = (DEFAULT_EXPIRY, DEFAULT_EXPIRY + timedelta(days=91))
FAST = ReconnectPolicy(initial=0.05, multiplier=1.0, max=0.05)

# It and the two minutes of soak wait more than they work: they run at once.
pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("soak")]


class Exchanges(NamedTuple):
    """The local exchanges without and with TLS, and the descriptors and threads where no stream is open."""

    plain: LocalExchange
    secure: LocalExchange
    left: tuple[dict[str, int], int]


@pytest.fixture(scope="module")
def exchanges() -> Iterator[Exchanges]:
    """All servers, by whether they speak TLS, each on a port of its own and with two markets at least; nothing happens
    there but what a test makes."""
    markets = {
        "gateio_perpetuals_btc": [market_of(base, "usd", "perpetual", lot="1") for base in ("btc", "eth")],
        "gateio_futures_btc": [market_of("btc", "usd", "future", expiry=day, lot="1") for day in EXPIRIES],
    }
    plain, secure = (
        LocalExchange(autostart=False, depth=20, own_ports=True, markets=markets, tls=tls) for tls in (False, True)
    )
    with plain, secure:
        in_memory([("kraken", "trades")])[0].close()  # makes what is made once
        gc.collect()  # what other tests have left to it
        before = descriptors()["socket"]
        cell(plain, "clean-close", "binance_spot")
        cell(secure, "tls-failure", "binance_spot")
        assert eventually(lambda: descriptors()["socket"] == before, BOUND_S)
        yield Exchanges(plain, secure, (descriptors(), threads()))


def test_the_table_has_every_fault_for_every_server_but_the_cells_that_there_cannot_be() -> None:
    absent = {(fault, server) for fault, (reason, servers) in ABSENT.items() for server in servers if reason}
    assert len(SERVERS) == 15
    assert len(ROWS) == 28
    assert len(absent) == 1 + 4 + 11 + 4 * 13
    assert len(CELLS) == len(set(CELLS)) == 28 * 15 - 68 == 352
    assert absent.isdisjoint(CELLS)


@pytest.mark.parametrize(("fault", "server"), CELLS, ids=[f"{fault}-{server}" for fault, server in CELLS])
def test_a_fault_is_told_and_survived(exchanges: Exchanges, fault: str, server: str) -> None:
    cell(exchanges.secure if ROWS[fault].tls else exchanges.plain, fault, server)
    eventually(lambda: (descriptors(), threads()) == exchanges.left, BOUND_S)
    assert (descriptors(), threads()) == exchanges.left


def cell(exchange: LocalExchange, fault: str, server: str) -> None:
    """Makes the fault on a running stream and follows the stream until events flow again as they were sent."""
    row, shows = ROWS[fault], shown(fault, server)
    subject = Subject(exchange, server, kind(fault, server), row.markets)
    witness = Subject(exchange, "kraken" if server != "kraken" else "binance_spot", "l1")
    options = StreamOptions(
        endpoints=exchange.endpoints,
        reconnect=FAST,
        keepalive=0.5,
        ca_file=exchange.ca_file if row.tls else None,
        **row.options,
    )
    with init_dynamic_streams([subject.batch, witness.batch], options) as streams:
        subject.begin(streams)
        witness.begin(streams)
        fired, connection = exchange.fault_count(server, row.fault), subject.connection()
        deadline = time.monotonic() + BOUND_S

        exchange.set_fault(server, row.fault, times=row.times, **row.setting)
        during: list[Event] = []
        if row.acts == "opening":
            exchange.drop(server)
        else:
            during = [event for _ in range(row.emits) for event in subject.emit(1)]
        witness.emit(2)
        if row.acts == "opening" or shows == "reconnecting":
            subject.until(Reconnecting, deadline, row.says if shows == "reconnecting" else "")
            if row.times is None:
                exchange.clear_faults(server)
            exchange.wait_until(lambda: exchange.fault_count(server, row.fault) - fired == (row.times or 1), BOUND_S)
            subject.subscribed(after=connection)
        if subject.kind == "l2" and shows in ("reconnecting", "delayed", "snapshot"):
            for more in reversed(range(row.snapshots)):
                subject.until(BookSnapshotEvent, deadline)
                subject.emit(min(1, more))  # what shows that the snapshot is not the right one
        after = subject.emit(3)
        subject.receive(after[-1], deadline)
        assert time.monotonic() < deadline

        CHECKS[shows](subject, row, during, after)
        assert exchange.fault_count(server, row.fault) - fired == (row.times or 1)
        subject.check_nothing_twice()
        subject.check_book()
        witness.receive(witness.emit(2)[-1], deadline)
        witness.check_exactly(witness.sent)
    exchange.wait_until(lambda: not any(exchange.journal.connections(name).open for name in SERVERS), BOUND_S)


class Subject:
    """The stream of one exchange: what it was sent from a moment on, and what it brought."""

    def __init__(self, exchange: LocalExchange, name: str, kind: Kind, markets: int = 1) -> None:
        self.exchange, self.name, self.kind = exchange, name, kind
        chosen = served(exchange, name)[:markets]
        self.markets = [market for market, _ in chosen]
        self.batch = [to(name, market, kind) for _, market in chosen]
        self.sent: list[Event] = []
        self.items: list[Any] = []
        self._book: tuple[Side, Side] = {}, {}

    def begin(self, streams: DynamicStreams) -> None:
        """Selects the stream and reads its first events."""
        self.stream = select(streams, self.name, self.kind)
        self.subscribed()
        deadline = time.monotonic() + BOUND_S
        self.receive(self.emit(3)[-1], deadline)
        self.check_book()
        self.items, self.sent = [], []

    def connection(self) -> int:
        """The number of the newest connection."""
        return max((frame.connection for frame in self.exchange.journal.frames(self.name)), default=0)

    def subscribed(self, after: int = 0) -> None:
        """Waits until the only connection is one that is newer and gets events of every market."""

        def holds() -> bool:
            counts = [self.exchange.subscribers(self.name, self.kind, market) for market in self.markets]
            alone = self.exchange.journal.connections(self.name).open == 1
            return alone and self.connection() > after and counts == [1] * len(counts)

        self.exchange.wait_until(holds, BOUND_S)

    def emit(self, count: int) -> list[Event]:
        """So many events happen on every market."""
        sent = [event for market in self.markets for event in self.exchange.emit(self.name, self.kind, market, count)]
        self.sent += sent
        return sent

    def until(self, wanted: type[Any], deadline: float, says: str = "") -> None:
        """Reads up to the first item of that type whose reason matches."""
        while not (isinstance(item := self._next(deadline), wanted) and re.search(says, getattr(item, "reason", ""))):
            pass

    def receive(self, last: Event, deadline: float) -> None:
        """Reads up to that event."""
        while not same(self._next(deadline), last):
            pass

    def check_exactly(self, sent: Sequence[Event]) -> None:
        """These events and nothing else came."""
        assert len(self.items) == len(sent), self.items
        for item, event in zip(self.items, sent, strict=True):
            assert same(item, event), (item, event)
        nothing_more(self.stream)

    def check_nothing_twice(self) -> None:
        """No trade came twice."""
        trades = [(item.instrument.index, item.id) for item in self.items if isinstance(item, TradeEvent)]
        assert len(trades) == len(set(trades)), self.items

    def check_book(self) -> None:
        """The book of the events so far is the server's, where it is one."""
        if self.kind != "l2":
            return
        for event in self.items:
            if isinstance(event, BookEvent):
                apply(event, *self._book)
                last = event.sequence
        assert sides(*self._book) == server_book(self.exchange, self.name, self.markets[0], last)

    def _next(self, deadline: float) -> Any:
        self.items.append(self.stream.recv(timeout=max(0.0, deadline - time.monotonic())))
        return self.items[-1]


def same(item: Any, sent: Event) -> bool:
    """Whether the item is that event, in every field."""
    with contextlib.suppress(AssertionError):
        assert_same(item, sent, within_s=2 * CLOCK_STEP_NS / 1e9)
        return True
    return False


def check_error(subject: Subject, row: Row, during: list[Event], after: list[Event]) -> None:
    """One error item that says what was wrong, in its place, and every event."""
    error = subject.items.pop(0)
    assert isinstance(error, DataError), error
    assert re.search(row.says, str(error)), error
    subject.check_exactly([*during, *after])


def check_nothing(subject: Subject, row: Row, during: list[Event], after: list[Event]) -> None:
    """Every event in the order in which it was sent."""
    late = row.fault is Fault.OUT_OF_ORDER
    subject.check_exactly([*(reversed(during) if late else during), *after])


def check_snapshot(subject: Subject, row: Row, during: list[Event], after: list[Event]) -> None:
    """One error item, a snapshot and no update before it, and every event after it."""
    [at] = [at for at, item in enumerate(subject.items) if isinstance(item, BookSnapshotEvent)]
    assert not any(isinstance(item, Notice) for item in subject.items), "the connection goes on"
    early, subject.items = subject.items[: at + 1], subject.items[at + 1 :]
    errors = [item for item in early if isinstance(item, DataError)]
    assert [error.variant for error in errors] == ["invalid_sequence"], early
    assert not any(isinstance(item, BookUpdateEvent) for item in early[early.index(errors[0]) :]), early
    subject.check_exactly(after)
    subject.items = [*early, *subject.items]


def check_reconnecting(subject: Subject, row: Row, during: list[Event], after: list[Event]) -> None:
    """What was sent before, the notices with nothing between them, what fills the gap, and every event."""
    first, last = (
        [at for at, item in enumerate(subject.items) if isinstance(item, kind)][end]
        for kind, end in ((Reconnecting, 0), (Reconnected, -1))
    )
    early, told, late = subject.items[:first], subject.items[first : last + 1], subject.items[last + 1 :]
    breaks = [item for item in told[:-1] if isinstance(item, Reconnecting)]
    silences = [item for item in told[:-1] if isinstance(item, Silent)]
    assert len(breaks) + len(silences) == len(told) - 1, subject.items
    assert told[-1].attempts >= 1
    assert any(re.search(row.says, item.reason) for item in breaks), told
    assert len(silences) == (row.fault is Fault.SILENT_AFTER_ACKNOWLEDGEMENT), told
    of = [(item.exchange, item.sub_kind) for item in (*breaks, told[-1])]
    of += [(item.instrument.exchange, item.sub_kind) for item in silences]
    assert of == [(subject.name, subject.kind)] * len(told), told
    if not row.loses:
        assert len(early) == len(during), early
        assert all(same(item, event) for item, event in zip(early, during, strict=True)), early
    filling = len(late) - len(after)
    assert all(same(item, event) for item, event in zip(late[filling:], after, strict=True)), late
    for item in late[:filling]:
        assert isinstance(item, BookSnapshotEvent) or any(same(item, lost) for lost in during), late
    nothing_more(subject.stream)


def check_delayed(subject: Subject, row: Row, during: list[Event], after: list[Event]) -> None:
    """The same, and one error item that says what it waits for."""
    [error] = [item for item in subject.items if isinstance(item, DataError)]
    assert re.search(row.says, str(error)), error
    subject.items.remove(error)
    check_reconnecting(subject, replace(row, says=""), during, after)


CHECKS = {
    "error": check_error,
    "nothing": check_nothing,
    "snapshot": check_snapshot,
    "reconnecting": check_reconnecting,
    "delayed": check_delayed,
}

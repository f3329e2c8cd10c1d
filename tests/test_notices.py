"""What exchanges announce: an end of the connection starts a reconnect with that reason, all else is neither an event
nor an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from local_exchange_compare import (
    PAIRS,
    is_event,
    nothing_more,
    options,
    select,
    served,
    take,
    to,
    until,
)

from barter_cffi import BookSnapshotEvent, MarketEvent, Reconnected, Reconnecting, init_dynamic_streams
from barter_cffi.testing import LocalExchange
from barter_cffi.testing.local_exchange import Kind

pytestmark = pytest.mark.timeout(60)

#: What announces an end, and the reason of the reconnect.
ENDS = {
    "server-shutdown": "Binance announces that this server shuts down",
    "service-upgrade": "code 64008: The connection will soon be closed for a service upgrade. Please reconnect.",
    "reconnect": "Bitfinex asks to reconnect, code 20051: Stop/Restart Websocket Server (please reconnect)",
    "upgrade": "Gate.io asks to reconnect, it upgrades its server: The connection will soon be closed for a service "
    "upgrade. Please reconnect.",
}
NOTICES = [(name, kind, notice) for name, kind in PAIRS for notice in LocalExchange([name]).notices(name)]


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    """A local exchange on which nothing happens but what a test makes happen; no test leaves a connection to it."""
    with LocalExchange(autostart=False, depth=20) as started:
        yield started


def test_notices_of_every_exchange_that_has_some_are_looked_at() -> None:
    assert {notice for _, _, notice in NOTICES} >= ENDS.keys()
    assert len({name for name, _, _ in NOTICES}) == 9


@pytest.mark.parametrize(("name", "kind", "notice"), NOTICES)
def test_a_notice_starts_a_reconnect_with_its_words_where_it_announces_an_end_and_else_nothing(
    exchange: LocalExchange, name: str, kind: Kind, notice: str
) -> None:
    market, description = served(exchange, name)[0]
    with init_dynamic_streams([[to(name, description, kind)]], options(exchange)) as streams:
        stream = select(streams, name, kind)
        exchange.wait_subscribed(name, kind, market)
        sent = exchange.emit(name, kind, market)[-1]
        until(stream, lambda item: is_event(item, sent))
        made = exchange.journal.connections(name).made
        exchange.notify(name, notice)
        told: list[Any] = []
        if notice in ENDS:
            broken = take(stream, 1)[0]
            assert isinstance(broken, Reconnecting)
            assert broken.reason == ENDS[notice]
            assert broken.instruments == streams.instruments
            exchange.wait_until(lambda: exchange.journal.connections(name).made == made + 1)
            exchange.wait_subscribed(name, kind, market)
            if kind == "l2":  # an update before the snapshot would be in it
                told = until(stream, lambda item: isinstance(item, BookSnapshotEvent))[:-1]
        again = exchange.emit(name, kind, market)[-1]
        told += until(stream, lambda item: is_event(item, again))[:-1]
        words = [item for item in told if not isinstance(item, MarketEvent)]
        assert [type(item) for item in words] == ([Reconnected] if notice in ENDS else [])
        assert exchange.journal.connections(name).made == made + (notice in ENDS)
        nothing_more(stream)
    exchange.wait_until(lambda: exchange.journal.connections(name).open == 0)

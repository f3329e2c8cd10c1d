"""What exchanges let a connection or a request carry: more of it is spread, at the pace that they allow, and all of it
arrives in the one stream. The local exchange enforces the limits and keeps what it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest

from barter_cffi import (
    BookSnapshotEvent,
    DynamicStreams,
    ExchangeId,
    StreamOptions,
    Subscription,
    SubscriptionError,
    TradeEvent,
    init_dynamic_streams,
)
from barter_cffi.testing import LocalExchange
from barter_cffi.testing.local_exchange import markets

BOUND_S = 10.0
MS = 1_000_000  # nanoseconds
KINDS: dict[ExchangeId, Literal["spot", "perpetual"]] = dict.fromkeys(
    ("binance_futures_usd", "bybit_perpetuals_usd", "bitmex"), "perpetual"
)

pytestmark = pytest.mark.timeout(60)


@contextmanager
def serving(name: ExchangeId, count: int, quote: str = "usdt") -> Iterator[LocalExchange]:
    """A quiet local exchange with so many markets."""
    pairs = [f"a{number:04}/{quote}" for number in range(count)]
    served = markets(pairs, KINDS.get(name, "spot"))
    with LocalExchange([name], autostart=False, depth=10, markets={name: served}) as exchange:
        yield exchange


@contextmanager
def subscribed(exchange: LocalExchange, name: ExchangeId, **options: Any) -> Iterator[DynamicStreams]:
    """The trades of every market of a local exchange, in one batch."""
    batch = [
        Subscription(name, market.base, market.quote, KINDS.get(name, "spot"), "trades")
        for market in exchange.markets(name).values()
    ]
    with init_dynamic_streams([batch], StreamOptions(endpoints=exchange.endpoints, **options)) as streams:
        yield streams


def requests(exchange: LocalExchange, name: ExchangeId) -> dict[int, list[dict[str, Any]]]:
    """What each connection was sent, by its number."""
    sent: dict[int, list[dict[str, Any]]] = {}
    for frame in exchange.journal.frames(name):
        if frame.text.startswith("{"):
            sent.setdefault(frame.connection, []).append(json.loads(frame.text))
    return {number: [request for request in frames if request.get("op") != "ping"] for number, frames in sent.items()}


@pytest.mark.parametrize(
    ("name", "count", "connections"),
    [
        ("bybit_spot", 11, 1),
        ("bitfinex", 25, 1),
        ("bitfinex", 26, 2),
        ("binance_spot", 1_024, 1),
        ("binance_spot", 1_025, 2),
        ("binance_futures_usd", 1_025, 2),
        ("bybit_perpetuals_usd", 1_100, 2),
        ("coinbase", 150, 1),
        ("kraken", 60, 1),
        ("okx", 300, 1),
        ("bitmex", 60, 1),
        ("gateio_spot", 300, 1),
    ],
)
def test_every_market_of_a_batch_arrives_in_one_stream_over_as_few_connections_as_it_takes(
    name: ExchangeId, count: int, connections: int
) -> None:
    with serving(name, count) as exchange, subscribed(exchange, name) as streams:
        assert exchange.journal.connections(name).open == connections
        trades = streams.select_trades(name)
        assert trades is not None
        names = list(exchange.markets(name))
        for market in (names[0], names[count // 2], names[-1]):
            [emitted] = exchange.emit(name, "trades", market)
            while (trade := trades.recv(timeout=BOUND_S)) is not None:
                assert isinstance(trade, TradeEvent)
                if trade.time_exchange_ns // MS >= emitted.time_ns // MS:  # some venues repeat earlier ones first
                    break
            assert trade is not None
            assert trade.instrument.name_exchange == market


def test_order_books_that_begin_with_a_request_are_a_hundred_a_connection() -> None:
    with serving("binance_spot", 150) as exchange:
        batch = [
            Subscription("binance_spot", each.base, "usdt", "spot", "l2")
            for each in exchange.markets("binance_spot").values()
        ]
        with init_dynamic_streams([batch], StreamOptions(endpoints=exchange.endpoints)) as streams:
            assert exchange.journal.connections("binance_spot").open == 2
            books = streams.select_l2s("binance_spot")
            assert books is not None
            begun = [books.recv(timeout=BOUND_S) for _ in batch]
    assert {type(book) for book in begun} == {BookSnapshotEvent}
    assert len({book.instrument.index for book in begun if isinstance(book, BookSnapshotEvent)}) == 150


def test_bybit_spot_gets_ten_topics_a_request() -> None:
    with serving("bybit_spot", 25) as exchange, subscribed(exchange, "bybit_spot"):
        [sent] = requests(exchange, "bybit_spot").values()
    assert [len(request["args"]) for request in sent] == [10, 10, 5]


def test_binance_gets_two_hundred_names_a_request_each_with_a_number_of_its_own() -> None:
    with serving("binance_spot", 1_025) as exchange, subscribed(exchange, "binance_spot"):
        sent = sorted(requests(exchange, "binance_spot").values(), key=len)
    assert [len(request["params"]) for request in sent[0]] == [1]
    assert [len(request["params"]) for request in sent[1]] == [200, 200, 200, 200, 200, 24]
    assert [request["id"] for request in sent[1]] == [1, 2, 3, 4, 5, 6]


def test_the_deadline_of_a_subscription_allows_for_the_pace_of_its_requests() -> None:
    with (
        serving("binance_spot", 1_024) as exchange,
        subscribed(exchange, "binance_spot", subscribe_timeout=0.5) as streams,
    ):
        assert len(streams.instruments) == 1_024


def test_a_refusal_names_the_markets_of_the_request_that_was_refused() -> None:
    with serving("bybit_spot", 10) as exchange:
        bases = [each.base for each in exchange.markets("bybit_spot").values()]
        batch = [Subscription("bybit_spot", base, "usdt", "spot", "trades") for base in [*bases, "nosuch"]]
        refused = "^bybit_spot refuses the subscription to NOSUCHUSDT: Invalid symbol"
        with pytest.raises(SubscriptionError, match=refused):
            init_dynamic_streams([batch], StreamOptions(endpoints=exchange.endpoints))

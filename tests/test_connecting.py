"""What lies between an address and a stream: IPv6, names, and how long a message may be. Proxies and TLS have files of
their own.
"""

from __future__ import annotations

import pytest
from harness import BOUND_S

from barter_cffi import (
    BookSnapshotEvent,
    MarketStream,
    Reconnected,
    Reconnecting,
    StreamOptions,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
    markets,
)
from barter_cffi.options import Endpoint, ReconnectPolicy
from barter_cffi.testing import LocalExchange

KRAKEN = Subscription("kraken", "btc", "usd", "spot", "trades", name_exchange="XBT/USD")
BINANCE = Subscription("binance_spot", "btc", "usdt", "spot", "l2")
MIB = 1 << 20

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(("host", "named"), [("::1", "[::1]"), ("127.0.0.1", "localhost")])
def test_an_exchange_is_reached_by_ipv6_and_by_a_name(host: str, named: str) -> None:
    with LocalExchange(["kraken", "binance_spot"], host=host, autostart=False, depth=10) as exchange:
        bases = {name: f"://{named}:{exchange.port}/{name}" for name in exchange.endpoints}
        if named.startswith("["):
            assert exchange.endpoints["kraken"].websocket == f"ws{bases['kraken']}"
        options = StreamOptions(endpoints={name: Endpoint(f"ws{at}", f"http{at}") for name, at in bases.items()})
        with init_dynamic_streams([[KRAKEN, BINANCE]], options) as streams:
            trades, books = streams.select_trades("kraken"), streams.select_l2s("binance_spot")
            assert trades is not None
            assert books is not None
            exchange.emit("kraken", "trades", "XBT/USD")
            assert isinstance(trades.recv(timeout=BOUND_S), TradeEvent)
            assert isinstance(books.recv(timeout=BOUND_S), BookSnapshotEvent)
        assert markets("kraken", options=options)


def reconnects(exchange: LocalExchange, trades: MarketStream, size: int, limit: int) -> None:
    """The stream says that such a message was too long, and goes on: nothing else stands in it."""
    exchange.send_text("kraken", "x" * size)
    broken = trades.recv(timeout=BOUND_S)
    assert isinstance(broken, Reconnecting)
    assert broken.reason == f"a message of {size} bytes is longer than max_message_size, {limit} bytes"
    exchange.wait_until(lambda: exchange.journal.connections("kraken").made == 2)
    exchange.wait_subscribed("kraken", "trades", "XBT/USD")
    exchange.emit("kraken", "trades", "XBT/USD")
    assert isinstance(trades.recv(timeout=BOUND_S), Reconnected)
    assert isinstance(trades.recv(timeout=BOUND_S), TradeEvent)


@pytest.mark.parametrize(("given", "limit"), [(4096, 4096), (None, 16 * MIB)])
def test_a_message_that_is_too_long_ends_its_connection_with_that_reason(given: int | None, limit: int) -> None:
    with LocalExchange(["kraken"], autostart=False) as exchange:
        options = StreamOptions(
            endpoints=exchange.endpoints, max_message_size=given, reconnect=ReconnectPolicy(initial=0.01)
        )
        with init_dynamic_streams([[KRAKEN]], options) as streams:
            trades = streams.select_trades("kraken", errors="yield")
            assert trades is not None
            # One byte less is a message like any other: this one is an event of the connection that is kept.
            heartbeat = '{"event":"heartbeat"}'
            exchange.send_text("kraken", heartbeat + " " * (limit - len(heartbeat)))
            exchange.emit("kraken", "trades", "XBT/USD")
            assert isinstance(trades.recv(timeout=BOUND_S), TradeEvent)
            assert exchange.journal.connections("kraken").made == 1
            reconnects(exchange, trades, limit + 1, limit)

"""What goes wrong when streams are opened: the exception is of the right class, its message names the culprit, nothing
is left open, and the library works afterwards. The last two are checked after every test.
"""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from barter_cffi import (
    BarterError,
    ConnectError,
    Endpoint,
    InitTimeoutError,
    QueueOptions,
    Reconnecting,
    ReconnectPolicy,
    StreamOptions,
    SubKind,
    Subscription,
    SubscriptionError,
    TradeEvent,
    init_dynamic_streams,
    subscriptions,
)
from barter_cffi.support import support
from barter_cffi.testing import LocalExchange
from barter_cffi.testing.local_exchange import Fault

BTC = Subscription("binance_spot", "btc", "usdt", "spot", "trades")
BOOK = Subscription("binance_spot", "btc", "usdt", "spot", "l2")
FUTURES = Subscription("binance_futures_usd", "btc", "usdt", "perpetual", "trades")
KRAKEN = Subscription("kraken", "btc", "usd", "spot", "trades")
BOUND_S = 5.0  # for anything that takes milliseconds
MARGIN_S = 1.0  # beyond a time-out that was set, on a machine that does much else
INTERRUPT_S = 0.1  # Ctrl-C is answered within
INTERRUPT_MARGIN_S = 0.1  # and a busy machine adds

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def exchange() -> Iterator[LocalExchange]:
    """A local exchange; after the test it has no connection any more, and opens the next one."""
    with LocalExchange(["binance_spot", "binance_futures_usd", "kraken"], autostart=False) as served:
        yield served
        nothing_is_left_open(served)
        for name in served.addresses:
            served.clear_faults(name)
        with init_dynamic_streams([[BTC]], options(served), timeout=BOUND_S) as streams:
            trades = streams.select_trades("binance_spot")
            assert trades is not None
            served.wait_subscribed("binance_spot", "trades", "BTCUSDT")
            served.emit("binance_spot", "trades", "BTCUSDT")
            assert isinstance(trades.recv(timeout=BOUND_S), TradeEvent)


def nothing_is_left_open(served: LocalExchange) -> None:
    """Waits, with a bound, until no connection is open."""
    names = list(served.addresses)
    served.wait_until(lambda: all(served.journal.connections(name).open == 0 for name in names), timeout=BOUND_S)


def options(served: LocalExchange, **changes: Any) -> StreamOptions:
    """Options that lead to the local exchange."""
    return replace(StreamOptions(endpoints=served.endpoints), **changes)


def refused(batches: Any, options: Any = None, **others: Any) -> Exception:
    """The exception of an initialisation that must fail."""
    with pytest.raises(Exception) as raised:  # each test says of which class
        init_dynamic_streams(batches, options, **others)
    assert isinstance(raised.value, Exception)
    return raised.value


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@contextmanager
def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Iterator[int]:
    """A server of one's own for every path; gives its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def listen() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    try:
        yield asyncio.run_coroutine_threadsafe(listen(), loop).result(BOUND_S)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(BOUND_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(BOUND_S)
        loop.close()


# Subscriptions that cannot be.


@pytest.mark.parametrize("batches", [[], [[]], [[], []], (), iter([])])
def test_batches_without_a_subscription_are_a_subscription_error(batches: Any) -> None:
    error = refused(batches)
    assert isinstance(error, SubscriptionError)
    assert "nothing to subscribe" in str(error)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("binance_spott", "binance_spot"), ("Krakn", "kraken"), ("bybit", "bybit_spot")],
)
def test_an_unknown_exchange_is_a_subscription_error_that_offers_the_nearest(name: Any, nearest: str) -> None:
    error = refused([[BTC, Subscription(name, "btc", "usdt", "spot", "trades")]])
    assert isinstance(error, SubscriptionError)
    assert f'"{name}"' in str(error)
    assert nearest in str(error)
    assert "batches[0][1]" in str(error)


def test_an_exchange_that_resembles_none_is_an_error_that_lists_them_all() -> None:
    name: Any = "zzz"
    error = refused([[Subscription(name, "btc", "usdt", "spot", "trades")]])
    assert isinstance(error, SubscriptionError)
    for offer in support():
        assert offer.exchange in str(error)


@pytest.mark.parametrize(
    ("kind", "nearest"),
    [("trade", "trades"), ("l3", "l1"), ("liquidation", "liquidations"), ("", "l2")],
)
def test_an_unknown_kind_is_a_subscription_error_that_offers_the_nearest(kind: Any, nearest: str) -> None:
    with pytest.raises(SubscriptionError) as raised:
        Subscription("binance_spot", "btc", "usdt", "spot", kind)
    assert repr(kind) in str(raised.value)
    assert nearest in str(raised.value)
    mapping = {"exchange": "binance_spot", "base": "btc", "quote": "usdt", "kind": kind}
    error = refused([[mapping]])
    assert isinstance(error, SubscriptionError)
    assert f'"{kind}"' in str(error)
    assert nearest in str(error)
    assert "batches[0][0]" in str(error)


@pytest.mark.parametrize(
    ("subscription", "offered"),
    [
        (Subscription("kraken", "btc", "usd", "spot", "l2"), "trades, l1"),
        (Subscription("binance_spot", "btc", "usdt", "spot", "liquidations"), "trades, l1, l2"),
        (Subscription("bitfinex", "btc", "usd", "spot", "l1"), "trades"),
        (Subscription("binance_spot", "btc", "usdt", "perpetual", "trades"), "spot"),
        (Subscription("binance_futures_usd", "btc", "usdt", "spot", "trades"), "perpetual"),
    ],
)
def test_a_pair_that_the_exchange_does_not_offer_is_an_error_that_says_what_it_offers(
    subscription: Subscription, offered: str
) -> None:
    error = refused([[BTC], [subscription]])
    assert isinstance(error, SubscriptionError)
    assert error.status == "UNSUPPORTED"
    assert "batches[1][0]" in str(error)
    assert subscription.exchange in str(error)
    assert subscription.kind.value in str(error)
    assert offered in str(error)


@pytest.mark.parametrize(
    "fields",
    [
        {"base": None},
        {"base": 5},
        {"base": ""},
        {"quote": "us dt"},
        {"exchange": ["binance_spot"]},
        {"kind": 1},
        {"instrument_kind": "swap"},
        {"instrument_kind": {"future": {}}},
        {"instrument_kind": {"future": {"expiry": "soon"}}},
        {"name_exchange": ""},
        {"name_exchange": 7},
    ],
)
def test_a_malformed_mapping_is_a_value_error_that_names_subscription_and_field(
    fields: dict[str, object],
) -> None:
    good = {"exchange": "binance_spot", "base": "btc", "quote": "usdt", "kind": "trades"}
    error = refused([[BTC, {**good, **fields}]])
    assert isinstance(error, BarterError)
    assert isinstance(error, ValueError)
    [field] = fields
    assert re.match(rf"batches\[0\]\[1\](\.|: ){field}\b", str(error)), str(error)


@pytest.mark.parametrize("missing", ["exchange", "base", "quote", "kind"])
def test_a_mapping_without_a_field_is_an_error_that_names_it(missing: str) -> None:
    mapping = {"exchange": "binance_spot", "base": "btc", "quote": "usdt", "kind": "trades"}
    del mapping[missing]
    error = refused([[mapping]])
    assert isinstance(error, BarterError)
    assert isinstance(error, ValueError)
    assert "batches[0][0]" in str(error)
    assert f"`{missing}`" in str(error)


def test_an_unknown_key_is_an_error_that_names_its_path() -> None:
    mapping = {"exchange": "binance_spot", "base": "btc", "qoute": "usdt", "kind": "trades"}
    error = refused([[BTC], [BTC, mapping]])
    assert isinstance(error, BarterError)
    assert isinstance(error, ValueError)
    assert "batches[1][1].qoute" in str(error)


@pytest.mark.parametrize("text", ["btc\ud800", "\udcff"])
@pytest.mark.parametrize("field", ["exchange", "base", "quote", "instrument_kind", "name_exchange"])
def test_text_that_cannot_be_utf_8_is_a_value_error_that_names_the_field(text: Any, field: str) -> None:
    error = refused([[replace_field(BTC, field, text)]])
    assert isinstance(error, BarterError), "an error of the package, not of what it is made with"
    assert isinstance(error, ValueError)
    assert field in str(error)


@pytest.mark.parametrize("field", ["exchange", "base", "quote", "instrument_kind"])
def test_a_nul_in_a_name_is_a_value_error_and_cuts_nothing_off(field: str) -> None:
    error = refused([[replace_field(BTC, field, "btc\0")]])
    assert isinstance(error, BarterError)
    assert isinstance(error, ValueError)
    assert "batches[0][0]" in str(error)


def replace_field(subscription: Subscription, field: str, value: Any) -> Subscription:
    """The subscription with another value of a field."""
    fields = {name: getattr(subscription, name) for name in Subscription.__slots__}
    return Subscription(**{**fields, field: value})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "binance_spot",
        "binance_spot:btc/usdt",
        "binance_spot:btcusdt:trades",
        "::",
        "a:b/c:swap:l1",
    ],
)
def test_a_text_that_is_no_subscription_is_an_error_that_quotes_it(text: str) -> None:
    with pytest.raises(SubscriptionError):
        Subscription.parse(text)
    error = refused([[text]])
    assert isinstance(error, SubscriptionError)
    assert repr(text) in str(error) or "'swap'" in str(error)


# Values of the wrong type or out of range.


@pytest.mark.parametrize(
    "batches", [None, 5, BTC, "binance_spot:btc/usdt:trades", {}, [5], [[5]], [BTC, [BTC]], [None]]
)
def test_batches_of_the_wrong_type_are_a_type_error(batches: Any) -> None:
    error = refused(batches)
    assert isinstance(error, TypeError)


@pytest.mark.parametrize("field", list(Subscription.__slots__))
@pytest.mark.parametrize("value", [5, b"btc", ["btc"]])
def test_a_field_of_the_wrong_type_is_a_type_error_that_names_it(field: str, value: Any) -> None:
    with pytest.raises(TypeError) as raised:
        replace_field(BTC, field, value)
    assert field in str(raised.value) or field == "kind"
    assert repr(value) in str(raised.value)


@pytest.mark.parametrize("timeout", [-1, -1e-9, float("nan"), float("inf"), 1.1e9])
def test_a_timeout_that_is_out_of_range_is_a_value_error(timeout: float) -> None:
    error = refused([[BTC]], timeout=timeout)
    assert isinstance(error, ValueError)
    assert repr(timeout) in str(error)


@pytest.mark.parametrize("timeout", ["1", True, [1]])
def test_a_timeout_that_is_no_number_is_a_type_error(timeout: Any) -> None:
    error = refused([[BTC]], timeout=timeout)
    assert isinstance(error, TypeError)
    assert repr(timeout) in str(error)


@pytest.mark.parametrize("options", [{}, "all", 5])
def test_options_that_are_no_stream_options_are_a_type_error(options: Any) -> None:
    assert isinstance(refused([[BTC]], options), TypeError)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"start": "some"}, "options.start"),
        ({"connect_timeout": 0.0}, "options.connect_timeout"),
        ({"connect_timeout": -1.0}, "options.connect_timeout"),
        ({"subscribe_timeout": float("nan")}, "options.subscribe_timeout"),
        ({"snapshot_depth": 0}, "options.snapshot_depth"),
        ({"snapshot_depth": -5}, "options.snapshot_depth"),
        ({"queue": QueueOptions(capacity=0)}, "options.queue.capacity"),
        ({"queue": QueueOptions(max_bytes=1)}, "options.queue.max_bytes"),
        ({"queue": QueueOptions(policy="block_everything")}, "options.queue.policy"),  # type: ignore[arg-type]
        ({"reconnect": ReconnectPolicy(multiplier=0.5)}, "options.reconnect.multiplier"),
        ({"reconnect": ReconnectPolicy(initial=2.0, max=1.0)}, "options.reconnect"),
        ({"endpoints": {"krakn": "ws://127.0.0.1"}}, "options.endpoints.krakn"),
        ({"endpoints": {"kraken": "http://127.0.0.1"}}, "options.endpoints.kraken"),
        ({"endpoints": {"kraken": "not an address"}}, "options.endpoints.kraken"),
        (
            {"endpoints": {"kraken": Endpoint(rest="ws://127.0.0.1")}},
            "options.endpoints.kraken.rest",
        ),
    ],
)
def test_an_option_out_of_its_range_is_an_error_that_names_its_path(changes: dict[str, Any], path: str) -> None:
    error = refused([[BTC]], StreamOptions(**changes))
    assert isinstance(error, BarterError)
    assert isinstance(error, ValueError)
    assert path in str(error)


@pytest.mark.parametrize("name", ["binance_spott", "", "kraken\0", "\ud800"])
def test_selecting_an_unknown_exchange_is_an_error_and_removes_nothing(exchange: LocalExchange, name: Any) -> None:
    with init_dynamic_streams([[BTC]], options(exchange)) as streams:
        with pytest.raises(SubscriptionError):
            streams.select_trades(name)
        assert streams.select_trades("kraken") is None, "known and absent is no error"
        assert streams.available == [("binance_spot", SubKind.PUBLIC_TRADES)]


# Servers that cannot be reached, or that refuse.


def test_an_address_where_nobody_listens_is_a_connect_error_that_names_it() -> None:
    address = f"ws://127.0.0.1:{closed_port()}"
    error = refused([[KRAKEN]], StreamOptions(endpoints={"kraken": address}))
    assert type(error) is ConnectError
    assert isinstance(error, ConnectionError)
    assert "kraken" in str(error)
    assert address.removeprefix("ws://") in str(error)
    assert "refused" in str(error)


def test_a_server_that_accepts_and_says_nothing_is_a_connect_error_within_the_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        silent_options = StreamOptions(endpoints={"kraken": address}, connect_timeout=0.2)
        began = time.monotonic()
        error = refused([[KRAKEN]], silent_options)
        assert 0.2 <= time.monotonic() - began < 0.2 + MARGIN_S
    assert isinstance(error, ConnectError)
    assert "kraken" in str(error)
    assert "0.2 s" in str(error)


def test_a_server_that_speaks_no_http_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n")

        greeter = threading.Thread(target=greet, daemon=True)
        greeter.start()
        address = f"ws://127.0.0.1:{server.getsockname()[1]}"
        error = refused([[KRAKEN]], StreamOptions(endpoints={"kraken": address}))
        greeter.join(BOUND_S)
    assert type(error) is ConnectError
    assert "kraken" in str(error)


def test_one_exchange_that_cannot_be_reached_closes_the_connections_of_the_others(
    exchange: LocalExchange,
) -> None:
    endpoints = {**exchange.endpoints, "kraken": Endpoint(f"ws://127.0.0.1:{closed_port()}")}
    error = refused([[BTC, FUTURES], [KRAKEN]], options(exchange, endpoints=endpoints))
    assert isinstance(error, ConnectError)
    assert "kraken" in str(error)


@pytest.mark.parametrize(
    ("subscription", "market", "words"),
    [
        (BTC, "BTCUSDT", "request was refused"),
        (BOOK, "BTCUSDT", "request was refused"),
        (FUTURES, "BTCUSDT", "request was refused"),
        (KRAKEN, "XBT/USD", "Exceeded msg rate"),
    ],
)
def test_a_refused_subscription_is_an_error_with_the_exchanges_words_and_the_market(
    exchange: LocalExchange, subscription: Subscription, market: str, words: str
) -> None:
    exchange.set_fault(subscription.exchange, Fault.REFUSE_SUBSCRIPTION)
    began = time.monotonic()
    error = refused([[subscription]], options(exchange))
    assert time.monotonic() - began < MARGIN_S, "it is told at once, not after a time-out"
    assert isinstance(error, SubscriptionError)
    assert error.status == "SUBSCRIPTION_REFUSED"
    assert subscription.exchange in str(error)
    assert market in str(error)
    assert words in str(error)


@pytest.mark.parametrize(
    ("subscription", "market"),
    [
        (Subscription("kraken", "nosuch", "usd", "spot", "l1"), "NOSUCH/USD"),
        (Subscription("kraken", "btc", "usd", "spot", "l1", name_exchange="xbt/usd"), "xbt/usd"),
        (Subscription("binance_spot", "nosuch", "usdt", "spot", "trades"), "NOSUCHUSDT"),
        (Subscription("binance_spot", "nosuch", "usdt", "spot", "l2"), "NOSUCHUSDT"),
        (Subscription("binance_futures_usd", "nosuch", "usdt", "perpetual", "l1"), "NOSUCHUSDT"),
    ],
)
def test_a_market_that_the_exchange_does_not_have_is_an_error_that_names_it(
    exchange: LocalExchange, subscription: Subscription, market: str
) -> None:
    error = refused([[KRAKEN, subscription]], options(exchange))
    assert isinstance(error, BarterError)
    assert subscription.exchange in str(error)
    assert market in str(error)
    assert "XBT/USD" not in str(error).replace(market, ""), "not the market that is in order"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "refuses this location"),
        (451, "refuses this location"),
        (429, "too many requests"),
        (503, "maintenance"),
    ],
)
@pytest.mark.parametrize("subscription", [BTC, KRAKEN])
def test_an_upgrade_answered_with_an_http_error_is_a_connect_error_in_words(
    exchange: LocalExchange, subscription: Subscription, status: int, words: str
) -> None:
    exchange.set_fault(subscription.exchange, Fault.REFUSE_UPGRADE, status=status)
    error = refused([[subscription]], options(exchange))
    assert type(error) is ConnectError
    assert subscription.exchange in str(error)
    assert str(status) in str(error)
    assert words in str(error)


def test_an_address_with_a_wrong_path_is_a_connect_error_with_the_status(
    exchange: LocalExchange,
) -> None:
    address = f"ws://127.0.0.1:{exchange.port}/nothing/here"
    error = refused([[KRAKEN]], StreamOptions(endpoints={"kraken": address}))
    assert type(error) is ConnectError
    assert "404" in str(error)
    assert "/nothing/here" in str(error)


# Servers that do not finish the handshake.


@pytest.mark.parametrize(
    ("subscription", "market"),
    [(BTC, "BTCUSDT"), (BOOK, "BTCUSDT"), (FUTURES, "BTCUSDT"), (KRAKEN, "XBT/USD")],
)
def test_a_server_that_never_acknowledges_is_an_error_within_the_subscribe_timeout(
    exchange: LocalExchange, subscription: Subscription, market: str
) -> None:
    exchange.set_fault(subscription.exchange, Fault.MUTE)
    began = time.monotonic()
    error = refused([[subscription]], options(exchange, subscribe_timeout=0.2))
    assert 0.2 <= time.monotonic() - began < 0.2 + MARGIN_S
    assert isinstance(error, InitTimeoutError)
    assert isinstance(error, TimeoutError)
    assert error.status == "HANDSHAKE_TIMEOUT"
    assert subscription.exchange in str(error)
    assert market in str(error)
    assert "0.2 s" in str(error)


def test_traffic_without_an_acknowledgement_does_not_put_the_subscribe_timeout_off() -> None:
    """The one connection is subscribed to nothing that is acknowledged, and gets a frame every 10 ms."""

    async def chatter(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        beats = asyncio.create_task(beat(websocket))
        async for _ in websocket:
            pass
        beats.cancel()
        return websocket

    async def beat(websocket: web.WebSocketResponse) -> None:
        while True:
            await websocket.send_str('{"event":"heartbeat"}')
            await asyncio.sleep(0.01)

    with serving(chatter) as port:
        chatty = StreamOptions(endpoints={"kraken": f"ws://127.0.0.1:{port}"}, subscribe_timeout=0.3)
        began = time.monotonic()
        error = refused([[KRAKEN]], chatty)
        assert 0.3 <= time.monotonic() - began < 0.3 + MARGIN_S
    assert isinstance(error, InitTimeoutError)
    assert "XBT/USD" in str(error)


def test_a_server_that_hangs_up_during_the_handshake_is_a_connect_error() -> None:
    async def hang_up(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        await websocket.receive()
        await websocket.close(code=1001, message=b"going away")
        return websocket

    with serving(hang_up) as port:
        error = refused([[KRAKEN]], StreamOptions(endpoints={"kraken": f"ws://127.0.0.1:{port}"}))
    assert type(error) is ConnectError
    assert "kraken" in str(error)
    assert "1001" in str(error)


def test_a_server_that_hangs_up_after_each_acknowledgement_is_not_stormed(
    exchange: LocalExchange,
) -> None:
    exchange.set_fault("kraken", Fault.CLOSE_AFTER_ACKNOWLEDGEMENT)
    began = time.monotonic()
    policy = ReconnectPolicy(initial=0.05, multiplier=2.0, jitter=0.0)
    with init_dynamic_streams([[KRAKEN]], options(exchange, reconnect=policy)) as streams:
        trades = streams.select_trades("kraken")
        assert trades is not None
        broken = trades.recv(timeout=BOUND_S)
        assert isinstance(broken, Reconnecting)
        assert "1001" in str(broken.reason)
        exchange.wait_until(lambda: exchange.journal.connections("kraken").made == 4)
        assert time.monotonic() - began >= 0.05 + 0.1 + 0.2


@pytest.mark.parametrize(("server", "kind"), [("binance_spot", "spot"), ("binance_futures_usd", "perpetual")])
def test_a_book_of_a_market_that_the_exchange_does_not_have_is_refused(
    exchange: LocalExchange, server: Any, kind: Any
) -> None:
    error = refused([[Subscription(server, "nosuch", "usdt", kind, "l2")]], options(exchange))
    assert isinstance(error, SubscriptionError)
    assert error.status == "SUBSCRIPTION_REFUSED"
    for word in (server, "NOSUCHUSDT", "HTTP 400", "-1121", "Invalid symbol."):
        assert word in str(error)


@pytest.mark.parametrize(
    ("fault", "setting", "words"),
    [
        (Fault.SNAPSHOT_STATUS, {"status": 429, "retry_after_s": 3.0}, ["429", "retry after 3 s"]),
        (Fault.SNAPSHOT_STATUS, {"status": 451}, ["451", "refuses this location"]),
        (Fault.SNAPSHOT_STATUS, {"status": 503}, ["503"]),
        (Fault.SNAPSHOT_INVALID_JSON, {}, ["not a snapshot", '{"lastUpdateId":']),
        (Fault.SNAPSHOT_WITHOUT_BOOK, {}, ["not a snapshot", "An unknown error occurred"]),
    ],
)
@pytest.mark.parametrize("subscription", [BOOK, replace_field(FUTURES, "kind", "l2")])
def test_a_bad_snapshot_is_a_connect_error_that_says_what_came_instead(
    exchange: LocalExchange,
    subscription: Subscription,
    fault: Fault,
    setting: Any,
    words: list[str],
) -> None:
    exchange.set_fault(subscription.exchange, fault, **setting)
    # What may pass is asked for again for so long; a longer wait that the exchange asks for is not begun.
    error = refused([[subscription]], options(exchange, subscribe_timeout=0.5))
    assert type(error) is ConnectError
    assert error.status == "SNAPSHOT_FAILED"
    for word in (subscription.exchange, "BTCUSDT", *words):
        assert word in str(error)


def test_a_snapshot_from_an_address_where_nobody_listens_is_a_connect_error(
    exchange: LocalExchange,
) -> None:
    websocket = exchange.endpoints["binance_spot"].websocket
    endpoint = Endpoint(websocket=websocket, rest=f"http://127.0.0.1:{closed_port()}")
    error = refused([[BOOK]], StreamOptions(endpoints={"binance_spot": endpoint}, subscribe_timeout=0.5))
    assert type(error) is ConnectError
    assert "binance_spot" in str(error)
    assert "BTCUSDT" in str(error)


@pytest.mark.parametrize("timeout", [0, 0.05, 0.2])
def test_the_timeout_of_init_is_a_timeout_error_and_cancels_what_was_opened(
    exchange: LocalExchange, timeout: float
) -> None:
    exchange.set_fault("kraken", Fault.MUTE)
    began = time.monotonic()
    error = refused([[BTC], [KRAKEN]], options(exchange), timeout=timeout)
    assert timeout <= time.monotonic() - began < timeout + MARGIN_S
    assert isinstance(error, InitTimeoutError)
    assert isinstance(error, TimeoutError)
    assert isinstance(error, ConnectError)
    assert f"{timeout} s" in str(error)


def test_all_that_failed_is_named_where_none_opens(exchange: LocalExchange) -> None:
    exchange.set_fault("binance_spot", Fault.REFUSE_UPGRADE, status=451)
    exchange.set_fault("kraken", Fault.REFUSE_SUBSCRIPTION)
    error = refused([[BTC], [KRAKEN]], options(exchange, start="any"))
    assert isinstance(error, BarterError)
    assert "binance_spot" in str(error)
    assert "refuses this location" in str(error)
    assert "kraken" in str(error)
    assert "Exceeded msg rate" in str(error)


# Ctrl-C.


def test_ctrl_c_ends_init_against_a_mute_server_within_100_ms(exchange: LocalExchange) -> None:
    exchange.set_fault("kraken", Fault.MUTE)
    program = textwrap.dedent(
        f"""
        import sys, time
        from barter_cffi import StreamOptions, Subscription, init_dynamic_streams
        kraken = Subscription("kraken", "btc", "usd", "spot", "trades")
        options = StreamOptions(endpoints={{"kraken": "{exchange.addresses["kraken"][0]}"}})
        try:
            init_dynamic_streams([[kraken]], options)
        except KeyboardInterrupt:
            print(time.monotonic(), flush=True)
            sys.stdin.readline()
        """
    )
    for attempt in range(1, 4):
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as waiting:
            watchdog = threading.Timer(20.0, waiting.kill)
            watchdog.start()
            try:
                exchange.wait_until(partial(heard, exchange, attempt), timeout=20.0)
                sent = time.monotonic()  # the clock of the whole machine, not of one process
                waiting.send_signal(signal.SIGINT)
                assert waiting.stdout is not None
                answered = float(waiting.stdout.readline())
                assert answered - sent < INTERRUPT_S + INTERRUPT_MARGIN_S
                nothing_is_left_open(exchange)
                assert waiting.poll() is None, "the connection was closed before the process ended"
                waiting.communicate("\n", timeout=BOUND_S)
                assert waiting.returncode == 0
            finally:
                watchdog.cancel()
                waiting.kill()


def heard(exchange: LocalExchange, frames: int) -> bool:
    """Whether Kraken has been sent so many frames: a client then waits for the acknowledgement."""
    return len(exchange.journal.frames("kraken")) == frames


# One at a time.


def test_a_failure_does_not_disturb_streams_that_are_open(exchange: LocalExchange) -> None:
    with init_dynamic_streams([subscriptions("binance_spot", ["eth/usdt"], ["trades"])], options(exchange)) as streams:
        trades = streams.select_trades("binance_spot")
        assert trades is not None
        exchange.wait_subscribed("binance_spot", "trades", "ETHUSDT")
        exchange.set_fault("binance_spot", Fault.REFUSE_SUBSCRIPTION)
        for _ in range(3):
            assert isinstance(refused([[BTC]], options(exchange)), SubscriptionError)
        [sent] = exchange.emit("binance_spot", "trades", "ETHUSDT")
        got = trades.recv(timeout=BOUND_S)
        assert isinstance(got, TradeEvent)
        assert got.time_exchange_ns == sent.time_ns

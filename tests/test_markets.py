"""The lists of markets: every exchange server's, as the local exchange publishes it; and what goes wrong on the way."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast, get_args

import pytest
from harness import interrupted_after

import barter_cffi
from barter_cffi import (
    ArgumentError,
    ConnectError,
    Endpoint,
    ExchangeId,
    FutureContract,
    InitTimeoutError,
    Market,
    OptionContract,
    StreamOptions,
    Subscription,
    SubscriptionError,
    init_dynamic_streams,
    markets,
    support,
)
from barter_cffi.testing import LocalExchange, in_memory
from barter_cffi.testing.local_exchange import markets as served_markets

EXCHANGES: Final[tuple[ExchangeId, ...]] = get_args(ExchangeId)
BOUND_S: Final = 5.0

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalExchange]:
    """A local exchange with every venue."""
    with LocalExchange(autostart=False, depth=10) as exchange:
        yield exchange


def options(exchange: LocalExchange) -> StreamOptions:
    """Options that lead to the local exchange."""
    return StreamOptions(endpoints=exchange.endpoints)


def kind_name(market: Market) -> str:
    """The name of a market's kind."""
    if isinstance(market.kind, FutureContract):
        return "future"
    return "option" if isinstance(market.kind, OptionContract) else market.kind


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_markets_of_an_exchange_are_those_it_serves(local: LocalExchange, name: ExchangeId) -> None:
    served = local.markets(name)
    listed = markets(name, options=options(local))
    assert {market.name for market in listed} == set(served)
    assert len(listed) == len(served)
    for market in listed:
        there = served[market.name]
        assert (market.base, market.quote, kind_name(market)) == (there.base, there.quote, there.kind)
        if isinstance(market.kind, FutureContract | OptionContract):
            assert market.kind.expiry == there.expiry
        if isinstance(market.kind, OptionContract):
            assert (market.kind.kind, str(market.kind.strike)) == (there.option, there.strike)


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_subscription_to_the_assets_of_a_market_is_to_the_market_of_that_name(
    local: LocalExchange, name: ExchangeId
) -> None:
    streams, injector = in_memory([(name, "trades")])
    with streams:
        for market in markets(name, options=options(local)):
            by_assets = injector.instrument(name, market.base, market.quote, market.kind)
            by_name = injector.instrument(name, market.base, market.quote, market.kind, market.name)
            assert by_assets.name_exchange == market.name
            assert by_assets.index == by_name.index


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_market_of_a_list_can_be_subscribed_to(local: LocalExchange, name: ExchangeId) -> None:
    listed = markets(name, options=options(local))
    batch = [
        Subscription(name, market.base, market.quote, market.kind, "trades", name_exchange=market.name)
        for market in listed
    ]
    with init_dynamic_streams([batch], options(local)) as streams:
        assert [each.name_exchange for each in streams.instruments] == [market.name for market in listed]
        assert all(local.subscribers(name, "trades", market.name) == 1 for market in listed)


@pytest.mark.parametrize(("name", "kind"), [(row.exchange, kind) for row in support() for kind in row.instrument_kinds])
def test_one_kind_can_be_asked_for(local: LocalExchange, name: ExchangeId, kind: Any) -> None:
    of_kind = markets(name, kind, options(local))
    assert of_kind == tuple(each for each in markets(name, options=options(local)) if kind_name(each) == kind)
    assert of_kind != ()


@pytest.mark.parametrize(
    ("name", "kind", "count", "pages"),
    [("bybit_perpetuals_usd", "perpetual", 2_100, 3), ("gateio_perpetuals_usd", "perpetual", 2_000, 3)],
)
def test_a_list_of_several_pages_is_read_to_its_end(name: ExchangeId, kind: Any, count: int, pages: int) -> None:
    many = served_markets([f"a{number}/usdt" for number in range(count)], kind)
    with LocalExchange([name], autostart=False, markets={name: many}) as exchange:
        listed = markets(name, options=options(exchange))
        assert [market.name for market in listed] == list(exchange.markets(name))
        assert len(exchange.journal.requests(name)) == pages


def test_the_package_has_what_there_is_to_ask_for() -> None:
    assert {row.exchange for row in support()} == set(EXCHANGES)
    assert all(row.rest is not None and row.rest.startswith("https://") for row in support())
    assert {"Market", "markets", "ExchangeSupport", "support"} <= set(barter_cffi.__all__)


@pytest.mark.parametrize(
    ("name", "kind", "error", "words"),
    [
        ("okex", None, SubscriptionError, "no exchange is called 'okex'|\"okex\"; did you mean okx"),
        ("okx", "swap", SubscriptionError, 'no instrument kind is called "swap"'),
        ("kraken", "future", SubscriptionError, "^kraken has no future instruments; it has spot$"),
        ("\ud800", None, ArgumentError, "^exchange: "),
        (None, None, TypeError, "not None"),
        ("okx", 1, TypeError, "not 'okx', 1"),
    ],
)
def test_what_is_no_exchange_or_no_kind_of_it_is_refused(
    name: Any, kind: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        markets(name, kind)


Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """An HTTP server that answers every request so; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the output of the tests clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(BOUND_S)


def at(address: str, name: str = "kraken", **more: Any) -> StreamOptions:
    """Options that lead to an address."""
    return StreamOptions(endpoints={cast(ExchangeId, name): Endpoint(rest=address)}, **more)


def fixed(status: int, body: str, **headers: str) -> Answer:
    """Always the same answer."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for key, value in headers.items():
            request.send_header(key.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body.encode())

    return answer


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("kraken", fixed(503, "busy"), "HTTP 503, the exchange has a fault or is under maintenance: busy$"),
        ("kraken", fixed(429, "slow down", Retry_After="7"), r"HTTP 429, .*: slow down \(retry after 7 s\)$"),
        ("kraken", fixed(200, "<html>"), r"not as https:.* has it \(.*\): <html>$"),
        ("kraken", fixed(200, '{"error":["EGeneral:Too many requests"]}'), "refuses: EGeneral:Too many requests$"),
        ("bybit_spot", fixed(200, '{"retCode":10006,"retMsg":"Too many visits!"}'), "retCode 10006: Too many visits!$"),
        ("okx", fixed(200, '{"code":"50011","msg":"Too Many Requests","data":[]}'), "code 50011: Too Many Requests$"),
        ("coinbase", fixed(200, '{"message":"NotFound"}'), r"not as https:.* has it \(.*\): {.message.:.NotFound.}$"),
    ],
)
def test_an_answer_that_is_no_list_is_told_with_address_and_the_exchange_s_words(
    name: ExchangeId, answer: Answer, words: str
) -> None:
    with answering(answer) as address, pytest.raises(ConnectError, match=words) as raised:
        markets(name, options=at(address, name))
    assert str(raised.value).startswith(f"{name}: no list of markets from {address}/")
    assert raised.value.status == "MARKETS_FAILED"


def test_an_answer_without_an_end_is_given_up() -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"[" * 65_536)
        except OSError:
            return  # the client has had enough

    with answering(endless) as address, pytest.raises(ConnectError, match="the answer has more than 16777216 bytes"):
        markets("kraken", options=at(address))


def test_a_list_whose_pages_never_end_is_given_up() -> None:
    row = {"symbol": "A", "status": "Trading", "baseCoin": "a", "quoteCoin": "b", "contractType": "LinearPerpetual"}
    page = {"retCode": 0, "result": {"list": [row], "nextPageCursor": "again"}}
    with (
        answering(fixed(200, json.dumps(page))) as address,
        pytest.raises(ConnectError, match="it has more than 100 pages"),
    ):
        markets("bybit_perpetuals_usd", options=at(address, "bybit_perpetuals_usd"))


def test_who_asks_says_who_it_is_and_keeps_the_prefix_of_the_address() -> None:
    asked: list[tuple[str, str | None]] = []

    def note(request: BaseHTTPRequestHandler) -> None:
        asked.append((request.path, request.headers["User-Agent"]))
        fixed(200, "[]")(request)

    with answering(note) as address:
        assert markets("coinbase", options=at(f"{address}/prefix/", "coinbase")) == ()
    assert asked == [("/prefix/products", f"barter_cffi/{barter_cffi.__version__}")]


@contextmanager
def mute() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_nobody_at_the_address_is_a_connect_error_that_names_it() -> None:
    with mute() as address:
        pass
    refused = f"^kraken: no list of markets from {address}/0/public/AssetPairs: .*refused"
    with pytest.raises(ConnectError, match=refused):
        markets("kraken", options=at(address))


def test_an_exchange_that_does_not_answer_is_given_up_when_the_time_is_up() -> None:
    with mute() as address:
        began = time.monotonic()
        with pytest.raises(InitTimeoutError, match=r"kraken did not list its markets within 0\.1 s"):
            markets("kraken", options=at(address), timeout=0.1)
        with pytest.raises(ConnectError, match="timed out"):
            markets("kraken", options=at(address, subscribe_timeout=0.1), timeout=None)
        assert time.monotonic() - began < BOUND_S


def test_ctrl_c_ends_the_wait() -> None:
    with mute() as address, interrupted_after(0.2):
        markets("kraken", options=at(address))


@pytest.mark.parametrize("timeout", [-1, float("nan"), 1e10])
def test_a_timeout_out_of_its_range_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be"):
        markets("kraken", timeout=timeout)

"""Proxies: WebSocket and REST go through a real one, over HTTP and SOCKS5, given in the options or in the environment;
and what is said where one does not help.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from harness import eventually
from proxies import PASSWORD, SECRETS, USER, Proxy, answering, dead, mute, running_proxy

from barter_cffi import (
    BookSnapshotEvent,
    ConnectError,
    Endpoint,
    StreamOptions,
    Subscription,
    TradeEvent,
    disable_logging,
    enable_logging,
    init_dynamic_streams,
    markets,
)
from barter_cffi.testing import LocalExchange

KRAKEN = Subscription("kraken", "btc", "usd", "spot", "trades", name_exchange="XBT/USD")
BINANCE = Subscription("binance_spot", "btc", "usdt", "spot", "l2")
SCHEMES = ("http", "socks5", "socks5h")
BOUND_S = 10.0

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names no proxy but that of a test."""
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)


@pytest.fixture(params=[True, False], ids=["tls", "plain"])
def exchange(request: pytest.FixtureRequest) -> Iterator[LocalExchange]:
    """A local exchange, with TLS and without."""
    with LocalExchange(["kraken", "binance_spot"], tls=request.param, autostart=False, depth=10) as local:
        yield local


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """The proxy of all tests here; each has an exchange with another port."""
    with running_proxy() as made:
        yield made


def options(exchange: LocalExchange, proxy: str | bool | None = None, timeout: float = BOUND_S) -> StreamOptions:
    """Options that lead to the local exchange."""
    ca_file = exchange.ca_file if exchange.addresses["kraken"][0].startswith("wss:") else None
    return StreamOptions(
        endpoints=exchange.endpoints,
        proxy=proxy,  # type: ignore[arg-type]
        ca_file=ca_file,
        connect_timeout=timeout,
        subscribe_timeout=timeout,
    )


def read(exchange: LocalExchange, chosen: StreamOptions) -> None:
    """Takes a trade by WebSocket, a book by WebSocket and REST, and a list of markets by REST."""
    with init_dynamic_streams([[KRAKEN, BINANCE]], chosen) as streams:
        trades, books = streams.select_trades("kraken"), streams.select_l2s("binance_spot")
        assert trades is not None
        assert books is not None
        [sent] = exchange.emit("kraken", "trades", "XBT/USD")
        trade = trades.recv(timeout=BOUND_S)
        assert isinstance(trade, TradeEvent)
        assert trade.time_exchange_ns // 1000 == sent.time_ns // 1000
        assert isinstance(books.recv(timeout=BOUND_S), BookSnapshotEvent)
    assert markets("binance_spot", options=chosen)


def assert_all_came_through(proxy: Proxy, exchange: LocalExchange) -> None:
    """The exchange has no connection that the proxy does not know of."""
    sockets = sum(exchange.journal.connections(name).made for name in exchange.addresses)
    requests = len(exchange.journal.requests("binance_spot"))
    assert sockets == 2
    assert requests >= 2, "a snapshot and a list of markets"
    proxy.wait_connections(exchange.port, sockets + requests)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_websocket_and_rest_go_through_the_proxy_with_its_credentials(
    exchange: LocalExchange, proxy: Proxy, scheme: str
) -> None:
    read(exchange, options(exchange, proxy.address(scheme)))
    assert_all_came_through(proxy, exchange)


@pytest.mark.parametrize(
    ("scheme", "asked_for"), [("http", "localhost"), ("socks5", "127.0.0.1"), ("socks5h", "localhost")]
)
def test_a_name_is_resolved_here_or_by_the_proxy_as_its_scheme_says(proxy: Proxy, scheme: str, asked_for: str) -> None:
    with LocalExchange(["kraken", "binance_spot"], autostart=False, depth=10) as exchange:
        endpoints = {
            name: Endpoint(*(base.replace("127.0.0.1", "localhost") for base in bases))
            for name, bases in exchange.addresses.items()
        }
        read(exchange, StreamOptions(endpoints=endpoints, proxy=proxy.address(scheme)))  # type: ignore[arg-type]
        assert_all_came_through(proxy, exchange)
        assert proxy.hosts(exchange.port) == {asked_for}


@pytest.mark.parametrize(
    "variables",
    [("HTTPS_PROXY", "HTTP_PROXY"), ("https_proxy", "http_proxy"), ("ALL_PROXY",), ("all_proxy",)],
)
def test_the_variables_of_the_environment_name_the_proxy(
    exchange: LocalExchange, proxy: Proxy, variables: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in variables:
        monkeypatch.setenv(variable, proxy.address("socks5h"))
    read(exchange, options(exchange))
    assert_all_came_through(proxy, exchange)


@pytest.mark.parametrize(("given", "no_proxy"), [(False, ""), (None, "example.com, 127.0.0.0/8"), (None, "*")])
def test_no_proxy_and_an_option_that_says_none_leave_the_environment_s_proxy_alone(
    exchange: LocalExchange, given: bool | None, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{dead()}")
    read(exchange, options(exchange, given))


def test_a_proxy_of_the_options_goes_before_the_environment_s(
    exchange: LocalExchange, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{dead()}")
    read(exchange, options(exchange, proxy.address("http")))
    assert_all_came_through(proxy, exchange)


def failures(chosen: StreamOptions) -> list[str]:
    """What is said where neither WebSocket nor REST gets through."""
    said = []
    with pytest.raises(ConnectError) as refused:
        init_dynamic_streams([[KRAKEN]], chosen)
    said.append(str(refused.value) + repr(refused.value))
    with pytest.raises(ConnectError) as refused:
        markets("binance_spot", options=chosen)
    said.append(str(refused.value) + repr(refused.value))
    for words in [*said, repr(chosen)]:
        assert [secret for secret in (*SECRETS, USER, PASSWORD, "wrong") if secret in words] == []
    return said


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("credentials", "asked"), [("aladdin:wrong@", "with the credentials given"), ("", "without")])
def test_wrong_credentials_are_told_with_the_proxy_s_host_and_port_and_never_shown(
    exchange: LocalExchange, proxy: Proxy, scheme: str, credentials: str, asked: str
) -> None:
    before = proxy.connections(exchange.port)
    for said in failures(options(exchange, proxy.address(scheme, credentials))):
        assert f"the proxy 127.0.0.1:{proxy.port}, asked {asked}" in said
    assert proxy.connections(exchange.port) == before


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_loggers_hear_of_connections_through_a_proxy_and_nothing_of_its_credentials(
    exchange: LocalExchange, proxy: Proxy, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1, "barter_cffi")
    enable_logging(1)
    try:
        read(exchange, options(exchange, proxy.address(scheme)))
        failures(options(exchange, proxy.address(scheme, "aladdin:wrong@")))
        eventually(lambda: any("kraken" in str(vars(record)) for record in caplog.records))
    finally:
        disable_logging()
    heard = "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert [secret for secret in (*SECRETS, "wrong") if secret in heard] == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_is_not_there_is_told_with_its_host_and_port(exchange: LocalExchange, scheme: str) -> None:
    port = dead()
    websocket, rest = failures(options(exchange, f"{scheme}://aladdin:sesame@127.0.0.1:{port}"))
    assert f"cannot connect to the proxy 127.0.0.1:{port}: " in websocket
    assert "refused" in websocket
    assert f"through the proxy 127.0.0.1:{port}" in rest


@pytest.mark.parametrize(
    ("scheme", "answer", "websocket_says"),
    [
        ("http", b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "tunnel error: unsuccessful"),
        ("http", b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "tunnel error: proxy authorization required"),
        ("http", b"what?\r\n\r\n", "tunnel error: unsuccessful"),
        ("http", b"", "tunnel error: unexpected end of file"),
        ("socks5", b"\x05\xff", "SOCKS error: server does not support user/pass authentication"),
        ("socks5", b"\x05\x02\x01\x01", "SOCKS error: "),
        ("socks5h", b"what?", "SOCKS error: "),
        ("socks5h", b"", "SOCKS error: "),
    ],
)
def test_a_proxy_that_refuses_is_told_with_its_host_and_port_and_its_answer(
    scheme: str, answer: bytes, websocket_says: str
) -> None:
    with LocalExchange(["kraken", "binance_spot"], tls=True, autostart=False) as exchange, answering(answer) as port:
        websocket, rest = failures(options(exchange, f"{scheme}://aladdin:sesame@127.0.0.1:{port}"))
    proxied = f"the proxy 127.0.0.1:{port}, asked with the credentials given"
    assert f"{proxied}, does not connect to 127.0.0.1:{exchange.port}: {websocket_says}" in websocket
    assert f"through {proxied}: " in rest
    assert exchange.journal.connections("kraken").made == 0


def test_a_proxy_that_does_not_answer_is_given_up_when_the_time_is_up(exchange: LocalExchange) -> None:
    with mute() as port:
        websocket, rest = failures(options(exchange, f"http://aladdin:sesame@127.0.0.1:{port}", timeout=0.2))
    assert f"no answer through the proxy 127.0.0.1:{port} within 0.2 s" in websocket
    assert f"through the proxy 127.0.0.1:{port}" in rest
    assert "timed out" in rest

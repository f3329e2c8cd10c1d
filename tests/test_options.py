"""Options: what the library's JSON gets of them, and who refuses what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme
from harness import EXCHANGE

from barter_cffi import (
    ArgumentError,
    Endpoint,
    QueueOptions,
    ReconnectPolicy,
    StreamOptions,
    SubKind,
    SubscriptionError,
)
from barter_cffi.options import options_json
from barter_cffi.testing import in_memory


def test_what_is_not_given_is_left_to_the_library() -> None:
    assert options_json(None) == {}
    assert options_json(StreamOptions()) == {"endpoints": {}, "queue": {}, "reconnect": {}}


def test_the_queues_of_each_kind_are_passed_by_their_short_names() -> None:
    queues = {"order_books_l1": QueueOptions(policy="conflate"), "l2": QueueOptions(capacity=9)}
    made = options_json(StreamOptions(queue=queues))  # type: ignore[arg-type]
    assert made["queues"] == {"l1": {"policy": "conflate"}, "l2": {"capacity": 9}}
    assert "queue" not in made
    with pytest.raises(SubscriptionError, match="l3"):
        options_json(StreamOptions(queue={"l3": QueueOptions()}))  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="queue cannot have 'l1': 5"):
        StreamOptions(queue={"l1": 5})  # type: ignore[dict-item]


@pytest.mark.parametrize(("option", "value"), [("queue", QueueOptions()), ("silence", 1.0)])
def test_a_kind_that_is_given_by_two_names_is_refused(option: str, value: Any) -> None:
    made = StreamOptions(**{option: {"trades": value, "public_trades": value}})
    with pytest.raises(ArgumentError, match=rf"{option}\.public_trades: trades is given twice"):
        options_json(made)


def test_everything_given_is_passed_in_the_librarys_units(tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    options = StreamOptions(
        start="any",
        connect_timeout=2.5,
        subscribe_timeout=3,
        endpoints={
            "kraken": "ws://127.0.0.1:1",
            "binance_spot": Endpoint("ws://127.0.0.1:2", "http://127.0.0.1:3"),
            "binance_futures_usd": Endpoint(paths={SubKind.PUBLIC_TRADES: "/public/ws", "l1": "/ws"}),
        },
        proxy="socks5h://127.0.0.1:1080",
        ca_file=authority,
        max_message_size=1 << 20,
        queue=QueueOptions(capacity=10, max_bytes=4096, policy="drop_oldest", spin=0.00005),
        reconnect=ReconnectPolicy(initial=0.25, multiplier=1.5, max=8, jitter=0.5, max_attempts=7, stable=20),
        keepalive=5,
        keepalive_timeout=7.5,
        silence={"trades": 30, SubKind.ORDER_BOOKS_L2: 0, "order_books_l1": 2.5},
        silence_reconnect=True,
        snapshot_depth=50,
    )
    assert options_json(options) == {
        "start": "any",
        "connect_timeout_ms": 2500,
        "subscribe_timeout_ms": 3000,
        "endpoints": {
            "kraken": "ws://127.0.0.1:1",
            "binance_spot": {"websocket": "ws://127.0.0.1:2", "rest": "http://127.0.0.1:3"},
            "binance_futures_usd": {"paths": {"trades": "/public/ws", "l1": "/ws"}},
        },
        "proxy": "socks5h://127.0.0.1:1080",
        "ca_file": str(authority),
        "max_message_size": 1_048_576,
        "queue": {"capacity": 10, "max_bytes": 4096, "policy": "drop_oldest", "spin_us": 50},
        "reconnect": {
            "initial_ms": 250,
            "multiplier": 1.5,
            "max_ms": 8000,
            "jitter": 0.5,
            "max_attempts": 7,
            "stable_ms": 20000,
        },
        "keepalive_ms": 5000,
        "keepalive_timeout_ms": 7500,
        "silence_ms": {"trades": 30000, "l2": 0, "l1": 2500},
        "silence_reconnect": True,
        "snapshot_depth": 50,
    }
    in_memory([(EXCHANGE, "trades")], options)[0].close()


@pytest.mark.parametrize("silence", [0, 45.5])
def test_one_silence_for_all_kinds_is_passed_as_it_is(silence: float) -> None:
    options = StreamOptions(silence=silence, silence_reconnect=False)
    given = options_json(options)
    assert (given["silence_ms"], given["silence_reconnect"]) == (1000 * silence, False)
    in_memory([(EXCHANGE, "trades")], options)[0].close()


def test_options_are_values() -> None:
    assert StreamOptions(queue=QueueOptions(capacity=5)) == StreamOptions(queue=QueueOptions(capacity=5))
    with pytest.raises(AttributeError):
        StreamOptions().start = "any"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("made", "fields", "named"),
    [
        (StreamOptions, {"start": 1}, "start"),
        (StreamOptions, {"connect_timeout": "10"}, "connect_timeout"),
        (StreamOptions, {"subscribe_timeout": True}, "subscribe_timeout"),
        (StreamOptions, {"endpoints": ["ws://127.0.0.1"]}, "endpoints"),
        (StreamOptions, {"endpoints": {"kraken": 1}}, "endpoints"),
        (StreamOptions, {"endpoints": {1: "ws://127.0.0.1"}}, "endpoints"),
        (StreamOptions, {"queue": {"capacity": 5}}, "queue"),
        (StreamOptions, {"reconnect": 1.0}, "reconnect"),
        (StreamOptions, {"keepalive": "15"}, "keepalive"),
        (StreamOptions, {"keepalive_timeout": True}, "keepalive_timeout"),
        (StreamOptions, {"silence": "60"}, "silence"),
        (StreamOptions, {"silence": False}, "silence"),
        (StreamOptions, {"silence": {"l2": "60"}}, "silence"),
        (StreamOptions, {"silence": {3: 60}}, "silence"),
        (StreamOptions, {"silence_reconnect": 1}, "silence_reconnect"),
        (StreamOptions, {"snapshot_depth": 1.5}, "snapshot_depth"),
        (StreamOptions, {"proxy": 3128}, "proxy"),
        (StreamOptions, {"proxy": True}, "proxy"),
        (StreamOptions, {"ca_file": True}, "ca_file"),
        (StreamOptions, {"max_message_size": 1.5}, "max_message_size"),
        (QueueOptions, {"capacity": 1.0}, "capacity"),
        (QueueOptions, {"max_bytes": "1"}, "max_bytes"),
        (QueueOptions, {"policy": 1}, "policy"),
        (ReconnectPolicy, {"initial": "1"}, "initial"),
        (ReconnectPolicy, {"multiplier": None, "max": True}, "max"),
        (ReconnectPolicy, {"jitter": "full"}, "jitter"),
        (ReconnectPolicy, {"max_attempts": 1.0}, "max_attempts"),
        (ReconnectPolicy, {"stable": True}, "stable"),
        (Endpoint, {"websocket": 1}, "websocket"),
        (Endpoint, {"rest": b"http://127.0.0.1"}, "rest"),
    ],
)
def test_a_value_of_a_wrong_type_is_a_type_error_that_names_it(made: Any, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(TypeError, match=rf"{made.__name__}: {named}"):
        made(**fields)


def test_options_must_be_stream_options() -> None:
    with pytest.raises(TypeError, match="StreamOptions"):
        in_memory([(EXCHANGE, "trades")], {"start": "any"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "path"),
    [
        (StreamOptions(start="some"), r"options\.start"),  # type: ignore[arg-type]
        (StreamOptions(connect_timeout=0), r"options\.connect_timeout"),
        (StreamOptions(connect_timeout=-1), r"options\.connect_timeout"),
        (StreamOptions(connect_timeout=float("nan")), r"options\.connect_timeout"),
        (StreamOptions(subscribe_timeout=float("inf")), r"options\.subscribe_timeout"),
        (StreamOptions(queue=QueueOptions(capacity=0)), r"options\.queue\.capacity"),
        (StreamOptions(queue=QueueOptions(max_bytes=1)), r"options\.queue\.max_bytes"),
        (StreamOptions(queue=QueueOptions(policy="drop_all")), r"options\.queue\.policy"),  # type: ignore[arg-type]
        (StreamOptions(reconnect=ReconnectPolicy(initial=-1)), r"options\.reconnect\.initial"),
        (StreamOptions(reconnect=ReconnectPolicy(initial=0)), r"options\.reconnect\.initial"),
        (StreamOptions(reconnect=ReconnectPolicy(multiplier=0.5)), r"options\.reconnect\.multiplier"),
        (StreamOptions(reconnect=ReconnectPolicy(multiplier=float("nan"))), r"options\.reconnect\.multiplier"),
        (StreamOptions(reconnect=ReconnectPolicy(jitter=1.1)), r"options\.reconnect\.jitter"),
        (StreamOptions(reconnect=ReconnectPolicy(max_attempts=-1)), r"options\.reconnect\.max_attempts"),
        (StreamOptions(reconnect=ReconnectPolicy(stable=0)), r"options\.reconnect\.stable"),
        (StreamOptions(reconnect=ReconnectPolicy(initial=2, max=1)), r"options\.reconnect\.max"),
        (StreamOptions(keepalive=0), r"options\.keepalive_ms"),
        (StreamOptions(keepalive=2, keepalive_timeout=2), r"options\.keepalive_timeout_ms"),
        (StreamOptions(silence=-1), r"options\.silence_ms"),
        (StreamOptions(silence=float("inf")), r"options\.silence"),
        (StreamOptions(silence={"l1": -1}), r"options\.silence_ms"),
        (StreamOptions(silence={"l1": float("nan")}), r"options\.silence\.l1"),
        (StreamOptions(snapshot_depth=0), r"options\.snapshot_depth"),
        (StreamOptions(proxy=""), r"options\.proxy: it is no address of a proxy"),
        (StreamOptions(proxy="https://127.0.0.1:1"), r"options\.proxy: https proxies are not supported"),
        (StreamOptions(ca_file="/no/such/file"), r'options\.ca_file: "/no/such/file" cannot be read: No such file'),
        (StreamOptions(ca_file=__file__), r"options\.ca_file: .* has no certificate in PEM"),
        (StreamOptions(max_message_size=1023), r"options\.max_message_size: 1023 is out of range"),
        (StreamOptions(endpoints={"kraken": "kraken"}), r"options\.endpoints\.kraken"),
        (StreamOptions(endpoints={"kraken": Endpoint(rest="ws://a")}), r"options\.endpoints\.kraken\.rest"),
    ],
)
def test_a_value_out_of_range_is_an_argument_error_that_names_its_path(options: StreamOptions, path: str) -> None:
    with pytest.raises(ArgumentError, match=path):
        in_memory([(EXCHANGE, "trades")], options)


def test_a_silence_of_an_unknown_kind_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(SubscriptionError, match="trades"):
        in_memory([(EXCHANGE, "trades")], StreamOptions(silence={"trade": 5}))  # type: ignore[dict-item]


def test_an_endpoint_of_an_unknown_exchange_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(SubscriptionError, match="binance_spot"):
        in_memory([(EXCHANGE, "trades")], StreamOptions(endpoints={"binance_spt": "ws://a"}))  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "proxy",
    [
        "http://aladdin:sesame@127.0.0.1:port",
        "https://aladdin:sesame@127.0.0.1:1",
        "http://aladdin:sesame@127.0.0.1:1 ",
        "ftp://aladdin:sesame@127.0.0.1:1",
        "http://aladdin:sesame\ud800@127.0.0.1:1",
        b"http://aladdin:sesame@127.0.0.1:1",
        ["http://aladdin:sesame@127.0.0.1:1"],
        "http://aladdin:sesame@127.0.0.1:1",
    ],
)
def test_no_error_and_no_repr_has_the_credentials_of_a_proxy(proxy: Any) -> None:
    said = ""
    try:
        options = StreamOptions(proxy=proxy)
        said += repr(options)
        in_memory([(EXCHANGE, "trades")], options)[0].close()
    except (TypeError, ArgumentError) as error:
        said += repr(error) + str(error)
        assert "proxy" in said
    assert "StreamOptions" in said
    assert "sesame" not in said
    assert "aladdin" not in said

"""Staying connected, over real sockets to the local exchange: what breaks is told by instrument, tried again by the
policy, found silent or dead, and what is ours ends in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from harness import run_python
from local_exchange_compare import BOUND_S, FAST, delivered, select, take, until

from barter_cffi import (
    BookSnapshotEvent,
    ConnectError,
    DataError,
    MarketStream,
    Reconnected,
    Reconnecting,
    ReconnectPolicy,
    Silent,
    StreamOptions,
    SubKind,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
)
from barter_cffi._ffi import ffi, lib
from barter_cffi.testing import LocalExchange
from barter_cffi.testing.local_exchange import Fault

BTC = Subscription("binance_spot", "btc", "usdt", "spot", "trades")
ETH = Subscription("binance_spot", "eth", "usdt", "spot", "trades")
BOOK = Subscription("binance_spot", "btc", "usdt", "spot", "l2")
KRAKEN = Subscription("kraken", "btc", "usd", "spot", "trades")
NORMAL_CLOSURE = 1000
SERVICE_UNAVAILABLE = 503

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def exchange() -> Iterator[LocalExchange]:
    """A local exchange on which nothing happens but what a test makes happen."""
    with LocalExchange(["binance_spot", "kraken"], autostart=False, depth=20) as served:
        yield served


def silences(stream: MarketStream[Any]) -> int:
    """How many silences the stream's metrics count."""
    metrics = ffi.new("barter_stream_metrics *", {"struct_size": ffi.sizeof("barter_stream_metrics")})
    assert lib.barter_stream_metrics_get(stream._handle, metrics) == lib.BARTER_OK
    return int(metrics.silences)


def trade(exchange: LocalExchange, stream: MarketStream[Any], market: str) -> TradeEvent:
    """A trade that happens now, and is the stream's next item."""
    exchange.emit("binance_spot", "trades", market, 1)
    event = stream.recv(timeout=BOUND_S)
    assert isinstance(event, TradeEvent), event
    assert event.instrument.name_exchange == market
    return event


def test_one_broken_connection_of_two_marks_only_its_own_instruments(exchange: LocalExchange) -> None:
    options = StreamOptions(endpoints=exchange.endpoints, reconnect=FAST)
    with init_dynamic_streams([[BTC], [ETH]], options) as streams:
        stream = select(streams, "binance_spot", "trades")
        trade(exchange, stream, "ETHUSDT")
        exchange.set_fault("binance_spot", Fault.CLOSE, times=1)
        last = trade(exchange, stream, "BTCUSDT")  # and behind it the connection is closed
        note = stream.recv(timeout=BOUND_S)
        assert isinstance(note, Reconnecting)
        assert (note.exchange, note.sub_kind) == ("binance_spot", SubKind.PUBLIC_TRADES)
        assert note.instruments == (last.instrument,)
        assert note.last_event_ns == last.time_received_ns
        assert note.reason is not None
        assert "close code 1001" in note.reason
        trade(exchange, stream, "ETHUSDT")  # the other connection goes on, unmarked
        exchange.wait_until(lambda: exchange.journal.connections("binance_spot").made == 3)
        exchange.wait_subscribed("binance_spot", "trades", "BTCUSDT")
        exchange.emit("binance_spot", "trades", "BTCUSDT", 1)
        again, event = take(stream, 2)
        assert isinstance(again, Reconnected)
        assert (again.exchange, again.sub_kind, again.attempts) == ("binance_spot", SubKind.PUBLIC_TRADES, 1)
        assert isinstance(event, TradeEvent)
        assert again.gap_seconds == (event.time_received_ns - last.time_received_ns) / 1e9


def test_with_start_any_a_connection_that_fails_at_first_is_told_and_tried_again(exchange: LocalExchange) -> None:
    exchange.set_fault("binance_spot", Fault.REFUSE_UPGRADE, status=SERVICE_UNAVAILABLE, times=2)
    options = StreamOptions(endpoints=exchange.endpoints, reconnect=FAST, start="any")
    with init_dynamic_streams([[BTC], [KRAKEN]], options) as streams:
        stream = select(streams, "binance_spot", "trades")
        error = stream.recv(timeout=BOUND_S)
        assert isinstance(error, DataError)
        assert f"HTTP {SERVICE_UNAVAILABLE}" in str(error)
        broken = 0
        while broken < 2:  # equal neighbours may be one
            note = stream.recv(timeout=BOUND_S)
            assert isinstance(note, Reconnecting)
            broken += note.merged
            assert note.reason is not None
            assert f"HTTP {SERVICE_UNAVAILABLE}" in note.reason
            assert note.last_event_ns is None
            assert note.instruments is not None
            assert [instrument.base for instrument in note.instruments] == ["btc"]
        exchange.wait_subscribed("binance_spot", "trades", "BTCUSDT")
        exchange.emit("binance_spot", "trades", "BTCUSDT", 1)
        again, event = take(stream, 2)
        assert isinstance(again, Reconnected)
        assert (again.attempts, again.gap_seconds) == (2, None)
        assert isinstance(event, TradeEvent)
        other = select(streams, "kraken", "trades")
        exchange.emit("kraken", "trades", "XBT/USD", 1)
        assert isinstance(other.recv(timeout=BOUND_S), TradeEvent), "the other exchange is not disturbed"


def test_with_start_any_the_initialisation_fails_only_if_none_starts(exchange: LocalExchange) -> None:
    for name in ("binance_spot", "kraken"):
        exchange.set_fault(name, Fault.REFUSE_UPGRADE, status=SERVICE_UNAVAILABLE)
    options = StreamOptions(endpoints=exchange.endpoints, reconnect=FAST, start="any")
    with pytest.raises(ConnectError) as failed:
        init_dynamic_streams([[BTC], [KRAKEN]], options)
    assert "binance_spot" in str(failed.value)
    assert "kraken" in str(failed.value)


def test_a_stream_whose_attempts_are_used_up_ends_with_an_error_that_says_why(exchange: LocalExchange) -> None:
    policy = ReconnectPolicy(initial=0.02, max=0.1, max_attempts=2)
    options = StreamOptions(endpoints=exchange.endpoints, reconnect=policy)
    with init_dynamic_streams([[BTC], [KRAKEN]], options) as streams:
        stream, other = select(streams, "binance_spot", "trades"), select(streams, "kraken", "trades")
        exchange.set_fault("binance_spot", Fault.REFUSE_UPGRADE, status=SERVICE_UNAVAILABLE)
        exchange.drop("binance_spot")
        *attempts, error = take(stream, 3)
        assert all(isinstance(note, Reconnecting) for note in attempts), attempts
        assert isinstance(error, DataError)
        assert "binance_spot trades of BTCUSDT: given up after 2 attempts to reconnect: " in str(error)
        assert f"HTTP {SERVICE_UNAVAILABLE}" in str(error)
        assert stream.recv(timeout=BOUND_S) is None
        assert stream.closed
        exchange.emit("kraken", "trades", "XBT/USD", 1)
        assert isinstance(other.recv(timeout=BOUND_S), TradeEvent), "the other exchange is not disturbed"


def test_a_subscription_that_brings_nothing_is_told_once_and_counted(exchange: LocalExchange) -> None:
    options = StreamOptions(endpoints=exchange.endpoints, reconnect=FAST, silence={"trades": 0.2})
    with init_dynamic_streams([[BTC, ETH]], options) as streams:
        stream = select(streams, "binance_spot", "trades")
        notes = take(stream, 2)
        assert {note.instrument.base for note in notes} == {"btc", "eth"}
        for note in notes:
            assert isinstance(note, Silent)
            assert note.sub_kind == SubKind.PUBLIC_TRADES
            assert note.seconds is not None
            assert 0.2 <= note.seconds < BOUND_S
        eth = trade(exchange, stream, "ETHUSDT")
        again = stream.recv(timeout=BOUND_S)
        assert isinstance(again, Silent)
        assert again.instrument == eth.instrument, "btc has not been heard of since it was told"
        assert silences(stream) == 3
        assert exchange.journal.connections("binance_spot").made == 1


def test_a_silent_connection_is_opened_again_where_that_is_asked_for(exchange: LocalExchange) -> None:
    exchange.set_fault("binance_spot", Fault.SILENT_AFTER_ACKNOWLEDGEMENT, times=1)
    options = StreamOptions(
        endpoints=exchange.endpoints, reconnect=FAST, silence=0.2, silence_reconnect=True, keepalive=0.05
    )
    with init_dynamic_streams([[BTC]], options) as streams:
        stream = select(streams, "binance_spot", "trades")
        silent, broken = take(stream, 2)
        assert isinstance(silent, Silent)
        assert isinstance(broken, Reconnecting)
        assert broken.reason == "no data of BTCUSDT for 0.2 s"
        exchange.wait_subscribed("binance_spot", "trades", "BTCUSDT")
        exchange.emit("binance_spot", "trades", "BTCUSDT", 1)
        assert isinstance(stream.recv(timeout=BOUND_S), Reconnected)
        [sent] = delivered(exchange, "binance_spot", "trades", "BTCUSDT")[-1:]
        event = stream.recv(timeout=BOUND_S)
        assert isinstance(event, TradeEvent)
        assert event.time_exchange_ns == sent.time_ns


def test_a_connection_whose_far_side_is_gone_is_found_dead_and_opened_again(exchange: LocalExchange) -> None:
    options = StreamOptions(endpoints=exchange.endpoints, reconnect=FAST, keepalive=0.1)
    with init_dynamic_streams([[BOOK]], options) as streams:
        stream = select(streams, "binance_spot", "l2")
        assert isinstance(stream.recv(timeout=BOUND_S), BookSnapshotEvent)
        exchange.set_fault("binance_spot", Fault.HALF_OPEN, times=1)
        exchange.emit("binance_spot", "l2", "BTCUSDT", 1)
        broken = until(stream, lambda item: isinstance(item, Reconnecting))[-1]
        assert broken.reason == "no frame came for 0.2 s, not even the answer to a ping: the connection is dead"
        assert isinstance(until(stream, lambda item: isinstance(item, Reconnected))[-1], Reconnected)
        assert isinstance(stream.recv(timeout=BOUND_S), BookSnapshotEvent)


@pytest.mark.parametrize("ending", ["streams.close()", "del streams, stream", "pass"])
def test_connections_end_with_a_close_frame_also_when_the_process_ends(exchange: LocalExchange, ending: str) -> None:
    websocket = exchange.endpoints["binance_spot"].websocket
    program = f"""
from barter_cffi import StreamOptions, Subscription, init_dynamic_streams

options = StreamOptions(endpoints={{"binance_spot": {websocket!r}}})
streams = init_dynamic_streams([[Subscription("binance_spot", "btc", "usdt", "spot", "trades")]], options)
stream = streams.select_trades("binance_spot")
{ending}
"""
    run = run_python(program)
    assert run.returncode == 0, run.stderr
    exchange.wait_until(lambda: len(exchange.journal.close_codes("binance_spot")) == 1)
    assert exchange.journal.close_codes("binance_spot") == [NORMAL_CLOSURE]

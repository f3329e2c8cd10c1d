"""What metrics say is what happened: the local exchange's journal says the same of every venue, and what a test injects
is counted, whatever becomes of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from harness import eventually, run_python, trades
from local_exchange_compare import PAIRS, options, served, to
from prometheus_client import CollectorRegistry, generate_latest

from barter_cffi import (
    DynamicStreams,
    QueueOptions,
    ReconnectPolicy,
    StreamClosedError,
    StreamMetrics,
    StreamOptions,
    init_dynamic_streams,
)
from barter_cffi.metrics import Collector
from barter_cffi.testing import Injector, LocalExchange, in_memory
from barter_cffi.testing.local_exchange import Fault, Kind

NAME = "binance_spot"
UNKNOWN = '{"unexpected":"é"}'
EVENTS = 30


@pytest.fixture
def quiet() -> Iterator[LocalExchange]:
    with LocalExchange(autostart=False, depth=20) as exchange:
        yield exchange


def one(metrics: StreamMetrics) -> Any:
    """The metrics of the one connection."""
    [connection] = metrics.connections
    return connection


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_the_counts_of_a_connection_are_those_of_the_exchanges_journal(
    quiet: LocalExchange, name: str, kind: Kind
) -> None:
    market_name, market = served(quiet, name)[0]
    begun = time.time_ns()
    with init_dynamic_streams([to(name, market, kind)], options(quiet)) as streams:
        quiet.wait_subscribed(name, kind, market_name)
        said = quiet.journal.control_frames(name)
        eventually(lambda: streams.metrics().control_frames >= len(said) > 0)
        [stream] = streams.metrics().streams
        assert (stream.exchange, stream.sub_kind) == (name, kind)
        first = one(stream)
        assert (first.state, first.attempts, first.reconnects, first.errors) == ("open", 1, 0, 0)
        [instrument] = first.instruments
        assert (instrument.exchange, instrument.base, instrument.quote) == (name, market.base, market.quote)
        assert first.last_error is None

        quiet.emit(name, kind, market_name, EVENTS)
        eventually(lambda: streams.metrics().events >= first.events + EVENTS)
        after = one(streams.metrics().streams[0])
        assert after.events == streams.metrics().events
        assert after.frames > after.control_frames
        agrees(streams, quiet, name)
        assert after.last_event_ns == streams.metrics().last_event_ns
        assert begun < after.since_ns < after.last_event_ns <= after.last_frame_ns <= time.time_ns()

        quiet.send_text(name, UNKNOWN)
        eventually(lambda: streams.metrics().errors == 1)
        last = one(streams.metrics().streams[0])
        assert last.errors == 1
        assert UNKNOWN in last.last_error
        assert streams.metrics().reconnects == 0
        # The journal calls a frame that a test sends a control frame.
        agrees(streams, quiet, name, not_control=1)


def agrees(streams: DynamicStreams, exchange: LocalExchange, name: str, not_control: int = 0) -> None:
    """Waits until the set has received every frame that the exchange sent, and all its control frames."""

    def received_all() -> bool:
        metrics, sent = streams.metrics(), exchange.journal.frames_sent(name)
        control_frames = len(exchange.journal.control_frames(name)) - not_control
        return (metrics.frames, metrics.bytes, metrics.control_frames) == (sent.frames, sent.bytes, control_frames)

    eventually(received_all)


def test_heartbeats_are_control_frames_and_no_events() -> None:
    with LocalExchange(["kraken"], autostart=False, keepalive_scale=0.01) as exchange:
        _, market = served(exchange, "kraken")[0]
        with init_dynamic_streams([to("kraken", market, "trades")], options(exchange)) as streams:
            eventually(lambda: streams.metrics().control_frames >= 10)
            exchange.wait_until(lambda: '{"event":"heartbeat"}' in exchange.journal.control_frames("kraken"))
            metrics = streams.metrics()
            assert (metrics.frames, metrics.events, metrics.errors) == (metrics.control_frames, 0, 0)


def test_after_a_forced_reconnect_the_connection_says_so_and_goes_on_counting(quiet: LocalExchange) -> None:
    market_name, market = served(quiet, NAME)[0]
    with init_dynamic_streams([to(NAME, market, "trades")], options(quiet)) as streams:
        stream = streams.select_trades(NAME)
        assert stream is not None
        quiet.emit(NAME, "trades", market_name, EVENTS)
        eventually(lambda: stream.metrics().events == EVENTS)
        before = one(stream.metrics())
        quiet.drop(NAME)
        eventually(lambda: one(stream.metrics()).attempts == 2 and one(stream.metrics()).state == "open")
        quiet.emit(NAME, "trades", market_name, EVENTS)
        eventually(lambda: stream.metrics().events == 2 * EVENTS)
        after = one(stream.metrics())
        assert (after.reconnects, stream.metrics().reconnects) == (1, 1)
        assert after.last_error is not None
        assert "connection" in after.last_error
        assert after.events == 2 * EVENTS
        assert after.frames > before.frames
        assert after.since_ns > before.since_ns
        assert stream.metrics().notices == 2, "Reconnecting and Reconnected"


def test_a_connection_that_cannot_be_opened_waits_counts_its_attempts_and_says_why(quiet: LocalExchange) -> None:
    market_name, market = served(quiet, NAME)[0]
    patient = ReconnectPolicy(initial=0.02, max=0.02)
    with init_dynamic_streams(
        [to(NAME, market, "trades")], StreamOptions(endpoints=quiet.endpoints, reconnect=patient)
    ) as streams:
        quiet.wait_subscribed(NAME, "trades", market_name)
        quiet.set_fault(NAME, Fault.REFUSE_UPGRADE, status=503)
        quiet.drop(NAME)
        eventually(lambda: one(streams.metrics().streams[0]).attempts >= 4)
        row = one(streams.metrics().streams[0])
        assert row.state in ("waiting", "connecting")
        assert row.reconnects >= 2
        eventually(lambda: "503" in one(streams.metrics().streams[0]).last_error)


def test_a_silent_subscription_is_counted_in_its_connection_too(quiet: LocalExchange) -> None:
    _, market = served(quiet, NAME)[0]
    hasty = StreamOptions(endpoints=quiet.endpoints, silence=0.05)
    with init_dynamic_streams([to(NAME, market, "trades")], hasty) as streams:
        eventually(lambda: streams.metrics().silences == 1)
        assert one(streams.metrics().streams[0]).silences == 1


def test_each_connection_of_a_stream_is_counted_by_itself(quiet: LocalExchange) -> None:
    markets = served(quiet, NAME)[:2]
    batches = [[to(NAME, market, "trades")] for _, market in markets]
    with init_dynamic_streams(batches, options(quiet)) as streams:
        for count, (market_name, _) in enumerate(markets, start=3):
            quiet.wait_subscribed(NAME, "trades", market_name)
            quiet.emit(NAME, "trades", market_name, count)
        eventually(lambda: streams.metrics().events == 7)
        rows = streams.metrics().connections
        assert [(row.instruments[0].base, row.events) for row in rows] == [
            (market.base, count) for count, (_, market) in enumerate(markets, start=3)
        ]


def test_connections_that_a_running_set_subscribes_later_are_counted_too(quiet: LocalExchange) -> None:
    (first_name, first), (later_name, later) = served(quiet, NAME)[:2]
    with init_dynamic_streams([to(NAME, first, "trades")], options(quiet)) as streams:
        stream = streams.select_trades(NAME)
        assert stream is not None
        streams.subscribe([to(NAME, later, "trades")])
        for name in (first_name, later_name):
            quiet.wait_subscribed(NAME, "trades", name)
            quiet.emit(NAME, "trades", name, 2)
        eventually(lambda: stream.metrics().events == 4)
        rows = stream.metrics().connections
        assert [(row.instruments[0].base, row.state, row.events) for row in rows] == [
            (first.base, "open", 2),
            (later.base, "open", 2),
        ]


def memory(capacity: int = 64) -> tuple[DynamicStreams, Injector]:
    return in_memory([(NAME, "trades"), ("kraken", "trades")], StreamOptions(queue=QueueOptions(capacity=capacity)))


def test_depth_high_water_and_dropped_are_those_of_the_queue() -> None:
    streams, injector = memory(capacity=64)
    with streams:
        stream = streams.select_trades(NAME)
        assert stream is not None
        btc = injector.instrument(NAME, "btc", "usdt", "spot")
        assert (stream.metrics().last_event_ns, stream.metrics().connections) == (None, ())
        injector.push_many(trades(btc, 40))
        full = stream.metrics()
        assert (full.events, full.queued_events, full.high_water_events, full.dropped) == (40, 40, 40, 0)
        assert full.queued_bytes == full.high_water_bytes == 40 * 128
        assert full.last_event_ns == 2_000_000_000
        batch = stream.recv_batch(max_events=1_000)
        assert batch is not None
        while stream.metrics().queued_events:
            stream.recv_batch(max_events=1_000)
        drained = stream.metrics()
        assert (drained.queued_bytes, drained.high_water_events) == (0, 40)
        assert drained.bytes_lent >= len(batch) * 128
        injector.push_many(trades(btc, 100))
        injector.error(NAME, "trades", "boom")
        over = stream.metrics()
        assert over.events == 140
        assert over.errors == 1
        assert over.dropped + over.queued_events == 101
        assert over.high_water_events == 64
        assert over.high_water_bytes >= 64 * 128


def test_the_metrics_of_a_set_are_the_sum_over_its_streams_selected_ones_too_while_they_exist() -> None:
    streams, injector = memory()
    with streams:
        btc = injector.instrument(NAME, "btc", "usdt", "spot")
        other = injector.instrument("kraken", "btc", "usd", "spot")
        injector.push_many(trades(btc, 3))
        injector.push_many(trades(other, 4))
        assert (streams.metrics().events, streams.metrics().queued_events) == (7, 7)
        stream = streams.select_trades(NAME)
        assert stream is not None
        metrics = streams.metrics()
        assert metrics.events == 7
        assert {(row.exchange, row.sub_kind): row.events for row in metrics.streams} == {
            ("kraken", "trades"): 4,
            (NAME, "trades"): 3,
        }
        stream.close()
        assert streams.metrics().events == 4
        with pytest.raises(StreamClosedError):
            stream.metrics()
    with pytest.raises(StreamClosedError):
        streams.metrics()


def test_a_merged_stream_has_the_sum_and_names_no_exchange() -> None:
    streams, injector = memory()
    with streams:
        injector.push_many(trades(injector.instrument(NAME, "btc", "usdt", "spot"), 3))
        injector.push_many(trades(injector.instrument("kraken", "btc", "usd", "spot"), 4))
        merged = streams.select_all_trades()
        assert merged is not None
        metrics = merged.metrics()
        assert (metrics.exchange, metrics.sub_kind, metrics.events) == (None, "trades", 7)
        assert streams.metrics().streams == (metrics,)


def test_metrics_are_frozen_comparable_and_go_into_json() -> None:
    streams, _ = memory()
    with streams:
        stream = streams.select_trades(NAME)
        assert stream is not None
        metrics = stream.metrics()
        assert metrics == stream.metrics()
        with pytest.raises(AttributeError):
            metrics.events = 1  # type: ignore[misc]
        assert msgspec.json.decode(msgspec.json.encode(metrics))["exchange"] == NAME


def samples(registry: CollectorRegistry) -> dict[str, str]:
    """The samples of a scrape: name and labels to value."""
    lines = generate_latest(registry).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_prometheus_gets_what_the_metrics_say(quiet: LocalExchange) -> None:
    market_name, market = served(quiet, "kraken")[0]
    registry = CollectorRegistry(auto_describe=True)
    with init_dynamic_streams([to("kraken", market, "trades")], options(quiet)) as streams:
        registry.register(Collector(streams))
        merged = streams.select_all()
        assert merged is not None
        quiet.wait_subscribed("kraken", "trades", market_name)
        quiet.emit("kraken", "trades", market_name, EVENTS)
        eventually(lambda: merged.metrics().events == EVENTS)
        found, metrics, row = samples(registry), merged.metrics(), one(merged.metrics())
        kraken = '{exchange="kraken",kind="trades"}'
        for name, expected in [
            (f"barter_events_total{kraken}", row.events),
            (f"barter_frames_total{kraken}", row.frames),
            (f"barter_received_bytes_total{kraken}", row.bytes),
            (f"barter_control_frames_total{kraken}", len(quiet.journal.control_frames("kraken"))),
            (f"barter_errors_total{kraken}", 0),
            (f"barter_reconnects_total{kraken}", 0),
            (f"barter_silences_total{kraken}", 0),
            (f"barter_connect_attempts_total{kraken}", 1),
            (f"barter_last_event_timestamp_seconds{kraken}", row.last_event_ns / 1e9),
            (f"barter_last_frame_timestamp_seconds{kraken}", row.last_frame_ns / 1e9),
            ('barter_connections{exchange="kraken",kind="trades",state="open"}', 1),
            ('barter_dropped_events_total{exchange="all",kind="all"}', 0),
            ('barter_queue_events{exchange="all",kind="all"}', EVENTS),
            ('barter_queue_bytes{exchange="all",kind="all"}', metrics.queued_bytes),
            ('barter_queue_high_water_events{exchange="all",kind="all"}', EVENTS),
            ('barter_queue_high_water_bytes{exchange="all",kind="all"}', metrics.high_water_bytes),
            ('barter_lent_bytes{exchange="all",kind="all"}', 0),
        ]:
            assert float(found.pop(name)) == expected, name
        assert found == {}, "there is nothing else"
    assert samples(registry) == {}, "a set that was closed has no samples"


def test_a_collector_keeps_nothing_alive_and_counts_streams_in_memory() -> None:
    registry = CollectorRegistry(auto_describe=True)
    streams, injector = memory()
    registry.register(Collector(streams))
    injector.push_many(trades(injector.instrument(NAME, "btc", "usdt", "spot"), 3))
    assert samples(registry)['barter_events_total{exchange="binance_spot",kind="trades"}'] == "3.0"
    del streams
    assert samples(registry) == {}


def test_counters_never_go_down_when_one_of_two_sources_with_the_same_labels_goes() -> None:
    registry, name = CollectorRegistry(auto_describe=True), 'barter_events_total{exchange="binance_spot",kind="trades"}'
    (first, feeds_first), (second, feeds_second) = memory(), memory()
    registry.register(Collector(first, second))

    def push(injector: Injector, count: int) -> None:
        injector.push_many(trades(injector.instrument(NAME, "btc", "usdt", "spot"), count))

    push(feeds_first, 3)
    push(feeds_second, 5)
    assert samples(registry)[name] == "8.0"
    first.close()
    push(feeds_second, 1)
    assert [samples(registry)[name] for _ in range(2)] == ["9.0"] * 2
    second.close()
    assert samples(registry) == {}


def test_a_scrape_in_a_fork_has_no_samples() -> None:
    done = run_python(
        """
import os
from prometheus_client import CollectorRegistry, generate_latest
from barter_cffi.metrics import Collector
from barter_cffi.testing import in_memory
streams, injector = in_memory([("kraken", "trades")])
registry = CollectorRegistry(auto_describe=True)
registry.register(Collector(streams))
def samples():
    return [line for line in generate_latest(registry).splitlines() if not line.startswith(b"#")]
assert samples()
child = os.fork()
if child == 0:
    os._exit(len(samples()))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    assert done.stdout == "0\n", done.stderr


def test_without_prometheus_client_the_collector_names_the_extra_and_the_metrics_work() -> None:
    done = run_python(
        """
import sys
sys.modules["prometheus_client"] = None
from barter_cffi.metrics import Collector
from barter_cffi.testing import in_memory
streams, injector = in_memory([("kraken", "trades")])
print(streams.metrics().events)
try:
    Collector(streams)
except ImportError as error:
    print(error)
"""
    )
    assert done.stderr == ""
    events, message = done.stdout.splitlines()
    assert events == "0"
    assert "barter-cffi[metrics]" in message

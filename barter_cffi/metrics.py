"""What streams have come to: `MarketStream.metrics()` and `DynamicStreams.metrics()` give it as frozen objects, and a
`Collector` gives it to Prometheus (extra `metrics`). Reading it disturbs nothing: the counts are kept anyway.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import msgspec

from barter_cffi.errors import ForkedError, StreamClosedError
from barter_cffi.instrument import ExchangeId, Instrument, Instruments
from barter_cffi.subscription import SubKind

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from barter_cffi.stream import MarketStream
    from barter_cffi.streams import DynamicStreams

__all__ = ["Collector", "ConnectionMetrics", "Metrics", "StreamMetrics", "StreamsMetrics"]


class ConnectionMetrics(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one connection did since its stream was made, over all its reconnections.

    Of connections that have ended and were followed by others of their exchange server and kind one stays, without
    instruments, with the sum of their counts.

    Attributes:
        exchange: the exchange server.
        sub_kind: the kind of market data it carries.
        instruments: what it carries.
        state: `"connecting"`, `"open"`, `"waiting"` for the next attempt, or `"ended"` for good.
        since_ns: since when it is in that state, nanoseconds since the Unix epoch.
        frames: WebSocket frames received.
        bytes: bytes of their payloads.
        control_frames: frames that were neither market data nor errors: acknowledgements, heartbeats, pings, closes.
        events: market events read.
        errors: errors read.
        reconnects: how often it broke, and how many attempts to open it failed.
        silences: how often a subscription of its was silent for too long.
        attempts: attempts to open it, the first included.
        last_frame_ns: when its last frame was read, nanoseconds since the Unix epoch; None before the first.
        last_event_ns: `time_received_ns` of its last event; None before the first.
        last_error: the last error's text, or why it broke last; None where all went well.
    """

    exchange: ExchangeId
    sub_kind: SubKind
    instruments: tuple[Instrument, ...]
    state: Literal["connecting", "open", "waiting", "ended"]
    since_ns: int
    frames: int
    bytes: int
    control_frames: int
    events: int
    errors: int
    reconnects: int
    silences: int
    attempts: int
    last_frame_ns: int | None
    last_event_ns: int | None
    last_error: str | None


class Metrics(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Counts since a stream was made, and its state now; of a set, the sum over its streams.

    Attributes:
        events: market events that arrived in the queue.
        frames: WebSocket frames received.
        bytes: bytes of their payloads.
        control_frames: frames that were neither market data nor errors.
        errors: errors that arrived in the queue.
        notices: notices that arrived in the queue.
        dropped: events and errors lost in the queue.
        reconnects: how often a connection broke, and how many attempts to open one failed.
        silences: how often a subscription was silent for too long.
        queued_events: events, errors and notices that wait in the library's queue.
        queued_bytes: their bytes.
        high_water_events: most that ever waited; of several streams the sum, which is a bound.
        high_water_bytes: their bytes, likewise.
        bytes_lent: bytes of batches that were received and are still referenced.
        last_event_ns: `time_received_ns` of the last event, nanoseconds since the Unix epoch; None before the first.
    """

    events: int
    frames: int
    bytes: int
    control_frames: int
    errors: int
    notices: int
    dropped: int
    reconnects: int
    silences: int
    queued_events: int
    queued_bytes: int
    high_water_events: int
    high_water_bytes: int
    bytes_lent: int
    last_event_ns: int | None


class StreamMetrics(Metrics, frozen=True, kw_only=True, gc=False):
    """The metrics of one stream.

    Attributes:
        exchange: its exchange server, None where all were selected.
        sub_kind: the kind of its events, None where all were selected.
        connections: its connections; none in memory.
    """

    exchange: ExchangeId | None
    sub_kind: SubKind | None
    connections: tuple[ConnectionMetrics, ...]


class StreamsMetrics(Metrics, frozen=True, kw_only=True, gc=False):
    """The metrics of a set of streams: the sum over those that can be selected and those that were and still exist.

    Attributes:
        streams: the metrics of each.
    """

    streams: tuple[StreamMetrics, ...]

    @property
    def connections(self) -> tuple[ConnectionMetrics, ...]:
        """The connections of all streams."""
        return tuple(connection for stream in self.streams for connection in stream.connections)


def stream_metrics(text: str, instruments: Instruments) -> StreamMetrics:
    """A stream's metrics of the library's JSON."""
    return _stream(msgspec.json.decode(text), instruments)


def streams_metrics(text: str, instruments: Instruments) -> StreamsMetrics:
    """A set's metrics of the library's JSON."""
    row = msgspec.json.decode(text)
    return StreamsMetrics(**row | {"streams": tuple(_stream(each, instruments) for each in row["streams"])})


def _stream(row: dict[str, Any], instruments: Instruments) -> StreamMetrics:
    kind = row.pop("kind")
    connections = tuple(_connection(each, instruments) for each in row.pop("connections"))
    return StreamMetrics(**row, sub_kind=SubKind(kind) if kind else None, connections=connections)


def _connection(row: dict[str, Any], instruments: Instruments) -> ConnectionMetrics:
    indices = row.pop("instruments")
    known = instruments.known
    if max(indices, default=-1) >= len(known):
        known = list(instruments.refresh())
    kind = SubKind(row.pop("kind"))
    return ConnectionMetrics(**row, sub_kind=kind, instruments=tuple([known[index] for index in indices]))


#: Of a connection, or of a stream without any: the field, the metric's name without `_total`, and what it counts.
_RECEIVED = (
    ("events", "barter_events", "Market events received"),
    ("frames", "barter_frames", "WebSocket frames received"),
    ("bytes", "barter_received_bytes", "Bytes of WebSocket payloads received"),
    ("control_frames", "barter_control_frames", "Frames that were neither market data nor errors"),
    ("errors", "barter_errors", "Errors of connections and messages"),
    ("reconnects", "barter_reconnects", "Connections that broke and attempts to open one that failed"),
    ("silences", "barter_silences", "Subscriptions that were silent for too long"),
)
#: Of a connection, likewise.
_ATTEMPTS = (("attempts", "barter_connect_attempts", "Attempts to open connections"),)
#: Of a stream, likewise.
_LOST = (("dropped", "barter_dropped_events", "Events and errors lost in the queue"),)
#: Of a stream: the field, the metric's name, and what it is.
_QUEUES = (
    ("queued_events", "barter_queue_events", "Records waiting in the queue"),
    ("queued_bytes", "barter_queue_bytes", "Bytes waiting in the queue"),
    ("high_water_events", "barter_queue_high_water_events", "Most records that ever waited in the queue"),
    ("high_water_bytes", "barter_queue_high_water_bytes", "Most bytes that ever waited in the queue"),
    ("bytes_lent", "barter_lent_bytes", "Bytes of received batches that are still referenced"),
)
_LABELS = ("exchange", "kind")

Counts: TypeAlias = "dict[tuple[str, tuple[str, ...]], int]"
"""Counts by metric and labels."""


class Collector:
    """Gives the metrics of streams and sets of streams to Prometheus: `REGISTRY.register(Collector(streams))`.

    All have the labels `exchange` and `kind`, which are `"all"` for what belongs to a queue that several were merged
    into. It does not keep its sources alive; a source that was closed or is gone has no samples, but what it had
    counted stays in the counts of others that have its labels: they never go down. In a fork there are no samples.

    Args:
        sources: sets of streams, which stand for all their streams, or single streams; not a stream beside its set,
            which would count it twice.

    Raises:
        ImportError: prometheus_client is not there, which the extra `metrics` installs.
    """

    def __init__(self, *sources: MarketStream[Any] | DynamicStreams) -> None:
        try:
            from prometheus_client import core
        except ImportError as error:
            raise ImportError(
                f"the collector needs prometheus_client: pip install 'barter-cffi[metrics]' ({error})"
            ) from error
        self._core = core
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._sources = [weakref.ref(source) for source in sources]
        self._last: list[Counts] = [{} for _ in sources]
        self._gone: Counter[tuple[str, tuple[str, ...]]] = Counter()

    def describe(self) -> Iterable[Metric]:
        """The metrics without samples, which the registry asks for when the collector is registered."""
        return self._families([], {})

    def collect(self) -> Iterable[Metric]:
        """The metrics now, which the registry asks for at each scrape; without samples in a fork."""
        streams: list[StreamMetrics] = []
        counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        if self._process == os.getpid():  # before the lock: a thread that is not in this process may hold it
            with self._lock:
                for place, reference in enumerate(self._sources):
                    found = _streams(reference())
                    now = _counts(found)
                    # What has gone down belonged to a stream that is gone.
                    self._gone.update({key: last for key, last in self._last[place].items() if now.get(key, 0) < last})
                    self._last[place] = now
                    counts.update(now)
                    streams += found
                counts.update({key: self._gone[key] for key in counts})
        return self._families(streams, counts)

    def _families(self, streams: list[StreamMetrics], counts: Counts) -> list[Metric]:
        connections, received = _parts(streams)
        states: dict[tuple[str, ...], int] = Counter((*_labels(each), each.state) for each in connections)
        counted: dict[str, dict[tuple[str, ...], int]] = {}
        for (name, labels), count in counts.items():
            counted.setdefault(name, {})[labels] = count
        counter, gauge = self._core.CounterMetricFamily, self._core.GaugeMetricFamily
        return [
            *[_family(counter, name, text, counted.get(name, {})) for _, name, text in _RECEIVED + _ATTEMPTS + _LOST],
            *[_family(gauge, name, text, _sums(streams, field)) for field, name, text in _QUEUES],
            _family(gauge, "barter_connections", "Connections by what they are doing", states, (*_LABELS, "state")),
            _family(
                gauge,
                "barter_last_event_timestamp_seconds",
                "When the last event was received, since the Unix epoch",
                _times(max, received, "last_event_ns"),
            ),
            _family(
                gauge,
                "barter_last_frame_timestamp_seconds",
                "When the connection that has been quiet the longest last received a frame, since the Unix epoch",
                _times(min, [each for each in connections if each.state != "ended"], "last_frame_ns"),
            ),
        ]


def _streams(source: MarketStream[Any] | DynamicStreams | None) -> list[StreamMetrics]:
    """The metrics of each stream of a source; none of one that is gone, was closed or is another process's."""
    if source is None:
        return []
    try:
        metrics = source.metrics()
    except (StreamClosedError, ForkedError):
        return []
    return [*metrics.streams] if isinstance(metrics, StreamsMetrics) else [metrics]


def _parts(streams: list[StreamMetrics]) -> tuple[list[ConnectionMetrics], list[StreamMetrics | ConnectionMetrics]]:
    """The connections, and what has the counts of what was received."""
    connections = [connection for stream in streams for connection in stream.connections]
    return connections, [part for stream in streams for part in stream.connections or (stream,)]


def _counts(streams: list[StreamMetrics]) -> Counts:
    connections, received = _parts(streams)
    return {
        (name, labels): count
        for rows, counters in ((received, _RECEIVED), (connections, _ATTEMPTS), (streams, _LOST))
        for field, name, _ in counters
        for labels, count in _sums(rows, field).items()
    }


def _labels(row: StreamMetrics | ConnectionMetrics) -> tuple[str, str]:
    return row.exchange or "all", row.sub_kind or "all"


def _sums(rows: Iterable[StreamMetrics | ConnectionMetrics], field: str) -> dict[tuple[str, ...], int]:
    sums: dict[tuple[str, ...], int] = {}
    for row in rows:
        sums[_labels(row)] = sums.get(_labels(row), 0) + getattr(row, field)
    return sums


def _times(
    which: Callable[[int, int], int], rows: Iterable[StreamMetrics | ConnectionMetrics], field: str
) -> dict[tuple[str, ...], float]:
    times: dict[tuple[str, ...], int] = {}
    for row in rows:
        time_ns = getattr(row, field)
        if time_ns is not None:
            times[_labels(row)] = which(times.get(_labels(row), time_ns), time_ns)
    return {labels: time_ns / 1e9 for labels, time_ns in times.items()}


def _family(
    family: Any, name: str, text: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...] = _LABELS
) -> Metric:
    made = family(name, text, labels=labels)
    for key, value in values.items():
        made.add_metric(key, value)
    return cast("Metric", made)

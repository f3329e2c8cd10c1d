"""The options of a set of streams: frozen values, every field None for the library's default. Types are checked here,
ranges and addresses by the library, which names what is wrong by its path (`options.queue.capacity: …`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from barter_cffi.errors import ArgumentError
from barter_cffi.instrument import ExchangeId
from barter_cffi.subscription import SubKind, SubKindName

ValueT = TypeVar("ValueT")
_TEXT, _WHOLE, _NUMBER = (str,), (int,), (int, float)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Bases of an exchange server's addresses, `scheme://host[:port][/prefix]`; its own paths are appended.

    Attributes:
        websocket: `ws://` or `wss://`.
        rest: `http://` or `https://`, where order book snapshots and lists of markets are asked for.
        paths: paths of the WebSocket in place of the exchange server's own, by kind: `{"trades": "/public/ws"}`.
    """

    websocket: str | None = None
    rest: str | None = None
    paths: Mapping[SubKindName, str] | None = None

    def __post_init__(self) -> None:
        _require(self, websocket=_TEXT, rest=_TEXT, paths=(Mapping,))
        for kind, path in (self.paths or {}).items():
            if not isinstance(kind, str) or not isinstance(path, str):
                raise TypeError(f"Endpoint: paths cannot have {kind!r}: {path!r}")


QueuePolicy: TypeAlias = Literal["drop_oldest", "drop_newest", "block", "conflate", "close"]
"""What happens when a stream's queue is full."""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """Bounds of a stream's queue, whichever is reached first, what happens then, and how its reader waits.

    Attributes:
        capacity: events and errors that may wait; 65,536 unless given.
        max_bytes: bytes that may wait; 64 MiB unless given.
        policy: what happens when it is full. Whatever is lost, a `Dropped` with the exact count stands in its place,
            and for order books a snapshot of the book as it is then.

            - `"drop_oldest"` (unless given): the oldest go.
            - `"drop_newest"`: what does not fit is refused.
            - `"block"`: nothing more is read from the sockets until there is room. Nothing is lost as long as the
              exchange waits. A single item may exceed `max_bytes`; as many items as the queue may hold (8,192 at most),
              and one read more of each connection (about 1,024 items or 256 KiB), may wait outside it.
            - `"conflate"`, for l1 and l2 only, also before it is full: the newest best bid and ask of an instrument
              takes the place of the one that waits; order book events of an instrument become one snapshot of the book
              as it is when it is read. What is replaced is counted by a `Dropped(reason="conflated")`. What `recv` and
              `for` have read ahead, at most one of each instrument, is not replaced any more; `recv_batch` and
              `batches` read nothing ahead.
            - `"close"`: what waits is delivered, then a `DataError` of variant `"queue_full"`, then the stream ends.
        spin: seconds that a waiting reader looks again and again before it sleeps, at most 1; 0 unless given. It takes
            a core for that time, and wakes sooner.
    """

    capacity: int | None = None
    max_bytes: int | None = None
    policy: QueuePolicy | None = None
    spin: float | None = None

    def __post_init__(self) -> None:
        _require(self, capacity=_WHOLE, max_bytes=_WHOLE, policy=_TEXT, spin=_NUMBER)


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """When attempts to reconnect are made.

    The longest delay is `initial`, then each time `multiplier` times the last, up to `max`; the delay itself is drawn
    at random from its last part, `jitter` of it. At the defaults a server that accepts every connection and ends it at
    once sees at most 10 in a minute.

    Attributes:
        initial: seconds; 0.25 unless given.
        multiplier: at least 1; 3 unless given.
        max: seconds; 60 unless given.
        jitter: from 0 (the longest delay always) to 1 (from no delay to the longest: "full jitter"); 0.8 unless given.
        max_attempts: attempts in a row after which a connection is given up: an error says so in its stream, which ends
            with its last connection. 0 for none; there is no limit unless given.
        stable: seconds that a connection must be open for the delays and the attempts to begin anew; 30 unless given.
    """

    initial: float | None = None
    multiplier: float | None = None
    max: float | None = None
    jitter: float | None = None
    max_attempts: int | None = None
    stable: float | None = None

    def __post_init__(self) -> None:
        _require(
            self,
            initial=_NUMBER,
            multiplier=_NUMBER,
            max=_NUMBER,
            jitter=_NUMBER,
            max_attempts=_WHOLE,
            stable=_NUMBER,
        )


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How a set of streams connects, reconnects and queues.

    Attributes:
        start: `"all"` (unless given): one connection that cannot be opened fails the initialisation; `"any"`: it is
            reported in its stream and tried again, and only if none opens the initialisation fails.
        connect_timeout: seconds for TCP, TLS and upgrade of one connection; 10 unless given.
        subscribe_timeout: seconds for the whole handshake after it, acknowledgements and snapshots; 10 unless given.
        endpoints: other addresses than the exchanges' own, an `Endpoint` or a WebSocket address each.
        proxy: the address of a proxy for WebSocket and REST, `http://`, `socks5://` (names are resolved here) or
            `socks5h://` (by the proxy) and `[user:password@]host[:port]`; special characters of user and password are
            written `%XX`. None: what the environment says, as curl reads it: `HTTPS_PROXY` (`wss`, `https`),
            `HTTP_PROXY` (`ws`, `http`), `ALL_PROXY`, `NO_PROXY`. False: none, whatever the environment says. A proxy
            that is given here takes every connection, to loopback addresses too. It is left out of the repr.
        ca_file: PEM file of further authorities that TLS trusts, beside those of the system and of browsers.
        max_message_size: bytes of the longest WebSocket message that is read, 16 MiB unless given; a longer one ends
            its connection, and `Reconnecting` says so.
        queue: bounds and policy of each stream's queue; or of each kind's, of kinds that are not named the defaults.
        reconnect: when attempts to reconnect are made.
        keepalive: seconds between WebSocket pings on every connection; 15 unless given. Some exchanges count them among
            the messages that they allow.
        keepalive_timeout: seconds without any frame, answers to pings included, after which a connection is dead and
            opened again; twice `keepalive` unless given.
        silence: seconds without data, for all kinds or by kind, after which a `Silent` tells of a subscription whose
            connection is open; 0 for never. Unless given 300 for `l1`, 60 for `l2`, and never for trades and
            liquidations, of which a quiet market may have none for hours.
        silence_reconnect: whether a silence ends the connection, so that it is opened again; False unless given. A
            connection on which everything is silent is opened again each time it brings nothing for that long.
        snapshot_depth: levels a side asked of order book snapshots; the exchange's largest sensible unless given.

    Raises:
        TypeError: a value is not of its type.
    """

    start: Literal["all", "any"] | None = None
    connect_timeout: float | None = None
    subscribe_timeout: float | None = None
    endpoints: Mapping[ExchangeId, str | Endpoint] | None = None
    proxy: str | Literal[False] | None = field(default=None, repr=False)
    ca_file: str | os.PathLike[str] | None = None
    max_message_size: int | None = None
    queue: QueueOptions | Mapping[SubKindName, QueueOptions] | None = None
    reconnect: ReconnectPolicy | None = None
    keepalive: float | None = None
    keepalive_timeout: float | None = None
    silence: float | Mapping[SubKind | SubKindName, float] | None = None
    silence_reconnect: bool | None = None
    snapshot_depth: int | None = None

    def __post_init__(self) -> None:
        _require(
            self,
            start=_TEXT,
            connect_timeout=_NUMBER,
            subscribe_timeout=_NUMBER,
            endpoints=(Mapping,),
            ca_file=(str, os.PathLike),
            max_message_size=_WHOLE,
            queue=(QueueOptions, Mapping),
            reconnect=(ReconnectPolicy,),
            keepalive=_NUMBER,
            keepalive_timeout=_NUMBER,
            silence=(*_NUMBER, Mapping),
            silence_reconnect=(bool,),
            snapshot_depth=_WHOLE,
        )
        if not (self.proxy is None or self.proxy is False or isinstance(self.proxy, str)):
            # Not shown: it may have credentials.
            raise TypeError(f"StreamOptions: proxy must be str or False, not of type {type(self.proxy).__name__}")
        if isinstance(self.silence, Mapping):
            for kind, seconds in self.silence.items():
                if not isinstance(kind, str) or isinstance(seconds, bool) or not isinstance(seconds, _NUMBER):
                    raise TypeError(f"StreamOptions: silence cannot have {kind!r}: {seconds!r}")
        for exchange, endpoint in (self.endpoints or {}).items():
            if not isinstance(exchange, str) or not isinstance(endpoint, (str, Endpoint)):
                raise TypeError(f"StreamOptions: endpoints cannot have {exchange!r}: {endpoint!r}")
        for kind, queue in self.queue.items() if isinstance(self.queue, Mapping) else ():
            if not isinstance(kind, str) or not isinstance(queue, QueueOptions):
                raise TypeError(f"StreamOptions: queue cannot have {kind!r}: {queue!r}")


def options_json(options: StreamOptions | None) -> dict[str, object]:
    """The options as the library's JSON has them, only those that are given.

    Raises:
        TypeError: it is no StreamOptions.
        ArgumentError: a number of seconds or a multiplier is not finite, or two names are of one kind.
    """
    if options is None:
        return {}
    if not isinstance(options, StreamOptions):
        raise TypeError(f"options must be a StreamOptions, not {options!r}")
    queue, reconnect = options.queue or QueueOptions(), options.reconnect or ReconnectPolicy()
    return _given(
        start=options.start,
        connect_timeout_ms=_milliseconds("connect_timeout", options.connect_timeout),
        subscribe_timeout_ms=_milliseconds("subscribe_timeout", options.subscribe_timeout),
        endpoints={name: _endpoint_json(endpoint) for name, endpoint in (options.endpoints or {}).items()},
        proxy=options.proxy,
        ca_file=None if options.ca_file is None else os.fsdecode(options.ca_file),
        max_message_size=options.max_message_size,
        queue=_queue_json(queue) if isinstance(queue, QueueOptions) else None,
        queues={kind: _queue_json(of) for kind, of in _by_kind("queue", queue).items()}
        if isinstance(queue, Mapping)
        else None,
        reconnect=_given(
            initial_ms=_milliseconds("reconnect.initial", reconnect.initial),
            multiplier=_finite("reconnect.multiplier", reconnect.multiplier),
            max_ms=_milliseconds("reconnect.max", reconnect.max),
            jitter=_finite("reconnect.jitter", reconnect.jitter),
            max_attempts=reconnect.max_attempts,
            stable_ms=_milliseconds("reconnect.stable", reconnect.stable),
        ),
        keepalive_ms=_milliseconds("keepalive", options.keepalive),
        keepalive_timeout_ms=_milliseconds("keepalive_timeout", options.keepalive_timeout),
        silence_ms=_silence_json(options.silence),
        silence_reconnect=options.silence_reconnect,
        snapshot_depth=options.snapshot_depth,
    )


def _endpoint_json(endpoint: str | Endpoint) -> object:
    if isinstance(endpoint, str):
        return endpoint
    paths = {str(kind): path for kind, path in endpoint.paths.items()} if endpoint.paths else None
    return _given(websocket=endpoint.websocket, rest=endpoint.rest, paths=paths)


def _silence_json(silence: float | Mapping[SubKind | SubKindName, float] | None) -> object:
    if not isinstance(silence, Mapping):
        return _milliseconds("silence", silence)
    return {kind: _milliseconds(f"silence.{kind}", seconds) for kind, seconds in _by_kind("silence", silence).items()}


def _by_kind(option: str, given: Mapping[SubKind | SubKindName, ValueT]) -> dict[str, ValueT]:
    found: dict[str, ValueT] = {}
    for name, value in given.items():
        kind = str(SubKind(name))
        if kind in found:
            raise ArgumentError(f"{option}.{name}: {kind} is given twice")
        found[kind] = value
    return found


def _queue_json(queue: QueueOptions) -> dict[str, object]:
    spin = _finite("queue.spin", queue.spin)
    return _given(
        capacity=queue.capacity,
        max_bytes=queue.max_bytes,
        policy=queue.policy,
        spin_us=None if spin is None else round(1_000_000 * spin),
    )


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _milliseconds(path: str, seconds: float | None) -> int | None:
    checked = _finite(path, seconds)
    return None if checked is None else round(1000 * checked)


def _finite(path: str, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ArgumentError(f"options.{path}: {value} is not a finite number")
    return value


def _require(options: object, **types: tuple[type, ...]) -> None:
    for name, allowed in types.items():
        value = getattr(options, name)
        if value is None or (isinstance(value, bool) and bool in allowed):
            continue
        if isinstance(value, bool) or not isinstance(value, allowed):
            wanted = " or ".join(kind.__name__ for kind in allowed)
            raise TypeError(f"{type(options).__name__}: {name} must be {wanted}, not {value!r}")

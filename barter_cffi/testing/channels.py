"""In-memory streams: a set of streams whose producer is an `Injector` in the hands of a test. What is injected passes
the queues and the decoder that everything from a socket passes, so a test without a network runs the same code.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Literal

from barter_cffi._ffi import CLOSED, check, ffi, last_message, lib, text
from barter_cffi._json import json_bytes
from barter_cffi.errors import ArgumentError, StreamClosedError, SubscriptionError
from barter_cffi.event import MarketEvent
from barter_cffi.instrument import ExchangeId, Instrument, InstrumentKind, Instruments, kind_json
from barter_cffi.options import StreamOptions, options_json
from barter_cffi.streams import DynamicStreams
from barter_cffi.subscription import SubKind, SubKindName
from barter_cffi.testing.encode import encode


def in_memory(
    sources: Iterable[tuple[ExchangeId, SubKindName]], options: StreamOptions | None = None
) -> tuple[DynamicStreams, Injector]:
    """A set of streams, one for each exchange server and kind of `sources`, and the injector that produces their items.

    Of the options the queue's count. The streams end when the injector closes them, or is no longer referenced.

    Raises:
        SubscriptionError: no exchange server or kind has this name.
        ArgumentError: an option has a value it cannot have.
    """
    rows = [(exchange, SubKind(kind)) for exchange, kind in sources]
    request = json_bytes({"sources": rows, "options": options_json(options)})
    streams, injector = ffi.new("barter_streams **"), ffi.new("barter_test_injector **")
    check(lib.barter_test_streams(request, len(request), streams, injector))
    made = DynamicStreams(streams[0])
    return made, Injector(injector[0], made)


class Injector:
    """The producers of in-memory streams. Every method returns when the queue has taken or refused what was injected.

    All of them raise `SubscriptionError` where there is no such producer (any more), and `StreamClosedError` where the
    stream was closed.
    """

    def __init__(self, handle: Any, streams: DynamicStreams) -> None:
        self._handle = handle
        read = partial(text, lib.barter_streams_instruments, streams._handle)
        self._instruments = Instruments(read, streams._instruments)
        self._owner = ffi.gc(handle, lib.barter_test_injector_free)

    def instrument(
        self,
        exchange: ExchangeId,
        base: str,
        quote: str,
        instrument_kind: InstrumentKind | None = None,
        name_exchange: str | None = None,
    ) -> Instrument:
        """The instrument of the streams' set, registered if it is not yet. Arguments as of `Subscription`.

        Raises:
            SubscriptionError: as of `init_dynamic_streams`.
            StreamClosedError: the set was closed or is gone.
        """
        fields = {
            "exchange": exchange,
            "base": base,
            "quote": quote,
            "instrument_kind": kind_json(instrument_kind),
            "name_exchange": name_exchange,
        }
        request, index = json_bytes(fields), ffi.new("uint32_t *")
        check(lib.barter_test_instrument(self._handle, request, len(request), index))
        place: int = index[0]
        known = self._instruments.known
        return known[place] if place < len(known) else self._instruments.refresh()[place]

    def push(self, event: MarketEvent) -> None:
        """Injects a market event into the stream of its exchange server and kind. Its instrument is registered if it is
        not yet; where the set has another of its index, the event that arrives has the set's own.

        Raises:
            ArgumentError: a value does not fit, for instance a level that is not finite.
        """
        self.push_many([event])

    def push_many(self, events: Iterable[MarketEvent]) -> None:
        """Injects market events in their order; all are checked before the first is injected. Errors as of `push`."""
        records, levels, more = encode(events, self._index)
        pushed = lib.barter_test_push(
            self._handle,
            ffi.from_buffer("barter_event[]", records),
            len(records) // ffi.sizeof("barter_event"),
            ffi.from_buffer("barter_level[]", levels),
            len(levels) // ffi.sizeof("barter_level"),
            ffi.from_buffer("uint8_t[]", more),
            len(more),
        )
        self._check(pushed)

    def error(
        self,
        exchange: ExchangeId,
        kind: SubKindName,
        message: str = "",
        variant: Literal[
            "socket",
            "snapshot_invalid",
            "snapshot_missing",
            "index",
            "subscriptions_empty",
            "unsupported",
            "unsupported_sub_kind",
            "invalid_sequence",
        ] = "socket",
        *,
        prev_last_update_id: int = 0,
        first_update_id: int = 0,
    ) -> None:
        """Injects one of barter-data's errors, whose text is around the message: `SocketError: boom`.

        Args:
            message: for `"socket"`, `"snapshot_invalid"`, `"snapshot_missing"` (which subscription) and `"index"`
                (which instrument); for `"unsupported_sub_kind"` the variant of barter-data's `SubKind`.
            variant: which error. `"unsupported"` names this exchange server and kind.
            prev_last_update_id: for `"invalid_sequence"`.
            first_update_id: for `"invalid_sequence"`.
        """
        sub_kind = SubKind(kind)
        variants: dict[str, object] = {
            "socket": {"Socket": message},
            "snapshot_invalid": {"InitialSnapshotInvalid": message},
            "snapshot_missing": {"InitialSnapshotMissing": message},
            "index": {"Index": {"InstrumentIndex": message}},
            "subscriptions_empty": "SubscriptionsEmpty",
            "unsupported": {"Unsupported": {"exchange": exchange, "sub_kind": sub_kind.upstream}},
            "unsupported_sub_kind": {"UnsupportedSubKind": message or sub_kind.upstream},
            "invalid_sequence": {
                "InvalidSequence": {"prev_last_update_id": prev_last_update_id, "first_update_id": first_update_id}
            },
        }
        if variant not in variants:
            raise ArgumentError(f"variant must be one of {', '.join(variants)}, not {variant!r}")
        error = json_bytes(variants[variant])
        self._check(lib.barter_test_push_error(self._handle, _name(exchange), sub_kind.number, error, len(error)))

    def reconnecting(self, exchange: ExchangeId, kind: SubKindName) -> None:
        """Injects barter-data's marker of a broken connection, of which neither reason nor last event is known."""
        self._check(lib.barter_test_push_reconnecting(self._handle, _name(exchange), SubKind(kind).number))

    def close(self, exchange: ExchangeId, kind: SubKindName) -> None:
        """Ends one producer: its stream ends when everything was read."""
        self._check(lib.barter_test_close(self._handle, _name(exchange), SubKind(kind).number))

    def _index(self, instrument: Instrument) -> int:
        known, index = self._instruments.known, instrument.index
        if index < len(known) and (known[index] is instrument or known[index] == instrument):
            return index
        made = self.instrument(
            instrument.exchange, instrument.base, instrument.quote, instrument.kind, instrument.name_exchange
        )
        return made.index

    def _check(self, status: int) -> None:
        if check(status) == CLOSED:
            raise StreamClosedError(last_message())
        if status == lib.BARTER_NOT_FOUND:
            raise SubscriptionError(last_message())


def _name(exchange: str) -> bytes:
    if "\0" in exchange:
        raise SubscriptionError(f"no exchange is called {exchange!r}")
    return exchange.encode("utf-8", "replace")

"""Sets of streams: `init_dynamic_streams` opens the connections of all subscriptions, and `DynamicStreams` has one
stream for each exchange server and kind, of which single ones, or several merged into one, are selected.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Literal, TypeAlias

import msgspec

from barter_cffi._ffi import OK, TIMEOUT, check, ffi, last_message, lib, ready_fd, text
from barter_cffi._json import json_bytes
from barter_cffi._logging import follow
from barter_cffi._wait import NOW, deadline_after, wait
from barter_cffi.books import Books
from barter_cffi.errors import ArgumentError, InitTimeoutError, StreamClosedError
from barter_cffi.event import (
    BookSnapshotEvent,
    BookUpdateEvent,
    LiquidationEvent,
    MarketEvent,
    OrderBookL1Event,
    TradeEvent,
)
from barter_cffi.instrument import ExchangeId, Instrument, Instruments
from barter_cffi.metrics import StreamsMetrics, streams_metrics
from barter_cffi.options import StreamOptions, options_json
from barter_cffi.stream import MarketStream
from barter_cffi.subscription import AnySubscription, SubKind, batches_json

Errors: TypeAlias = Literal["raise", "yield"]
"""What becomes of an error in a stream: raised as `DataError`, or an item."""

TradeStream: TypeAlias = MarketStream[TradeEvent]
L1Stream: TypeAlias = MarketStream[OrderBookL1Event]
L2Stream: TypeAlias = MarketStream[BookSnapshotEvent | BookUpdateEvent]
LiquidationStream: TypeAlias = MarketStream[LiquidationEvent]


def init_dynamic_streams(
    batches: Iterable[AnySubscription | Iterable[AnySubscription]],
    options: StreamOptions | None = None,
    *,
    timeout: float | None = 30.0,
) -> DynamicStreams:
    """Opens the connections of all subscriptions and waits until they are open; Ctrl-C ends the wait.

    Each batch opens its own connection per exchange server and kind; all connections of an exchange server and kind end
    in one stream. A subscription repeated anywhere is opened once. Whatever is raised, nothing is left open.

    Args:
        batches: lists of subscriptions, or one list of them, which is one batch. A subscription is a `Subscription`, an
            object as in barter-data's JSON, or a text for `Subscription.parse`.
        options: how to connect, reconnect and queue.
        timeout: seconds for all of it, from 0 to 1e9; None leaves it to the time-outs of the options.

    Raises:
        SubscriptionError: no subscriptions, unknown exchange or kind, a pair that is not offered, or was refused.
        ConnectError: a connection could not be opened.
        InitTimeoutError: the time was up, or an exchange did not acknowledge in time.
        ArgumentError: an option has a value it cannot have.
        ValueError, TypeError: an argument is not of its form.
    """
    deadline = None if timeout is None else deadline_after(timeout)
    handle = ffi.new("barter_streams **")
    try:
        _start(batches, options, handle)
        return _opened(handle[0], wait(partial(lib.barter_streams_wait, handle[0]), deadline), timeout)
    except BaseException:
        lib.barter_streams_free(handle[0])
        raise


async def init_dynamic_streams_async(
    batches: Iterable[AnySubscription | Iterable[AnySubscription]],
    options: StreamOptions | None = None,
    *,
    timeout: float | None = 30.0,
) -> DynamicStreams:
    """As `init_dynamic_streams`, without blocking the event loop (asyncio, uvloop or trio). A cancelled call leaves
    nothing open.
    """
    from barter_cffi import aio

    deadline = None if timeout is None else deadline_after(timeout)
    handle = ffi.new("barter_streams **")
    try:
        _start(batches, options, handle)
        open_fd = partial(ready_fd, lib.barter_streams_ready_fd, handle[0])
        await aio.Readiness().wait(lambda _: lib.barter_streams_wait(handle[0], NOW), open_fd, deadline)
        # Once more: the thread's last message may be from before connections opened, or of another task's call.
        return _opened(handle[0], lib.barter_streams_wait(handle[0], NOW), timeout)
    except BaseException:
        lib.barter_streams_free(handle[0])
        raise


class DynamicStreams:
    """A set of streams, one for each exchange server and kind that was subscribed; each can be selected once.

    A selected stream lives on when the set is no longer referenced. `close`, and leaving `with`, close the set and
    every stream that was selected from it.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._instruments = Instruments(partial(text, lib.barter_streams_instruments, handle))
        self._selected: list[weakref.ref[MarketStream[Any]]] = []
        self._closed = False
        self._owner = ffi.gc(handle, lib.barter_streams_free)

    def select_trades(self, exchange: ExchangeId, errors: Errors = "raise") -> TradeStream | None:
        """The trades of an exchange server, None where there are none or they were selected before.

        Raises:
            SubscriptionError: no exchange server has this name; the nearest are offered.
            StreamClosedError: the set was closed.
        """
        return self._select(SubKind.PUBLIC_TRADES, exchange, errors)

    def select_l1s(self, exchange: ExchangeId, errors: Errors = "raise") -> L1Stream | None:
        """The best bids and asks of an exchange server; as `select_trades`."""
        return self._select(SubKind.ORDER_BOOKS_L1, exchange, errors)

    def select_l2s(self, exchange: ExchangeId, errors: Errors = "raise") -> L2Stream | None:
        """The order book snapshots and updates of an exchange server; as `select_trades`."""
        return self._select(SubKind.ORDER_BOOKS_L2, exchange, errors)

    def select_books(self, exchange: ExchangeId, errors: Errors = "raise") -> Books | None:
        """The order books of an exchange server, maintained by the library and read at any time; as `select_trades`.

        They are the same subscriptions as of `select_l2s`: what one has taken the other does not find.
        """
        notices = self._select(SubKind.ORDER_BOOKS_L2, exchange, errors, lib.barter_streams_select_books)
        return None if notices is None else Books(notices)

    def select_all_books(self, errors: Errors = "raise") -> Books | None:
        """All order books not selected yet, maintained by the library; as `select_books`."""
        notices = self._select(SubKind.ORDER_BOOKS_L2, None, errors, lib.barter_streams_select_books)
        return None if notices is None else Books(notices)

    def select_liquidations(self, exchange: ExchangeId, errors: Errors = "raise") -> LiquidationStream | None:
        """The liquidations of an exchange server; as `select_trades`."""
        return self._select(SubKind.LIQUIDATIONS, exchange, errors)

    def select_all_trades(self, errors: Errors = "raise") -> TradeStream | None:
        """All trades not selected yet, merged into one stream; None where nothing is left.

        Items of one exchange server keep their order; those of several come as they arrived.
        """
        return self._select(SubKind.PUBLIC_TRADES, None, errors)

    def select_all_l1s(self, errors: Errors = "raise") -> L1Stream | None:
        """All best bids and asks not selected yet; as `select_all_trades`."""
        return self._select(SubKind.ORDER_BOOKS_L1, None, errors)

    def select_all_l2s(self, errors: Errors = "raise") -> L2Stream | None:
        """All order book snapshots and updates not selected yet; as `select_all_trades`."""
        return self._select(SubKind.ORDER_BOOKS_L2, None, errors)

    def select_all_liquidations(self, errors: Errors = "raise") -> LiquidationStream | None:
        """All liquidations not selected yet; as `select_all_trades`."""
        return self._select(SubKind.LIQUIDATIONS, None, errors)

    def select_all(self, errors: Errors = "raise") -> MarketStream[MarketEvent] | None:
        """Everything not selected yet, of all kinds, in one stream; as `select_all_trades`."""
        return self._select(None, None, errors)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """All instruments, ordered by index."""
        return self._instruments.refresh()

    @property
    def available(self) -> list[tuple[ExchangeId, SubKind]]:
        """What can still be selected."""
        rows = msgspec.json.decode(text(lib.barter_streams_list, self._handle))
        return [(row["exchange"], SubKind(row["kind"])) for row in rows]

    def metrics(self) -> StreamsMetrics:
        """What all streams of the set have come to: those that can be selected, and those that were and still exist.

        Raises:
            StreamClosedError: the set was closed.
            ForkedError: the process is a fork of the one that opened the streams.
        """
        return streams_metrics(text(lib.barter_streams_metrics_json, self._handle), self._instruments)

    def subscribe(
        self, batches: Iterable[AnySubscription | Iterable[AnySubscription]], *, timeout: float | None = 30.0
    ) -> None:
        """Subscribes on the running set and waits until what is new is open, all of it or nothing; other subscriptions
        go on undisturbed.

        New instruments come in the streams of their exchange server and kind, also in those that were selected before,
        merged ones too. An exchange server and kind that had no stream, or whose stream was closed or has ended, can be
        selected after that, also where `select_all` took what there was. What is subscribed already is not subscribed
        again. Indices of instruments keep their meaning. One thread's addition waits for another's.

        Args:
            batches: as of `init_dynamic_streams`; each batch opens connections of its own.
            timeout: seconds for all of it, from 0 to 1e9; None leaves it to the time-outs of the options.

        Raises:
            SubscriptionError, ConnectError, InitTimeoutError: as of `init_dynamic_streams`; no connection or stream of
                it is left then. What was refused at once changes nothing; once connections opened their instruments
                keep their indices, for events of them may have been read.
            ArgumentError: the streams are in memory.
            StreamClosedError: the set was closed.
        """
        deadline = None if timeout is None else deadline_after(timeout)
        addition = ffi.new("barter_streams **")
        start = self._addition(batches, addition)
        try:
            _started(wait(start, deadline), timeout)
            _added(addition[0], wait(partial(lib.barter_streams_wait, addition[0]), deadline), timeout)
        finally:
            lib.barter_streams_free(addition[0])
        self._instruments.refresh()

    async def subscribe_async(
        self, batches: Iterable[AnySubscription | Iterable[AnySubscription]], *, timeout: float | None = 30.0
    ) -> None:
        """As `subscribe`, without blocking the event loop (asyncio, uvloop or trio). A cancelled call leaves nothing of
        it.
        """
        from barter_cffi import aio

        deadline = None if timeout is None else deadline_after(timeout)
        addition = ffi.new("barter_streams **")
        start = self._addition(batches, addition)
        try:
            turn = partial(ready_fd, lib.barter_streams_subscribe_ready_fd, self._handle)
            _started(await aio.Readiness().wait(lambda _: check(start(NOW)), turn, deadline), timeout)
            open_fd = partial(ready_fd, lib.barter_streams_ready_fd, addition[0])
            await aio.Readiness().wait(lambda _: lib.barter_streams_wait(addition[0], NOW), open_fd, deadline)
            # Once more: the thread's last message may be of another task's call.
            _added(addition[0], lib.barter_streams_wait(addition[0], NOW), timeout)
        finally:
            lib.barter_streams_free(addition[0])
        self._instruments.refresh()

    def unsubscribe(self, subscriptions: Iterable[AnySubscription | Iterable[AnySubscription]]) -> None:
        """Ends subscriptions of the running set, all of them or, where one is not subscribed, none; never waits.

        A connection whose last instrument goes is closed; on one that carries others the exchange is told, and what
        still comes is left out. What a stream holds already stays to be read, and the stream stays open for what is
        subscribed later, until it is closed. Instruments keep their indices.

        Args:
            subscriptions: of the same forms as the batches of `init_dynamic_streams`.

        Raises:
            SubscriptionError: one is not subscribed, or is none; it is named.
            ArgumentError: the streams are in memory.
            StreamClosedError: the set was closed.
        """
        request = json_bytes({"batches": batches_json(subscriptions)})
        check(lib.barter_streams_unsubscribe(self._handle, request, len(request)))

    def close(self) -> None:
        """Closes everything that was not selected, and every stream that was; twice is the same as once."""
        self._closed = True
        ffi.release(self._owner)
        for selected in list(self._selected):
            stream = selected()
            if stream is not None:
                stream.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called, or `with` left."""
        return self._closed

    def __enter__(self) -> DynamicStreams:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> DynamicStreams:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._closed:
            return "<DynamicStreams, closed>"
        left = ", ".join([f"{kind} of {exchange}" for exchange, kind in self.available])
        return f"<DynamicStreams, to be selected: {left or 'nothing'}>"

    def _addition(
        self, batches: Iterable[AnySubscription | Iterable[AnySubscription]], addition: Any
    ) -> Callable[[int], int]:
        """What begins to subscribe and puts what is to be waited for, and freed, into `addition`."""
        request = json_bytes({"batches": batches_json(batches)})
        start = partial(lib.barter_streams_subscribe_start, self._handle, request, len(request))
        return lambda timeout_ns: int(start(timeout_ns, addition))

    def _select(
        self,
        kind: SubKind | None,
        exchange: ExchangeId | None,
        errors: Errors,
        select_books: Callable[..., int] | None = None,
    ) -> MarketStream[Any] | None:
        if errors not in ("raise", "yield"):
            raise ArgumentError(f'errors must be "raise" or "yield", not {errors!r}')
        if exchange is not None and not isinstance(exchange, str):
            raise TypeError(f"exchange must be a str, not {exchange!r}")
        # A name with a NUL inside is cut there by C; no exchange has a replacement character in its name.
        name = ffi.NULL if exchange is None else exchange.replace("\0", "\ufffd").encode("utf-8", "replace")
        number = lib.BARTER_SUB_ALL if kind is None else kind.number
        handle = ffi.new("barter_stream **")
        try:
            if select_books is not None:
                status = select_books(self._handle, name, handle)
            else:
                status = lib.barter_streams_select(self._handle, number, name, handle)
            if check(status) == lib.BARTER_NOT_FOUND:
                return None
            stream: MarketStream[Any] = MarketStream(handle[0], self._instruments, exchange, kind, errors)
            self._selected.append(weakref.ref(stream))
        except BaseException:
            lib.barter_stream_free(handle[0])
            raise
        if self._closed:
            stream.close()
            raise StreamClosedError("the set of streams was closed")
        return stream


def _start(
    batches: Iterable[AnySubscription | Iterable[AnySubscription]], options: StreamOptions | None, handle: Any
) -> None:
    request = json_bytes({"batches": batches_json(batches), "options": options_json(options)})
    follow()
    check(lib.barter_streams_start(request, len(request), handle))


def _opened(handle: Any, status: int, timeout: float | None) -> DynamicStreams:
    if check(status) == TIMEOUT:
        raise InitTimeoutError(_late(timeout, last_message()))
    return DynamicStreams(handle)


def _started(status: int, timeout: float | None) -> None:
    if check(status) == TIMEOUT:
        raise InitTimeoutError(f"another addition was under way for {timeout} s")


def _added(addition: Any, status: int, timeout: float | None) -> None:
    if check(status) == TIMEOUT:
        missing = last_message()
        lib.barter_streams_close(addition)
        if lib.barter_streams_wait(addition, NOW) != OK:
            raise InitTimeoutError(_late(timeout, missing))


def _late(timeout: float | None, missing: str) -> str:
    return f"not all connections were open within {timeout} s: {missing}"

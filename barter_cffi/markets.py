"""What there is to subscribe to: the markets of an exchange server, from the list that the exchange publishes. The
library asks for it and reads it; a market's name goes into a subscription as its `name_exchange`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, TypeAlias

import msgspec

from barter_cffi._ffi import TIMEOUT, check, ffi, lib, ready_fd, text
from barter_cffi._json import json_bytes
from barter_cffi._logging import follow
from barter_cffi._wait import NOW, deadline_after, wait
from barter_cffi.errors import InitTimeoutError
from barter_cffi.instrument import ExchangeId, InstrumentKind, kind_from_json
from barter_cffi.options import StreamOptions, options_json

InstrumentKindName: TypeAlias = Literal["spot", "perpetual", "future", "option"]
"""A kind of instruments, without the terms of a contract."""


class Market(msgspec.Struct, frozen=True, gc=False):
    """One market of an exchange server that trades now.

    `Subscription(exchange, market.base, market.quote, market.kind, "trades", name_exchange=market.name)` subscribes
    to it. Where the name is the usual one of these assets, a subscription without `name_exchange` means the same.

    Attributes:
        name: the exchange's name of the market, as its WebSocket takes it.
        base: base asset, lower case, by its usual name: Kraken's XBT is `"btc"`.
        quote: quote asset, likewise.
        kind: `"spot"`, `"perpetual"`, a `FutureContract` or an `OptionContract`.
    """

    name: str
    base: str
    quote: str
    kind: InstrumentKind


def markets(
    exchange: ExchangeId,
    instrument_kind: InstrumentKindName | None = None,
    options: StreamOptions | None = None,
    *,
    timeout: float | None = 30.0,
) -> tuple[Market, ...]:
    """Asks an exchange for its markets and waits for the answer; Ctrl-C ends the wait.

    Args:
        exchange: the exchange server, for instance `"okx"`.
        instrument_kind: `"spot"`, `"perpetual"`, `"future"` or `"option"`; None for all that the exchange server has.
        options: `endpoints` says where its REST is, `proxy` and `ca_file` by what way it is reached, and
            `subscribe_timeout` bounds each answer.
        timeout: seconds for all of it, from 0 to 1e9; None leaves it to `subscribe_timeout`.

    Returns:
        The markets that trade now, in the exchange's order; the kinds one after the other.

    Raises:
        SubscriptionError: no exchange server or kind has this name, or it has none of that kind.
        ConnectError: the list could not be had; the message has exchange, address, HTTP status and the answer.
        InitTimeoutError: the time was up.
        ArgumentError: an option has a value it cannot have.
        ValueError, TypeError: an argument is not of its form.
    """
    deadline = None if timeout is None else deadline_after(timeout)
    handle = ffi.new("barter_markets **")
    try:
        _start(exchange, instrument_kind, options, handle)
        status = wait(partial(lib.barter_markets_wait, handle[0]), deadline)
        return _listed(exchange, handle[0], status, timeout)
    finally:
        lib.barter_markets_free(handle[0])


async def markets_async(
    exchange: ExchangeId,
    instrument_kind: InstrumentKindName | None = None,
    options: StreamOptions | None = None,
    *,
    timeout: float | None = 30.0,
) -> tuple[Market, ...]:
    """As `markets`, without blocking the event loop (asyncio, uvloop or trio). A cancelled call ends the look-up."""
    from barter_cffi import aio

    deadline = None if timeout is None else deadline_after(timeout)
    handle = ffi.new("barter_markets **")
    try:
        _start(exchange, instrument_kind, options, handle)
        open_fd = partial(ready_fd, lib.barter_markets_ready_fd, handle[0])
        await aio.Readiness().wait(lambda _: lib.barter_markets_wait(handle[0], NOW), open_fd, deadline)
        # Once more: the thread's last message may be of another task's call.
        return _listed(exchange, handle[0], lib.barter_markets_wait(handle[0], NOW), timeout)
    finally:
        lib.barter_markets_free(handle[0])


def _start(exchange: ExchangeId, kind: InstrumentKindName | None, options: StreamOptions | None, handle: Any) -> None:
    if not isinstance(exchange, str) or not isinstance(kind, (str, type(None))):
        raise TypeError(f"markets takes names of an exchange server and a kind, not {exchange!r}, {kind!r}")
    query: dict[str, object] = {"exchange": exchange, "options": options_json(options)}
    if kind is not None:
        query["instrument_kind"] = kind
    request = json_bytes(query)
    follow()
    check(lib.barter_markets_start(request, len(request), handle))


def _listed(exchange: ExchangeId, handle: Any, status: int, timeout: float | None) -> tuple[Market, ...]:
    if check(status) == TIMEOUT:
        raise InitTimeoutError(f"{exchange} did not list its markets within {timeout} s")
    rows = msgspec.json.decode(text(lib.barter_markets_json, handle))
    return tuple(Market(row["name"], row["base"], row["quote"], kind_from_json(row["instrument_kind"])) for row in rows)

"""What the exchange servers offer, read from the library's own table: for programs that choose subscriptions, and for
the matrix in the README.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import msgspec

from barter_cffi._ffi import ffi, lib
from barter_cffi.instrument import ExchangeId
from barter_cffi.subscription import SubKind


class ExchangeSupport(msgspec.Struct, frozen=True):
    """What one exchange server offers.

    Attributes:
        exchange: its name, for instance `"binance_spot"`.
        number: its number in the C ABI.
        instrument_kinds: kinds of instruments: `spot`, `perpetual`, `future`, `option`.
        kinds: kinds of market data, each offered for every instrument kind.
        amount_unit: what an amount counts (`base`, `quote` or `contracts`), by instrument kind.
        websocket: default base of the WebSocket addresses.
        rest: default base of the REST addresses.
        source: the exchange's document that says so.
    """

    exchange: ExchangeId
    number: int
    instrument_kinds: tuple[Literal["spot", "perpetual", "future", "option"], ...]
    kinds: tuple[SubKind, ...]
    amount_unit: dict[str, str]
    websocket: str
    rest: str | None = None
    source: str = ""


@cache
def support() -> tuple[ExchangeSupport, ...]:
    """Every exchange server of the library, in the order of its numbers."""
    table = ffi.string(lib.barter_support_json())
    return msgspec.json.decode(table, type=tuple[ExchangeSupport, ...])

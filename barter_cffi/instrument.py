"""Instruments: what a subscription names and what every event is about. The registry of a set of streams gives each
a small index that keeps its meaning for ever; all events of an instrument share one `Instrument` object.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias, cast

import msgspec

from barter_cffi._ffi import ffi, lib
from barter_cffi.errors import SubscriptionError

ExchangeId: TypeAlias = Literal[
    "binance_futures_usd",
    "binance_spot",
    "bitfinex",
    "bitmex",
    "bybit_perpetuals_usd",
    "bybit_spot",
    "coinbase",
    "gateio_futures_btc",
    "gateio_futures_usd",
    "gateio_options",
    "gateio_perpetuals_btc",
    "gateio_perpetuals_usd",
    "gateio_spot",
    "kraken",
    "okx",
]
"""The exchange servers, by barter-data's names."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class FutureContract:
    """A future's terms.

    Attributes:
        expiry: when it expires; with a time zone, kept to the millisecond.
    """

    expiry: datetime

    def __post_init__(self) -> None:
        _require_zone("FutureContract", self.expiry)


@dataclass(frozen=True, slots=True)
class OptionContract:
    """An option's terms.

    Attributes:
        kind: `"call"` or `"put"`.
        exercise: `"american"`, `"bermudan"` or `"european"`.
        expiry: when it expires; with a time zone, kept to the millisecond.
        strike: the price it can be exercised at; a str or int is taken exactly, digits and trailing zeros kept.
    """

    kind: Literal["call", "put"]
    exercise: Literal["american", "bermudan", "european"]
    expiry: datetime
    strike: Decimal

    def __post_init__(self) -> None:
        _require_zone("OptionContract", self.expiry)
        strike: object = self.strike
        if isinstance(strike, bool) or not isinstance(strike, (Decimal, str, int)):
            raise TypeError(f"OptionContract: strike must be a Decimal, a str or an int, not {strike!r}")
        try:
            object.__setattr__(self, "strike", Decimal(strike))
        except InvalidOperation:
            raise SubscriptionError(f"OptionContract: strike {strike!r} is not a number") from None


InstrumentKind: TypeAlias = Literal["spot", "perpetual"] | FutureContract | OptionContract


class Instrument(msgspec.Struct, frozen=True, gc=False):
    """One instrument of one exchange server; usable as an index into arrays by instrument.

    Attributes:
        index: its place in its set of streams, from 0; never given to another.
        exchange: the exchange server.
        base: base asset, lower case.
        quote: quote asset, lower case.
        kind: `"spot"`, `"perpetual"`, a `FutureContract` or an `OptionContract`.
        name_exchange: the market's name on the exchange.
        amount_unit: what amounts count: `"base"`, `"quote"` or `"contracts"`.
    """

    index: int
    exchange: ExchangeId
    base: str
    quote: str
    kind: InstrumentKind
    name_exchange: str
    amount_unit: Literal["base", "quote", "contracts"]

    def __index__(self) -> int:
        return self.index

    def __str__(self) -> str:
        return f"{self.exchange}:{self.base}/{self.quote}:{kind_text(self.kind)}"


class Instruments:
    """The instruments of one set, shared by the set and every stream selected from it; only ever grows.

    `known` is ordered by index. `read` gives the library's JSON; a stream has its own, which outlives the set.
    """

    __slots__ = ("_lock", "_names", "_read", "known")

    def __init__(self, read: Callable[[], str], shared: Instruments | None = None) -> None:
        self._read = read
        self._lock: threading.Lock = shared._lock if shared else threading.Lock()
        self.known: list[Instrument] = shared.known if shared else []
        self._names: list[str] = shared._names if shared else []

    def refresh(self) -> tuple[Instrument, ...]:
        """All instruments, those included that were registered since."""
        rows = msgspec.json.decode(self._read())
        with self._lock:
            self.known.extend(map(_instrument, rows[len(self.known) :]))
            return tuple(self.known)

    def names(self, count: int) -> list[str]:
        """A name for each instrument, at least `count` of them, that no other of the set has: `str(instrument)`, with
        the market's name on the exchange behind it where an earlier one is called so. Only ever grows.
        """
        known = self.known if count <= len(self.known) else self.refresh()
        with self._lock:
            taken = set(self._names)
            for instrument in known[len(self._names) :]:
                name = str(instrument)
                self._names.append(name if name not in taken else f"{name} ({instrument.name_exchange})")
                taken.add(self._names[-1])
            return self._names


def exchange_number(name: str) -> int:
    """The library's number of an exchange server; 0 for a name that is none."""
    encoded = name.encode("utf-8", "replace")
    number: int = lib.barter_exchange_from_name(encoded, len(encoded))
    return number


@functools.cache
def exchange_name(number: int) -> ExchangeId | None:
    """The exchange server of the library's number; None for 0."""
    name = lib.barter_exchange_name(number)
    return None if name == ffi.NULL else ffi.string(name).decode()


def kind_json(kind: object) -> object:
    """An instrument kind as barter-data's JSON has it; anything that is none of ours as it is."""
    if isinstance(kind, FutureContract):
        return {"future": {"expiry": _milliseconds(kind.expiry)}}
    if isinstance(kind, OptionContract):
        terms = {
            "kind": kind.kind,
            "exercise": kind.exercise,
            "expiry": _milliseconds(kind.expiry),
            "strike": f"{kind.strike:f}",
        }
        return {"option": terms}
    return kind


def kind_from_json(kind: Any) -> InstrumentKind:
    """The inverse of `kind_json`, of what the library writes."""
    if not isinstance(kind, dict):
        return cast(Literal["spot", "perpetual"], kind)
    [(name, terms)] = kind.items()
    expiry = _EPOCH + terms["expiry"] * _MILLISECOND
    if name == "future":
        return FutureContract(expiry)
    return OptionContract(terms["kind"], terms["exercise"], expiry, Decimal(terms["strike"]))


def kind_text(kind: InstrumentKind) -> str:
    """An instrument kind as `Subscription.parse` reads it."""
    if isinstance(kind, FutureContract):
        return f"future@{_expiry_text(kind.expiry)}"
    if isinstance(kind, OptionContract):
        return f"option@{_expiry_text(kind.expiry)}/{kind.strike:f}/{kind.kind}/{kind.exercise}"
    return kind


def parse_kind(text: str) -> InstrumentKind:
    """The inverse of `kind_text`.

    Raises:
        SubscriptionError: it is not of that form.
    """
    name, separator, terms = text.partition("@")
    try:
        if name == "future":
            return FutureContract(_parse_expiry(terms))
        if name == "option":
            expiry, strike, kind, exercise = terms.split("/")
            return OptionContract(_one_of(kind, "call", "put"), _one_of(exercise, "american", "bermudan", "european"),
                                  _parse_expiry(expiry), Decimal(strike))  # fmt: skip
        if not separator:
            return cast(Literal["spot", "perpetual"], _one_of(name, "spot", "perpetual"))
    except SubscriptionError:
        raise
    except (ValueError, InvalidOperation):
        pass
    raise SubscriptionError(
        f"{text!r} is not an instrument kind; write spot, perpetual, future@2026-12-25T08:00:00Z "
        "or option@2026-12-25T08:00:00Z/50000/call/european"
    )


def _instrument(row: dict[str, Any]) -> Instrument:
    kind = kind_from_json(row["instrument_kind"])
    return Instrument(
        row["index"], row["exchange"], row["base"], row["quote"], kind, row["name_exchange"], row["amount_unit"]
    )


def _require_zone(of: str, expiry: object) -> None:
    if not isinstance(expiry, datetime):
        raise TypeError(f"{of}: expiry must be a datetime, not {expiry!r}")
    if expiry.utcoffset() is None:
        raise SubscriptionError(f"{of}: expiry {expiry} has no time zone; give it one, for instance timezone.utc")


def _milliseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MILLISECOND


def _expiry_text(expiry: datetime) -> str:
    return expiry.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def _parse_expiry(text: str) -> datetime:
    if text.endswith("Z"):
        return datetime.fromisoformat(text[:-1] + "+00:00")
    if len(text) == len("2026-12-25"):
        return datetime.fromisoformat(text + "T00:00:00+00:00")
    return datetime.fromisoformat(text)


def _one_of(text: str, *names: str) -> Any:
    if text not in names:
        raise ValueError(text)
    return text

"""Subscriptions: which market data of which instrument. Plain values that callers build, parse from text or take from
barter-data's JSON; the library checks them against what the exchanges offer when streams are initialised.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias, cast

from barter_cffi._ffi import lib
from barter_cffi.errors import SubscriptionError
from barter_cffi.instrument import ExchangeId, FutureContract, InstrumentKind, OptionContract, kind_json, parse_kind


class SubKind(str, Enum):
    """The kinds of market data; equal to their short names, made from those and from barter-data's spellings."""

    PUBLIC_TRADES = "trades"
    ORDER_BOOKS_L1 = "l1"
    ORDER_BOOKS_L2 = "l2"
    LIQUIDATIONS = "liquidations"

    __str__ = str.__str__

    @property
    def number(self) -> int:
        """The library's number of the kind."""
        return _NUMBERS[self]

    @property
    def upstream(self) -> str:
        """The name of barter-data's variant: `PublicTrades`, `OrderBooksL1`, `OrderBooksL2` or `Liquidations`."""
        return "".join(map(str.capitalize, self.name.split("_")))

    @classmethod
    def from_number(cls, number: int) -> SubKind | None:
        """The kind of the library's number; None for 0, which stands for several."""
        return _KINDS.get(number)

    @classmethod
    def _missing_(cls, value: object) -> SubKind:
        if not isinstance(value, str):
            raise TypeError(f"a subscription kind is a SubKind or a str, not {value!r}")
        for kind in cls:
            if value in (kind.name, kind.name.lower(), kind.upstream):
                return kind
        names = [kind.value for kind in cls]
        near = difflib.get_close_matches(value.lower(), names) or names
        raise SubscriptionError(f"no subscription kind is called {value!r}; did you mean {' or '.join(near)}?")


_NUMBERS: dict[SubKind, int] = {
    SubKind.PUBLIC_TRADES: lib.BARTER_SUB_TRADES,
    SubKind.ORDER_BOOKS_L1: lib.BARTER_SUB_L1,
    SubKind.ORDER_BOOKS_L2: lib.BARTER_SUB_L2,
    SubKind.LIQUIDATIONS: lib.BARTER_SUB_LIQUIDATIONS,
}
_KINDS = {number: kind for kind, number in _NUMBERS.items()}

SubKindName: TypeAlias = (
    SubKind
    | Literal[
        "trades", "l1", "l2", "liquidations",
        "public_trades", "order_books_l1", "order_books_l2",
        "PublicTrades", "OrderBooksL1", "OrderBooksL2", "Liquidations",
    ]
)  # fmt: skip
"""A kind, or one of its spellings."""


@dataclass(frozen=True, slots=True, init=False)
class Subscription:
    """One kind of market data of one instrument.

    Attributes:
        exchange: the exchange server, for instance `"binance_spot"`.
        base: base asset, for instance `"btc"`.
        quote: quote asset, for instance `"usdt"`.
        instrument_kind: `"spot"`, `"perpetual"`, a `FutureContract` or an `OptionContract`; None where the exchange
            server has only one.
        kind: what is subscribed; any spelling is taken and kept as a `SubKind`.
        name_exchange: the market's name on the exchange, where it is not the usual one.

    Raises:
        TypeError: a field is not of its type.
        SubscriptionError: no kind has this name. Everything else is checked by `init_dynamic_streams`.
    """

    exchange: ExchangeId
    base: str
    quote: str
    instrument_kind: InstrumentKind | None
    kind: SubKind
    name_exchange: str | None = None

    def __init__(
        self,
        exchange: ExchangeId,
        base: str,
        quote: str,
        instrument_kind: InstrumentKind | None,
        kind: SubKindName,
        name_exchange: str | None = None,
    ) -> None:
        for name, value, types in (
            ("exchange", exchange, str),
            ("base", base, str),
            ("quote", quote, str),
            ("instrument_kind", instrument_kind, (str, FutureContract, OptionContract, type(None))),
            ("name_exchange", name_exchange, (str, type(None))),
        ):
            if not isinstance(value, types):
                raise TypeError(f"Subscription: {name} cannot be {value!r}")
            object.__setattr__(self, name, value)
        object.__setattr__(self, "kind", SubKind(kind))

    @classmethod
    def parse(cls, text: str) -> Subscription:
        """A subscription from `exchange:base/quote:kind` or `exchange:base/quote:instrument_kind:kind`.

        `instrument_kind` is `spot`, `perpetual`, `future@EXPIRY` or `option@EXPIRY/STRIKE/(call|put)/EXERCISE`, with
        `EXERCISE` american, bermudan or european and `EXPIRY` in ISO 8601 with a zone, or a date for midnight UTC:

            binance_spot:btc/usdt:trades
            okx:btc/usdt:perpetual:trades
            okx:btc/usd:future@2026-12-25T08:00:00Z:trades
            okx:btc/usd:option@2026-12-25T08:00:00Z/50000/call/european:trades

        Raises:
            SubscriptionError: the text is not of that form.
        """
        if not isinstance(text, str):
            raise TypeError(f"Subscription.parse takes a str, not {text!r}")
        exchange, _, rest = text.partition(":")
        market, _, rest = rest.partition(":")
        instrument_kind, _, kind = rest.rpartition(":")
        base, slash, quote = market.partition("/")
        if not (exchange and base and slash and quote and kind):
            raise SubscriptionError(
                f"{text!r} is not a subscription; write exchange:base/quote:kind or "
                "exchange:base/quote:instrument_kind:kind, for instance binance_spot:btc/usdt:trades"
            )
        return cls(
            cast(ExchangeId, exchange),
            base,
            quote,
            parse_kind(instrument_kind) if instrument_kind else None,
            SubKind(kind),
        )


def subscriptions(
    exchange: ExchangeId,
    markets: Iterable[str],
    kinds: Iterable[SubKindName],
    instrument_kind: InstrumentKind | None = None,
) -> list[Subscription]:
    """Every kind of every market: `subscriptions("binance_spot", ["btc/usdt", "eth/usdt"], ["trades", "l1"])`.

    Args:
        markets: `base/quote` each.
        instrument_kind: as in `Subscription`, of all of them.

    Raises:
        SubscriptionError: a market is not of that form, or no kind has a name.
        TypeError: `markets` or `kinds` is a single str.
    """
    for name, value in (("markets", markets), ("kinds", kinds)):
        if isinstance(value, str):
            raise TypeError(f"subscriptions: {name} is a list, write [{value!r}]")
    kinds = [SubKind(kind) for kind in kinds]
    made = []
    for market in markets:
        base, slash, quote = market.partition("/")
        if not (base and slash and quote):
            raise SubscriptionError(f"{market!r} is not a market; write base/quote, for instance btc/usdt")
        made += [Subscription(exchange, base, quote, instrument_kind, kind) for kind in kinds]
    return made


AnySubscription: TypeAlias = Subscription | Mapping[str, object] | str
"""A `Subscription`, an object as in barter-data's JSON, or a text for `Subscription.parse`."""


def subscription_json(subscription: AnySubscription) -> dict[str, object]:
    """A subscription as the library's JSON has it."""
    if isinstance(subscription, str):
        subscription = Subscription.parse(subscription)
    if isinstance(subscription, Mapping):
        fields = dict(subscription)
    else:
        fields = {name: getattr(subscription, name) for name in Subscription.__slots__}
    if "instrument_kind" in fields:
        fields["instrument_kind"] = kind_json(fields["instrument_kind"])
    return fields


def batches_json(batches: Iterable[AnySubscription | Iterable[AnySubscription]]) -> list[object]:
    """Batches of subscriptions as the library's JSON has them; a flat list is one batch.

    Raises:
        TypeError: it is neither a list of subscriptions nor a list of such lists.
    """
    plain = (Subscription, Mapping, str)
    if isinstance(batches, plain):
        raise TypeError("init_dynamic_streams takes a list of subscriptions, or a list of such lists")
    rows: list[object] = list(batches)
    if rows and all(isinstance(row, plain) for row in rows):
        rows = [rows]
    made: list[object] = []
    for row in rows:
        if isinstance(row, plain) or not isinstance(row, Iterable):
            raise TypeError(f"a batch is a list of subscriptions, not {row!r}")
        batch = list(row)
        for subscription in batch:
            if not isinstance(subscription, plain):
                raise TypeError(f"{subscription!r} is not a Subscription, a mapping or a str")
        made.append([subscription_json(subscription) for subscription in batch])
    return made

"""What a market is: its instrument, where its price starts, and the steps it moves in.

`LocalExchange(markets=...)` takes these; each exchange module turns one into its own market name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Final, Literal, TypeAlias

MarketKind: TypeAlias = Literal["spot", "perpetual", "future", "option"]

#: Starting prices in US dollars of the assets the default markets are made of.
DOLLAR_PRICES: Final[dict[str, Decimal]] = {
    "ada": Decimal("0.4"),
    "bnb": Decimal("600"),
    "btc": Decimal("60000"),
    "doge": Decimal("0.1"),
    "eth": Decimal("3000"),
    "eur": Decimal("1.1"),
    "ltc": Decimal("80"),
    "sol": Decimal("150"),
    "usd": Decimal("1"),
    "usdc": Decimal("1"),
    "usdt": Decimal("1"),
    "xrp": Decimal("0.5"),
}
_UNLISTED_ASSET_PRICE: Final = Decimal("10")
#: When the default futures and options expire.
DEFAULT_EXPIRY: Final = datetime(2030, 12, 27, 8, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Market:
    """One instrument of an exchange.

    `base` and `quote` are the assets' plain lower-case names ("btc", "usdt"), not a venue's.
    `expiry` is set for futures and options, `strike` and `option` for options. `price` is where the
    simulation starts; prices are multiples of `tick`, amounts of `lot` (contracts on venues that
    trade contracts), and a usual order has `usual_lots` of them.

    Raises `ValueError` when a step is not positive, the price is less than 1,000 ticks, or the expiry
    has no time zone.
    """

    base: str
    quote: str
    kind: MarketKind = "spot"
    expiry: datetime | None = None
    strike: str | None = None
    option: Literal["call", "put"] | None = None
    price: Decimal = Decimal("100")
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal("0.001")
    usual_lots: int = 1_000

    def __post_init__(self) -> None:
        if self.expiry is not None and self.expiry.tzinfo is None:
            raise ValueError(f"{self}: expiry needs a time zone")
        if self.tick <= 0 or self.lot <= 0 or self.usual_lots <= 0:
            raise ValueError(f"{self}: tick, lot and usual_lots must be positive")
        if self.price < 1_000 * self.tick:
            raise ValueError(f"{self}: the price must be at least 1,000 ticks")

    @property
    def pair(self) -> str:
        """The pair as people write it: "btc/usdt"."""
        return f"{self.base}/{self.quote}"


def market_of(
    base: str,
    quote: str,
    kind: MarketKind = "spot",
    *,
    expiry: datetime | None = None,
    strike: str | None = None,
    option: Literal["call", "put"] | None = None,
    tick: str | None = None,
    lot: str | None = None,
) -> Market:
    """A market with a plausible price and steps.

    Without `tick` the price has six digits after its first; without `lot` amounts are of the base
    asset and the least is worth less than a dollar, with it they are contracts and few to an order.
    An option's price is a fiftieth of its underlying's.
    """
    worth = _dollar_price(base)
    price = worth / _dollar_price(quote) / (50 if kind == "option" else 1)
    tick_size = Decimal(tick) if tick is not None else Decimal(1).scaleb(price.adjusted() - 6)
    lot_size = Decimal(lot) if lot is not None else Decimal(1).scaleb(-worth.adjusted() - 1)
    price = (price / tick_size).to_integral_value() * tick_size
    usual = 1_000 if lot is None else 20
    return Market(base, quote, kind, expiry, strike, option, price, tick_size, lot_size, usual)


def markets(pairs: Iterable[str], kind: MarketKind = "spot") -> tuple[Market, ...]:
    """Markets from pairs: `markets(["btc/usdt", "eth/usdt"])`.

    Raises `ValueError` for a pair without exactly one slash.
    """
    made = []
    for pair in pairs:
        base, slash, quote = pair.partition("/")
        if not slash or not base or not quote or "/" in quote:
            raise ValueError(f"{pair!r} is not a pair such as 'btc/usdt'")
        made.append(market_of(base.lower(), quote.lower(), kind))
    return tuple(made)


def _dollar_price(asset: str) -> Decimal:
    return DOLLAR_PRICES.get(asset, _UNLISTED_ASSET_PRICE)


@dataclass(frozen=True, slots=True)
class Step:
    """Writes whole numbers of steps as decimal text with a fixed count of decimals."""

    unit: int
    decimals: int

    @classmethod
    def of(cls, size: Decimal, at_least: int = 0) -> Step:
        """The step of that size; `at_least` so many decimals are shown ("60000.01000000")."""
        exponent = size.normalize().as_tuple().exponent
        assert isinstance(exponent, int), "a step is a finite number"
        decimals = max(at_least, -exponent)
        return cls(int(size.scaleb(decimals)), decimals)

    def text(self, steps: int) -> str:
        """`steps` steps as text."""
        value = steps * self.unit
        if self.decimals == 0:
            return str(value)
        whole, part = divmod(value, 10**self.decimals)
        return f"{whole}.{part:0{self.decimals}d}"

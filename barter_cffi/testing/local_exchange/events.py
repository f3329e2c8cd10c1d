"""The events a simulated market produces, as plain values.

One value serves three readers: the exchange modules encode it for the wire, the journal keeps it,
and a test compares it with what its client received. Prices and amounts are decimal strings exactly
as the exchange writes them; times are nanoseconds since the Unix epoch with the exchange's own
resolution, so what stands here is what stood on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

Kind: TypeAlias = Literal["trades", "l1", "l2", "liquidations"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Side: TypeAlias = Literal["buy", "sell"]


class Level(NamedTuple):
    """One price level of a book."""

    price: str
    amount: str


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade. `side` is the taker's on every venue, whatever the venue itself writes.

    `number` counts the market's trades upwards. `id` is the trade's identity as the wire has it,
    None where the wire has none. `history` marks a trade that happened before the subscription and
    was replayed in answer to it.
    """

    exchange: str
    market: str
    number: int
    id: str | None
    price: str
    amount: str
    side: Side
    time_ns: int
    sequence: int
    history: bool = False


@dataclass(frozen=True, slots=True)
class BestBidAsk:
    """The top of the book after the change numbered `sequence`."""

    exchange: str
    market: str
    bid: Level
    ask: Level
    sequence: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """The book after the change numbered `sequence`, each side from the best price outwards.

    `update_id` counts the messages of one book feed where the venue numbers those (Bybit's `u`).
    """

    exchange: str
    market: str
    sequence: int
    update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    time_ns: int


@dataclass(frozen=True, slots=True)
class BookUpdate:
    """What changed from `first_sequence` to `sequence`; an amount of zero removes the level.

    `previous_sequence` is the `sequence` of the update before it; `update_id` as in `BookSnapshot`.
    """

    exchange: str
    market: str
    first_sequence: int
    sequence: int
    previous_sequence: int
    update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    time_ns: int


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One liquidation order: `price` is its limit, `average_price` what it was filled at."""

    exchange: str
    market: str
    price: str
    average_price: str
    quantity: str
    side: Side
    time_ns: int


Event: TypeAlias = Trade | BestBidAsk | BookSnapshot | BookUpdate | Liquidation

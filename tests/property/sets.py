"""Sets of in-memory streams with the same instruments in every set, so that events can be made
before their set is.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal

from barter_cffi.event import MarketEvent
from barter_cffi.instrument import ExchangeId, Instrument
from barter_cffi.options import QueueOptions, QueuePolicy, StreamOptions
from barter_cffi.streams import DynamicStreams
from barter_cffi.subscription import SubKind
from barter_cffi.testing import Injector, in_memory

from .strategies import Failure, Item, Source, source_of

EXCHANGES: tuple[ExchangeId, ...] = ("binance_spot", "kraken", "okx")
_BASES = ("btc", "eth", "sol")


def register(injector: Injector) -> list[Instrument]:
    """Three instruments of each exchange server, under the same indices in every set."""
    pairs = [(exchange, base) for exchange in EXCHANGES for base in _BASES]
    return [injector.instrument(exchange, base, "usdt", "spot") for exchange, base in pairs]


def _registered() -> list[Instrument]:
    streams, injector = in_memory([])
    with streams:
        return register(injector)


INSTRUMENTS: list[Instrument] = _registered()


def set_of(
    sources: list[Source],
    capacity: int | None = None,
    max_bytes: int | None = None,
    policy: QueuePolicy = "drop_oldest",
) -> tuple[DynamicStreams, Injector]:
    """A set with these sources, bounds and policy of a queue, and its injector."""
    queue = QueueOptions(capacity=capacity, max_bytes=max_bytes, policy=policy)
    streams, injector = in_memory(sources, StreamOptions(queue=queue))
    assert register(injector) == INSTRUMENTS
    return streams, injector


def select(streams: DynamicStreams, source: Source, errors: Literal["raise", "yield"]) -> Any:
    """The stream of one source."""
    exchange, kind = source
    by_kind = {
        SubKind.PUBLIC_TRADES: streams.select_trades,
        SubKind.ORDER_BOOKS_L1: streams.select_l1s,
        SubKind.ORDER_BOOKS_L2: streams.select_l2s,
        SubKind.LIQUIDATIONS: streams.select_liquidations,
    }
    stream = by_kind[kind](exchange, errors)
    assert stream is not None
    return stream


def inject(injector: Injector, items: list[Item]) -> None:
    """Injects the items in their order, neighbouring events of one source in one go: what goes to
    several sources at once has no order among them.
    """
    for (source, kind), run in itertools.groupby(items, lambda item: (source_of(item), type(item))):
        if issubclass(kind, MarketEvent):
            injector.push_many(item for item in run if isinstance(item, MarketEvent))
            continue
        for item in run:
            if isinstance(item, Failure):
                injector.error(*source, item.message)
            else:
                injector.reconnecting(*source)

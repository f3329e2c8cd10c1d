"""Micro-benchmarks of the decoders, per event: records in the library's memory become objects. Run by pyperf."""

from __future__ import annotations

from collections.abc import Callable

import pyperf

from barter_cffi import BookUpdateEvent, Instrument, Level, Levels, MarketEvent, OrderBookL1Event, Side, TradeEvent
from barter_cffi.record import decode
from barter_cffi.testing import in_memory

EVENTS = 1_024
BTC = ("binance_spot", "btc", "usdt", "spot")


def trade(number: int, btc: Instrument) -> MarketEvent:
    """A trade with an id as Binance has them."""
    return TradeEvent(65_000.01, 0.5, Side.BUY, str(3_000_000_000 + number), btc, number, number)


def best_prices(number: int, btc: Instrument) -> MarketEvent:
    """Best bid and ask."""
    return OrderBookL1Event(number, Level(65_000.01, 0.5), Level(65_000.02, 0.5), btc, number, number)


def update(number: int, btc: Instrument) -> MarketEvent:
    """An order book update of 20 levels."""
    bids = Levels.of(*[(65_000.0 - place, 1.5) for place in range(10)])
    asks = Levels.of(*[(65_001.0 + place, 1.5) for place in range(10)])
    return BookUpdateEvent(number, None, bids, asks, btc, number, number)


KINDS: dict[str, Callable[[int, Instrument], MarketEvent]] = {"trades": trade, "l1": best_prices, "l2": update}


def main() -> None:
    """Measures every kind."""
    runner = pyperf.Runner()
    for kind, make in KINDS.items():
        streams, injector = in_memory([("binance_spot", kind)])
        btc = injector.instrument(*BTC)
        injector.push_many([make(number, btc) for number in range(EVENTS)])
        stream = streams.select_all()
        assert stream is not None
        batch = stream.recv_batch(EVENTS)
        assert batch is not None and len(batch) == EVENTS
        read = (batch._open(), 0, batch._kinds(), batch._instruments)
        runner.bench_func(f"decode {kind}", decode, *read, inner_loops=EVENTS)


if __name__ == "__main__":
    main()

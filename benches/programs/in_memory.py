"""What an event costs on its way from an in-memory channel into a numpy array: `in_memory.py EVENTS`.

Prints ns of processor time an event, twice: of the pump, which takes upstream's events from the channel into the
queue, and of the reader, which makes arrays of what the queue has. What the injector spends on its own thread, making
upstream's events and sending them, is before the channel and in neither.
"""

from __future__ import annotations

import os
import sys
import time

from barter_cffi import Instrument, MarketStream, QueueOptions, Side, StreamOptions, TradeEvent
from barter_cffi._ffi import check, ffi, lib
from barter_cffi.testing import in_memory
from barter_cffi.testing.encode import encode

EVENTS = int(sys.argv[1])
# Its threads, for linear algebra, take a core for 50 ms when numpy is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"


def trade(number: int, btc: Instrument) -> TradeEvent:
    """A trade with an id as Binance has them."""
    return TradeEvent(65_000.01, 0.5, Side.BUY, str(3_000_000_000 + number), btc, number, number)


def main() -> None:
    """Injects and reads all twice, and prints what the second time took: then all is loaded, and its memory there."""
    queue = QueueOptions(capacity=EVENTS, max_bytes=1 << 30)
    streams, injector = in_memory([("binance_spot", "trades")], StreamOptions(queue=queue))
    btc = injector.instrument("binance_spot", "btc", "usdt", "spot")
    stream = streams.select_trades("binance_spot")
    assert stream is not None
    records, _, _ = encode((trade(number, btc) for number in range(EVENTS)), lambda of: of.index)
    events = ffi.from_buffer("barter_event[]", records)
    for _ in range(2):
        before, injecting = time.process_time_ns(), time.thread_time_ns()
        check(lib.barter_test_push(injector._handle, events, EVENTS, ffi.NULL, 0, ffi.NULL, 0))
        injected, queued = time.thread_time_ns() - injecting, time.process_time_ns()
        read(stream)
        ended = time.process_time_ns()
    print((queued - before - injected) / EVENTS, (ended - queued) / EVENTS)


def read(stream: MarketStream[TradeEvent]) -> None:
    """Makes arrays of everything, and keeps them until all are made."""
    arrays = []
    left = EVENTS
    while left:
        batch = stream.recv_batch()
        assert batch is not None
        arrays.append(batch.numpy())
        left -= len(arrays[-1])


main()

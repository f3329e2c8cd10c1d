"""What an event costs on its way from an in-memory channel into a numpy array: `in_memory.py EVENTS`.

Prints ns of processor time an event, twice: of the pump, which takes upstream's events from the channel into the
queue, and of the reader, which makes arrays of what the queue has. What the injector spends on its own thread, making
upstream's events and sending them, is before the channel and in neither.
"""

from __future__ import annotations

import sys
import time

from barter_cffi import Instrument, QueueOptions, Side, StreamOptions, TradeEvent
from barter_cffi._ffi import check, ffi, lib
from barter_cffi.testing import in_memory
from barter_cffi.testing.encode import encode

EVENTS = int(sys.argv[1])
WARM = 1_000


def trade(number: int, btc: Instrument) -> TradeEvent:
    """A trade with an id as Binance has them."""
    return TradeEvent(65_000.01, 0.5, Side.BUY, str(3_000_000_000 + number), btc, number, number)


def main() -> None:
    """Injects and reads twice: a few, so that all is loaded, and then those that are timed."""
    queue = QueueOptions(capacity=EVENTS + WARM, max_bytes=1 << 30)
    streams, injector = in_memory([("binance_spot", "trades")], StreamOptions(queue=queue))
    btc = injector.instrument("binance_spot", "btc", "usdt", "spot")
    stream = streams.select_trades("binance_spot")
    assert stream is not None
    for count in (WARM, EVENTS):
        records, _, _ = encode((trade(number, btc) for number in range(count)), lambda of: of.index)
        events = ffi.from_buffer("barter_event[]", records)
        before, injecting = time.process_time_ns(), time.thread_time_ns()
        check(lib.barter_test_push(injector._handle, events, count, ffi.NULL, 0, ffi.NULL, 0))
        injected, queued = time.thread_time_ns() - injecting, time.process_time_ns()
        arrays = []
        left = count
        while left:
            batch = stream.recv_batch()
            assert batch is not None
            arrays.append(batch.numpy())
            left -= len(arrays[-1])
        ended = time.process_time_ns()
        assert sum([len(array) for array in arrays]) == count
    print((queued - before - injected) / EVENTS, (ended - queued) / EVENTS)


main()

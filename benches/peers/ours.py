"""barter_cffi: trades or L1 of Binance spot as batches or as objects."""

from __future__ import annotations

import sys
import time

from barter_cffi import (
    DataError,
    Dropped,
    MarketEvent,
    StreamOptions,
    Subscription,
    init_dynamic_streams,
)


def main(face: str, kind: str, address: str, events: int) -> None:
    """Connects, consumes so many events, prints events per second and how many were dropped on the way."""
    subscription = Subscription("binance_spot", "btc", "usdt", "spot", kind)
    options = StreamOptions(endpoints={"binance_spot": address})
    with init_dynamic_streams([subscription], options) as streams:
        stream = streams.select_all()
        assert stream is not None
        left, began, dropped = events + events // 10, 0.0, 0
        while left > 0:
            batch = stream.recv_batch()
            assert batch is not None
            if face == "objects":
                for item in batch:
                    if isinstance(item, MarketEvent):
                        left -= 1
                    elif isinstance(item, Dropped):
                        dropped += item.count
                    elif isinstance(item, DataError):
                        raise item
            else:
                left -= len(batch)
            if not began and left <= events:
                began, counted = time.perf_counter(), left
        print(counted / (time.perf_counter() - began), dropped)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))

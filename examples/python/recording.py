"""Everything of two exchange servers into a file, a line of JSON each, nothing left out: where the disk is slow, the
sockets are not read until there is room (`policy="block"`).

    recording.py [FILE]
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import msgspec

from barter_cffi import (
    Batch,
    DataError,
    MarketEvent,
    MergedStream,
    QueueOptions,
    StreamOptions,
    init_dynamic_streams,
    merge,
    subscriptions,
)

ITEMS = 300
WANTED = [
    subscriptions("binance_spot", ["btc/usdt", "eth/usdt"], ["trades", "l1", "l2"]),
    subscriptions("binance_futures_usd", ["btc/usdt"], ["trades", "liquidations"]),
]
PATIENT = QueueOptions(capacity=100_000, max_bytes=256 << 20, policy="block")


def line(item: object) -> bytes:
    """An item as JSON: events and notices have a `type`, errors their text."""
    return msgspec.json.encode({"type": "error", "text": str(item)} if isinstance(item, DataError) else item) + b"\n"


def record(stream: MergedStream[MarketEvent], path: Path) -> Counter[str]:
    """Writes until there were enough; how many of each type it were."""
    types: Counter[str] = Counter()
    with path.open("wb") as file:
        while types.total() < ITEMS and not stream.closed:
            batch: Batch[MarketEvent] | None = stream.recv_batch()
            while batch is not None:  # whatever is there goes into one write to the disk
                file.writelines(map(line, batch))
                types.update(type(item).__name__ for item in batch)
                batch = stream.try_recv_batch()
            file.flush()
    return types


def watch(path: Path, options: StreamOptions) -> None:
    """Records, and says what."""
    with init_dynamic_streams(WANTED, options) as streams:
        print("recording", ", ".join(f"{kind} of {exchange}" for exchange, kind in streams.available))
        kinds = (
            streams.select_all_trades("yield"),
            streams.select_all_l1s("yield"),
            streams.select_all_l2s("yield"),
            streams.select_all_liquidations("yield"),
        )
        with merge(*[stream for stream in kinds if stream is not None]) as everything:
            types = record(everything, path)
    for name, count in types.most_common():
        print(f"{name}: {count}")
    print(f"{len(path.read_bytes().splitlines())} lines")


if __name__ == "__main__":
    names = [name for name in sys.argv[1:] if name != "--local"]
    file = Path(names[0] if names else "recorded.jsonl")
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot", "binance_futures_usd"]) as exchange:
            watch(file, StreamOptions(endpoints=exchange.endpoints, queue=PATIENT))
    else:
        watch(file, StreamOptions(queue=PATIENT))

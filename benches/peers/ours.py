"""barter_cffi: as arrays, as objects, or as objects in an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy  # noqa: F401  # before anything is timed
from measure import CA_FILE, FACE, HOST, NAMES, SCHEME, WORKLOAD, Meter

from barter_cffi import Endpoint, MarketStream, QueueOptions, StreamOptions, Subscription, init_dynamic_streams

KIND = {"mixed": "trades", "l2-book": "l2"}.get(WORKLOAD, WORKLOAD)
LOSSLESS = QueueOptions(policy="block")
REST = ("https://" if CA_FILE else "http://") + HOST


def row(event: Any) -> list[Any]:
    """The fields of an event."""
    if KIND == "trades":
        return [event.price, event.amount, event.id, str(event.side), event.time_exchange_ns // 1_000_000]
    if KIND == "l1":
        bid, ask = event.best_bid, event.best_ask
        return [bid.price, bid.amount, ask.price, ask.amount]
    return [event.sequence, *[[[level.price, level.amount] for level in side] for side in (event.bids, event.asks)]]


def arrays(stream: MarketStream[Any], meter: Meter) -> None:
    """Whole batches as numpy arrays."""
    for batch in stream.batches():
        meter.take_many(len(batch.numpy()))


async def loop(stream: MarketStream[Any], meter: Meter) -> None:
    """Objects in an event loop."""
    async for item in stream:
        meter.take(item)


def main() -> None:
    """Consumes the workload; whatever is not an event is an error."""
    meter = Meter(row)
    subscriptions = [Subscription("binance_spot", name[:-4], "usdt", "spot", KIND) for name in NAMES]
    endpoint = Endpoint(websocket=f"{SCHEME}://{HOST}", rest=REST)
    options = StreamOptions(queue=LOSSLESS, endpoints={"binance_spot": endpoint}, proxy=False, ca_file=CA_FILE)
    with init_dynamic_streams([subscriptions], options) as streams:
        stream = streams.select_all()
        assert stream is not None
        if KIND == "l2":
            stream.recv(timeout=5)  # the snapshot
        if FACE == "arrays":
            arrays(stream, meter)
        elif FACE == "objects":
            for item in stream:
                meter.take(item)
        else:
            asyncio.run(loop(stream, meter))


main()

"""barter_cffi, as objects, or as objects in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


@contextmanager
def opened() -> Iterator[MarketStream[Any]]:
    """The stream of the workload, behind the snapshots of its order books."""
    subscriptions = [Subscription("binance_spot", name[:-4], "usdt", "spot", KIND) for name in NAMES]
    endpoint = Endpoint(websocket=f"{SCHEME}://{HOST}", rest=REST)
    options = StreamOptions(queue=LOSSLESS, endpoints={"binance_spot": endpoint}, proxy=False, ca_file=CA_FILE)
    with init_dynamic_streams([subscriptions], options) as streams:
        kinds = {"trades": streams.select_all_trades, "l1": streams.select_all_l1s, "l2": streams.select_all_l2s}
        stream = kinds[KIND]()
        if KIND == "l2":
            stream.recv(timeout=5)
        yield stream


async def loop(stream: MarketStream[Any], meter: Meter) -> None:
    """Objects in an event loop."""
    async for item in stream:
        meter.take(item)


def main() -> None:
    """Consumes the workload; an error in it ends it."""
    meter = Meter(row)
    with opened() as stream:
        if FACE == "async":
            asyncio.run(loop(stream, meter))
        for item in stream:
            meter.take(item)


if __name__ == "__main__":
    main()

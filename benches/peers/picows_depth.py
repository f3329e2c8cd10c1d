"""picows and msgspec, as their users would write it: order book updates; `l2-book` keeps a book with order_book."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import picows
from measure import HOST, WORKLOAD, Meter, subscribe_request

if WORKLOAD == "l2-book":
    from order_book import OrderBook


class Depth(msgspec.Struct, gc=False):  # the fields that count
    u: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class Consumer(picows.WSListener):
    def __init__(self) -> None:
        self.decode = msgspec.json.Decoder(Depth).decode
        # Compared best first: the exchange promises no order.
        self.take = Meter(lambda its: [its[0], sorted(its[1], reverse=True), sorted(its[2])]).take
        self.book = OrderBook() if WORKLOAD == "l2-book" else None
        self.acknowledged = False

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        transport.send(picows.WSMsgType.TEXT, subscribe_request().encode())

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if self.acknowledged:
            raw = self.decode(frame.get_payload_as_memoryview())
            bids, asks = ([[float(price), float(amount)] for price, amount in side] for side in (raw.b, raw.a))
            if self.book is not None:
                keep(self.book.bids, bids)
                keep(self.book.asks, asks)
            self.take((raw.u, bids, asks))
        self.acknowledged = True


def keep(side: Any, levels: list[list[float]]) -> None:
    """Puts levels into one side of a book, or takes them out."""
    for price, amount in levels:
        if amount:
            side[price] = amount
        elif price in side:
            del side[price]


async def main() -> None:
    transport, _ = await picows.ws_connect(Consumer, f"ws://{HOST}/ws")
    await transport.wait_disconnected()


asyncio.run(main())

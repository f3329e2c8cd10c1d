"""picows and msgspec, as their users would write it: trades of Binance spot as typed objects."""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
import picows


class Trade(msgspec.Struct, gc=False):
    """The fields of the raw frame."""

    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool


class Consumer(picows.WSListener):
    """Decodes each frame into number, number, id, side, time."""

    def __init__(self, events: int) -> None:
        self.left = events + events // 10
        self.events = events
        self.began = 0.0
        self.decoder = msgspec.json.Decoder(Trade)
        self.last: tuple[float, float, str, str, int] | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        request = b'{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}'
        transport.send(picows.WSMsgType.TEXT, request)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        payload = frame.get_payload_as_memoryview()
        if self.began == 0.0 and frame.payload_size < 40:
            return
        trade = self.decoder.decode(payload)
        side = "sell" if trade.m else "buy"
        self.last = (float(trade.p), float(trade.q), str(trade.t), side, trade.T)
        self.left -= 1
        if self.left == self.events:
            self.began = time.perf_counter()
        elif self.left == 0:
            print(self.events / (time.perf_counter() - self.began))
            transport.disconnect()


async def main(address: str, events: int) -> None:
    """Connects, consumes so many events, prints events per second."""
    transport, _ = await picows.ws_connect(lambda: Consumer(events), address)
    await transport.wait_disconnected()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

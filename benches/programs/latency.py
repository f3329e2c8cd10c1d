"""From the server's clock to the reader's: `latency.py FACE ADDRESS COUNT`, FACE recv, spin, async, picows, thread.

The ids of the trades are the monotonic clock's nanoseconds when they were sent. Prints one latency a line, in ns, of
COUNT trades. Every face has made price, amount, id, side and time of a trade before its clock is read.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import uvloop

FACE, ADDRESS, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
latencies: list[int] = []


def note(id: str) -> None:
    """A trade is there; the last one ends the process."""
    latencies.append(time.monotonic_ns() - int(id))
    if len(latencies) == COUNT:
        print("\n".join(map(str, latencies)), flush=True)
        os._exit(0)


def ours() -> None:
    """Reads with barter_cffi."""
    from barter_cffi import QueueOptions, StreamOptions, Subscription, init_dynamic_streams

    btc = Subscription("binance_spot", "btc", "usdt", "spot", "trades")
    queue = QueueOptions(spin=0.002 if FACE == "spin" else 0.0)
    options = StreamOptions(endpoints={"binance_spot": f"ws://{ADDRESS}"}, proxy=False, queue=queue)
    with init_dynamic_streams([btc], options) as streams:
        trades = streams.select_trades("binance_spot")
        assert trades is not None

        async def loop() -> None:
            async for trade in trades:
                note(trade.id)

        if FACE == "async":
            uvloop.run(loop())
        while (trade := trades.recv()) is not None:
            note(trade.id)


def picows_and_uvloop(take: Callable[[tuple[Any, ...]], None]) -> None:
    """Reads with picows and msgspec on uvloop."""
    import msgspec
    import picows

    class Trade(msgspec.Struct, gc=False):
        t: int
        p: str
        q: str
        T: int
        m: bool

    decode = msgspec.json.Decoder(Trade).decode

    class Consumer(picows.WSListener):
        acknowledged = False

        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            transport.send(picows.WSMsgType.TEXT, b'{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}')

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if self.acknowledged:
                raw = decode(frame.get_payload_as_memoryview())
                take((float(raw.p), float(raw.q), str(raw.t), "sell" if raw.m else "buy", raw.T))
            self.acknowledged = True

    async def main() -> None:
        transport, _ = await picows.ws_connect(Consumer, f"ws://{ADDRESS}/ws")
        await transport.wait_disconnected()

    uvloop.run(main())


def picows_in_a_thread() -> None:
    """Reads with picows as a program has to that has no event loop and wants to wait for the next trade."""
    trades: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
    threading.Thread(target=picows_and_uvloop, args=(trades.put,), daemon=True).start()
    while True:
        note(trades.get()[2])


if FACE == "picows":
    picows_and_uvloop(lambda trade: note(trade[2]))
elif FACE == "thread":
    picows_in_a_thread()
else:
    ours()

"""From the server's clock to the reader's: `latency.py FACE ADDRESS SECONDS`, FACE recv, spin, async or picows.

The ids of the trades are the monotonic clock's nanoseconds when they were sent. Prints one latency a line, in ns.
"""

from __future__ import annotations

import sys
import time

FACE, ADDRESS, SECONDS = sys.argv[1], sys.argv[2], float(sys.argv[3])
now = time.monotonic_ns
latencies: list[int] = []


def ours() -> None:
    """Reads with barter_cffi."""
    from barter_cffi import QueueOptions, StreamOptions, Subscription, init_dynamic_streams

    btc = Subscription("binance_spot", "btc", "usdt", "spot", "trades")
    queue = QueueOptions(spin=0.002 if FACE == "spin" else 0.0)
    options = StreamOptions(endpoints={"binance_spot": f"ws://{ADDRESS}"}, proxy=False, queue=queue)
    end = now() + int(SECONDS * 1e9)
    with init_dynamic_streams([btc], options) as streams:
        trades = streams.select_trades("binance_spot")
        assert trades is not None
        if FACE != "async":
            recv = trades.recv
            while (trade := recv()) is not None:
                received = now()
                latencies.append(received - int(trade.id))
                if received > end:
                    return

        async def loop() -> None:
            async for trade in trades:
                received = now()
                latencies.append(received - int(trade.id))
                if received > end:
                    return

        import uvloop

        uvloop.run(loop())


def picows_and_uvloop() -> None:
    """Reads with picows and msgspec on uvloop."""
    import msgspec
    import picows
    import uvloop

    class Trade(msgspec.Struct, gc=False):
        t: int
        p: str
        q: str
        T: int
        m: bool

    decode = msgspec.json.Decoder(Trade).decode
    end = now() + int(SECONDS * 1e9)

    class Consumer(picows.WSListener):
        acknowledged = False

        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            transport.send(picows.WSMsgType.TEXT, b'{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}')

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if self.acknowledged:
                trade = decode(frame.get_payload_as_memoryview())
                float(trade.p), float(trade.q)
                received = now()
                latencies.append(received - trade.t)
                if received > end:
                    transport.disconnect()
            self.acknowledged = True

    async def main() -> None:
        transport, _ = await picows.ws_connect(Consumer, f"ws://{ADDRESS}/ws")
        await transport.wait_disconnected()

    uvloop.run(main())


(picows_and_uvloop if FACE == "picows" else ours)()
print("\n".join(map(str, latencies)))

"""websockets and orjson, as their users would write it: trades."""

from __future__ import annotations

import asyncio

import orjson
import websockets
from measure import HOST, Meter, subscribe_request


async def main() -> None:
    meter = Meter(list)
    async with websockets.connect(f"ws://{HOST}/ws", compression=None, max_queue=None) as socket:
        await socket.send(subscribe_request())
        await socket.recv()
        async for message in socket:
            raw = orjson.loads(message)
            side = "sell" if raw["m"] else "buy"
            meter.take([float(raw["p"]), float(raw["q"]), str(raw["t"]), side, raw["T"]])


asyncio.run(main())

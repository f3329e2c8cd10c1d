"""aiohttp and orjson, as their users would write it: trades."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
from measure import HOST, Meter, subscribe_request


async def main() -> None:
    meter = Meter(list)
    async with aiohttp.ClientSession() as session, session.ws_connect(f"ws://{HOST}/ws") as socket:
        await socket.send_str(subscribe_request())
        await socket.receive()
        async for message in socket:
            raw = orjson.loads(message.data)
            side = "sell" if raw["m"] else "buy"
            meter.take([float(raw["p"]), float(raw["q"]), str(raw["t"]), side, raw["T"]])


asyncio.run(main())

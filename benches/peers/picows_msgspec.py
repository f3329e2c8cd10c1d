"""picows and msgspec, as their users would write it: trades and best prices."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import msgspec
import picows
from measure import CA_FILE, HOST, SCHEME, WORKLOAD, Meter, subscribe_request


class Trade(msgspec.Struct, gc=False):  # the fields that count
    t: int
    p: str
    q: str
    T: int
    m: bool


class Ticker(msgspec.Struct, gc=False):
    b: str
    B: str
    a: str
    A: str


def trade(raw: Trade) -> tuple[Any, ...]:
    return float(raw.p), float(raw.q), str(raw.t), "sell" if raw.m else "buy", raw.T


def ticker(raw: Ticker) -> tuple[Any, ...]:
    return float(raw.b), float(raw.B), float(raw.a), float(raw.A)


class Consumer(picows.WSListener):
    def __init__(self) -> None:
        self.decode = msgspec.json.Decoder(Ticker if WORKLOAD == "l1" else Trade).decode
        self.fields = ticker if WORKLOAD == "l1" else trade
        self.take = Meter(list).take
        self.acknowledged = False

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        transport.send(picows.WSMsgType.TEXT, subscribe_request().encode())

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if self.acknowledged:
            self.take(self.fields(self.decode(frame.get_payload_as_memoryview())))
        self.acknowledged = True


async def main() -> None:
    context = ssl.create_default_context(cafile=CA_FILE) if CA_FILE else None
    transport, _ = await picows.ws_connect(Consumer, f"{SCHEME}://{HOST}/ws", ssl_context=context)
    await transport.wait_disconnected()


asyncio.run(main())

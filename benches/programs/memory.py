"""Resident memory: `memory.py absent ADDRESS SECONDS` of a stream that nobody reads, a line every tenth of the time, in
MiB; `memory.py idle ADDRESS SOCKETS` of so many idle sockets with 10 subscriptions each, in KiB a socket.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from barter_cffi import Endpoint, StreamOptions, Subscription, init_dynamic_streams

WHAT, ADDRESS, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
ENDPOINT = Endpoint(websocket=f"ws://{ADDRESS}", rest=f"http://{ADDRESS}")
OPTIONS = StreamOptions(endpoints={"binance_spot": ENDPOINT}, proxy=False)
OF_EACH_SOCKET = 10


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def subscriptions(first: int, count: int) -> list[Subscription]:
    """So many markets."""
    names = [f"x{number:05}" for number in range(first, first + count)]
    return [Subscription("binance_spot", name, "usdt", "spot", "trades") for name in names]


def absent() -> None:
    """A stream whose reader never comes, while the feed does what it can."""
    btc = Subscription("binance_spot", "btc", "usdt", "spot", "trades")
    with init_dynamic_streams([btc], OPTIONS) as streams:
        stream = streams.select_trades("binance_spot")
        for _ in range(10):
            time.sleep(COUNT / 10)
            print(resident() / (1 << 20))
        assert stream is not None


def idle() -> None:
    """Sockets on which nothing happens; one was opened before, so that what all share is there."""
    with init_dynamic_streams([subscriptions(0, OF_EACH_SOCKET)], OPTIONS):
        before = resident()
        batches = [subscriptions(OF_EACH_SOCKET * number, OF_EACH_SOCKET) for number in range(1, COUNT + 1)]
        with init_dynamic_streams(batches, OPTIONS):
            print((resident() - before) / COUNT / 1024)


(absent if WHAT == "absent" else idle)()

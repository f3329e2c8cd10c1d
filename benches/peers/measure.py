"""What every peer has in common: `Meter` counts its events and says how fast they came, or writes the first ones out.

A peer is called `PEER [FACE] WORKLOAD ADDRESS EVENTS [CA_FILE]` and prints events per second. With `SAMPLE_FILE` in the
environment it writes what its events say instead, a line of JSON each, so that peers can be compared.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

FACE = sys.argv.pop(1) if sys.argv[1] in ("objects", "async") else ""
WORKLOAD, ADDRESS = sys.argv[1], sys.argv[2]
EVENTS = int(sys.argv[3])
CA_FILE = sys.argv[4] if len(sys.argv) > 4 else None
SAMPLE_FILE = os.environ.get("SAMPLE_FILE")
SCHEME = "wss" if CA_FILE else "ws"
HOST = ADDRESS.replace("127.0.0.1", "localhost") if CA_FILE else ADDRESS

CHANNELS = {"trades": "trade", "mixed": "trade", "l1": "bookTicker", "l2": "depth@100ms", "l2-book": "depth@100ms"}
NAMES = [f"a{number:03}usdt" for number in range(200)] if WORKLOAD == "mixed" else ["btcusdt"]


def subscribe_request() -> str:
    """Binance's request for the workload's markets."""
    params = [f"{name}@{CHANNELS[WORKLOAD]}" for name in NAMES]
    return json.dumps({"method": "SUBSCRIBE", "params": params, "id": 1})


class Done(Exception):
    """Enough events have come."""


class Meter:
    """Takes events; begins to time after a tenth more than are timed, and ends the program when all have come.

    Args:
        row: the fields of an event, as `[price, amount, id, side, time in ms]` of a trade.
    """

    def __init__(self, row: Callable[[Any], list[Any]]) -> None:
        self.row = row
        self.left = EVENTS + EVENTS // 10
        self.began = 0.0
        self.counted = EVENTS
        if SAMPLE_FILE:
            self.left = EVENTS
            self.file = open(SAMPLE_FILE, "wb")  # noqa: SIM115  # until the process ends
            self.take = self.sample  # type: ignore[method-assign]

    def take(self, event: Any) -> None:
        """One event."""
        self.left -= 1
        if self.left == EVENTS:
            self.began = time.perf_counter()
        elif self.left == 0:
            self.finish()

    def take_many(self, count: int) -> None:
        """So many events at once."""
        self.left -= count
        if not self.began and self.left <= EVENTS:
            self.began, self.counted = time.perf_counter(), self.left
        elif self.left <= 0:
            self.counted -= self.left
            self.finish()

    def sample(self, event: Any) -> None:
        """Writes an event's fields."""
        self.file.write(msgspec.json.encode(self.row(event)) + b"\n")
        self.left -= 1
        if self.left == 0:
            self.file.close()
            print(EVENTS)
            leave()

    def finish(self) -> None:
        """Prints events per second."""
        print(self.counted / (time.perf_counter() - self.began))
        leave()


def leave() -> None:
    """Ends the process at once: what its libraries would clean up is not measured."""
    sys.stdout.flush()
    os._exit(0)

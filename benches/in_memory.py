"""What an event costs from an in-memory channel to a numpy array, without a socket."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from running import BENCHES, Figure, output

EVENTS = 250_000


@dataclass(frozen=True)
class InMemory:
    """ns an event from the channel to the array, and the table."""

    channel: Figure
    lines: list[str]


def measure(rounds: int, scale: float) -> InMemory:
    """Runs the rounds."""
    events = max(1_000, int(EVENTS * scale))
    program = [sys.executable, str(BENCHES / "programs" / "in_memory.py"), str(events)]
    printed = [[float(figure) for figure in output(program).split()] for _ in range(rounds)]
    pump, reader = (Figure.of(figures) for figures in zip(*printed, strict=True))
    channel = Figure.of([sum(figures) for figures in printed])
    lines = [
        "### in-memory channel",
        "",
        f"{events:,} trades, all in the queue before the first is read, for the second time; ns of processor time an",
        "event, medians of the rounds (least to most).",
        "",
        "| way | ns an event |",
        "|---|---:|",
        f"| the pump: channel → queue | {pump:,.0f} |",
        f"| the reader: queue → numpy, `recv_batch()` and `.numpy()` | {reader:,.0f} |",
        f"| both: channel → numpy | {channel:,.0f} |",
        "",
    ]
    return InMemory(channel, lines)

"""What streams hold in memory: one that nobody reads, and many sockets on which nothing happens."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from running import BENCHES, Figure, output, serving

ABSENT_S = 60
SOCKETS = 100


@dataclass(frozen=True)
class Memory:
    """The most that a process holds at any tenth of the time, ÷ the first; KiB of a socket; and the table."""

    absent: Figure
    idle: Figure
    lines: list[str]


def measure(rounds: int, scale: float) -> Memory:
    """Runs the absent reader once, and the sockets in every round."""
    program = [sys.executable, str(BENCHES / "programs" / "memory.py")]
    seconds = max(5, int(ABSENT_S * scale))
    with serving("trades") as server:
        mib = [float(line) for line in output([*program, "absent", server.address, str(seconds)]).split()]
    with serving("idle") as server:
        command = [*program, "idle", server.address, str(SOCKETS)]
        idle = Figure.of([float(output(command)) for _ in range(rounds)])
    lines = [
        "### memory",
        "",
        f"Of the process, at every tenth of {seconds} s in which nobody reads its stream, and of {SOCKETS} sockets in",
        "every round; medians (least to most).",
        "",
        "| what | figure |",
        "|---|---:|",
        f"| the process while nobody reads its stream, MiB | {Figure.of(mib):.1f} |",
        f"| an idle socket with 10 subscriptions, KiB | {idle:.0f} |",
        "",
    ]
    return Memory(Figure.of([max(mib) / mib[0]]), idle, lines)

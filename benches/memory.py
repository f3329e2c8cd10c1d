"""What streams hold in memory: one that nobody reads, and many sockets on which nothing happens."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from running import BENCHES, output, serving

ABSENT_S = 60
SOCKETS = 100


@dataclass(frozen=True)
class Memory:
    """MiB of the process at every tenth of the time, and KiB of a socket."""

    absent: list[float]
    idle: float
    lines: list[str]


def measure(scale: float) -> Memory:
    """Runs both."""
    program = [sys.executable, str(BENCHES / "programs" / "memory.py")]
    seconds = max(5, int(ABSENT_S * scale))
    with serving("trades") as server:
        absent = [float(line) for line in output([*program, "absent", server.address, str(seconds)]).split()]
    with serving("idle") as server:
        idle = float(output([*program, "idle", server.address, str(SOCKETS)]))
    lines = [
        "### memory",
        "",
        "| what | figure |",
        "|---|---:|",
        f"| the process while nobody reads its stream, after {seconds // 10 or 1} s and {seconds} s "
        f"| {absent[0]:.0f} MiB, {absent[-1]:.0f} MiB |",
        f"| an idle socket with 10 subscriptions, of {SOCKETS} | {idle:.0f} KiB |",
        "",
    ]
    return Memory(absent, idle, lines)

"""How long an event takes from the server's clock to the reader's, at a steady pace."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from running import BENCHES, Figure, output, serving

RATE = 1_000
TRADES = 10_000
FACES = {
    "recv": "barter_cffi, blocking recv",
    "spin": "barter_cffi, recv that spins",
    "async": "barter_cffi, async for on uvloop",
    "picows": "picows + msgspec on uvloop",
    "thread": "the same in a thread, read from a queue",
}
PROGRAM = str(BENCHES / "programs" / "latency.py")
PERCENTILES = (0.5, 0.99, 0.999)


@dataclass
class Latencies:
    """Percentiles of each face and round, in µs, and the table."""

    rounds: dict[str, list[list[float]]] = field(default_factory=lambda: {face: [] for face in FACES})
    lines: list[str] = field(default_factory=list)

    def of(self, face: str, percentile: float) -> list[float]:
        """Of each round."""
        place = PERCENTILES.index(percentile)
        return [figures[place] for figures in self.rounds[face]]

    def ratio(self, face: str, other: str, percentile: float) -> Figure:
        """The rounds' ratios of one face to another."""
        return Figure.of_ratios(self.of(face, percentile), self.of(other, percentile))


def measure(rounds: int, scale: float) -> Latencies:
    """Runs every face in turn."""
    latencies = Latencies()
    with serving(f"paced:{RATE}") as server:
        for _ in range(rounds):
            for face in FACES:
                # All in one environment, so that they have the same uvloop.
                printed = output([sys.executable, PROGRAM, face, server.address, str(max(1_000, int(TRADES * scale)))])
                latencies.rounds[face].append(percentiles([int(line) for line in printed.split()]))
    latencies.lines = [
        "### latency",
        "",
        f"{RATE:,} trades a second, each stamped by the server when it is sent, until the reader has its fields; µs,",
        f"medians of the rounds (least to most). picows {version('picows')}, uvloop {version('uvloop')}.",
        "",
        "| reader | p50 | p99 | p99.9 |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | "
            + " | ".join([f"{Figure.of(latencies.of(face, share)):,.0f}" for share in PERCENTILES])
            + " |"
            for face, name in FACES.items()
        ),
        "",
    ]
    return latencies


def percentiles(latencies_ns: Sequence[int]) -> list[float]:
    """In µs; the first tenth is left out, while everything warms up."""
    ordered = sorted(latencies_ns[len(latencies_ns) // 10 :])
    return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1000 for share in PERCENTILES]

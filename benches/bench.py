"""The benchmarks: every consumer in turn on the same feed, several rounds, and one table with the ratios.

`build.py bench [--quick]` runs it. The feed is a Rust server on loopback that sends prepared Binance frames as fast as
the socket takes them; every consumer runs in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benches" / "peers"
BINARIES = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "rust" / "target")) / "release"


@dataclass
class Consumer:
    """One way to consume the feed, and the events per second of each round."""

    name: str
    command: Sequence[str]
    rates: list[float] = field(default_factory=list)

    def run(self, address: str, events: int) -> None:
        """One round."""
        command = [part.format(address=address, events=events) for part in self.command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{self.name} failed:\n{done.stdout}{done.stderr}")
        self.rates.append(float(done.stdout.split()[0]))


def trades() -> list[Consumer]:
    """Who consumes trades; the first is what the ratios are of."""
    python = sys.executable
    ours = [python, str(PEERS / "ours.py")]
    picows = [python, str(PEERS / "picows_msgspec.py"), "{address}", "{events}"]
    return [
        Consumer("pure Rust, upstream's types", [str(BINARIES / "pure"), "trades", "{address}", "{events}"]),
        Consumer("barter_cffi, batches", [*ours, "batches", "trades", "{address}", "{events}"]),
        Consumer("barter_cffi, objects", [*ours, "objects", "trades", "{address}", "{events}"]),
        Consumer("picows + msgspec", picows),
    ]


@contextmanager
def blast(workload: str) -> Iterator[str]:
    """The feed's address while it runs."""
    server = subprocess.Popen([BINARIES / "blast", workload], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Runs the rounds and prints the table."""
    parser = argparse.ArgumentParser(prog="build.py bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=1_000_000, help="of each round")
    arguments = parser.parse_args()
    rounds, events = (1, 300_000) if arguments.quick else (arguments.rounds, arguments.events)
    build = ["cargo", "build", "--release", "--locked", "--package", "barter_bench"]
    subprocess.run(build, cwd=ROOT / "rust", check=True)
    consumers = trades()
    with blast("trades") as address:
        for _ in range(rounds):
            for consumer in consumers:
                consumer.run(address, events)
    print(f"Binance spot trades, {events:,} events, {rounds} rounds, {os.cpu_count()} cores")
    print(f"{'':32}{'events/s':>12}{'spread':>18}{'÷ first':>9}{'÷ last':>9}")
    first, last = (statistics.median(consumers[index].rates) for index in (0, -1))
    for consumer in consumers:
        median = statistics.median(consumer.rates)
        spread = f"{min(consumer.rates):,.0f}–{max(consumer.rates):,.0f}"
        print(f"{consumer.name:32}{median:12,.0f}{spread:>18}{median / first:9.2f}{median / last:9.2f}")


if __name__ == "__main__":
    main()

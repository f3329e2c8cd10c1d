"""The benchmarks: this package, upstream's own consumer and other libraries on the same servers, in turn.

`build.py bench [--quick]` runs them, prints the tables and writes docs/benchmarks.md, what is wanted first. The servers
are Rust programs on loopback that send prepared Binance frames as fast as the socket takes them; every consumer is a
process of its own. Ratios are the medians of the rounds' ratios, so that a machine whose speed drifts does not decide
them.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from importlib.metadata import version

import in_memory
import latency
import memory
import micro
import startup
import throughput
from running import PEERS_PYTHON, ROOT, build, output
from targets import targets

REPORT = ROOT / "docs" / "benchmarks.md"
VERSIONS = """
import importlib.metadata, sys
there = {package.name.lower(): package.version for package in importlib.metadata.distributions()}
print(", ".join([f"{name} {there[name]}" for name in sys.argv[1:] if name in there]))
"""
PEERS = ("picows", "msgspec", "order-book", "orjson", "websockets", "aiohttp", "cryptofeed", "ccxt", "uvloop")


def main() -> None:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(prog="build.py bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each; docs/benchmarks.md stays")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of events and of the times")
    parser.add_argument("--consumers", nargs="*", help="with --only: those whose names begin so")
    parser.add_argument("--only", default="", help="workloads whose name contains this, and nothing else")
    parser.add_argument(
        "--micro", action="store_true", help="the micro-benchmarks of record, queue and decoders instead"
    )
    arguments = parser.parse_args()
    build()
    if arguments.micro:
        say(micro.measure(arguments.quick))
        return
    rounds, scale = (1, 0.1) if arguments.quick else (arguments.rounds, arguments.scale)
    head = say(header(" ".join(["python3 build.py bench", *sys.argv[1:]]), rounds))
    workloads = [its for its in throughput.workloads(arguments.consumers) if arguments.only in its.name]
    measured = say(throughput.measure(workloads, rounds, scale))
    if arguments.only:
        return
    of_channel = in_memory.measure(rounds, scale)
    measured += say(of_channel.lines)
    of_latency = latency.measure(rounds, scale)
    measured += say(of_latency.lines)
    of_memory = memory.measure(rounds, scale)
    measured += say(of_memory.lines)
    measured += say(startup.measure())
    if not arguments.quick:
        measured += say(micro.measure(quick=False))
    wanted = say(targets(workloads, of_channel, of_latency, of_memory))
    if not arguments.quick:
        REPORT.write_text("\n".join([*head, *wanted, *measured]).rstrip() + "\n", encoding="utf-8")


def say(lines: Iterable[str]) -> list[str]:
    """Prints lines as they come, and gives them all."""
    said = []
    for line in lines:
        print(line, flush=True)
        said.append(line)
    return said


def header(command: str, rounds: int) -> Sequence[str]:
    """What was measured with what on what."""
    peers = output([PEERS_PYTHON, "-c", VERSIONS, *PEERS]).strip()
    rust = subprocess.check_output(["rustc", "--version"], text=True).split()[1]
    machine = f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"
    return [
        "# Benchmarks",
        "",
        f"Written by `{command}` on {datetime.now(timezone.utc):%Y-%m-%d}: {rounds} round{'s' * (rounds > 1)} of each,",
        f"in turn. Machine: {machine}. CPython {platform.python_version()}, Rust {rust}, barter_cffi",
        f"{version('barter-cffi')}. Peers: {peers}.",
        "",
        "The servers send prepared frames of Binance spot over loopback as fast as the client reads. Every consumer",
        "gives the same fields, prices and amounts as numbers, which are compared with our objects before anything is",
        "timed. Absolute figures belong to this machine, the ratios less so.",
        "",
    ]


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()

"""`python -m barter_cffi.testing.soak --minutes N [--seed S]`: prints the account.

Exits with 1 where it does not balance, memory or descriptors grow after the first quarter, a market does not go on, or
a fault never acted.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence

from barter_cffi.testing.local_exchange import FAULTS

from .run import Report, Soak, final, first_quarter


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m barter_cffi.testing.soak",
        description="Run streams of all exchanges against random faults and account for every event.",
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="how long; default: 2")
    parser.add_argument("--seed", type=int, help="decides the markets and the faults; default: the time")
    given = parser.parse_args(arguments)
    if not 0 < given.minutes < float("inf"):
        parser.error("--minutes must be positive")
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of writes to what a fault has ended
    seed = time.time_ns() % 10**6 if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    report = Soak(seed, lambda line: print(line, flush=True)).run(given.minutes)
    show(report)
    return 1 if report.problems else 0


def show(report: Report) -> None:
    """Prints the account by exchange and kind, the faults, the figures and what is wrong."""
    print(f"\n{'exchange':24}{'kind':14}{'sent':>9} = {'received':>9} + {'reported':>8}{'errors':>8}{'breaks':>8}")
    for (name, kind), account in report.accounts.items():
        print(
            f"{name:24}{kind:14}{account.sent:9} = {account.received:9} + {account.reported:8}"
            f"{account.errors:8}{account.reconnects:8}"
        )
    print("\nfaults that acted")
    for fault in FAULTS:
        print(f"{fault.value:32}{report.fired[fault]:6}")
    if report.memory:
        before, after = final(first_quarter(report.memory)), final(report.memory)
        print(f"\nmemory       {before / 1e6:8.1f} MB at a quarter, {after / 1e6:.1f} MB at the end", end="")
        print(f" ({100 * (after / before - 1):+.1f} %)")
        most, left = max(first_quarter(report.descriptors)), final(report.descriptors)
        print(f"descriptors  {most:8} at most in the first quarter, {left:.0f} at the end")
        print(f"spared       {report.spared:8} of {len(report.memory)} rounds, in which the process stood still")
    for problem in report.problems:
        print(f"NOT IN ORDER: {problem}")
    print("balanced" if not report.problems else "not in order")


if __name__ == "__main__":
    sys.exit(main())

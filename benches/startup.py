"""How long `import barter_cffi` takes, beside an interpreter that imports nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

ROUNDS = 11


def measure() -> Iterator[str]:
    """The lines of the table."""
    nothing, package = [], []
    for _ in range(ROUNDS):
        nothing.append(seconds("pass"))
        package.append(seconds("import barter_cffi"))
    more = [1000 * (its - bare) for its, bare in zip(package, nothing, strict=True)]
    yield from ["### import", "", "| what | median | least to most |", "|---|---:|---:|"]
    yield f"| `import barter_cffi` | {statistics.median(more):.0f} ms | {min(more):.0f} to {max(more):.0f} ms |"
    yield ""


def seconds(script: str) -> float:
    """How long an interpreter takes for it."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True)
    return time.perf_counter() - began

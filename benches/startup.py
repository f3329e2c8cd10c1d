"""How long `import barter_cffi` takes, beside an interpreter that imports nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from running import Figure

ROUNDS = 11


def measure() -> Iterator[str]:
    """The lines of the table."""
    nothing, package = [], []
    for _ in range(ROUNDS):
        nothing.append(seconds("pass"))
        package.append(seconds("import barter_cffi"))
    more = [1000 * (its - bare) for its, bare in zip(package, nothing, strict=True)]
    yield from ["### import", "", f"Median of {ROUNDS} (least to most).", "", "| what | ms |", "|---|---:|"]
    yield f"| `import barter_cffi` | {Figure.of(more):.0f} |"
    yield ""


def seconds(script: str) -> float:
    """How long an interpreter takes for it."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True)
    return time.perf_counter() - began

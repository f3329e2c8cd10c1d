"""The micro-benchmarks of record, queue and kept book (criterion) and of the decoders (pyperf), in one table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyperf
from running import BENCHES, ROOT, Figure

CRITERION = ("cargo", "bench", "--locked", "--package", "barter_bench", "--bench", "micro", "--", "--noplot")
DECODERS = (sys.executable, str(BENCHES / "programs" / "decoders.py"))


def measure(quick: bool) -> Iterator[str]:
    """Runs them all, whose own reports go to the error output; the lines of the table."""
    yield from ["### parts", "", "ns an event: medians, of criterion (the interval that has it with 95 % confidence),"]
    yield from ["of pyperf (least to most).", "", "| part | ns an event |", "|---|---:|"]
    with TemporaryDirectory() as directory:
        run([*CRITERION, *(["--quick"] if quick else [])], directory)
        for name, figure in criterion(Path(directory)):
            yield f"| {name} | {figure:,.1f} |"
        file = os.path.join(directory, "decoders.json")
        run([*DECODERS, "--output", file, *(["--fast"] if quick else [])], directory)
        for benchmark in pyperf.BenchmarkSuite.load(file):
            yield f"| {benchmark.get_name()} | {Figure.of([1e9 * value for value in benchmark.get_values()]):,.1f} |"
    yield ""


def run(command: list[str], directory: str) -> None:
    """Runs one of the two; criterion leaves its figures in the directory."""
    environment = {**os.environ, "CRITERION_HOME": directory}
    subprocess.run(command, cwd=ROOT / "rust", env=environment, stdout=sys.stderr.fileno(), check=True)


def criterion(directory: Path) -> Iterator[tuple[str, Figure]]:
    """Name and ns an event of each benchmark that criterion ran."""
    for file in sorted(directory.rglob("new/benchmark.json"), key=lambda file: file.stat().st_mtime_ns):
        benchmark = json.loads(file.read_text(encoding="utf-8"))
        median = json.loads(file.with_name("estimates.json").read_text(encoding="utf-8"))["median"]
        interval = median["confidence_interval"]
        ns = (median["point_estimate"], interval["lower_bound"], interval["upper_bound"])
        elements = benchmark["throughput"]["Elements"]
        yield f"{benchmark['group_id']}: {benchmark['function_id']}", Figure(*(figure / elements for figure in ns))

"""The benchmarks run, compare what their peers say, and find a peer that says something else. How fast anything is, no
test asserts.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHES = Path(__file__).resolve().parent.parent / "benches"
sys.path.insert(0, str(BENCHES))

import running  # noqa: E402
import throughput  # noqa: E402

CONSUMERS = ("pure Rust", "barter_cffi, arrays", "barter_cffi, objects", "picows + msgspec")


def bench(*arguments: str) -> str:
    """What the benchmarks print."""
    command = [sys.executable, str(BENCHES / "bench.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workload", ["trades of one symbol", "best bid and ask", "order book updates, 1 level"])
def test_a_workload_prints_a_row_for_each_consumer_with_its_ratios(workload: str) -> None:
    printed = bench("--only", workload, "--scale", "0.02", "--rounds", "2", "--consumers", *CONSUMERS)
    rows = [line for line in printed.splitlines() if line.startswith("| ") and "median" not in line]
    assert len(rows) == len(CONSUMERS)
    assert all(row.startswith(f"| {name}") for row, name in zip(rows, CONSUMERS, strict=True)), rows
    for row in rows:
        rate, _, to_pure, to_picows = row.strip(" |").split(" | ")[1:]
        assert int(rate.replace(",", "")) > 0 and float(to_pure) > 0 and float(to_picows) > 0
    assert "the first 10,000 events are the same" in printed


def test_a_peer_that_says_something_else_is_named_with_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = throughput.workloads(["barter_cffi, objects", "picows"])[0]
    said = {"barter_cffi, objects": [[1.0, 2.0], [3.0, 4.0]], "picows + msgspec": [[1.0, 2.0], [3.0, 5.0]]}
    monkeypatch.setattr(running.Consumer, "sample", lambda self, *_: said[self.name])
    with pytest.raises(running.Failed, match=re.escape("event 1 is [3.0, 5.0] of picows + msgspec and [3.0, 4.0]")):
        throughput.compare(workload, running.Server("nowhere", None), events=2)

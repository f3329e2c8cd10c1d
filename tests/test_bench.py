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

import bench as benchmarks  # noqa: E402
import in_memory  # noqa: E402
import latency  # noqa: E402
import memory  # noqa: E402
import running  # noqa: E402
import throughput  # noqa: E402
from targets import targets  # noqa: E402

CONSUMERS = ("pure Rust", "barter_cffi, arrays", "barter_cffi, objects", "picows + msgspec")


def bench(*arguments: str) -> str:
    """What the benchmarks print."""
    command = [sys.executable, str(BENCHES / "bench.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def spread(figure: str) -> list[float]:
    """Median, least and most."""
    found = re.fullmatch(r"([\d,.]+) \(([\d,.]+) to ([\d,.]+)\)", figure)
    assert found, figure
    return [float(number.replace(",", "")) for number in found.groups()]


def cells(line: str) -> list[str]:
    """Of a row of a table."""
    return line.strip(" |").split(" | ")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workload", ["trades of one symbol", "best bid and ask", "order book updates, 1 level"])
def test_a_workload_prints_a_row_for_each_consumer_with_its_ratios(workload: str) -> None:
    printed = bench("--only", workload, "--scale", "0.02", "--rounds", "2", "--consumers", *CONSUMERS)
    rows = [line for line in printed.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(CONSUMERS)
    assert all(row.startswith(f"| {name}") for row, name in zip(rows, CONSUMERS, strict=True)), rows
    for row in rows:
        for figure in cells(row)[1:]:
            assert 0 < spread(figure)[1] <= spread(figure)[0] <= spread(figure)[2]
    assert "the first 10,000 events are the same" in printed


def test_a_peer_that_says_something_else_is_named_with_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = throughput.workloads(["barter_cffi, objects", "picows"])[0]
    said = {"barter_cffi, objects": [[1.0, 2.0], [3.0, 4.0]], "picows + msgspec": [[1.0, 2.0], [3.0, 5.0]]}
    monkeypatch.setattr(running.Consumer, "sample", lambda self, *_: said[self.name])
    with pytest.raises(running.Failed, match=re.escape("event 1 is [3.0, 5.0] of picows + msgspec and [3.0, 4.0]")):
        throughput.compare(workload, running.Server("nowhere", None), events=2)


def test_rows_of_frames_that_are_sent_over_and_over_may_be_missing_and_not_in_another_order() -> None:
    rounds = [[place] for place in [*range(10), *range(3)]]
    assert throughput.is_subsequence([[8], [9], [0], [2], [3]], rounds)
    assert throughput.is_subsequence([], rounds)
    for other in ([[1], [3], [2]], [[1], [1]], [[1], [10]]):
        assert not throughput.is_subsequence(other, rounds), other


def made_up_rates(workload: throughput.Workload, rounds: int = 3, scale: float = 1.0) -> list[str]:
    """Instead of a measurement: the first consumer takes 1,000 events a second in the first round, the second 2,000 and
    so on; the first, the third and so on twice as many in the second round, three times as many in the third.
    """
    for place, consumer in enumerate(workload.consumers, 1):
        consumer.rates[:] = [1_000.0 * place * (1 + number * (place % 2)) for number in range(rounds)]
    return []


def test_what_is_wanted_stands_beside_medians_of_ratios_with_their_spread() -> None:
    workloads = throughput.workloads()
    for workload in workloads:
        made_up_rates(workload)
    latencies = latency.Latencies()
    for face, p50s in {"recv": (20, 30, 60), "spin": (10, 10, 10), "async": (9, 9, 9), "picows": (10, 20, 30)}.items():
        latencies.rounds[face] = [[float(p50), 99.0, 999.0] for p50 in p50s]
    channel = in_memory.InMemory(running.Figure.of([100.0, 300.0, 200.0]), [])
    lines = list(targets(workloads, channel, latencies, memory.Memory([50.0, 60.0], 99.0, [])))
    measured = {cells(line)[0]: cells(line)[-1] for line in lines if line.startswith("| ")}
    assert measured["in-memory channel → numpy, ns of processor time an event"] == "200.00 (100.00 to 300.00)"
    # 20 ÷ 10, 30 ÷ 20 and 60 ÷ 30: the ratio of the medians would be 1.5.
    assert measured["latency p50, blocking recv ÷ picows + uvloop"] == "2.00 (1.50 to 2.00)"
    # Arrays are the second of the consumers, and pure Rust, the first, is 3 times as fast in the last round.
    assert measured["socket → numpy ÷ pure Rust, trades"] == "1.00 (0.67 to 2.00)"
    assert measured["memory of an absent reader, last ÷ first tenth"] == "1.20"
    assert measured["an idle socket, KiB"] == "99.00"


@pytest.mark.timeout(120)
def test_the_report_has_every_part_and_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks, "REPORT", tmp_path / "benchmarks.md")
    monkeypatch.setattr(throughput, "measure", made_up_rates)
    monkeypatch.setattr(sys, "argv", ["bench.py", "--scale", "0.001", "--rounds", "1"])
    benchmarks.main()
    parts = re.split(r"^### ", (tmp_path / "benchmarks.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    titles = [part.splitlines()[0] for part in parts]
    assert titles == ["# Benchmarks", "in-memory channel", "latency", "memory", "import", "what is wanted"]
    assert "python3 build.py bench --scale 0.001 --rounds 1" in parts[0]
    for part in parts[1:]:
        rows = [cells(line) for line in part.splitlines() if line.startswith("| ")]
        assert len(rows) > 1 and all(re.search(r"\d", row[-1]) for row in rows[1:]), part

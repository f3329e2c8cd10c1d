"""The benchmarks run, compare what their peers say, and find a peer that says something else. How fast anything is, no
test asserts.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pyperf
import pytest

from building.stages import UNOPTIMISED

BENCHES = Path(__file__).resolve().parent.parent / "benches"
sys.path.insert(0, str(BENCHES))

import bench as benchmarks  # noqa: E402
import in_memory  # noqa: E402
import latency  # noqa: E402
import memory  # noqa: E402
import micro  # noqa: E402
import running  # noqa: E402
import throughput  # noqa: E402
from targets import targets  # noqa: E402

CONSUMERS = ("pure Rust", "barter_cffi, arrays", "barter_cffi, objects", "barter_cffi, async", "picows + msgspec")


@pytest.fixture(scope="module")
def built() -> None:
    """The programs are there, not optimised: nothing here says how fast they are."""
    running.build(*UNOPTIMISED)


@pytest.fixture
def bench(built: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the benchmarks with arguments, on the programs that are there."""

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["bench.py", *arguments])
        monkeypatch.setattr(benchmarks, "build", lambda: None)
        benchmarks.main()

    return run


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
def test_a_workload_prints_a_row_for_each_consumer_with_its_ratios(
    workload: str, bench: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    bench("--only", workload, "--scale", "0.02", "--rounds", "2", "--consumers", *CONSUMERS)
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(CONSUMERS)
    assert all(row.startswith(f"| {workload} | {name}") for row, name in zip(rows, CONSUMERS, strict=True)), rows
    for row in rows:
        for figure in cells(row)[2:]:
            assert 0 < spread(figure)[1] <= spread(figure)[0] <= spread(figure)[2]
    others = [name for name in CONSUMERS if name != "barter_cffi, objects"]
    assert re.search(
        "the first 10,000 events are the same in " + "; ".join([f"{re.escape(name)}[^;]*" for name in others]), printed
    )


def test_no_peer_is_longer_than_60_lines() -> None:
    lengths = {
        peer.name: len(peer.read_text(encoding="utf-8").splitlines()) for peer in (BENCHES / "peers").glob("*.py")
    }
    assert len(lengths) > 8 and not [peer for peer, lines in lengths.items() if lines > 60 and peer != "measure.py"]


@pytest.mark.parametrize(
    ("said", "differs"),
    [
        ([[1.0, 2.0], [3.0, 5.0]], "event 1 is [3.0, 5.0] instead of [3.0, 4.0]"),
        ([[1.0, 2.0]], "event 1 is None instead of [3.0, 4.0]"),
    ],
)
def test_a_peer_that_says_something_else_is_named_with_the_event(
    said: list[object], differs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workload,) = throughput.workloads(["picows"])[:1]
    says = {"barter_cffi, objects": [[1.0, 2.0], [3.0, 4.0]], "picows + msgspec": said}

    def sample(consumer: running.Consumer, workload: str, server: running.Server, events: int, path: Path) -> None:
        path.write_text("".join([f"{json.dumps(row)}\n" for row in says[consumer.name]]), encoding="utf-8")

    monkeypatch.setattr(running.Consumer, "sample", sample)
    with pytest.raises(
        running.Failed, match=re.escape(f"picows + msgspec differs from barter_cffi, objects: {differs}")
    ):
        throughput.compare(workload, running.Server("nowhere", None))


def test_rows_of_frames_that_are_sent_over_and_over_may_be_missing_and_not_in_another_order() -> None:
    rounds = [[place] for place in [*range(10), *range(3)]]
    assert throughput.is_subsequence([[8], [9], [0], [2], [3]], rounds)
    assert throughput.is_subsequence([], rounds)
    for other in ([[1], [3], [2]], [[1], [1]], [[1], [10]]):
        assert not throughput.is_subsequence(other, rounds), other


def made_up_rates(workload: throughput.Workload, rounds: int = 3, events: int = 1) -> str:
    """Instead of a measurement: the first consumer takes 1,000 events a second in the first round, the second 2,000 and
    so on; the first, the third and so on twice as many in the second round, three times as many in the third.
    """
    for place, consumer in enumerate(workload.consumers, 1):
        consumer.rates[:] = [1_000.0 * place * (1 + number * (place % 2)) for number in range(rounds)]
    return "nothing was compared"


def test_what_is_wanted_stands_beside_medians_of_ratios_with_their_spread() -> None:
    workloads = throughput.workloads()
    for workload in workloads:
        made_up_rates(workload)
    latencies = latency.Latencies()
    for face, p50s in {"recv": (20, 30, 60), "spin": (10, 10, 10), "picows": (10, 20, 30)}.items():
        latencies.rounds[face] = [[float(p50), 99.0, 999.0] for p50 in p50s]
    channel = in_memory.InMemory(running.Figure.of([100.0, 300.0, 200.0]), [])
    flat, sockets = running.Figure.of([1.1]), running.Figure.of([99.0, 97.0, 101.0])
    of_memory = memory.Memory(flat, sockets, [])
    lines = list(targets(workloads, channel, latencies, of_memory))
    rows = {cells(line)[0]: cells(line)[1:] for line in lines if line.startswith("| ")}
    channel_row = ["≤ 250", "150", "200.00", "100.00 to 300.00", "yes"]
    assert rows["in-memory channel → numpy, ns of processor time an event"] == channel_row
    # 20 ÷ 10, 30 ÷ 20 and 60 ÷ 30: the ratio of the medians would be 1.5.
    assert rows["latency p50, blocking recv ÷ picows + uvloop"] == ["≤ 1.7", "1.4", "2.00", "1.50 to 2.00", "no"]
    assert rows["latency p50, recv that spins ÷ picows + uvloop"] == ["≤ 1", "0.7", "0.50", "0.33 to 1.00", "aim"]
    # Arrays are the second of the consumers, and pure Rust, the first, is 3 times as fast in the last round.
    assert rows["socket → numpy ÷ pure Rust, trades"] == ["≥ 0.85", "0.95", "1.00", "0.67 to 2.00", "aim"]
    absent = rows["memory of an absent reader, the most of any tenth of the time ÷ the first"]
    assert absent == ["≤ 1.05", "", "1.10", "1.10 to 1.10", "no"]
    assert rows["an idle socket, KiB"] == ["≤ 256", "", "99.00", "97.00 to 101.00", "yes"]


def test_every_decoder_is_timed() -> None:
    command = [*micro.DECODERS, "--debug-single-value"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"decode (\w+): [\d.]+ [mun]s", done.stdout) == ["trades", "l1", "l2"]


@pytest.mark.timeout(120)
def test_the_report_has_every_part_and_is_written_what_is_wanted_first(
    tmp_path: Path, bench: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks, "REPORT", tmp_path / "benchmarks.md")
    monkeypatch.setattr(throughput, "run", made_up_rates)
    monkeypatch.setattr(micro, "run", made_up_parts)
    bench("--scale", "0.001", "--rounds", "1")
    parts = re.split(r"^### ", (tmp_path / "benchmarks.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    titles = [part.splitlines()[0] for part in parts]
    assert titles[:2] == ["# Benchmarks", "what is wanted"]
    assert titles[2:] == ["events a second", "in-memory channel", "latency", "memory", "import", "parts"]
    assert "python3 build.py bench --scale 0.001 --rounds 1" in parts[0]
    for part in parts[1:]:
        rows = [cells(line) for line in part.splitlines() if line.startswith("| ")]
        assert len(rows) > 1 and all(re.search(r"\d", " ".join(row[1:])) for row in rows[1:]), part
    assert "| record: trade | 15.0 (14.0 to 16.0) |" in parts[-1]
    assert "| decode trades | 200.0 (100.0 to 300.0) |" in parts[-1]


def made_up_parts(command: Sequence[str], directory: str) -> None:
    """Instead of a measurement: the files that criterion and pyperf leave."""
    if "--output" in command:
        runs = [pyperf.Run([ns / 1e9], metadata={"name": "decode trades"}) for ns in (200.0, 100.0, 300.0)]
        pyperf.BenchmarkSuite([pyperf.Benchmark(runs)]).dump(command[command.index("--output") + 1])
        return
    new = Path(directory, "record", "trade", "new")
    new.mkdir(parents=True)
    names = {"group_id": "record", "function_id": "trade", "throughput": {"Elements": 1_000}}
    interval = {"lower_bound": 14_000.0, "upper_bound": 16_000.0}
    (new / "benchmark.json").write_text(json.dumps(names), encoding="utf-8")
    median = {"point_estimate": 15_000.0, "confidence_interval": interval}
    (new / "estimates.json").write_text(json.dumps({"median": median}), encoding="utf-8")

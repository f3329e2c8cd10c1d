"""The demo as people start it: it ends by itself, its status tells how it went, and Ctrl-C ends it cleanly."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEMO = [sys.executable, "-W", "error", "-m", "barter_cffi.cli.demo"]
BOUND_S = 60.0  # for a run of two seconds on a machine that does much else
INTERRUPT_S = 2.0  # from Ctrl-C to the end of the process, the summary included
ESCAPE = "\x1b"

pytestmark = pytest.mark.timeout(90)


def test_the_demo_ends_by_itself_with_plain_lines_where_there_is_no_terminal(
    tmp_path: Path,
) -> None:
    command = [*DEMO, "--seconds", "2"]
    began = time.monotonic()
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=BOUND_S)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    assert time.monotonic() - began >= 2.0
    assert ESCAPE not in run.stdout
    wanted = re.search(r"^(\d+) subscriptions on the local exchange", run.stdout)
    assert wanted is not None
    rows = re.findall(r"^(\w+ \w+/\w+ \w+): [\d.]+ events/s, -?[\d.]+ ms, .+$", run.stdout, re.MULTILINE)
    assert len(set(rows)) == int(wanted[1]), "every subscription brought something"
    assert {row.split()[-1] for row in rows} == {"trades", "l1", "l2", "liquidations"}
    assert re.search(r"events of \d+ subscriptions, 0 dropped, 0 \w+ with errors", run.stdout)
    example = run.stdout.partition("The same in Python:\n")[2]
    compile(example, "<the demo's example>", "exec")
    assert "select_trades" in example


def test_the_demo_answers_ctrl_c_with_a_summary_and_status_130(tmp_path: Path) -> None:
    with started([*DEMO, "--seconds", "60"], tmp_path) as demo:
        assert demo.stdout is not None
        seen = ""
        while not re.search(r"^ +\d+ s  [1-9][\d,]* events$", seen, re.MULTILINE):
            line = demo.stdout.readline()
            assert line, f"the demo ended early: {seen}"
            seen += line
        began = time.monotonic()
        demo.send_signal(signal.SIGINT)
        rest, errors = demo.communicate(timeout=BOUND_S)
        assert time.monotonic() - began < INTERRUPT_S
        assert demo.returncode == 130
        assert errors == ""
        assert re.search(r"^[\d,]+ events of \d+ subscriptions", rest, re.MULTILINE)


def test_the_demo_refuses_an_option_it_does_not_have(tmp_path: Path) -> None:
    command = [*DEMO, "--second", "x"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=BOUND_S)
    assert run.returncode == 2
    assert "--second" in run.stderr


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended at the latest after the bound, so that reading from it ends too."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True) as process:
        watchdog = threading.Timer(BOUND_S, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()

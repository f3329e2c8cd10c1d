"""Runs the programs that do the work: each has a log of what it says, a person who waits for it sees it too, and Ctrl-C
ends it and all it started.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import typing

from building import Failed, paths

TAIL = 20
"""How many last lines of its log a failure shows."""

GRACE_S = 10
"""How long a program may take to end after Ctrl-C before it is killed."""


def become(*command: str) -> None:
    """Goes on as another program."""
    sys.stdout.flush()
    os.execv(command[0], command)


def passes(name: str, command: "list[str]", directory: str) -> bool:
    """Whether a check succeeds; what it says is let through."""
    return execute(name, command, directory, live=True)[0] == 0


def run(name: str, command: "list[str]", directory: str, live: bool = False, output: "str | None" = None) -> None:
    """Runs a program that has to succeed. `live` lets through what it says; `output` is a file for its standard
    output, which else goes to the log with its standard error."""
    status, log = execute(name, command, directory, live, output)
    if status != 0:
        raise Failed("%s\n%s ended with status %d; its log: %s" % (tail(log), " ".join(command), status, log))


def execute(
    name: str, command: "list[str]", directory: str, live: bool, output: "str | None" = None
) -> "tuple[int, str]":
    """Runs a program in a session of its own and returns its exit status and the path of its log."""
    logs = os.path.join(paths.WORK, "log")
    os.makedirs(logs, exist_ok=True)
    log = os.path.join(logs, name + ".log")
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    if live and sys.stdout.isatty():
        columns = str(shutil.get_terminal_size().columns)
        environment.update(CARGO_TERM_COLOR="always", CARGO_TERM_PROGRESS_WHEN="always")
        environment.update(CARGO_TERM_PROGRESS_WIDTH=columns, COLUMNS=columns)
    said, says = os.pipe()
    with open(log, "wb") as file, open(output or os.devnull, "wb") as other:
        child = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=other if output else says,
            stderr=says,
            start_new_session=True,
        )
        os.close(says)
        try:
            let_through(said, file, live)
            return child.wait(), log
        except KeyboardInterrupt:
            stop(child, said, file, live)
            raise
        finally:
            os.close(said)


def let_through(said: int, file: "typing.BinaryIO", live: bool, seconds: "float | None" = None) -> None:
    """Copies what a program says to its log, and to the terminal where `live`, until it says no more or the time is
    up."""
    end = None if seconds is None else time.monotonic() + seconds
    while select.select([said], [], [], None if end is None else max(0.0, end - time.monotonic()))[0]:
        chunk = os.read(said, 1 << 16)
        if not chunk:
            return
        file.write(chunk)
        if live:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()


def stop(child: "subprocess.Popen[bytes]", said: int, file: "typing.BinaryIO", live: bool) -> None:
    """Passes Ctrl-C on to the program and all it started, and kills them if they do not end, or at the second."""
    try:
        os.killpg(child.pid, signal.SIGINT)
        let_through(said, file, live, seconds=GRACE_S)
        child.wait(timeout=1)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def tail(log: str) -> str:
    """The last lines of a log without Cargo's progress bars."""
    with open(log, "rb") as file:
        lines = re.split(r"[\r\n]+", file.read().decode("utf-8", "replace").strip())
    return "\n".join([line for line in lines if "Building [" not in line][-TAIL:])

#!/usr/bin/env python3
"""Builds, tests and shows barter_cffi: the one entry point for people.

usage: python3 build.py COMMAND [ARGUMENTS]

  demo [ARGS]       shows live market data arriving in Python; ARGS go to the demo (demo --help lists them)
  test [-- ARGS]    runs every test, Rust's and Python's; with ARGS only pytest, with these arguments
  lint              checks formatting, lints and types, and that the C header is current
  bench [ARGS]      runs the benchmarks; ARGS go to them (bench --quick is short)
  soak [ARGS]       runs all exchanges against random faults and accounts for every event (soak --minutes 20 --seed 1)
  header [--check]  writes the C header from the Rust sources; with --check only says whether it is current
  wheel             builds a wheel into dist/

Each command works from a bare clone and from any directory. It makes .venv, installs the packages of
requirements.lock, builds the Rust library and installs barter_cffi there, where the sources stay editable; what is
current is not done again, and then no network is needed. It takes CPython 3.10 or later with pip's ensurepip, a C
compiler, and Cargo. Logs and downloads are kept in .build/, and deleting .build, .venv and rust/target starts afresh.

The exit status is 0 on success, 1 on failure, 2 for a command that does not exist, 130 after Ctrl-C.
"""
# This file is read by whatever python3 there is, so that it can say what is missing: its syntax is Python 3.6's.

import difflib
import hashlib
import importlib.util
import json
import os
import platform
import re
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import typing

ROOT = os.path.dirname(os.path.abspath(__file__))
RUST = os.path.join(ROOT, "rust")
INCLUDE = os.path.join(RUST, "include")
LOCK = os.path.join(ROOT, "requirements.lock")
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
WORK = os.path.join(ROOT, ".build")
WHEELS = os.path.join(WORK, "wheels")
PEERS_VENV = os.path.join(WORK, "peers")
PEERS_LOCK = os.path.join(ROOT, "benches", "requirements.lock")

PIP = (PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input")
RELEASE = ("--release", "--locked", "--offline")
TAIL = 20

# What some tests need and a machine may lack: the tool, and what is not run without it.
OPTIONAL = (("c++", "the C header and C programs compiled as C++17"),)


class Failed(Exception):
    """Ends the command with status 1; its text is for the person who ran it."""


def main(arguments: "list[str]") -> int:
    """Runs one command and returns the exit status."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print((__doc__ or "").strip())
        return 0 if arguments else 2
    command, rest = COMMANDS.get(arguments[0]), arguments[1:]
    if command is None:
        print("no command %r; there are: %s" % (arguments[0], ", ".join(COMMANDS)), file=sys.stderr)
        return 2
    try:
        lacking = missing(arguments[0])
        if lacking:
            raise Failed("\n".join(["this is missing:"] + ["  - " + what for what in lacking]))
        command(rest)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return 0


# What must be there


def missing(command: str = "test") -> "list[str]":
    """Everything that the command needs and this machine lacks, a line each; nothing is changed by asking."""
    lacking = []
    if sys.version_info < (3, 10):
        lacking.append("Python 3.10 or later: this is %s" % platform.python_version())
    if platform.python_implementation() != "CPython":
        lacking.append("CPython: this is %s, which is not supported" % platform.python_implementation())
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        lacking.append("a CPython with its GIL: free-threaded builds are not supported")
    if sys.platform not in ("linux", "darwin"):
        lacking.append("Linux or macOS: %s is not supported yet" % platform.system())
    if importlib.util.find_spec("ensurepip") is None:
        lacking.append("ensurepip, which makes .venv (Debian and Ubuntu: sudo apt install python3-venv)")
    if not works("cc"):
        lacking.append(
            "a C compiler called cc (Debian and Ubuntu: sudo apt install gcc; macOS: xcode-select --install)"
        )
    least = least_rust()
    for tool in ("cargo", "rustc"):
        said = works(tool)
        version = re.search(r"(\d+)\.(\d+)", said)
        if version is None:
            lacking.append("%s %d.%d or later (https://rustup.rs)" % (tool, *least))
        elif (int(version.group(1)), int(version.group(2))) < least:
            lacking.append(
                "%s %d.%d or later: here is %s; where the distribution's is older, take rustup's (https://rustup.rs)"
                % (tool, *least, version.group())
            )
    if command == "lint":
        for component, tool in (("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")):
            if not works(tool):
                lacking.append("%s (rustup component add %s)" % (component, component))
    if command == "wheel" and not shutil.which("strip"):
        lacking.append("strip (Debian and Ubuntu: sudo apt install binutils; macOS: xcode-select --install)")
    return lacking


def works(tool: str) -> str:
    """What the tool says of its version, empty where it is absent or cannot run (rustup without a toolchain)."""
    try:
        asked = subprocess.run([tool, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return asked.stdout.decode("utf-8", "replace").strip()


def least_rust() -> "tuple[int, int]":
    """The least Rust that builds the library, as its manifest says."""
    with open(os.path.join(RUST, "Cargo.toml"), encoding="utf-8") as manifest:
        version = re.search(r'^rust-version = "(\d+)\.(\d+)', manifest.read(), re.MULTILINE)
    if version is None:
        raise Failed("rust/Cargo.toml names no rust-version")
    return int(version.group(1)), int(version.group(2))


# Commands


def demo(arguments: "list[str]") -> None:
    """Becomes the demo, so that Ctrl-C and the exit status are its own."""
    prepare(Stages(4))
    become(PYTHON, "-m", "barter_cffi.cli.demo", *arguments)


def bench(arguments: "list[str]") -> None:
    """Becomes the benchmarks, once the peers' packages are there too."""
    stages = Stages(6)
    prepare(stages)
    peers(stages)
    become(PYTHON, os.path.join(ROOT, "benches", "bench.py"), *arguments)


def soak(arguments: "list[str]") -> None:
    """Becomes the soak, whose exit status is 1 where something is not in order."""
    prepare(Stages(4))
    become(PYTHON, "-m", "barter_cffi.testing.soak", *arguments)


def test(arguments: "list[str]") -> None:
    """Runs the tests; all of Rust's are run before Python's begin, and a failure of either fails the command."""
    chosen = arguments[1:] if arguments[:1] == ["--"] else arguments
    stages = Stages(5 if chosen else 6)
    prepare(stages)
    failed = []
    if not chosen:
        stages.begin("running the Rust tests, about 2 minutes to build them the first time")
        for package in ("barter_cffi", "header"):
            if not passes("cargo-test", ["cargo", "test", *RELEASE, "-p", package], RUST):
                failed.append("Rust tests of the package " + package)
    stages.begin("running the Python tests")
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    if not passes("pytest", [PYTHON, "-m", "pytest", *colour, *chosen], ROOT):
        failed.append("Python tests")
    for tool, what in OPTIONAL:
        if not works(tool):
            print("not run: %s (no %s on this machine)" % (what, tool))
    conclude(failed)


def lint(arguments: "list[str]") -> None:
    """Runs every check, also when one has failed."""
    none(arguments)
    stages = Stages(8)
    packages(stages)
    fetch()
    clippy = ["cargo", "clippy", *RELEASE, "--workspace", "--all-targets", "--", "-D", "warnings"]
    checks = (
        ("cargo fmt --check", ["cargo", "fmt", "--all", "--check"], RUST),
        ("cargo clippy, about 2 minutes the first time", clippy, RUST),
        ("ruff check", [PYTHON, "-m", "ruff", "check", "."], ROOT),
        ("ruff format --check", [PYTHON, "-m", "ruff", "format", "--check", "."], ROOT),
        ("mypy --strict", [PYTHON, "-m", "mypy", "--strict"], ROOT),
    )
    failed = []
    for text, command, directory in checks:
        stages.begin(text)
        if not passes(re.sub(r"\W+", "-", text.split(",")[0]), command, directory):
            failed.append(text.split(",")[0])
    stages.begin("header --check, about 1 minute the first time")
    try:
        headers(check=True)
    except Failed as failure:
        print(failure)
        failed.append("header --check")
    conclude(failed)


def header(arguments: "list[str]") -> None:
    """Writes the header into rust/include, or with --check only says whether it is current."""
    check = arguments == ["--check"]
    none([] if check else arguments)
    stages = Stages(1)
    stages.begin("reading the Rust sources, about 1 minute the first time")
    headers(check)


def wheel(arguments: "list[str]") -> None:
    """Builds a wheel into dist/ and says its size and tag."""
    none(arguments)
    stages = Stages(4)
    packages(stages)
    library(stages)
    stages.begin("building the wheel")
    made = os.path.join(WORK, "wheel")
    for stale in (made, os.path.join(ROOT, "build")):
        shutil.rmtree(stale, ignore_errors=True)
    run("wheel", [*PIP, "wheel", "--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", made, "."], ROOT)
    (name,) = os.listdir(made)
    os.makedirs(os.path.join(ROOT, "dist"), exist_ok=True)
    path = shutil.move(os.path.join(made, name), os.path.join(ROOT, "dist", name))
    tag = "-".join(name[: -len(".whl")].split("-")[2:])
    print("dist/%s: %.1f MB, tag %s" % (name, os.path.getsize(path) / 1e6, tag))


COMMANDS = {"demo": demo, "test": test, "lint": lint, "bench": bench, "soak": soak, "header": header, "wheel": wheel}


def none(arguments: "list[str]") -> None:
    if arguments:
        raise Failed("not understood: " + " ".join(arguments))


def conclude(failed: "list[str]") -> None:
    if failed:
        raise Failed("failed: " + ", ".join(failed))


# Stages


class Stages:
    """Counts the stages of a command and prints a line for each."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.count = 0

    def begin(self, text: str) -> None:
        self.count += 1
        print("%d/%d %s" % (self.count, self.total, text), flush=True)


def prepare(stages: Stages) -> None:
    """Everything up to an importable barter_cffi: four stages."""
    packages(stages)
    built = library(stages)
    install(stages, built)


def packages(stages: Stages) -> None:
    """Makes .venv of this Python and installs exactly what the lock file names: two stages."""

    def downloaded() -> "list[str]":
        fetched = Stamp(os.path.join(WHEELS, "fetched-by-build.py"), sys.version, content(LOCK))
        if not fetched.current():
            shutil.rmtree(WHEELS, ignore_errors=True)
            run("pip-download", [*PIP, "download", "--requirement", LOCK, "--dest", WHEELS], ROOT)
            fetched.write()
        return ["--no-index", "--find-links", WHEELS]

    environment(stages, VENV, LOCK, downloaded)


def peers(stages: Stages) -> None:
    """Makes the environment of the benchmarks' peers, some of which are built from their sources: two stages."""
    environment(stages, PEERS_VENV, PEERS_LOCK, list)


def environment(stages: Stages, venv: str, lock: str, source: "typing.Callable[[], list[str]]") -> None:
    """Makes a virtual environment of this Python with exactly the packages of a lock file, which pip finds by the
    options that `source` gives: two stages."""
    name = os.path.relpath(venv, ROOT)
    made = Stamp(os.path.join(venv, "made-by-build.py"), sys.version, sys.base_prefix, venv)
    if made.current():
        stages.begin("%s is there" % name)
    else:
        stages.begin("making %s" % name)
        base = getattr(sys, "_base_executable", None) or sys.executable
        run("venv", [base, "-m", "venv", "--clear", venv], ROOT)
        made.write()
    locked = os.path.relpath(lock, ROOT)
    installed = Stamp(os.path.join(venv, "installed-by-build.py"), content(lock))
    if installed.current():
        stages.begin("the packages of %s are there" % locked)
        return
    stages.begin("installing the packages of %s, about 1 minute the first time" % locked)
    pip = [os.path.join(venv, "bin", "python"), *PIP[1:]]
    run("pip-install-" + os.path.basename(venv), [*pip, "install", *source(), "--requirement", lock], ROOT)
    installed.write()


def library(stages: Stages) -> str:
    """Builds the Rust library and returns its path, which depends on the user's Cargo settings: one stage."""
    stages.begin("building the Rust library, about 3 minutes the first time")
    fetch()
    messages = os.path.join(WORK, "cargo-build.json")
    command = ["cargo", "build", *RELEASE, "--lib", "--message-format", "json-render-diagnostics"]
    run("cargo-build", command, RUST, live=True, output=messages)
    for line in text_of(messages):
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "barter_cffi":
            for name in message["filenames"]:
                if name.endswith((".so", ".dylib")):
                    return str(name)
    raise Failed("cargo named no shared library among what it built")


def install(stages: Stages, built: str) -> None:
    """Installs the package editable, with the library beside its sources: one stage."""
    sources = [os.path.join(ROOT, "pyproject.toml"), os.path.join(ROOT, "setup.py"), LOCK]
    sources.append(os.path.join(INCLUDE, "barter_cffi.h"))
    installed = Stamp(os.path.join(VENV, "barter_cffi-by-build.py"), *map(content, sources), content(built))
    package = os.path.join(ROOT, "barter_cffi")
    native = [os.path.join(package, name) for name in ("_native.py", "_native__ffi.py", "_native__lib.so")]
    if installed.current() and all(map(os.path.exists, native)):
        stages.begin("barter_cffi is installed in .venv")
        return
    stages.begin("installing barter_cffi in .venv")
    options = ["--no-index", "--no-build-isolation", "--no-deps"]
    run("install", [*PIP, "install", *options, "--editable", "."], ROOT)
    installed.write()


def headers(check: bool) -> None:
    """Writes barter.h and barter_cffi.h into rust/include; with `check` fails with the difference instead."""
    fetch()
    written = os.path.join(WORK, "header")
    run("header", ["cargo", "run", *RELEASE, "-p", "header", "--", RUST, written], RUST)
    difference = []
    for name in ("barter.h", "barter_cffi.h"):
        current, generated = os.path.join(INCLUDE, name), os.path.join(written, name)
        lines = list(difflib.unified_diff(text_of(current), text_of(generated), "rust/include/" + name, "generated"))
        if lines and not check:
            os.makedirs(INCLUDE, exist_ok=True)
            shutil.copyfile(generated, current)
            print("rust/include/" + name + " written")
        difference.extend(lines)
    if difference and check:
        raise Failed("".join(difference) + "the header is not current: python3 build.py header writes it")
    print("the header is current")


def fetch() -> None:
    """Fetches the locked crates unless they are there, so that Cargo needs no network from here on."""
    host = re.search(r"^host: (.+)$", subprocess.check_output(["rustc", "-vV"]).decode(), re.MULTILINE)
    if host is None:
        raise Failed("rustc -vV names no host")
    command = ["cargo", "fetch", "--locked", "--target", host.group(1)]
    there = subprocess.call([*command, "--offline"], cwd=RUST, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if there != 0:
        run("cargo-fetch", command, RUST, live=True)


class Stamp:
    """A file that says of what something was made, so that it is made again when that has changed."""

    def __init__(self, path: str, *made_of: str) -> None:
        self.path = path
        self.text = hashlib.sha256("\0".join(made_of).encode()).hexdigest() + "\n"

    def current(self) -> bool:
        return "".join(text_of(self.path)) == self.text

    def write(self) -> None:
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.text)


def content(path: str) -> str:
    """A digest of the file's content."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def text_of(path: str) -> "list[str]":
    """The lines of a file, none where it does not exist."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.readlines()


# Running programs


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
    logs = os.path.join(WORK, "log")
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
        let_through(said, file, live, seconds=10)
        child.wait(timeout=1)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def tail(log: str) -> str:
    """The last lines of a log without Cargo's progress bars."""
    with open(log, "rb") as file:
        lines = re.split(r"[\r\n]+", file.read().decode("utf-8", "replace").strip())
    return "\n".join([line for line in lines if "Building [" not in line][-TAIL:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the commands are made of: the environments and their packages, the library, the header. What is current is not
done again, and once all was done no network is needed.
"""

import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import typing

from building import Failed, paths
from building.programs import run

PIP = (paths.PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input")
RELEASE = ("--release", "--locked", "--offline")
# For what is built for tests alone: the library as tests, the programs of the benchmarks, and the larger crates, which
# are built anew for each because the features of what they depend on differ. To optimise them takes minutes, and makes
# the tests no faster.
UNOPTIMISED = tuple(
    argument
    for crate in ("barter_cffi", "barter_bench", "barter-data", "reqwest")
    for argument in ("--config", "profile.release.package.%s.opt-level=0" % crate)
)


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
        fetched = Stamp(os.path.join(paths.WHEELS, "fetched-by-build.py"), sys.version, content(paths.LOCK))
        if not fetched.current():
            shutil.rmtree(paths.WHEELS, ignore_errors=True)
            run("pip-download", [*PIP, "download", "--requirement", paths.LOCK, "--dest", paths.WHEELS], paths.ROOT)
            fetched.write()
        return ["--no-index", "--find-links", paths.WHEELS]

    environment(stages, paths.VENV, paths.LOCK, downloaded)


def peers(stages: Stages) -> None:
    """Makes the environment of the benchmarks' peers, some of which are built from their sources: two stages."""
    environment(stages, paths.PEERS_VENV, paths.PEERS_LOCK, list)


def environment(stages: Stages, venv: str, lock: str, source: "typing.Callable[[], list[str]]") -> None:
    """Makes a virtual environment of this Python with exactly the packages of a lock file, which pip finds by the
    options that `source` gives: two stages."""
    name = os.path.relpath(venv, paths.ROOT)
    made = Stamp(os.path.join(venv, "made-by-build.py"), sys.version, sys.base_prefix, venv)
    if made.current():
        stages.begin("%s is there" % name)
    else:
        stages.begin("making %s" % name)
        base = getattr(sys, "_base_executable", None) or sys.executable
        run("venv", [base, "-m", "venv", "--clear", venv], paths.ROOT)
        made.write()
    locked = os.path.relpath(lock, paths.ROOT)
    installed = Stamp(os.path.join(venv, "installed-by-build.py"), content(lock))
    if installed.current():
        stages.begin("the packages of %s are there" % locked)
        return
    stages.begin("installing the packages of %s, about 1 minute the first time" % locked)
    pip = [os.path.join(venv, "bin", "python"), *PIP[1:]]
    run("pip-install-" + os.path.basename(venv), [*pip, "install", *source(), "--requirement", lock], paths.ROOT)
    installed.write()


def library(stages: Stages) -> str:
    """Builds the Rust library and returns its path, which depends on the user's Cargo settings: one stage."""
    stages.begin("building the Rust library, about 3 minutes the first time")
    fetch()
    messages = os.path.join(paths.WORK, "cargo-build.json")
    command = ["cargo", "build", *RELEASE, "--lib", "--message-format", "json-render-diagnostics"]
    run("cargo-build", command, paths.RUST, live=True, output=messages)
    for line in text_of(messages):
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "barter_cffi":
            for name in message["filenames"]:
                if name.endswith((".so", ".dylib")):
                    return str(name)
    raise Failed("cargo named no shared library among what it built")


def install(stages: Stages, built: str) -> None:
    """Installs the package editable, with the library beside its sources: one stage."""
    sources = [os.path.join(paths.ROOT, "pyproject.toml"), os.path.join(paths.ROOT, "setup.py"), paths.LOCK]
    sources.append(os.path.join(paths.INCLUDE, "barter_cffi.h"))
    installed = Stamp(os.path.join(paths.VENV, "barter_cffi-by-build.py"), *map(content, sources), content(built))
    package = os.path.join(paths.ROOT, "barter_cffi")
    native = [os.path.join(package, name) for name in ("_native.py", "_native__ffi.py", "_native__lib.so")]
    if installed.current() and all(map(os.path.exists, native)):
        stages.begin("barter_cffi is installed in .venv")
        return
    stages.begin("installing barter_cffi in .venv")
    options = ["--no-index", "--no-build-isolation", "--no-deps"]
    run("install", [*PIP, "install", *options, "--editable", "."], paths.ROOT)
    installed.write()


def headers(check: bool) -> None:
    """Writes barter.h and barter_cffi.h into rust/include; with `check` fails with the difference instead."""
    fetch()
    written = os.path.join(paths.WORK, "header")
    run("header", ["cargo", "run", *RELEASE, "-p", "header", "--", paths.RUST, written], paths.RUST)
    difference = []
    for name in ("barter.h", "barter_cffi.h"):
        current, generated = os.path.join(paths.INCLUDE, name), os.path.join(written, name)
        lines = list(difflib.unified_diff(text_of(current), text_of(generated), "rust/include/" + name, "generated"))
        if lines and not check:
            os.makedirs(paths.INCLUDE, exist_ok=True)
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
    there = subprocess.call(
        [*command, "--offline"], cwd=paths.RUST, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if there != 0:
        run("cargo-fetch", command, paths.RUST, live=True)


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

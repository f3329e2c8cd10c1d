"""The commands of build.py: each is given the arguments that follow its name, and raises `Failed` where it fails."""

import os
import re
import shutil
import sys

from building import Failed, paths
from building.needs import OPTIONAL, works
from building.programs import become, passes, run
from building.stages import PIP, RELEASE, UNOPTIMISED, Stages, fetch, headers, library, packages, peers, prepare


def demo(arguments: "list[str]") -> None:
    """Becomes the demo, so that Ctrl-C and the exit status are its own."""
    prepare(Stages(4))
    become(paths.PYTHON, "-m", "barter_cffi.cli.demo", *arguments)


def bench(arguments: "list[str]") -> None:
    """Becomes the benchmarks, once the peers' packages are there too."""
    stages = Stages(6)
    prepare(stages)
    peers(stages)
    become(paths.PYTHON, os.path.join(paths.ROOT, "benches", "bench.py"), *arguments)


def soak(arguments: "list[str]") -> None:
    """Becomes the soak, whose exit status is 1 where something is not in order."""
    prepare(Stages(4))
    become(paths.PYTHON, "-m", "barter_cffi.testing.soak", *arguments)


def test(arguments: "list[str]") -> None:
    """Runs the tests; all of Rust's are run before Python's begin, and a failure of either fails the command."""
    chosen = arguments[1:] if arguments[:1] == ["--"] else arguments
    stages = Stages(5 if chosen else 6)
    prepare(stages)
    failed = []
    if not chosen:
        stages.begin("running the Rust tests, about 2 minutes to build them the first time")
        for package in ("barter_cffi", "header"):
            if not passes("cargo-test", ["cargo", "test", *RELEASE, *UNOPTIMISED, "-p", package], paths.RUST):
                failed.append("Rust tests of the package " + package)
    stages.begin("running the Python tests")
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    if not passes("pytest", [paths.PYTHON, "-m", "pytest", *colour, *chosen], paths.ROOT):
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
        ("cargo fmt --check", ["cargo", "fmt", "--all", "--check"], paths.RUST),
        ("cargo clippy, about 2 minutes the first time", clippy, paths.RUST),
        ("ruff check", [paths.PYTHON, "-m", "ruff", "check", "."], paths.ROOT),
        ("ruff format --check", [paths.PYTHON, "-m", "ruff", "format", "--check", "."], paths.ROOT),
        ("mypy --strict", [paths.PYTHON, "-m", "mypy", "--strict"], paths.ROOT),
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
    made = os.path.join(paths.WORK, "wheel")
    for stale in (made, os.path.join(paths.ROOT, "build")):
        shutil.rmtree(stale, ignore_errors=True)
    run(
        "wheel",
        [*PIP, "wheel", "--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", made, "."],
        paths.ROOT,
    )
    (name,) = os.listdir(made)
    os.makedirs(os.path.join(paths.ROOT, "dist"), exist_ok=True)
    path = shutil.move(os.path.join(made, name), os.path.join(paths.ROOT, "dist", name))
    tag = "-".join(name[: -len(".whl")].split("-")[2:])
    print("dist/%s: %.1f MB, tag %s" % (name, os.path.getsize(path) / 1e6, tag))


COMMANDS = {"demo": demo, "test": test, "lint": lint, "bench": bench, "soak": soak, "header": header, "wheel": wheel}


def none(arguments: "list[str]") -> None:
    if arguments:
        raise Failed("not understood: " + " ".join(arguments))


def conclude(failed: "list[str]") -> None:
    if failed:
        raise Failed("failed: " + ", ".join(failed))

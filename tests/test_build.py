"""build.py: what it asks for before it does anything, what it does once only, and how it ends."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from build_script import ROOT, WHEELS, build, cargo_metadata

from build import main
from building import Failed, commands, needs, paths, programs

COMMANDS = ("demo", "test", "lint", "bench", "soak", "header", "wheel")
BOUND_S = 30
NO_NETWORK = {
    "CARGO_NET_OFFLINE": "true",
    "PIP_NO_INDEX": "1",
    "PIP_INDEX_URL": "http://127.0.0.1:9/",
    "http_proxy": "http://127.0.0.1:9/",
    "https_proxy": "http://127.0.0.1:9/",
}


def tool(folder: Path, name: str, script: str) -> None:
    """A program of this name for a PATH that begins with the folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def bare_clone(clone: Path) -> Path:
    """The sources as a clone has them, with their times, so that Cargo sees what has changed; its build.py."""
    made = (".git", ".venv", ".build", "build", "dist", "target", "_native*", "__pycache__", ".*_cache", "*.egg-info")
    shutil.rmtree(clone, ignore_errors=True)
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(*made))
    return clone / "build.py"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_explains_every_command(arguments: list[str]) -> None:
    helped = build(*arguments)
    assert (helped.returncode, helped.stderr) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"^  {command}\b.* \w+", helped.stdout, re.MULTILINE), command


def test_no_command_prints_the_help_and_an_unknown_one_names_those_that_there_are() -> None:
    assert build().returncode == 2
    unknown = build("tset")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == f"no command 'tset'; there are: {', '.join(COMMANDS)}\n"


@pytest.mark.parametrize("arguments", [["lint", "--fix"], ["header", "--chek"], ["wheel", "now"]])
def test_an_argument_that_is_not_understood_is_named(arguments: list[str]) -> None:
    refused = build(*arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"not understood: {arguments[1]}\n"


def test_all_that_is_missing_is_listed_at_once_and_nothing_is_done(tmp_path: Path) -> None:
    script = bare_clone(tmp_path / "clone")
    before = sorted(script.parent.iterdir())
    for command in COMMANDS:
        refused = build(command, script=script, environment={"PATH": str(tmp_path)})
        assert (refused.returncode, refused.stdout) == (1, ""), command
        first, *lacking = refused.stderr.splitlines()
        assert first == "this is missing:"
        named = [line.split(",")[0].split("(")[0].strip(" -") for line in lacking]
        least = "{}.{}".format(*needs.least_rust())
        expected = ["a C compiler called cc", f"cargo {least} or later", f"rustc {least} or later"]
        expected += {"lint": ["rustfmt", "clippy"], "wheel": ["strip"]}.get(command, [])
        assert named == expected
    assert sorted(script.parent.iterdir()) == before


def test_an_older_cargo_of_the_distribution_is_named_with_rustup(tmp_path: Path) -> None:
    tool(tmp_path, "cargo", "echo 'cargo 1.63.0'")
    tool(tmp_path, "rustc", "echo 'rustc 1.63.0'")
    refused = build("header", environment={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    assert refused.returncode == 1
    lines = refused.stderr.splitlines()[1:]
    assert len(lines) == 2
    assert all("here is 1.63; " in line and "rustup" in line for line in lines)


def test_a_python_that_cannot_do_it_is_told_everything_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs.sys, "version_info", (3, 8, 10))
    monkeypatch.setattr(needs.sys, "platform", "win32")
    monkeypatch.setattr(needs.platform, "python_version", lambda: "3.8.10")
    monkeypatch.setattr(needs.platform, "python_implementation", lambda: "PyPy")
    monkeypatch.setattr(needs.platform, "system", lambda: "Windows")
    monkeypatch.setattr(needs.sysconfig, "get_config_var", {"Py_GIL_DISABLED": 1}.get)
    monkeypatch.setattr(needs.importlib.util, "find_spec", lambda name: None)
    assert [line.split(" (")[0] for line in needs.missing()] == [
        "Python 3.10 or later: this is 3.8.10",
        "CPython: this is PyPy, which is not supported",
        "a CPython with its GIL: free-threaded builds are not supported",
        "Linux or macOS: Windows is not supported yet",
        "ensurepip, which makes .venv",
    ]
    assert "python3-venv" in needs.missing()[-1]


@pytest.mark.parametrize("path", [ROOT / "build.py", *(ROOT / "building").glob("*.py")], ids=lambda path: path.stem)
def test_an_old_python_can_read_the_script(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 6))
    assert not any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in ast.walk(tree))
    annotations = [node.returns for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    annotations += [node.annotation for node in ast.walk(tree) if isinstance(node, ast.arg)]
    assert not any(isinstance(node, ast.Subscript | ast.BinOp | ast.Attribute) for node in annotations)


def test_the_least_rust_is_what_the_dependencies_need() -> None:
    metadata = cargo_metadata()
    packages, resolved = metadata["packages"], metadata["resolve"]
    assert isinstance(packages, list)
    assert isinstance(resolved, dict)
    used = {node["id"] for node in resolved["nodes"]}
    least = needs.least_rust()
    needed = {
        package["name"]: tuple(map(int, package["rust_version"].split(".")[:2]))
        for package in packages
        if package["id"] in used and package["rust_version"]
    }
    assert {name: version for name, version in needed.items() if version > least} == {}
    assert max(needed.values()) == least


@pytest.mark.timeout(600)
def test_a_bare_clone_in_a_path_with_a_space_works_from_another_directory_and_again_without_a_network(
    tmp_path: Path,
) -> None:
    clone = tmp_path / "a clone with spaces in its path"
    script = bare_clone(clone)
    # Cargo takes what it has built from the same sources elsewhere, so the crates are not built a second time. The
    # library is, and to optimise it would take the longest.
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text("[profile.release.package.barter_cffi]\nopt-level = 0\n")
    target = {"CARGO_TARGET_DIR": str(cargo_metadata()["target_directory"])}
    downloaded = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS.as_uri(), "PIP_NO_COMPILE": "1"}

    first = build("demo", "--help", script=script, cwd=tmp_path, environment=target | downloaded, timeout_s=560)
    assert first.returncode == 0, first.stdout + first.stderr
    stages = re.findall(r"^(\d/\d) (.*)$", first.stdout, re.MULTILINE)
    assert stages == [
        ("1/4", "making .venv"),
        ("2/4", "installing the packages of requirements.lock, about 1 minute the first time"),
        ("3/4", "building the Rust library, about 3 minutes the first time"),
        ("4/4", "installing barter_cffi in .venv"),
    ]
    assert "Finished `release` profile" in first.stdout
    assert "--seconds" in first.stdout

    python = [str(clone / ".venv" / "bin" / "python"), "-c", "import barter_cffi; print(barter_cffi.__file__)"]
    imported = subprocess.run(python, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert imported.stdout.strip() == str(clone / "barter_cffi" / "__init__.py")

    began = time.monotonic()
    again = build("demo", "--help", script=script, cwd=tmp_path, environment=target | NO_NETWORK)
    assert again.returncode == 0, again.stdout + again.stderr
    assert time.monotonic() - began < BOUND_S
    stages = re.findall(r"^(\d/\d) (.*)$", again.stdout, re.MULTILINE)
    assert [text for _, text in stages] == [
        ".venv is there",
        "the packages of requirements.lock are there",
        "building the Rust library, about 3 minutes the first time",
        "barter_cffi is installed in .venv",
    ]


def test_a_failing_stage_shows_the_last_20_lines_and_where_the_log_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "WORK", str(tmp_path))
    command = [sys.executable, "-c", "for line in range(30): print('line', line)\nraise SystemExit(3)"]
    with pytest.raises(Failed) as failed:
        programs.run("counting", command, str(ROOT))
    *shown, last = str(failed.value).splitlines()[-(programs.TAIL + 2) :]
    log = tmp_path / "log" / "counting.log"
    assert last.endswith(f"ended with status 3; its log: {log}")
    assert shown[: programs.TAIL] == [f"line {line}" for line in range(10, 30)]
    assert log.read_text().splitlines() == [f"line {line}" for line in range(30)]


def test_a_package_that_cannot_be_had_fails_the_command_with_the_words_of_pip(tmp_path: Path) -> None:
    for path in ("build.py", "rust/Cargo.toml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copytree(ROOT / "building", tmp_path / "building")
    (tmp_path / "requirements.lock").write_text("barter-cffi-needs-what-no-one-has==1.0\n")
    failed = build("lint", script=tmp_path / "build.py", environment=NO_NETWORK | {"PIP_FIND_LINKS": ""})
    assert failed.returncode == 1
    assert "No matching distribution found for barter-cffi-needs-what-no-one-has==1.0" in failed.stderr
    log = failed.stderr.strip().rpartition("its log: ")[2]
    assert Path(log) == tmp_path / ".build" / "log" / "pip-download.log"
    assert Path(log).is_file()


@pytest.mark.parametrize("obeys", [True, False])
def test_ctrl_c_ends_it_and_what_it_started_with_status_130(tmp_path: Path, obeys: bool) -> None:
    started = tmp_path / "started"
    trap = "exit 1" if obeys else ""
    tool(
        tmp_path / "tools",
        "cargo",
        f"""
case "$1" in
    --version) echo 'cargo 99.0.0';;
    run) trap '{trap}' INT; echo $$ > '{started}.part'; mv '{started}.part' '{started}'; while :; do sleep 0.05; done;;
esac""",
    )
    path = f"{tmp_path / 'tools'}{os.pathsep}{os.environ['PATH']}"
    impatient = (
        "import sys, build; from building import programs; programs.GRACE_S = 1; sys.exit(build.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", impatient, "header", "--check"]
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + BOUND_S
        while not started.exists():
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=BOUND_S)
    assert (running.returncode, said) == (130, "\ninterrupted\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_the_tests_of_an_absent_tool_are_named_as_not_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "prepare", lambda stages: None)
    monkeypatch.setattr(commands, "passes", lambda name, command, directory: True)
    monkeypatch.setattr(commands, "works", lambda tool: "" if tool == "c++" else "99.0")
    assert main(["test"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "not run: the C header and C programs compiled as C++17 (no c++ on this machine)"


def test_all_tests_and_checks_are_run_also_when_one_fails_and_the_failed_ones_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def passes(name: str, command: list[str], directory: str) -> bool:
        ran.append(name)
        return name not in ("cargo-test", "ruff-check")

    def stale(check: bool) -> None:
        raise Failed("not current")

    for name in ("prepare", "packages"):
        monkeypatch.setattr(commands, name, lambda stages: None)
    monkeypatch.setattr(commands, "fetch", lambda: None)
    monkeypatch.setattr(commands, "passes", passes)
    monkeypatch.setattr(commands, "headers", stale)

    assert main(["test"]) == 1
    assert ran == ["cargo-test", "cargo-test", "pytest"]
    assert "failed: Rust tests of the package barter_cffi" in capsys.readouterr().err

    ran.clear()
    assert main(["lint"]) == 1
    assert ran == ["cargo-fmt-check", "cargo-clippy", "ruff-check", "ruff-format-check", "mypy-strict"]
    assert capsys.readouterr().err == "failed: ruff check, header --check\n"


def test_arguments_after_two_dashes_go_to_pytest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(commands, "prepare", lambda stages: None)

    def passes(name: str, command: list[str], directory: str) -> bool:
        ran.append(command)
        return True

    monkeypatch.setattr(commands, "passes", passes)
    assert main(["test", "--", "-k", "name"]) == 0
    (command,) = ran
    assert command[1:3] == ["-m", "pytest"]
    assert command[-2:] == ["-k", "name"]


@pytest.mark.parametrize(
    ("failing", "status"), [("nothing", 0), ("test", 1), ("lint", 1)], ids=["none-fails", "test-fails", "lint-fails"]
)
def test_continuous_integration_runs_tests_and_lints_and_fails_if_either_does(
    tmp_path: Path, failing: str, status: int
) -> None:
    tool(tmp_path, "python3", f'echo "$@"; [ "$2" != {failing} ]')
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [ROOT / ".ci" / "run"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (status, "build.py test\nbuild.py lint\n")

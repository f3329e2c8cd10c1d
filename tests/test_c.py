"""The C programs of `tests/c` and `examples/c`, compiled against the committed header and run."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

import barter_cffi
from barter_cffi.testing import LocalExchange

ROOT = Path(__file__).parent.parent
PROGRAMS = sorted(path.stem for path in (ROOT / "tests" / "c").glob("*.c"))
LIBRARY = next(Path(barter_cffi.__file__).parent.glob("_native__lib*"))
STRICT = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g"]


def compiled(source: Path, folder: Path) -> Path:
    """The program of one source file, linked to the library that Python loads."""
    compiler = os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc").split()[0]
    program = folder / source.stem
    command = [compiler, *STRICT, "-I", str(ROOT / "rust" / "include"), str(source)]
    command += [str(LIBRARY), f"-Wl,-rpath,{LIBRARY.parent}", "-o", str(program), "-lm"]
    subprocess.run(command, check=True, timeout=60)
    return program


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_c_program_compiles_without_a_warning_and_all_its_checks_hold(name: str, tmp_path: Path) -> None:
    program = compiled(ROOT / "tests" / "c" / f"{name}.c", tmp_path)
    run = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, f"{name}: ok\n"), run.stderr


def test_the_c_program_subscribes_on_a_running_set(tmp_path: Path) -> None:
    program = compiled(ROOT / "tests" / "c" / "subscribe.c", tmp_path)
    with LocalExchange(["binance_spot"], rate=200.0) as exchange:
        address = exchange.endpoints["binance_spot"].websocket
        assert address is not None
        run = subprocess.run([program, address], capture_output=True, text=True, timeout=30)
    assert (run.returncode, run.stdout) == (0, "subscribe: ok\n"), run.stderr


def test_the_c_example_prints_the_trades_of_a_live_stream(tmp_path: Path) -> None:
    program = compiled(ROOT / "examples" / "c" / "trades.c", tmp_path)
    with LocalExchange(["binance_spot"], rate=200.0) as exchange:
        address = exchange.endpoints["binance_spot"].websocket
        assert address is not None
        run = subprocess.run([program, "25", address], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == 25
    assert all(line.split()[1] in {"buy", "sell"} for line in lines)


def test_the_c_example_says_what_is_wrong_when_it_cannot_connect(tmp_path: Path) -> None:
    program = compiled(ROOT / "examples" / "c" / "trades.c", tmp_path)
    run = subprocess.run([program, "1", "ws://127.0.0.1:9"], capture_output=True, text=True, timeout=30)
    assert run.returncode == 1
    assert "cannot open the streams" in run.stderr
    assert "127.0.0.1:9" in run.stderr

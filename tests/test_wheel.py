"""The wheel that `build.py wheel` makes: what is in it, what it says of itself, and that it works by itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from build_script import ROOT, WHEELS, build, cargo_metadata

import barter_cffi

LIMIT = 8_000_000

ROUND_TRIP = """
import barter_cffi
from barter_cffi import Side, TradeEvent
from barter_cffi.testing import in_memory

streams, injector = in_memory([("binance_spot", "trades")])
btc = injector.instrument("binance_spot", "btc", "usdt", "spot")
sent = TradeEvent(60000.5, 0.25, Side.SELL, "t1", btc, 1_000_000_000, 2_000_000_000)
trades = streams.select_trades("binance_spot")
injector.push(sent)
assert trades.recv(timeout=10) == sent
injector.close("binance_spot", "trades")
assert trades.recv(timeout=10) is None
streams.close()
print(barter_cffi.__file__)
"""


@pytest.fixture(scope="module")
def wheel() -> Path:
    """A wheel of the sources as they are."""
    built = build("wheel")
    assert built.returncode == 0, built.stdout + built.stderr
    said = re.search(r"^dist/(\S+\.whl): (\d+\.\d) MB, tag (\S+)$", built.stdout, re.MULTILINE)
    assert said is not None, built.stdout
    path = ROOT / "dist" / said[1]
    assert said[2] == f"{path.stat().st_size / 1e6:.1f}"
    assert path.stem.endswith(f"-{said[3]}")
    return path


def metadata(wheel: Path, name: str) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [path for path in archive.namelist() if path.endswith(f".dist-info/{name}")]
        return Parser().parsestr(archive.read(path).decode())


def test_the_tag_is_of_every_cpython_3_on_this_platform(wheel: Path) -> None:
    platform = re.sub(r"\W", "_", sysconfig.get_platform())
    assert wheel.name == f"barter_cffi-{barter_cffi.__version__}-py3-none-{platform}.whl"
    says = metadata(wheel, "WHEEL")
    assert says["Tag"] == f"py3-none-{platform}"
    assert says["Root-Is-Purelib"] == "false"


def test_it_holds_the_library_without_its_symbols_and_is_small(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        libraries = [name for name in archive.namelist() if name.endswith((".so", ".dylib"))]
        assert libraries == ["barter_cffi/_native__lib.so"]
        library = archive.extract(libraries[0], tmp_path)
    beside_the_sources = Path(barter_cffi.__file__).parent / "_native__lib.so"
    assert os.path.getsize(library) < beside_the_sources.stat().st_size
    assert wheel.stat().st_size < LIMIT


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = ROOT / "barter_cffi"
    sources = {path.relative_to(ROOT).as_posix() for path in package.rglob("*.py")}
    assert files == {*sources, "barter_cffi/py.typed", "barter_cffi/_native__lib.so"}


def test_its_metadata_name_version_licence_requirements_and_extras(wheel: Path) -> None:
    says = metadata(wheel, "METADATA")
    assert (says["Name"], says["Version"]) == ("barter-cffi", barter_cffi.__version__)
    assert (says["Requires-Python"], says["License-Expression"]) == (">=3.10", "MIT")
    assert "Programming Language :: Python :: Implementation :: CPython" in says.get_all("Classifier", [])
    assert says.get_payload().strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()  # type: ignore[union-attr]

    required: dict[str, set[str]] = {}
    for requirement in says.get_all("Requires-Dist", []):
        name, _, marker = requirement.partition(";")
        extra = re.search(r'extra == "(\w+)"', marker)
        required.setdefault(extra[1] if extra else "", set()).add(re.split(r"\W", name)[0])
    assert required == {
        "": {"anyio", "cffi", "msgspec"},
        "numpy": {"numpy"},
        "arrow": {"numpy", "pyarrow"},
        "cli": {"rich", "typer"},
        "testing": {"aiohttp", "trustme"},
        "metrics": {"prometheus_client"},
    }


def test_the_rust_library_and_the_package_have_one_version() -> None:
    packages = cargo_metadata()["packages"]
    assert isinstance(packages, list)
    (version,) = [package["version"] for package in packages if package["name"] == "barter_cffi"]
    assert version == barter_cffi.__version__


def test_it_works_in_a_fresh_environment_outside_the_sources(wheel: Path, tmp_path: Path) -> None:
    assert WHEELS.is_dir(), "python3 build.py test downloads what is needed here"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "fresh"], check=True)
    python = tmp_path / "fresh" / "bin" / "python"
    install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", WHEELS, wheel]
    subprocess.run(install, cwd=tmp_path, check=True)

    ran = subprocess.run([python, "-I", "-c", ROUND_TRIP], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert Path(ran.stdout.strip()).is_relative_to(tmp_path / "fresh")

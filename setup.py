"""Builds the Rust library and puts it into the package through milksnake, for wheels and for editable installs.

pip calls it through setuptools; pyproject.toml has the metadata. It guarantees that a wheel holds the library, without
its symbols, and is tagged ``py3-none-<platform>``: the package has no extension module, so one wheel serves every
CPython 3. An editable install gets the library with its symbols beside the sources.
"""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from milksnake.setuptools_ext import BuildStep
from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = "barter_cffi"
LIBRARY = "_native__lib.so"


def native(spec: Any) -> None:
    """Milksnake's task: ``barter_cffi._native`` with ``ffi`` and ``lib``."""
    spec.add_build_func(make_room, module_base=PACKAGE)
    spec.add_cffi_module(
        module_path=f"{PACKAGE}._native",
        dylib=build_library,
        header_source=(ROOT / "rust" / "include" / "barter_cffi.h").read_text(encoding="utf-8"),
        header_strip_directives=False,
        rtld_flags=["NOW"],
    )
    spec.add_build_step(StripStep(spec))


@functools.cache
def build_library() -> str:
    """Builds the Rust library and returns where Cargo put it, which depends on the user's Cargo settings."""
    command = ["cargo", "build", "--release", "--locked", "--lib", "--message-format", "json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT / "rust", stdout=subprocess.PIPE, text=True)
    if built.returncode:
        sys.exit(f"{' '.join(command)} failed with status {built.returncode}")
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == PACKAGE:
            for name in message["filenames"]:
                if name.endswith((".so", ".dylib")):
                    return str(name)
    sys.exit("cargo named no shared library among what it built")


def make_room(base_path: str, **_: object) -> None:
    """Removes the library of an earlier build once the next is there. Milksnake writes over a file in place, which
    would pull the pages from under a process that has it loaded."""
    build_library()
    Path(base_path, LIBRARY).unlink(missing_ok=True)


def strip(base_path: str, **_: object) -> None:
    """Takes the symbols out of a wheel's library; beside the sources they serve debuggers and profilers."""
    library = Path(base_path, LIBRARY).resolve()
    if library.parent != ROOT / PACKAGE:
        subprocess.run(["strip", "-x" if sys.platform == "darwin" else "--strip-unneeded", library], check=True)


class StripStep(BuildStep):
    """Registers `strip` behind milksnake's own step, which copies the library."""

    def prepare_build(self) -> None:
        self.spec.add_build_func(strip, module_base=PACKAGE)


class BuildPy(build_py):
    """Milksnake adds its steps to this; in an editable install they work beside the sources."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            self.build_lib = os.curdir


class BuildExt(build_ext):
    """Leaves out milksnake's dummy extension, which stands in the list so that the wheel counts as binary."""

    def run(self) -> None:
        self.inplace = False

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class BdistWheel(bdist_wheel):
    """Tags the wheel for every CPython 3 on this platform."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


setup(
    cmdclass={"build_py": BuildPy, "build_ext": BuildExt, "bdist_wheel": BdistWheel},
    milksnake_tasks=[native],
    milksnake_universal=False,
)

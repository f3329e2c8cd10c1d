"""What the tests of header, wheel and build.py share: where the sources are, and build.py as a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
WHEELS = ROOT / ".build" / "wheels"
"""The packages of requirements.lock as build.py downloaded them."""


def build(
    *arguments: str,
    script: Path = ROOT / "build.py",
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 280,
) -> subprocess.CompletedProcess[str]:
    """Runs build.py as a person does, with more or other environment variables."""
    command = [sys.executable, str(script), *arguments]
    env = {**os.environ, **(environment or {})}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout_s, check=False)


def cargo_metadata() -> dict[str, object]:
    """What Cargo knows of the library and its dependencies on this platform."""
    host = next(
        line.removeprefix("host: ")
        for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines()
        if line.startswith("host: ")
    )
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host]
    found: dict[str, object] = json.loads(subprocess.check_output(command, cwd=ROOT / "rust"))
    return found

"""What must be on the machine for a command, and what some tests are not run without. Asking changes nothing."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig

from building import Failed, paths

# What some tests need and a machine may lack: the tool, and what is not run without it.
OPTIONAL = (("c++", "the C header and C programs compiled as C++17"),)


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
    with open(os.path.join(paths.RUST, "Cargo.toml"), encoding="utf-8") as manifest:
        version = re.search(r'^rust-version = "(\d+)\.(\d+)', manifest.read(), re.MULTILINE)
    if version is None:
        raise Failed("rust/Cargo.toml names no rust-version")
    return int(version.group(1)), int(version.group(2))

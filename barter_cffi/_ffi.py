"""Loads the library once and checks that it is the one this package was made for. Everything that calls the library
goes through `lib`, and everything that can fail through `check`, which raises the exception of its status.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from barter_cffi.errors import BY_STATUS, FORKED, BarterError

__all__ = [
    "CLOSED",
    "HANDLE_CLOSED",
    "NO_INSTRUMENT",
    "NO_TIME",
    "OK",
    "TIMEOUT",
    "check",
    "constants",
    "ffi",
    "last_message",
    "lib",
    "ready_fd",
    "text",
]

_REBUILD = "build the package again: python3 build.py test in a clone, or reinstall the wheel"

if sys.implementation.name != "cpython":
    raise ImportError("barter_cffi runs on CPython only: its buffers rely on reference counting, which PyPy lacks")
if "t" in sys.abiflags:
    raise ImportError("barter_cffi does not run on free-threaded builds of CPython: its streams rely on the GIL")
try:
    from barter_cffi._native import ffi, lib
except (ImportError, OSError) as error:
    raise ImportError(f"the native library of barter_cffi cannot be loaded ({error}); {_REBUILD}") from error


def check(status: int) -> int:
    """Raises the exception of an error status with the library's message; gives back any other status."""
    if status < lib.BARTER_INVALID_ARGUMENT:
        return status
    name = ffi.string(lib.barter_status_name(status)).decode()
    message = FORKED if status == lib.BARTER_FORKED else last_message()
    raised = BY_STATUS.get(f"BARTER_{name}", BarterError)(message)
    raised.status = name
    raise raised


def last_message() -> str:
    """The message of this thread's last failed call."""
    return text(lib.barter_last_error_message)


def text(read: Callable[..., int], *args: Any) -> str:
    """The text that a function of the library copies out through `(…, char *buf, size_t cap, size_t *len)`."""
    length = ffi.new("size_t *", 255)
    while True:
        cap = length[0] + 1
        buffer = ffi.new("char[]", cap)
        check(read(*args, buffer, cap, length))
        if length[0] < cap:
            return bytes(ffi.buffer(buffer, length[0])).decode()


def ready_fd(duplicate: Callable[..., int], handle: Any) -> int:
    """A descriptor of our own, to be closed by us, from `(handle, int *fd)` of the library."""
    fd = ffi.new("int *")
    check(duplicate(handle, fd))
    return int(fd[0])


def constants(prefix: str) -> dict[int, str]:
    """The library's constants of one family: number to lower-case name without the prefix."""
    return {getattr(lib, name): name[len(prefix) :].lower() for name in dir(lib) if name.startswith(prefix)}


def _check_layout() -> None:
    has, needs = divmod(lib.barter_abi_version(), 1 << 16), divmod(lib.BARTER_ABI_VERSION, 1 << 16)
    if has[0] != needs[0] or has[1] < needs[1]:
        raise ImportError("the library's ABI is {}.{}, this package needs {}.{}; {}".format(*has, *needs, _REBUILD))
    for name, layout in msgspec.json.decode(text(lib.barter_test_layout)).items():
        here = {field: ffi.offsetof(name, field) for field in layout["fields"]}
        if here != layout["fields"] or ffi.sizeof(name) != layout["size"]:
            raise ImportError(f"the library's {name} is not laid out as this package's header says; {_REBUILD}")


_check_layout()
atexit.register(lib.barter_shutdown)
OK: int = lib.BARTER_OK
TIMEOUT: int = lib.BARTER_TIMEOUT
CLOSED: int = lib.BARTER_CLOSED
HANDLE_CLOSED: int = lib.BARTER_HANDLE_CLOSED
NO_INSTRUMENT: int = lib.BARTER_NO_INSTRUMENT
NO_TIME: int = lib.BARTER_NO_TIME

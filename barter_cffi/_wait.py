"""Time-outs as callers give them, and waits that Ctrl-C can end: what `stream` and `streams` wait with."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from barter_cffi._ffi import TIMEOUT

FOREVER = -1
NOW = 0
"""A deadline that is past."""
_LONGEST_S = 1e9
_SLICE_NS = 50_000_000


def deadline_after(timeout: float) -> int:
    """The moment a time-out that begins now will end, in nanoseconds of the monotonic clock.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not within 0 and 1e9 seconds.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be seconds as a number, or None, not {timeout!r}")
    if not 0 <= timeout <= _LONGEST_S:
        raise ValueError(f"timeout must be from 0 to 1e9 seconds, not {timeout!r}")
    return time.monotonic_ns() + math.ceil(timeout * 1_000_000_000)


def left_ns(deadline: int | None) -> int:
    """What is left until a deadline, 0 when it is past; `FOREVER` where there is none."""
    return FOREVER if deadline is None else max(0, deadline - time.monotonic_ns())


def one_wait_ns(left: int) -> int:
    """How much of what is left to wait in one go. The main thread waits in slices of 50 ms, so that a signal is
    answered within 100, also one that came just before the wait began; others wait in one go.
    """
    sliced = threading.current_thread() is threading.main_thread()
    return _SLICE_NS if sliced and not 0 <= left <= _SLICE_NS else left


def wait(call: Callable[[int], int], deadline: int | None) -> int:
    """Calls `call(timeout_ns)` until its status is not TIMEOUT or the deadline is past; gives the last status."""
    while True:
        status = call(one_wait_ns(left_ns(deadline)))
        if status != TIMEOUT or left_ns(deadline) == 0:
            return status

"""Waiting in coroutines, on asyncio (uvloop too) and trio: one task an event loop and source waits for the source's
ready descriptor, others of the loop for that task, and whoever leaves, also cancelled or timed out, passes its place
on. Nothing is taken here: a wait that is cancelled loses nothing.

Loaded when the first coroutine of the package runs, because it imports anyio.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel

from barter_cffi._ffi import TIMEOUT
from barter_cffi._wait import left_ns


class Readiness:
    """What the coroutines of a source wait with: a descriptor, which is closed with the last reference to this."""

    def __init__(self) -> None:
        self._fd: int | None = None
        self._lock = threading.Lock()
        self._places: dict[Any, _Place] = {}

    async def wait(self, look: Callable[[object], int], open_fd: Callable[[], int], deadline: int | None) -> int:
        """Looks until the status is not TIMEOUT, or the deadline is past; gives the last status.

        `look` must not wait; it is given what `wake` is given when it was this look that found something. `open_fd`
        gives a descriptor of our own that is readable when looking would give something.
        """
        status = look(None)
        left = left_ns(deadline)
        if status != TIMEOUT or left == 0:
            await anyio.lowlevel.checkpoint()
            return status
        loop = anyio.lowlevel.current_token().native_token
        place = self._places.get(loop)
        if place is None:
            place = self._places[loop] = _Place(loop)
        place.users += 1
        try:
            # The timers of uvloop count whole milliseconds and end up to one early.
            while left:
                with anyio.move_on_after(None if deadline is None else left / 1e9):
                    async with place.lock:
                        return await self._watch(place, look, open_fd)
                left = left_ns(deadline)
            return TIMEOUT
        finally:
            place.users -= 1
            if not place.users:
                del self._places[loop]

    def wake(self, by: object) -> None:
        """Something was received, and may have been left over by who received it. From any thread."""
        for place in list(self._places.values()):
            if place is not by:
                place.wake()

    async def _watch(self, place: _Place, look: Callable[[object], int], open_fd: Callable[[], int]) -> int:
        """Looks whenever the descriptor is readable or `wake` was called. Called by the one that has the place."""
        fd = self._opened(open_fd)
        try:
            while True:
                with anyio.CancelScope() as place.watching:
                    # Looks once it can be woken: what comes in between is seen by this look or wakes it.
                    status = look(place)
                    if status != TIMEOUT:
                        return status
                    await anyio.wait_readable(fd)
        finally:
            place.watching = None

    def _opened(self, open_fd: Callable[[], int]) -> int:
        with self._lock:  # the loops of several threads may be here
            if self._fd is None:
                self._fd = open_fd()
            return self._fd

    def __del__(self) -> None:
        if self._fd is not None:
            os.close(self._fd)


async def wait_for_next(look: Callable[[], int], open_fd: Callable[[], int], deadline: int | None) -> None:
    """Waits until looking gives something else than TIMEOUT, or the deadline is past.

    `look` must not wait. `open_fd` gives a descriptor of our own that is readable once there is something that was not
    there when it was given, for those who do not all wait for the same.
    """
    while (left := left_ns(deadline)) and look() == TIMEOUT:
        fd = open_fd()
        try:
            # Looks again now that it can be woken: what comes in between is seen by this look or wakes it.
            if look() == TIMEOUT:
                with anyio.move_on_after(None if deadline is None else left / 1e9):
                    await anyio.wait_readable(fd)
        finally:
            os.close(fd)
    await anyio.lowlevel.checkpoint()


class _Place:
    """The tasks of one event loop that wait: who has the lock watches."""

    def __init__(self, loop: Any) -> None:
        self.lock = anyio.Lock(fast_acquire=True)
        self.users = 0
        self.watching: anyio.CancelScope | None = None
        # asyncio's and trio's way to be called by another thread
        self._soon: Callable[[Callable[[], object]], object] = (
            loop.run_sync_soon if hasattr(loop, "run_sync_soon") else loop.call_soon_threadsafe
        )

    def wake(self) -> None:
        watching = self.watching
        if watching is not None:
            with suppress(RuntimeError):  # the loop has ended, and nobody waits in it
                self._soon(watching.cancel)
            # Told once for each look: a loop that is held up does not collect calls. Ctrl-C may come before this,
            # but not between the comparison and the assignment: there is no call, and nothing else runs.
            if self.watching is watching:
                self.watching = None

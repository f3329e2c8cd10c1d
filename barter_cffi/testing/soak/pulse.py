"""Whether this process was running at all: a busy machine can hold one up for longer than connections wait, and what
breaks then was broken by no exchange and no library.
"""

from __future__ import annotations

import threading
import time
from typing import Final

_BEAT_S: Final = 0.1


class Pulse:
    """Beats in a thread of its own until it is stopped."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._stopped = threading.Event()
        threading.Thread(target=self._beat, name="soak-pulse", daemon=True).start()

    def longest_s(self) -> float:
        """By how much the latest beat since the last call was late, in seconds."""
        longest, self._longest = self._longest, 0.0
        return longest

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()

    def _beat(self) -> None:
        last = time.monotonic()
        while not self._stopped.wait(_BEAT_S):
            now = time.monotonic()
            self._longest = max(self._longest, now - last - _BEAT_S)
            last = now

"""How much memory is in use: what is free is given back before it is counted, where the C library is glibc."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
#: glibc's own, which it raises as it goes, so that large buffers that come and go leave holes.
_MMAP_THRESHOLD_BYTES: Final = 128 * 1024


def give_back_at_once() -> None:
    """Lets large blocks be mapped, whenever they are made, so that freeing them gives them back."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)


def resident_bytes() -> int:
    """The resident memory of this process."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")

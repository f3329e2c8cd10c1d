"""Replays captures: text files of what exchanges sent, in cryptofeed's raw format.

In the order in which a captured frame goes: `capture` (lines of a file) → `addresses` (whose
connection it was) → `readers/` (what a venue's frame says) → `reading`, `timeline` (one exchange's
captures, in order) → `playback` (one client's connection) → `exchange` (the venue that answers
requests as ever and sends the capture). `verbatim` is JSON whose numbers keep their digits, `names`
what a market's name says.
"""

from __future__ import annotations

from .capture import CaptureError
from .exchange import Replaying, replaying
from .reading import timelines
from .timeline import Timeline

__all__ = ["CaptureError", "Replaying", "Timeline", "replaying", "timelines"]

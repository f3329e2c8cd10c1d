"""The faults a test can set, as one table.

A row says at which stage of a connection's life the fault acts and what it does. The code of that
stage asks `Faults.take` whether the fault is set, which also counts it; a fault of stage "frame"
needs no code but its function here. Adding a fault is adding a row and, for another stage, the one
place that asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, TypeAlias

Stage: TypeAlias = Literal["upgrade", "session", "subscribe", "snapshot", "book", "frame"]


class Fault(Enum):
    """One way in which an exchange misbehaves; `FAULTS` says what each does."""

    REFUSE_UPGRADE = "refuse-upgrade"
    MUTE = "mute"
    REFUSE_SUBSCRIPTION = "refuse-subscription"
    SILENT_AFTER_ACKNOWLEDGEMENT = "silent-after-acknowledgement"
    CLOSE_AFTER_ACKNOWLEDGEMENT = "close-after-acknowledgement"
    SNAPSHOT_STATUS = "snapshot-status"
    SNAPSHOT_WITHOUT_BOOK = "snapshot-without-book"
    SNAPSHOT_INVALID_JSON = "snapshot-invalid-json"
    SEQUENCE_GAP = "sequence-gap"
    UNKNOWN_FRAMES = "unknown-frames"
    INVALID_JSON = "invalid-json"


@dataclass(frozen=True, slots=True)
class FaultRow:
    """What a fault does and where; `alter` makes of a data frame what is sent in its place."""

    stage: Stage
    meaning: str
    needs_status: bool = False
    alter: Callable[[str], list[str]] | None = None


FAULTS: Final[dict[Fault, FaultRow]] = {
    Fault.REFUSE_UPGRADE: FaultRow("upgrade", "answers the WebSocket upgrade with an HTTP error", needs_status=True),
    Fault.MUTE: FaultRow(
        "session",
        "accepts the WebSocket, answers its pings, and never sends a text frame: no greeting, no "
        "acknowledgement, no data",
    ),
    Fault.REFUSE_SUBSCRIPTION: FaultRow(
        "subscribe", "answers a subscription with the exchange's error in the exchange's shape"
    ),
    Fault.SILENT_AFTER_ACKNOWLEDGEMENT: FaultRow("subscribe", "acknowledges a subscription and sends no event for it"),
    Fault.CLOSE_AFTER_ACKNOWLEDGEMENT: FaultRow("subscribe", "acknowledges a subscription and closes the connection"),
    Fault.SNAPSHOT_STATUS: FaultRow("snapshot", "answers the REST snapshot with an HTTP error", needs_status=True),
    Fault.SNAPSHOT_WITHOUT_BOOK: FaultRow(
        "snapshot", "answers the REST snapshot with status 200 and JSON that is no book"
    ),
    Fault.SNAPSHOT_INVALID_JSON: FaultRow(
        "snapshot", "answers the REST snapshot with status 200 and text that is no JSON"
    ),
    Fault.SEQUENCE_GAP: FaultRow("book", "leaves out one book update before the next"),
    Fault.UNKNOWN_FRAMES: FaultRow(
        "frame",
        "sends a JSON frame of no documented shape before a data frame",
        alter=lambda text: ['{"unexpected":{"revision":1}}', text],
    ),
    Fault.INVALID_JSON: FaultRow(
        "frame",
        "sends a frame that is no JSON before a data frame",
        alter=lambda text: ['{"unexpected":', text],
    ),
}


@dataclass(slots=True)
class FaultSetting:
    """A fault that is set: `status` and `retry_after_s` for HTTP errors, `times` until it clears.

    `times` None keeps it set until it is cleared.
    """

    fault: Fault
    status: int = 0
    retry_after_s: float | None = None
    times: int | None = None


class Faults:
    """The faults set, by exchange. Not thread-safe: the server uses it under the journal's lock."""

    def __init__(self) -> None:
        self._set: dict[str, dict[Fault, FaultSetting]] = {}
        self._fired: Counter[tuple[str, Fault]] = Counter()

    def set(self, exchange: str, setting: FaultSetting) -> None:
        """Sets a fault, in place of the same fault set before.

        Raises `ValueError` when a fault that answers with an HTTP error has no status of one, or
        `times` is not positive.
        """
        if FAULTS[setting.fault].needs_status and not 400 <= setting.status <= 599:
            raise ValueError(f"{setting.fault.value} needs a status from 400 to 599")
        if setting.times is not None and setting.times < 1:
            raise ValueError(f"times must be positive, not {setting.times}")
        self._set.setdefault(exchange, {})[setting.fault] = setting

    def clear(self, exchange: str, fault: Fault | None = None) -> None:
        """Clears one fault, or all of an exchange."""
        if fault is None:
            self._set.pop(exchange, None)
        else:
            self._set.get(exchange, {}).pop(fault, None)

    def take(self, exchange: str, fault: Fault) -> FaultSetting | None:
        """The fault's setting if it is set; counts it and clears it after its last time."""
        active = self._set.get(exchange)
        setting = active.get(fault) if active else None
        if active is None or setting is None:
            return None
        self._fired[exchange, fault] += 1
        if setting.times is not None:
            setting.times -= 1
            if setting.times == 0:
                del active[fault]
        return setting

    def alter(self, exchange: str, text: str) -> list[str]:
        """The frames to send in place of one data frame."""
        frames = [text]
        for fault in tuple(self._set.get(exchange, ())):
            change = FAULTS[fault].alter
            if change is not None and self.take(exchange, fault) is not None:
                frames = [out for frame in frames for out in change(frame)]
        return frames

    def fired(self, exchange: str, fault: Fault) -> int:
        """How often a fault has acted since the start."""
        return self._fired[exchange, fault]

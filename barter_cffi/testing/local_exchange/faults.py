"""The faults a test can set, as one table.

A row says at which stage of a connection's life the fault acts and what it does. The code of that
stage asks `Faults.take` whether the fault is set, which also counts it; a fault of stage "frame"
needs no code but its function here. Adding a fault is adding a row and, for another stage, the one
place that asks.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, TypeAlias

Stage: TypeAlias = Literal["listen", "tls", "upgrade", "session", "subscribe", "snapshot", "events", "clock", "frame"]


class Ending(Enum):
    """How a connection comes to nothing in place of a frame."""

    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes for the TCP connection that are no whole frame."""

    payload: bytes


#: A text frame, a binary frame, what is no frame, or the end.
Outgoing: TypeAlias = str | bytes | Raw | Ending


class Fault(Enum):
    """One way in which an exchange misbehaves; `FAULTS` says what each does."""

    REFUSE_CONNECTIONS = "refuse-connections"
    UNTRUSTED_CERTIFICATE = "untrusted-certificate"
    REFUSE_UPGRADE = "refuse-upgrade"
    SLOW_UPGRADE = "slow-upgrade"
    MUTE = "mute"
    REFUSE_SUBSCRIPTION = "refuse-subscription"
    WITHHOLD_ACKNOWLEDGEMENT = "withhold-acknowledgement"
    SILENT_AFTER_ACKNOWLEDGEMENT = "silent-after-acknowledgement"
    CLOSE_AFTER_ACKNOWLEDGEMENT = "close-after-acknowledgement"
    SNAPSHOT_STATUS = "snapshot-status"
    SNAPSHOT_WITHOUT_BOOK = "snapshot-without-book"
    SNAPSHOT_INVALID_JSON = "snapshot-invalid-json"
    SNAPSHOT_OUTDATED = "snapshot-outdated"
    SEQUENCE_GAP = "sequence-gap"
    OUT_OF_ORDER = "out-of-order"
    UNKNOWN_SYMBOL = "unknown-symbol"
    CLOCK_BACKWARDS = "clock-backwards"
    UNKNOWN_FRAMES = "unknown-frames"
    INVALID_JSON = "invalid-json"
    WRONG_TYPES = "wrong-types"
    TRUNCATED_FRAME = "truncated-frame"
    BINARY_FRAME = "binary-frame"
    DUPLICATE_FRAME = "duplicate-frame"
    OVERSIZE_FRAME = "oversize-frame"
    RESET_IN_FRAME = "reset-in-frame"
    CLOSE = "close"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class FaultRow:
    """What a fault does and where; `alter` makes of a data frame what is sent in its place."""

    stage: Stage
    meaning: str
    needs_status: bool = False
    needs_delay: bool = False
    alter: Callable[[str], list[Outgoing]] | None = None


#: How far back the venue's clock goes.
CLOCK_STEP_NS: Final = 3_600 * 10**9
_OVERSIZE_BYTES: Final = 1 << 40
_TEXT: Final = 0x81


def _frame(text: str, length: int | None = None) -> bytes:
    """A text frame as the server's side of a WebSocket writes it; its header says `length` if given."""
    payload = text.encode()
    length = len(payload) if length is None else length
    if length < 126:
        return struct.pack("!BB", _TEXT, length) + payload
    if length < 1 << 16:
        return struct.pack("!BBH", _TEXT, 126, length) + payload
    return struct.pack("!BBQ", _TEXT, 127, length) + payload


def _half(text: str) -> bytes:
    frame = _frame(text)
    return frame[: len(frame) // 2]


def _mistyped(text: str) -> str:
    """The JSON text with an empty object in place of every number, also of those written as strings."""

    def changed(value: object) -> object:
        if isinstance(value, dict):
            return {key: changed(each) for key, each in value.items()}
        if isinstance(value, list):
            return [changed(each) for each in value]
        return {} if _is_number(value) else value

    return json.dumps(changed(json.loads(text)), separators=(",", ":"))


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


FAULTS: Final[dict[Fault, FaultRow]] = {
    Fault.REFUSE_CONNECTIONS: FaultRow(
        "listen",
        "does not listen on the exchange's port until it is cleared (`own_ports`); it counts when it begins to, for "
        "who is refused only the operating system knows",
    ),
    Fault.UNTRUSTED_CERTIFICATE: FaultRow(
        "tls", "shows a certificate of an authority that nobody trusts (`own_ports`, `tls`)"
    ),
    Fault.REFUSE_UPGRADE: FaultRow("upgrade", "answers the WebSocket upgrade with an HTTP error", needs_status=True),
    Fault.SLOW_UPGRADE: FaultRow("upgrade", "answers the WebSocket upgrade `delay_s` late", needs_delay=True),
    Fault.MUTE: FaultRow(
        "session",
        "accepts the WebSocket, answers its pings, and never sends a text frame: no greeting, no "
        "acknowledgement, no data",
    ),
    Fault.REFUSE_SUBSCRIPTION: FaultRow(
        "subscribe", "answers a subscription with the exchange's error in the exchange's shape"
    ),
    Fault.WITHHOLD_ACKNOWLEDGEMENT: FaultRow(
        "subscribe",
        "answers a subscription to one market with nothing, and the others as ever (where a request is answered as a "
        "whole, it is the whole)",
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
    Fault.SNAPSHOT_OUTDATED: FaultRow(
        "snapshot", "answers the REST snapshot with the oldest book there is, from before what the stream sends"
    ),
    Fault.SEQUENCE_GAP: FaultRow("events", "leaves out one book update before the next"),
    Fault.OUT_OF_ORDER: FaultRow("events", "sends a subscription's events behind the next ones"),
    Fault.UNKNOWN_SYMBOL: FaultRow(
        "events", "sends, before the events of a subscription, the same of a market that nobody asked for"
    ),
    Fault.CLOCK_BACKWARDS: FaultRow("clock", "takes the time of an event from a clock that is an hour behind"),
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
    Fault.WRONG_TYPES: FaultRow(
        "frame",
        "sends before a data frame the same with an empty object in place of every number",
        alter=lambda text: [_mistyped(text), text],
    ),
    Fault.TRUNCATED_FRAME: FaultRow(
        "frame",
        "sends before a data frame the first half of its text as a frame",
        alter=lambda text: [text[: len(text) // 2], text],
    ),
    Fault.BINARY_FRAME: FaultRow(
        "frame",
        "sends a binary frame that is no text, and the data frame itself as a binary frame",
        alter=lambda text: [b"\xff\x00\xfe", text.encode()],
    ),
    Fault.DUPLICATE_FRAME: FaultRow("frame", "sends a data frame twice", alter=lambda text: [text, text]),
    Fault.OVERSIZE_FRAME: FaultRow(
        "frame",
        "begins, in place of a data frame, one of a tebibyte",
        alter=lambda text: [Raw(_frame(text, _OVERSIZE_BYTES))],
    ),
    Fault.RESET_IN_FRAME: FaultRow(
        "frame",
        "resets the TCP connection in the middle of a data frame",
        alter=lambda text: [Raw(_half(text)), Ending.RESET],
    ),
    Fault.CLOSE: FaultRow(
        "frame", "closes the WebSocket with code 1001 behind a data frame", alter=lambda text: [text, Ending.CLOSE]
    ),
    Fault.HALF_OPEN: FaultRow(
        "frame",
        "sends, from a data frame on, nothing more, no pong and no close either, and leaves the TCP connection open",
        alter=lambda _: [Ending.STALL],
    ),
}


@dataclass(slots=True)
class FaultSetting:
    """A fault that is set: `status` and `retry_after_s` for HTTP errors, `delay_s` for what comes late.

    It clears after `times` times; None keeps it set until it is cleared.
    """

    fault: Fault
    status: int = 0
    retry_after_s: float | None = None
    delay_s: float = 0.0
    times: int | None = None


class Faults:
    """The faults set, by exchange. Not thread-safe: the server uses it under the journal's lock."""

    def __init__(self) -> None:
        self._set: dict[str, dict[Fault, FaultSetting]] = {}
        self._fired: Counter[tuple[str, Fault]] = Counter()

    def set(self, exchange: str, setting: FaultSetting) -> None:
        """Sets a fault, in place of the same fault set before.

        Raises `ValueError` when a fault that answers with an HTTP error has no status of one, one that
        delays no delay, or `times` is not positive or given for what lasts until it is cleared.
        """
        row = FAULTS[setting.fault]
        if row.needs_status and not 400 <= setting.status <= 599:
            raise ValueError(f"{setting.fault.value} needs a status from 400 to 599")
        if row.needs_delay and not 0 < setting.delay_s < float("inf"):
            raise ValueError(f"{setting.fault.value} needs a delay_s")
        if row.stage == "listen" and setting.times is not None:
            raise ValueError(f"{setting.fault.value} lasts until it is cleared: it has no times")
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

    def alter(self, exchange: str, text: str) -> list[Outgoing]:
        """What to send in place of one data frame."""
        frames: list[Outgoing] = [text]
        for fault in tuple(self._set.get(exchange, ())):
            change = FAULTS[fault].alter
            if change is not None and self.take(exchange, fault) is not None:
                *before, last = frames
                frames = [*before, *(change(last) if isinstance(last, str) else [last])]
        return frames

    def fired(self, exchange: str, fault: Fault) -> int:
        """How often a fault has acted since the start."""
        return self._fired[exchange, fault]

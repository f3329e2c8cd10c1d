"""The faults that a stream survives, as one table: which fault of the local exchange makes each, when it acts, and what
the stream must show. Rows are the same for all servers; the cells that a server cannot have are listed with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from barter_cffi.testing.local_exchange import EXCHANGES, Fault, Kind

Shows: TypeAlias = Literal["error", "reconnecting", "delayed", "snapshot", "nothing"]
#: Seconds; a connection that opens within them on a busy machine, and a row that waits for them is not slow.
SHORT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Row:
    """One fault.

    Attributes:
        fault: the local exchange's fault.
        acts: `opening`: when the connection is opened again after it was reset; `event`: with the next event.
        shows: what the stream shows of it: `error`, one error item; `reconnecting`, a notice; `delayed`, an error item
            before events flow again; `snapshot`, an error item and then a new snapshot of the book; `nothing`.
        says: a pattern that the error's message or a notice's reason matches.
        loses: whether the event with which it acts may be lost, as it is with its connection.
        books: what it shows of an order book, where it is about these and the server has any; it is made there then.
        emits: how many events it takes.
        snapshots: how many snapshots of the book come before it is in order.
        markets: how many are subscribed to.
        times: how often it acts; None until it is cleared.
        tls: whether it takes a local exchange that speaks TLS.
        setting: of the fault. options: of the streams.
    """

    fault: Fault
    acts: Literal["opening", "event"]
    shows: Shows
    says: str = ""
    loses: bool = False
    books: Shows | None = None
    emits: int = 1
    snapshots: int = 1
    markets: int = 1
    times: int | None = 1
    tls: bool = False
    setting: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


BOOK_SERVERS: Final = tuple(name for name, exchange in EXCHANGES.items() if "l2" in exchange.kinds)
SNAPSHOT_SERVERS: Final = ("binance_spot", "binance_futures_usd")

ROWS: Final[dict[str, Row]] = {
    "connection-refused": Row(Fault.REFUSE_CONNECTIONS, "opening", "reconnecting", "refused", times=None),
    "reset-in-mid-frame": Row(Fault.RESET_IN_FRAME, "event", "reconnecting", "the connection broke", loses=True),
    "half-open": Row(Fault.HALF_OPEN, "event", "reconnecting", "no frame", loses=True),
    "clean-close": Row(Fault.CLOSE, "event", "reconnecting", "close code 1001"),
    "mute-but-answering-pings": Row(
        Fault.MUTE, "opening", "reconnecting", "no acknowledgement of", options={"subscribe_timeout": SHORT_S}
    ),
    "silent-but-answering-pings": Row(
        Fault.SILENT_AFTER_ACKNOWLEDGEMENT,
        "opening",
        "reconnecting",
        "no data of",
        options={"silence": {"trades": 2 * SHORT_S}, "silence_reconnect": True},
    ),
    "accept-and-kick": Row(Fault.CLOSE_AFTER_ACKNOWLEDGEMENT, "opening", "reconnecting", "close code 1001", times=2),
    "tls-failure": Row(Fault.UNTRUSTED_CERTIFICATE, "opening", "reconnecting", "UnknownIssuer", tls=True),
    "upgrade-429": Row(Fault.REFUSE_UPGRADE, "opening", "reconnecting", "429", setting={"status": 429}),
    "upgrade-503": Row(Fault.REFUSE_UPGRADE, "opening", "reconnecting", "503", setting={"status": 503}),
    "slow-handshake": Row(
        Fault.SLOW_UPGRADE,
        "opening",
        "reconnecting",
        "no answer within 0.5 s",
        setting={"delay_s": 2 * SHORT_S},
        options={"connect_timeout": SHORT_S},
    ),
    "rejected-subscription": Row(Fault.REFUSE_SUBSCRIPTION, "opening", "reconnecting", "refuse"),
    "partial-acknowledgement": Row(
        Fault.WITHHOLD_ACKNOWLEDGEMENT,
        "opening",
        "reconnecting",
        "no acknowledgement of",
        markets=2,
        options={"subscribe_timeout": SHORT_S},
    ),
    "invalid-json": Row(Fault.INVALID_JSON, "event", "error", "unexpected"),
    "unknown-frame": Row(Fault.UNKNOWN_FRAMES, "event", "error", "unexpected"),
    "wrong-types": Row(Fault.WRONG_TYPES, "event", "error", r"\{\}"),
    "truncated-frame": Row(Fault.TRUNCATED_FRAME, "event", "error"),
    "oversize-frame": Row(Fault.OVERSIZE_FRAME, "event", "reconnecting", "longer than max_message_size", loses=True),
    "binary-frame": Row(Fault.BINARY_FRAME, "event", "error", "utf-8"),
    "unknown-symbol": Row(Fault.UNKNOWN_SYMBOL, "event", "error", "unidentifiable message"),
    "duplicate-update": Row(Fault.DUPLICATE_FRAME, "event", "nothing", books="nothing"),
    "out-of-order-update": Row(Fault.OUT_OF_ORDER, "event", "nothing", books="snapshot", emits=2),
    "sequence-gap": Row(Fault.SEQUENCE_GAP, "event", "snapshot", books="snapshot"),
    "outdated-snapshot": Row(
        Fault.SNAPSHOT_OUTDATED, "opening", "delayed", "InvalidSequence", books="delayed", snapshots=2
    ),
    "snapshot-429": Row(
        Fault.SNAPSHOT_STATUS, "opening", "delayed", "HTTP 429", books="delayed", setting={"status": 429}
    ),
    "snapshot-without-book": Row(
        Fault.SNAPSHOT_WITHOUT_BOOK, "opening", "delayed", "not a snapshot.*An unknown error", books="delayed"
    ),
    "snapshot-invalid-json": Row(
        Fault.SNAPSHOT_INVALID_JSON, "opening", "delayed", 'not a snapshot.*"lastUpdateId":', books="delayed"
    ),
    "clock-backwards": Row(Fault.CLOCK_BACKWARDS, "event", "nothing"),
}
SERVERS: Final = tuple(EXCHANGES)

#: Cells that there cannot be, by fault, with the reason.
ABSENT: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "duplicate-update": ("trades have no ids: two that are equal are two trades", ("kraken",)),
    "partial-acknowledgement": (
        "one answer is to the whole request",
        tuple(name for name in SERVERS if name.startswith(("binance", "bybit"))),
    ),
    "sequence-gap": (
        "no order books are served, and trades have no numbers that are without gaps",
        tuple(name for name in SERVERS if name not in BOOK_SERVERS),
    ),
    **dict.fromkeys(
        ("outdated-snapshot", "snapshot-429", "snapshot-without-book", "snapshot-invalid-json"),
        (
            "no order book snapshots are asked for",
            tuple(name for name in SERVERS if name not in SNAPSHOT_SERVERS),
        ),
    ),
}
CELLS: Final = [
    (fault, server) for fault in ROWS for server in SERVERS if fault not in ABSENT or server not in ABSENT[fault][1]
]


def kind(fault: str, server: str) -> Kind:
    """The kind of events that a cell is about."""
    return "l2" if ROWS[fault].books and server in BOOK_SERVERS else "trades"


def shown(fault: str, server: str) -> Shows:
    """What the stream of a cell must show."""
    row = ROWS[fault]
    return row.books if row.books and server in BOOK_SERVERS else row.shows

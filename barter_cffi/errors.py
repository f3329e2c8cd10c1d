"""Every exception of the package, and the one table that says which status of the library raises which.

Exception
└── BarterError                   a fault of the library, or the base to catch
    ├── ArgumentError             also a ValueError: an argument or option that cannot be
    ├── SubscriptionError         also a ValueError: unknown exchange or kind, unsupported pair, refused
    ├── ConnectError              also a ConnectionError: a connection could not be opened
    │   └── InitTimeoutError      also a TimeoutError: the streams were not open in time
    ├── RecvTimeoutError          also a TimeoutError: nothing arrived in time
    ├── StreamClosedError         also a RuntimeError: used after close()
    ├── ForkedError               also a RuntimeError: used in a forked child
    └── DataError                 also a ValueError: an error in the stream, which goes on
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barter_cffi.instrument import ExchangeId
    from barter_cffi.subscription import SubKind


class BarterError(Exception):
    """Base of every error of the package; by itself, a fault of the library.

    ``status`` is the name of the library's status that raised it (``"CONNECT_FAILED"``), None where none did.
    """

    status: str | None = None


class ArgumentError(BarterError, ValueError):
    """An argument or an option has a value it cannot have; the message names it."""


class SubscriptionError(BarterError, ValueError):
    """A subscription cannot be: unknown exchange or kind, a pair the exchange does not offer, or one it refused."""


class ConnectError(BarterError, ConnectionError):
    """A connection to an exchange could not be opened."""


class InitTimeoutError(ConnectError, TimeoutError):
    """The streams were not open in time, or an exchange did not acknowledge the subscriptions."""


class RecvTimeoutError(BarterError, TimeoutError):
    """Nothing arrived within the time-out of a ``recv``; the stream goes on."""


class StreamClosedError(BarterError, RuntimeError):
    """The stream, or the set of streams, was closed with ``close()``."""


class ForkedError(BarterError, RuntimeError):
    """The process is a fork of the one that opened the streams: nothing of theirs works here."""


class DataError(BarterError, ValueError):
    """An error of a connection or of one message, as it stands in the stream. The next item still comes.

    ``str(error)`` is the text of barter-data's ``DataError``, whole. Equal where text and attributes are.

    Attributes:
        exchange: the exchange server it came from, None where that is not known.
        sub_kind: the kind of the stream it came from, None where that is not known.
        variant: which of barter-data's errors it is: ``"socket"``, ``"invalid_sequence"``, ``"index"``,
            ``"snapshot_missing"``, ``"snapshot_invalid"``, ``"subscriptions_empty"``, ``"unsupported"``,
            ``"unsupported_sub_kind"``; or ours, ``"queue_full"``, behind which the stream ends.
        time_ns: when it was made, nanoseconds since the Unix epoch.
    """

    def __init__(
        self,
        message: str,
        exchange: ExchangeId | None = None,
        sub_kind: SubKind | None = None,
        variant: str = "socket",
        time_ns: int = 0,
    ) -> None:
        super().__init__(message)
        self.exchange = exchange
        self.sub_kind = sub_kind
        self.variant = variant
        self.time_ns = time_ns

    def _key(self) -> tuple[object, ...]:
        return (str(self), self.exchange, self.sub_kind, self.variant, self.time_ns)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, DataError) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return (DataError, self._key())

    def __repr__(self) -> str:
        return f"DataError({str(self)!r}, {self.exchange!r}, {self.sub_kind!r}, {self.variant!r})"


BY_STATUS: dict[str, type[BarterError]] = {
    "BARTER_INVALID_ARGUMENT": ArgumentError,
    "BARTER_NULL_POINTER": ArgumentError,
    "BARTER_INVALID_UTF8": ArgumentError,
    "BARTER_INVALID_JSON": ArgumentError,
    "BARTER_INVALID_OPTION": ArgumentError,
    "BARTER_INVALID_HANDLE": StreamClosedError,
    "BARTER_HANDLE_CLOSED": StreamClosedError,
    "BARTER_FORKED": ForkedError,
    "BARTER_NO_SUBSCRIPTIONS": SubscriptionError,
    "BARTER_UNKNOWN_EXCHANGE": SubscriptionError,
    "BARTER_UNKNOWN_KIND": SubscriptionError,
    "BARTER_UNSUPPORTED": SubscriptionError,
    "BARTER_INVALID_INSTRUMENT": SubscriptionError,
    "BARTER_SUBSCRIPTION_REFUSED": SubscriptionError,
    "BARTER_NOT_SUBSCRIBED": SubscriptionError,
    "BARTER_CONNECT_FAILED": ConnectError,
    "BARTER_HANDSHAKE_TIMEOUT": InitTimeoutError,
    "BARTER_SNAPSHOT_FAILED": ConnectError,
    "BARTER_MARKETS_FAILED": ConnectError,
    "BARTER_INTERNAL": BarterError,
    "BARTER_PANIC": BarterError,
}
"""The exception of each of the library's error statuses, by the constant's name in the C header."""

FORKED = (
    "this process is a fork of the one that uses barter_cffi, whose threads are not here; "
    "start it afresh (multiprocessing: the spawn method)"
)
"""What a `ForkedError` says."""

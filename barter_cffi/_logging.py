"""The library's log in Python's `logging`, below the logger `barter_cffi`: a thread pulls what was said and hands it to
the loggers. Opening a set of streams begins that by itself where a logger has a handler and a level for it; the levels
of the loggers are the library's, so what nobody wants is not made. Without handlers nothing runs and nothing is said.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from barter_cffi._ffi import OK, check, ffi, lib

if TYPE_CHECKING:
    import logging

_ROOT = "barter_cffi"
_TRACE = 5
"""The level of the library's finest records, below `logging.DEBUG`."""
_BUFFER_BYTES = 1 << 18
_LEVELS_ARE_LOOKED_AT_EVERY_NS = 500_000_000
_JOIN_TIMEOUT_S = 2.0


def enable_logging(level: int | str | None = None) -> None:
    """Hands what the library says to the loggers below `barter_cffi`, now and when their levels change.

    Opening streams does the same by itself where `logging` is configured by then; this is for a program that configures
    it later, or that called `disable_logging`.

    Args:
        level: sets the level of the logger `barter_cffi`; None leaves it.

    Raises:
        ValueError, TypeError: there is no such level.
        ForkedError: the process is a fork of one that uses the library.
    """
    import logging

    if level is not None:
        logging.getLogger(_ROOT).setLevel(level)
    _pull.allowed = True
    _pull.start()


def disable_logging() -> None:
    """Ends what `enable_logging` began, also where opening streams began it; what was said until now is handed over."""
    _pull.allowed = False
    _pull.stop()


def follow() -> None:
    """Begins to hand over where somebody listens; called whenever connections are about to be opened."""
    if _pull.allowed and not _pull.running and "logging" in sys.modules and any(_wanted().values()):
        _pull.start()


class _Pull:
    """The one thread that pulls, and the levels that the library has."""

    def __init__(self) -> None:
        self.allowed = True
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        with self._lock:
            if self.running:
                return
            import logging  # before `stop` is registered, so that it runs before logging's own end

            if not logging.getLogger(_ROOT).handlers:
                logging.getLogger(_ROOT).addHandler(logging.NullHandler())
            levels = _wanted()
            _set_levels(levels)
            # Each thread has its own: one that is still ending does not go on beside the next.
            self._stopping = threading.Event()
            arguments = (levels, self._stopping)
            self._thread = threading.Thread(target=self._run, args=arguments, name="barter-log", daemon=True)
            self._thread.start()
            atexit.unregister(self.stop)
            atexit.register(self.stop)

    def stop(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            self._stopping.set()
            lib.barter_log_set_level(ffi.NULL, lib.BARTER_LOG_OFF)  # ends the thread's wait
        if thread is not threading.current_thread():
            thread.join(_JOIN_TIMEOUT_S)

    def _run(self, levels: dict[str, int], stop: threading.Event) -> None:
        buffer, length = ffi.new("char[]", _BUFFER_BYTES), ffi.new("size_t *")
        stopping = False
        while not stopping:
            stopping = stop.is_set()  # what was said before that is handed over still
            timeout_ns = 0 if stopping else _LEVELS_ARE_LOOKED_AT_EVERY_NS
            while check(lib.barter_log_read(timeout_ns, buffer, _BUFFER_BYTES, length)) == OK:
                for line in bytes(ffi.buffer(buffer, length[0])).splitlines():
                    _hand_over(msgspec.json.decode(line))
                timeout_ns = 0
            wanted = levels if stopping else _wanted()
            if wanted != levels and not stop.is_set():
                levels = wanted
                _set_levels(levels)


def _set_levels(levels: dict[str, int]) -> None:
    check(lib.barter_log_set_level(ffi.NULL, levels[_ROOT]))
    for name, level in levels.items():
        if name != _ROOT:
            check(lib.barter_log_set_level(name.encode(), level))


def _wanted() -> dict[str, int]:
    """The library's level for each logger that exists, `barter_cffi` first."""
    import logging

    names = [name for name in list(logging.root.manager.loggerDict) if name.startswith(_ROOT + ".")]
    return {name: _level_of(logging.getLogger(name)) for name in [_ROOT, *sorted(names)]}


def _level_of(logger: logging.Logger) -> int:
    """What of the library's levels reaches a handler through this logger."""
    if not _is_heard(logger):
        return int(lib.BARTER_LOG_OFF)
    for number, level in _NUMBERS.items():
        if logger.isEnabledFor(number):
            return level
    return int(lib.BARTER_LOG_OFF)


def _is_heard(logger: logging.Logger) -> bool:
    import logging

    above: logging.Logger | None = logger
    while above is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in above.handlers):
            return True
        above = above.parent if above.propagate else None
    return False


def _hand_over(said: dict[str, Any]) -> None:
    import logging

    logger = logging.getLogger(said["logger"])
    level = _LEVELS[said["level"]]
    if not logger.isEnabledFor(level):
        return
    fields = said["fields"]
    values = ", ".join([f"{name}={value}" for name, value in fields.items()])
    message = f"{said['message']} ({values})" if values else said["message"]
    file, line = said["file"] or "", said["line"] or 0
    try:
        record = logger.makeRecord(logger.name, level, file, line, message, (), None, extra={"fields": fields})
        from_start_ms = record.relativeCreated - record.created * 1000
        record.created = said["time_ns"] / 1e9
        record.msecs = said["time_ns"] // 1_000_000 % 1000
        record.relativeCreated = record.created * 1000 + from_start_ms
        logger.handle(record)
    except Exception:  # a record factory's, filter's or handler's; the thread goes on, as a program does that logs
        if logging.raiseExceptions:
            sys.excepthook(*sys.exc_info())


_LEVELS = {"error": 40, "warn": 30, "info": 20, "debug": 10, "trace": _TRACE}
"""Python's numbers of the library's levels."""
_NUMBERS: dict[int, int] = {
    _TRACE: lib.BARTER_LOG_TRACE,
    10: lib.BARTER_LOG_DEBUG,
    20: lib.BARTER_LOG_INFO,
    30: lib.BARTER_LOG_WARN,
    40: lib.BARTER_LOG_ERROR,
}
_pull = _Pull()


def _forget() -> None:
    """In a forked child, which has no such thread."""
    global _pull
    _pull = _Pull()


os.register_at_fork(after_in_child=_forget)

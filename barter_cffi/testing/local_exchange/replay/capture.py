"""Reads the lines of a capture, cryptofeed's raw format: one record a line, times in Unix seconds.

`URL <-> time` a connection opened, `URL <- time: text` what the client sent, `time: text` what the
server sent on the connection, `URL -> time: body` the body of an HTTP answer. Lines that begin with
`configuration:` and empty ones say nothing. JSON may go on in further lines. A last line that was
not written to its end is left out: recorders are stopped in the middle of one.
"""

from __future__ import annotations

import ast
import json
import re
import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Final, Literal, TypeAlias

What: TypeAlias = Literal["opened", "sent", "received", "answer"]

_TIME: Final = r"(?P<time>\d+(?:\.\d+)?(?:[eE]\+?\d+)?)"
_ADDRESSED: Final = re.compile(
    rf"(?P<url>(?:wss?|https?)://\S+) (?P<arrow><->|<-|->) {_TIME}(?:: ?(?P<text>.*))?", re.S
)
_RECEIVED: Final = re.compile(rf"{_TIME}: ?(?P<text>.*)", re.S)
_CONFIGURATION: Final = "configuration:"
#: How a line begins that begins a record.
_BEGINS: Final = re.compile(rf"(?:wss?|https?)://\S+ (?:<->|<-|->) |{_TIME}:|{_CONFIGURATION}")
_ARROWS: Final[dict[str, What]] = {"<->": "opened", "<-": "sent", "->": "answer"}
_HEADER: Final = " header: "
_QUOTED_CHARACTERS: Final = 80


class CaptureError(ValueError):
    """A capture that cannot be replayed: the message begins with file and line."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line. `url` is "" of what was received."""

    path: Path
    line: int
    what: What
    url: str
    time_ns: int
    text: str

    def error(self, message: str) -> CaptureError:
        """The error that this line is."""
        return CaptureError(f"{self.path}:{self.line}: {message}")


def records(path: str | PathLike[str]) -> Iterator[Record]:
    """The records of a file, in its order.

    Raises `CaptureError` at a line that is no record, `OSError` where the file cannot be read.
    """
    file = Path(path)
    begun: list[str] = []
    first = number = 0
    ended = True
    with file.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            line, ended = _decoded(file, number, raw), raw.endswith(b"\n")
            if begun and _BEGINS.match(line):
                yield from _joined(file, first, begun)
                begun.clear()
            if begun or line.strip():
                first = first if begun else number
                begun.append(line)
    if not ended and _is_cut(file, first, begun):
        begun.pop()
        if _is_cut(file, first, begun):
            return
    yield from _joined(file, first, begun)


def _decoded(path: Path, number: int, raw: bytes) -> str:
    """The text of a line, whose last character may be cut off at the end of the file."""
    try:
        line = getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError as error:
        raise CaptureError(f"{path}:{number}: not UTF-8 text: {error.reason}") from None
    return line.removeprefix("\ufeff") if number == 1 else line


def _joined(path: Path, first: int, lines: list[str]) -> Iterator[Record]:
    """The records of a line and of what stands before the next that begins one: nothing, or the rest of its JSON."""
    if not lines:
        return
    record = _record(path, first, lines[0].rstrip("\r\n"))
    further = [number for number, line in enumerate(lines) if number and line.strip()]
    if further and (record is None or _is_whole(record.text)):
        raise _no_record(path, first + further[0], lines[further[0]].rstrip("\r\n"))
    if further:
        record = _record(path, first, "".join(lines).rstrip("\r\n"))
    if record is not None:
        yield record


def _is_cut(path: Path, first: int, lines: list[str]) -> bool:
    """Whether the last record was not written to its end. A connection that opens there carries nothing."""
    try:
        return any(record.what == "opened" or not _is_whole(record.text) for record in _joined(path, first, lines))
    except CaptureError:
        return True


def _is_whole(text: str) -> bool:
    """Whether a text is whole where it is JSON."""
    if not text.lstrip().startswith(("{", "[")):
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _record(path: Path, number: int, line: str) -> Record | None:
    if not line.strip() or line.startswith(_CONFIGURATION):
        return None
    addressed = _ADDRESSED.fullmatch(line)
    if addressed is not None:
        what, text = _ARROWS[addressed["arrow"]], addressed["text"]
        if (text is None) == (what == "opened"):
            body = _without_header(text or "") if what == "answer" else text or ""
            return Record(path, number, what, addressed["url"], _nanoseconds(addressed["time"]), body)
    received = _RECEIVED.fullmatch(line)
    if received is not None:
        time_ns = _nanoseconds(received["time"])
        record = Record(path, number, "received", "", time_ns, received["text"])
        return Record(path, number, "received", "", time_ns, _text(record))
    raise _no_record(path, number, line)


def _no_record(path: Path, number: int, line: str) -> CaptureError:
    forms = "`URL <-> time`, `URL <- time: text`, `URL -> time: body`, `time: text`"
    return CaptureError(f"{path}:{number}: not a record of a capture ({forms}): {quoted(line)}")


def quoted(text: str) -> str:
    """The beginning of a text, as messages show it."""
    return repr(text if len(text) <= _QUOTED_CHARACTERS else f"{text[:_QUOTED_CHARACTERS]}…")


def _nanoseconds(seconds: str) -> int:
    return int(Decimal(seconds) * 1_000_000_000)


def _without_header(text: str) -> str:
    """The body alone, where the headers of the answer follow it."""
    body, found, header = text.rpartition(_HEADER)
    if not found:
        return text
    try:
        return body if isinstance(json.loads(header), dict) else text
    except ValueError:
        return text


def _text(record: Record) -> str:
    """The text of a frame; a binary one stands in the file as `b'…'` and may be deflated."""
    if not record.text.startswith(("b'", 'b"')):
        return record.text
    try:
        value = ast.literal_eval(record.text)
    except (ValueError, SyntaxError):
        value = None
    if not isinstance(value, bytes):
        raise record.error(f"not a binary frame: {quoted(record.text)}")
    for bits in (None, zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):  # as it is, with a header, raw
        try:
            return (value if bits is None else zlib.decompress(value, bits)).decode()
        except (UnicodeDecodeError, zlib.error):
            continue
    raise record.error(f"a binary frame that is neither text nor deflated text: {quoted(record.text)}")

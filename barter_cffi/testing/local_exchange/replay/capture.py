"""Reads the lines of a capture, cryptofeed's raw format: one record a line, times in Unix seconds.

`URL <-> time` a connection opened, `URL <- time: text` what the client sent, `time: text` what the
server sent on the connection, `URL -> time: body` the body of an HTTP answer. Lines that begin with
`configuration:` and empty ones say nothing. What a file is by its name does not matter.
"""

from __future__ import annotations

import ast
import json
import re
import zlib
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
    with file.open(encoding="utf-8", errors="strict", newline="\n") as lines:
        number = 0
        try:
            for number, line in enumerate(lines, 1):
                record = _record(file, number, line.rstrip("\r\n"))
                if record is not None:
                    yield record
        except UnicodeDecodeError as error:
            raise CaptureError(f"{file}:{number + 1}: not UTF-8 text: {error.reason}") from None


def _record(path: Path, number: int, line: str) -> Record | None:
    if not line.strip() or line.startswith("configuration:"):
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
    forms = "`URL <-> time`, `URL <- time: text`, `URL -> time: body`, `time: text`"
    raise CaptureError(f"{path}:{number}: not a record of a capture ({forms}): {quoted(line)}")


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

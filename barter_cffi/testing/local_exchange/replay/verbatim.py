"""JSON whose numbers keep their digits: what is read and written again is what stood there.

Every number is read as a `Number`, a string that is written without quotes.
"""

from __future__ import annotations

import json
from typing import Any, Final

_TEXT: Final = json.JSONEncoder(ensure_ascii=False)


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def parse(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError` where it is none."""
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=Number)


def write(value: object) -> str:
    """Compact JSON of what `parse` gave."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_TEXT.encode(key)}:{write(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _TEXT.encode(value)

"""JSON that goes to the library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from barter_cffi.errors import ArgumentError


def json_bytes(value: object) -> bytes:
    """JSON for the library.

    Raises:
        ArgumentError: a text in it has surrogates, which are no Unicode text.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError as error:
        # Only the character is shown: the text may be a password.
        surrogate = error.object[error.start]
        raise ArgumentError(f"{_path_of(error.object, value)}: {surrogate!r} in it is not Unicode text") from None


def _path_of(text: object, value: object) -> str:
    """Where a text stands in what was to become JSON, as the library writes paths."""
    if isinstance(value, Mapping):
        inner: Iterable[tuple[str, object]] = ((f".{key}", each) for key, each in value.items())
    elif isinstance(value, list | tuple):
        inner = ((f"[{place}]", each) for place, each in enumerate(value))
    else:
        inner = ()
    for step, each in inner:
        if each is text:
            return step.lstrip(".")
        if path := _path_of(text, each):
            return (step + ("" if path.startswith("[") else ".") + path).lstrip(".")
    return ""

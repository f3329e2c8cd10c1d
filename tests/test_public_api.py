"""Everything public is used by an example: each name, method, property and option of the package stands in a program of
`examples/python`, which `test_examples.py` runs, or in a code block of the README. Programs are read and not run here,
so names are compared and not types: a method counts as used where a method of its name is called.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import get_args

import pytest

import barter_cffi
from barter_cffi import Endpoint, QueueOptions, ReconnectPolicy, StreamOptions
from barter_cffi.options import QueuePolicy

ROOT = Path(__file__).parent.parent
OPTIONS = (Endpoint, QueueOptions, ReconnectPolicy, StreamOptions)
CLASSES = [made for name in barter_cffi.__all__ if isinstance(made := getattr(barter_cffi, name), type)]


def programs() -> Iterator[str]:
    """The examples and the README's code blocks."""
    for path in (ROOT / "examples" / "python").glob("*.py"):
        yield path.read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    yield from re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)


NODES = [node for program in programs() for node in ast.walk(ast.parse(program))]
NAMES = {node.id for node in NODES if isinstance(node, ast.Name)}
MEMBERS = {node.attr for node in NODES if isinstance(node, ast.Attribute)}
MEMBERS.update(name for node in NODES if isinstance(node, ast.MatchClass) for name in node.kwd_attrs)
CONSTANTS = {node.value for node in NODES if isinstance(node, ast.Constant)}


def given_to(called: str) -> set[str]:
    """The names of the arguments with which a class or function is called."""
    calls = [node for node in NODES if isinstance(node, ast.Call)]
    of_it = [call for call in calls if (getattr(call.func, "id", None) or getattr(call.func, "attr", None)) == called]
    return {keyword.arg for call in of_it for keyword in call.keywords if keyword.arg is not None}


def members(made: type) -> set[str]:
    """The public methods and properties of a class, and the members of an enumeration; those of the package's bases
    too, but neither the fields of records nor what every sequence has.
    """
    found = set(made.__members__) if issubclass(made, Enum) else set()
    for base in made.__mro__:
        if base.__module__.startswith("barter_cffi."):
            own = vars(base).items()
            found.update(name for name, member in own if isinstance(member, property | classmethod | staticmethod))
            found.update(name for name, member in own if callable(member))
    return {name for name in found - set(dir(Sequence)) if not name.startswith("_")}


def test_every_public_name_is_used_by_an_example() -> None:
    # One class may have two names.
    used = [getattr(barter_cffi, name) for name in barter_cffi.__all__ if name in NAMES]
    assert [name for name in barter_cffi.__all__ if getattr(barter_cffi, name) not in used] == []


def test_every_public_method_and_property_is_used_by_an_example() -> None:
    assert sorted({f"{made.__name__}.{name}" for made in CLASSES for name in members(made) - MEMBERS}) == []


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_is_given_by_an_example(options: type) -> None:
    given = given_to(options.__name__) | given_to("replace")
    assert [field.name for field in dataclasses.fields(options) if field.name not in given] == []


def test_every_queue_policy_is_chosen_by_an_example() -> None:
    assert [policy for policy in get_args(QueuePolicy) if policy not in CONSTANTS] == []


def test_what_no_example_uses_is_found() -> None:
    assert {"recv", "closed", "batches"} <= members(barter_cffi.MarketStream)
    assert "status" not in members(barter_cffi.DataError), "it is a field"
    assert not {"recv_backwards", "unheard_of"} & (MEMBERS | NAMES)
    assert "spin" in given_to("QueueOptions")
    assert "spin" not in given_to("StreamOptions")

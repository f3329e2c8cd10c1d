"""The README says what is so: its example is the file that runs, its matrix is the library's table."""

from __future__ import annotations

import re
from pathlib import Path

import barter_cffi
from barter_cffi.cli.matrix import matrix
from barter_cffi.support import support

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_example_is_the_file_that_the_tests_run() -> None:
    found = re.search(r"<!-- example: (\S+) -->\n```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    assert found[2] == (ROOT / found[1]).read_text(encoding="utf-8")


def test_the_matrix_is_the_one_of_the_table() -> None:
    assert f"<!-- matrix -->\n{matrix()}\n" in README


def test_the_table_has_fifteen_exchanges_and_twenty_five_pairs() -> None:
    assert [offer.number for offer in support()] == list(range(1, 16))
    assert sum(len(offer.kinds) for offer in support()) == 25


def test_every_item_and_every_error_is_in_the_readme() -> None:
    items = [
        name
        for name in barter_cffi.__all__
        if name.endswith(("Event", "Error")) or name in {"Reconnecting", "Reconnected", "Dropped", "Silent"}
    ]
    assert items
    assert [name for name in items if f"`{name}`" not in README] == []

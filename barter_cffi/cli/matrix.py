"""Prints the README's support matrix from the library's table: `python -m barter_cffi.cli.matrix`."""

from __future__ import annotations

from barter_cffi.subscription import SubKind
from barter_cffi.support import support


def matrix() -> str:
    """The matrix as a Markdown table, a row an exchange server."""
    headings = ["exchange", "instruments", *(kind.value for kind in SubKind), "amounts in"]
    rows = [headings, ["---"] * len(headings)]
    for offer in support():
        units = {offer.amount_unit[kind] for kind in offer.instrument_kinds}
        unit_of_each = (f"{offer.amount_unit[kind]} ({kind})" for kind in offer.instrument_kinds)
        rows.append(
            [
                f"`{offer.exchange}`",
                ", ".join(offer.instrument_kinds),
                *("✓" if kind in offer.kinds else "" for kind in SubKind),
                units.pop() if len(units) == 1 else ", ".join(unit_of_each),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    print(matrix())

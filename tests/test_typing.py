"""The types that programs rely on, as mypy sees them with `--strict`: what is right passes, what is wrong does not."""

from __future__ import annotations

from pathlib import Path

from mypy import api

import barter_cffi

HERE = Path(__file__).parent
OPTIONS = ["--strict", "--no-incremental", "--config-file", str(HERE.parent / "pyproject.toml")]


def mypy(*arguments: str) -> str:
    """What mypy says."""
    said, failed, _ = api.run([*OPTIONS, *arguments])
    assert failed == "", failed
    return said


def test_mypy_knows_the_types_of_every_face_and_of_the_examples_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    wrong = {
        "TradeEvent(1.0, 2.0, Side.BUY, 3, instrument, 0, 0)": "arg-type",
        "trade.price = 1.0": "misc",
        "trade.nothing": "attr-defined",
        "stream.recv(timeout='1')": "arg-type",
        "streams.select_trades('nowhere')": "arg-type",
        "streams.select_trades('kraken', errors='ignore')": "arg-type",
        "trade.best_bid": "attr-defined",
        "l2: MarketStream[LiquidationEvent] = stream": "assignment",
        "batch.numpy('trade')": "arg-type",
    }
    program = tmp_path / "wrong.py"
    head = [
        "from barter_cffi import Batch, DynamicStreams, Instrument, LiquidationEvent, MarketStream, Side, TradeEvent",
        "def wrong(trade: TradeEvent, stream: MarketStream[TradeEvent], streams: DynamicStreams,",
        "          instrument: Instrument, batch: Batch[TradeEvent]) -> None:",
    ]
    program.write_text("\n".join([*head, *[f"    {line}" for line in wrong], ""]), encoding="utf-8")
    right = [HERE / "typing" / "use_of_every_face.py", *(HERE.parent / "examples" / "python").glob("*.py")]
    said = mypy(*map(str, right), str(program))
    lines = [line for line in said.splitlines() if ": error:" in line]
    assert [line for line in lines if program.name not in line] == []
    for number, (text, code) in enumerate(wrong.items(), len(head) + 1):
        assert [line for line in lines if f"wrong.py:{number}: " in line and line.endswith(f"[{code}]")], text
    assert len(lines) == len(wrong)


def test_the_package_says_that_it_has_types() -> None:
    assert (Path(barter_cffi.__file__).parent / "py.typed").is_file()

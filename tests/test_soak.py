"""The soak: it balances while faults act, and it finds each thing that is not in order."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from conftest import Soak

from barter_cffi import (
    BookSnapshotEvent,
    BookUpdateEvent,
    DataError,
    Dropped,
    Instrument,
    Levels,
    Reconnecting,
    Side,
    TradeEvent,
)
from barter_cffi.testing.local_exchange import FAULTS, BookUpdate, Fault, Level, Trade
from barter_cffi.testing.soak.__main__ import show
from barter_cffi.testing.soak.account import FRAME, Account, Delivery, Memory, Slack, account_of
from barter_cffi.testing.soak.books import Book
from barter_cffi.testing.soak.run import Report, too_many_errors, unprovoked

BTC = Instrument(0, "okx", "btc", "usdt", "spot", "BTC-USDT", "base")
BREAK = Reconnecting("okx", None, "the connection broke", None, None)


def came(number: int) -> TradeEvent:
    """A trade as the stream brings it."""
    return TradeEvent(100.0 + number, 0.5, Side.BUY, str(number), BTC, number, number)


def written(number: int, *connections: int, history: bool = False) -> Delivery:
    """The same trade as the journal has it."""
    trade = Trade("okx", "BTC-USDT", number, str(number), f"{100 + number}.0", "0.5", "buy", number, number, history)
    return trade, connections


def account(
    deliveries: Sequence[Delivery], items: Sequence[Any], slack: Slack | None = None, earlier: Sequence[Any] = ()
) -> Account:
    memory = Memory()
    account_of([written(int(item.id), 1) for item in earlier], earlier, memory, Slack())
    return account_of(deliveries, items, memory, slack or Slack())


def figures(found: Account) -> tuple[int, int, int]:
    assert not found.problems
    return found.sent, found.received, found.reported


def test_what_came_whole_balances() -> None:
    assert figures(account([written(number, 1) for number in range(5)], [came(number) for number in range(5)])) == (
        5,
        5,
        0,
    )


def test_what_a_broken_connection_did_not_bring_is_reported() -> None:
    deliveries = [*(written(number, 1) for number in range(5)), *(written(number, 3) for number in (7, 8))]
    items = [came(0), came(1), BREAK, BREAK, came(7), came(8)]
    assert figures(account(deliveries, items)) == (7, 4, 3)


def test_a_connection_of_which_nothing_came_is_reported_where_two_breaks_stand() -> None:
    deliveries = [written(0, 1), written(1, 2), written(2, 2), written(3, 3)]
    assert figures(account(deliveries, [came(0), replaced(BREAK, merged=2), came(3)])) == (4, 2, 2)
    assert account(deliveries, [came(0), BREAK, came(3)]).problems


def test_what_is_told_again_and_fills_the_gap_is_received() -> None:
    deliveries = [written(0, 1), written(1, 1), written(1, 2, history=True), written(2, 2)]
    assert figures(account(deliveries, [came(0), BREAK, came(1), came(2)])) == (3, 3, 0)


def test_an_event_that_was_written_to_a_stalled_connection_too_came_of_the_other() -> None:
    deliveries = [written(0, 1), written(1, 1), written(2, 1, 2)]
    assert figures(account(deliveries, [came(0), BREAK, came(2)])) == (3, 2, 1)


def test_what_faults_repeated_and_reordered_is_no_more_than_they_did() -> None:
    deliveries = [written(number, 1) for number in range(6)]
    repeated = [came(number) for number in (0, 1, 1, 2, 3, 4, 5)]
    reordered = [came(number) for number in (0, 2, 1, 3, 4, 5)]
    assert figures(account(deliveries, repeated, Slack(repeated=1))) == (6, 6, 0)
    assert figures(account(deliveries, reordered, Slack(reordered=1))) == (6, 6, 0)
    assert account(deliveries, repeated, Slack(reordered=1)).problems
    assert account(deliveries, reordered, Slack(repeated=1)).problems


@pytest.mark.parametrize(
    "items",
    [
        [came(0), came(2), came(3)],  # one is missing in the middle
        [came(0), came(1), came(2)],  # the last is missing, and the connection is open
        [came(1), came(2), came(3)],  # the first is missing
        [came(0), came(1), BREAK, came(3)],  # no connection begins so
        [came(0), came(1), came(1), came(2), came(3)],  # twice
        [came(0), came(2), came(1), came(3)],  # another order
        [came(0), came(1), came(2), came(3), came(9)],  # never sent
        [came(0), came(1), came(2), came(3), BREAK, came(3)],  # again after a break
        [],
        [Dropped(1, "okx", None, None, None, None, None), *map(came, range(4))],
    ],
)
def test_an_account_that_does_not_balance_is_found(items: list[Any]) -> None:
    assert account([written(number, 1) for number in range(4)], items).problems


def test_a_trade_of_an_earlier_round_that_comes_again_is_found() -> None:
    deliveries = [written(3, 2, history=True), written(4, 2)]
    assert account(deliveries, [BREAK, came(3), came(4)], earlier=[came(3)]).problems
    assert figures(account(deliveries, [BREAK, came(4)], earlier=[came(3)])) == (1, 1, 0)


def replaced(notice: Reconnecting, **fields: Any) -> Reconnecting:
    """The notice with other fields."""
    return Reconnecting(**{name: getattr(notice, name) for name in notice.__struct_fields__} | fields)


def update(sequence: int) -> BookUpdateEvent:
    """An update as the stream brings it: the amount at one price is its number."""
    return BookUpdateEvent(sequence, None, Levels.of(("100", str(sequence))), Levels(), BTC, sequence, sequence)


def snapshot(sequence: int) -> BookSnapshotEvent:
    """A snapshot as the stream brings it."""
    return BookSnapshotEvent(sequence, None, Levels.of(("100", str(sequence))), Levels(), BTC, sequence, sequence)


def updates(*sequences: int) -> list[Delivery]:
    """Updates as the journal has them."""
    return [
        (BookUpdate("okx", "BTC-USDT", each, each, each - 1, each, (Level("100", str(each)),), (), each), (1,))
        for each in sequences
    ]


GAP = DataError("gap", "okx", None, "invalid_sequence")


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([snapshot(2), update(3), update(4), update(5)], (5, 3, 2)),
        ([snapshot(1), update(2), GAP, snapshot(4), update(5)], (5, 2, 3)),
        ([snapshot(1), update(2), BREAK, snapshot(0), snapshot(4), update(5)], (5, 2, 3)),
    ],
)
def test_updates_that_a_snapshot_contains_are_reported(items: list[Any], expected: tuple[int, int, int]) -> None:
    book = Book("BTC-USDT")
    assert figures(book.account_of(updates(1, 2, 3, 4, 5), items)) == expected
    assert book.differs_from([Level("100", "5.0")], []) is None
    assert book.differs_from([Level("100", "4")], []) is not None


@pytest.mark.parametrize(
    "items",
    [
        [snapshot(2), update(3), update(5)],  # one is missing
        [snapshot(2), update(3), update(4)],  # the last is missing
        [snapshot(2), update(3), update(3), update(4), update(5)],  # twice
        [update(3), update(4), update(5)],  # no snapshot
        [snapshot(2), update(3), GAP, update(4), update(5)],  # an update between gap and snapshot
        [snapshot(2), update(3), BREAK, update(4), update(5)],  # an update between break and snapshot
        [snapshot(2), update(3), update(4), update(5), update(6)],  # never sent
    ],
)
def test_a_book_s_account_that_does_not_balance_is_found(items: list[Any]) -> None:
    assert Book("BTC-USDT").account_of(updates(1, 2, 3, 4, 5), items).problems


def report(**fields: Any) -> Report:
    """A report of twelve rounds in which everything is in order but what is given; memory in megabytes."""
    memory = [megabytes * 10**6 for megabytes in fields.pop("memory", [100] * 12)]
    made = Report(**{"fired": Counter(FAULTS.keys()), "descriptors": [50] * 12, **fields}, memory=memory)
    made.conclude()
    return made


def test_growth_and_faults_that_never_acted_are_found() -> None:
    assert report().problems == []
    assert report(memory=[90, 100, 100, *[104] * 9]).problems == []
    assert report(memory=[90, 100, 100, *[104] * 7, 106, 106]).problems == ["memory grew from 100.0 to 106.0 MB"]
    assert report(descriptors=[50] * 10 + [51] * 2).problems == ["descriptors grew from 50 to 51"]
    for fault in FAULTS:
        assert report(fired=Counter(FAULTS.keys() - {fault})).problems == [f"the fault {fault.value} never acted"]


def test_too_many_rounds_in_which_the_process_stood_still_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(spared=3).problems == []
    assert report(memory=[100], spared=1).problems == [], "one may be in the shortest run"
    found = report(spared=4)
    assert found.problems == ["the process stood still in 4 of 12 rounds: they show too little"]
    show(found)
    assert "spared              4 of 12 rounds" in capsys.readouterr().out


def test_an_error_or_break_where_no_fault_acted_is_found() -> None:
    assert unprovoked([came(0), came(1)]) == []
    assert unprovoked([came(0), GAP, came(1), BREAK]) == [f"no fault made this: {GAP}", f"no fault made this: {BREAK}"]


def test_more_errors_than_faults_are_found() -> None:
    two = Counter({Fault.INVALID_JSON: 1, Fault.SEQUENCE_GAP: 1})
    assert too_many_errors([GAP, BREAK, came(0), GAP], two) == []
    assert too_many_errors([GAP, BREAK, GAP, GAP], two) == ["3 errors where 2 faults acted"]
    rows = Counter({Fault.UNKNOWN_SYMBOL: 1})
    assert too_many_errors([GAP] * FRAME, rows) == []
    assert too_many_errors([GAP] * (FRAME + 1), rows) == [f"{FRAME + 1} errors where 1 faults acted"]


LOSING = """
import itertools, sys
from barter_cffi import TradeEvent
from barter_cffi.testing.soak.__main__ import main
from barter_cffi.testing.soak.reader import Reader

def losing(self, reading=Reader._read):
    number, stream = itertools.count(), self._stream
    self._stream = (item for item in stream if not isinstance(item, TradeEvent) or next(number) != 100)
    reading(self)

Reader._read = losing
sys.exit(main(["--minutes", "0.01", "--seed", "5"]))
"""


def test_a_soak_whose_reader_loses_one_event_exits_with_1_and_says_where() -> None:
    ended = soaked("-c", LOSING, seconds=60)
    assert ended.returncode == 1, ended.stderr
    assert "NOT IN ORDER" in ended.stdout
    assert " trades: no connection was written what came" in ended.stdout


@pytest.mark.timeout(200)
def test_two_minutes_of_soak_balance(soak: Soak) -> None:
    status = soak.process.wait(190)
    said = soak.said.read_text(encoding="utf-8")
    assert status == 0, said[-8000:]
    assert said.endswith("balanced\n")


def soaked(*arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Runs Python in a process of its own and gives what it said."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=seconds, check=False)

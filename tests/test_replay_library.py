"""Captures led into the library: what was recorded of an exchange is what its streams bring, without an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from local_exchange_captures import OKX, START, Line, okx_trade, recorded, written
from local_exchange_client import pairs
from local_exchange_compare import (
    BOUND_S,
    UNMARKED_HISTORY,
    assert_same,
    nothing_more,
    options,
    select,
    served,
    take,
    to,
)

from barter_cffi import MarketEvent, Subscription, SubscriptionError, init_dynamic_streams
from barter_cffi.testing.local_exchange import BookSnapshot, BookUpdate, Event, Kind, LocalExchange, Trade
from barter_cffi.testing.local_exchange.check import Checked

pytestmark = pytest.mark.timeout(60)

BTC = Subscription("okx", "btc", "usdt", "spot", "trades")


def for_a_subscriber(local: LocalExchange, name: str, kind: Kind, market: str) -> list[Event]:
    """What a subscriber gets of what was captured of a market: no trade from before the subscription, and of a book the
    snapshot that was asked for and the captured updates that follow it.
    """
    captured = local.captured(name, kind, market)
    if kind == "l2":
        [snapshot] = [event for event in local.journal.sent(name, kind, market) if isinstance(event, BookSnapshot)]
        updates = [event for event in captured if isinstance(event, BookUpdate)]
        return [snapshot, *(update for update in updates if update.sequence > snapshot.sequence)]
    return [event for event in captured if not (isinstance(event, Trade) and event.history) or name in UNMARKED_HISTORY]


@pairs
def test_what_was_recorded_is_what_the_library_brings(tmp_path: Path, name: str, kind: Kind) -> None:
    capture = tmp_path / "capture"
    markets = recorded(name, kind, capture)
    with LocalExchange(captures=[capture], speed=0) as local:
        batch = [to(name, description, kind) for _, description in served(local, name)]
        with init_dynamic_streams([batch], options(local)) as streams:
            stream = select(streams, name, kind)
            local.wait_played(name)
            wanted = {market: for_a_subscriber(local, name, kind, market) for market in markets}
            items = take(stream, sum(map(len, wanted.values())))
            nothing_more(stream)
    got: dict[str, list[MarketEvent]] = {market: [] for market in markets}
    for item in items:
        assert isinstance(item, MarketEvent), item
        got[item.instrument.name_exchange].append(item)
    for market, events in wanted.items():
        assert len(events) >= 6
        for item, event in zip(got[market], events, strict=True):
            assert_same(item, event, within_s=3600)


def test_a_market_that_a_capture_lacks_is_refused_in_the_exchanges_words_and_the_others_are_played(
    tmp_path: Path,
) -> None:
    capture = written(tmp_path / "okx", f"{OKX} <-> {START}", (0, okx_trade(1)), (0.1, okx_trade(2)))
    lacking = Subscription("okx", "eth", "usdt", "spot", "trades")
    with LocalExchange(captures=[capture], speed=0) as local:
        with pytest.raises(SubscriptionError, match="okx refuses the subscription to ETH-USDT") as refused:
            init_dynamic_streams([[BTC, lacking]], options(local), timeout=BOUND_S)
        assert "ETH-USDT" in str(refused.value)
        assert "60018" in str(refused.value)
        with init_dynamic_streams([[BTC]], options(local)) as streams:
            stream = select(streams, "okx", "trades")
            assert [item.id for item in take(stream, 2)] == ["1", "2"]
            with pytest.raises(SubscriptionError, match="okx refuses the subscription to ETH-USDT"):
                streams.subscribe([lacking], timeout=BOUND_S)
            nothing_more(stream)


def checked(*captures: Path) -> tuple[int, list[list[str]], str]:
    """Exit status of the command, the cells of its table without the headings, and all it printed."""
    command = [sys.executable, "-m", "barter_cffi.testing.local_exchange", "--check", *map(str, captures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    lines = [line.split() for line in done.stdout.splitlines()]
    return done.returncode, [cells for cells in lines[1:] if len(cells) == 9], done.stdout + done.stderr


def test_the_check_prints_events_and_errors_of_each_exchange_and_kind(tmp_path: Path) -> None:
    trades, books = tmp_path / "trades", tmp_path / "books"
    recorded("kraken", "trades", trades)
    recorded("binance_spot", "l2", books)
    status, rows, said = checked(trades, books)
    assert status == 0, said
    assert sorted(rows) == [
        ["binance_spot", "l2", "2", "16", "18", "4", "14", "0", "0"],
        ["kraken", "trades", "2", "16", "16", "0", "16", "0", "0"],
    ]


def test_the_check_tells_each_error_and_exits_with_1(tmp_path: Path) -> None:
    url = "wss://stream.binance.com:9443/ws/btcusdt@depth@100ms"
    depth = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000"

    def update(first: int, last: int) -> dict[str, object]:
        return {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": last, "b": [["9.0", "1.0"]], "a": []}

    def snapshot(seconds: float, sequence: int) -> str:
        book = f'{{"lastUpdateId": {sequence}, "bids": [["9.0", "5.0"]], "asks": [["10.0", "2.0"]]}}'
        return f"{depth} -> {START + seconds}: {book}"

    lines: list[Line] = [
        f"{url} <-> {START}",
        (0.1, update(100, 102)),
        snapshot(0.2, 101),
        (0.3, update(103, 104)),
        (0.4, update(107, 108)),
        snapshot(0.5, 108),
        (0.6, update(109, 110)),
    ]
    status, rows, said = checked(written(tmp_path / "binance", *lines))
    assert status == 1
    assert rows == [["binance_spot", "l2", "1", "4", "6", "1", "5", "1", "0"]]
    assert "binance_spot l2: 1 × InvalidSequence: first_update_id 107 does not follow" in said


def test_the_check_tells_what_did_not_come_and_what_was_not_sent(tmp_path: Path) -> None:
    capture = written(tmp_path / "okx", f"{OKX} <-> {START}", *[(0, okx_trade(number)) for number in (1, 1, 2)])
    with LocalExchange(captures=[capture], speed=0) as local:
        sent = local.captured("okx", "trades")
        with init_dynamic_streams([[BTC]], options(local)) as streams:
            got = take(select(streams, "okx", "trades"), 2)

    def problems(sent: list[Event], got: list[MarketEvent]) -> list[str]:
        row = Checked("okx", "trades", markets=1, captured=3)
        row.compare("BTC-USDT", sent, got)
        return row.problems

    assert problems(sent, got) == []
    [lacks] = problems(sent, got[:1])
    assert lacks.startswith("did not come: Trade(") and "id='2'" in lacks
    [swapped] = problems(sent, got[::-1])
    assert swapped.startswith("did not come: Trade(") and "id='1'" in swapped
    [made_up] = problems(sent[:1], got)
    assert made_up.startswith("was not sent, or not there: TradeEvent(")


def test_the_check_says_what_is_no_capture(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("nonsense\n", encoding="utf-8")
    status, rows, said = checked(nonsense)
    assert (status, rows) == (1, [])
    assert f"{nonsense}:1: not a record of a capture" in said

"""Every example of `examples/python` runs on the local exchange, ends by itself, and says what it is there to say."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from proxies import running_proxy

from barter_cffi import (
    BookSnapshotEvent,
    BookUpdateEvent,
    DynamicStreams,
    Levels,
    QueueOptions,
    Side,
    StreamOptions,
    TradeEvent,
)
from barter_cffi.testing import Injector, in_memory

FOLDER = Path(__file__).parent.parent / "examples" / "python"
BOUND_S = 60.0  # each takes about a second on a machine that does nothing else

#: By example: what each line of its output looks like, and how many lines there are at least.
LINES: dict[str, tuple[str, int]] = {
    "first": (r"\S+ \S+ (buy|sell) [\d.e-]+ at [\d.]+", 20),
    "books": (r"\d+: [\d.]+ \| [\d.]+, spread [\d.]+, \d+ \+ \d+ levels", 50),
    "arrays": (
        r"\d+ trades, [\d.]+ of [\d.]+ bought by takers|book \d+: [\d.]+ bid, [\d.]+ asked"
        r"|spread from [\d.]+ to [\d.]+ in \d+ quotes|[\w:/]+: [\d.]+ traded",
        24,
    ),
    "async_books": (
        r"book of \w+: [\d.]+, \d+ \+ \d+ levels, [\d.]+ ms old|\d+ trades of \w+( and \w+)?"
        r"|subscribed, 2 instruments now",
        43,
    ),
    "async_loop": (r"trade \w+ (buy|sell) [\d.e-]+ at [\d.]+|quote [\d.]+ \| [\d.]+", 50),
    "batches": (r"\d+ items, \d+ of them trades|\w+: [\d.]+ traded, at [\d.]+ on average", 4),
    "markets": (r"kraken has .*|\d+ markets against \w+|\w+/\w+: (buy|sell) [\d.e-]+ at [\d.]+", 22),
    "common_markets": (r"\d+ markets are listed by .*|\w+: (buy|sell) [\d.e-]+ at [\d.]+", 21),
    "derivatives": (r"(btc|(call|put) on btc at 60000) of 2030-12-27: [\d.]+ contracts, at [\d.]+", 20),
    "low_latency": (r"from the (exchange to the socket, .*: .* at best|socket to here: half within \d+ us, .*)", 2),
    "many": (r"\w+ (trades|l1): \d+ events", 6),
    "staying_connected": (
        r"silent: no trade of btc/usdt for [\d.]+ s|disconnected at [\d:]+: .*|connected again: .*",
        3,
    ),
    "changing": (r"the first trade of \w+/usd|subscribed to \w+/usd, \d instruments now|no more of btc/usd", 6),
    "metrics": (r"\d+ events, .* bytes received|\w+ (trades|l1) of [\w/]+: open, .*, last error: None", 4),
    "maintained_books": (r"(btc|eth): \d+, micro-price [\d.]+, [\d.e+]+ bid and [\d.e+]+ asked for", 2),
    "own_addresses": (r"a book of 50 \+ 50 levels|through 127\.0\.0\.1:\d+: TradeEvent\(.*\)", 11),
    "own_loop": (r"bought [\d.]+, sold [\d.]+", 10),
    "payloads": (
        r"PublicTrades \d+: (buy|sell) .*|OrderBooksL1 [\d.]+ \| [\d.]+ at .*|OrderBooksL2 book \d+: .*"
        r"|Liquidations [\d.]+ were (long|short) until .*",
        17,
    ),
    "queue_policies": (r"(drop_oldest|drop_newest|close): (trades \d+ to \d+|\d+ lost|an error, queue_full|, )+", 3),
    "recording": (r"recording trades of .*|\w+: \d+|\d+ lines", 5),
    "slow_reader": (r"[\d.]+ \| [\d.]+|\d+ older ones were left out: conflated", 10),
    "behind_a_proxy": (r"kraken lists \d+ markets|(buy|sell) [\d.e-]+ at [\d.]+", 11),
    "operators_log": (r"(INFO|DEBUG) barter_cffi\.feed\.open: .* \(exchange=kraken, .*\)", 3),
    "when_it_fails": (r"[\w, ]+: (\w+Error) \w+: .*|0 trades", 8),
    "testing_a_strategy": (r"(buy|sell) at [\d.]+", 10),
}

pytestmark = pytest.mark.timeout(90)


def example(name: str) -> ModuleType:
    """An example as a module, its `__main__` part not run."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_this_file_has_every_example() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(LINES)


@pytest.mark.parametrize("name", LINES)
def test_the_example_runs_on_the_local_exchange_and_ends_by_itself(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(FOLDER / f"{name}.py"), "--local"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=BOUND_S)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    form, least = LINES[name]
    lines = run.stdout.splitlines()
    assert [line for line in lines if not re.fullmatch(form, line)] == []
    assert len(lines) >= least


def test_the_example_behind_a_proxy_goes_through_a_real_one_and_says_where_it_is_refused(tmp_path: Path) -> None:
    def run(address: str) -> list[str]:
        command = [sys.executable, str(FOLDER / "behind_a_proxy.py"), "--local", "--proxy", address]
        return subprocess.check_output(command, cwd=tmp_path, text=True, timeout=BOUND_S).splitlines()

    with running_proxy() as proxy:
        lines = run(proxy.address("socks5h"))
        assert lines[0].startswith("kraken lists ")
        assert len(lines) == 11
        [refused] = run(proxy.address("http", "aladdin:wrong@"))
        assert re.match(f"no way: kraken: .* through the proxy 127.0.0.1:{proxy.port}, asked with .*", refused)
        assert "wrong" not in refused


@pytest.fixture
def streams_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes an example read streams that a test has made, in place of an exchange's."""

    def replace(module: ModuleType, streams: DynamicStreams) -> None:
        monkeypatch.setattr(module, "init_dynamic_streams", lambda batches, options=None: streams)

    return replace


def trades(injector: Injector, first: int, count: int) -> list[TradeEvent]:
    """Trades with the numbers from `first`."""
    btc = injector.instrument("binance_spot", "btc", "usdt", "spot")
    return [TradeEvent(100.0 + n, 0.5, Side.BUY, str(n), btc, n, n) for n in range(first, first + count)]


def test_the_first_example_tells_of_broken_connections_losses_and_errors(
    streams_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    first = example("first")
    options = StreamOptions(queue=QueueOptions(capacity=8))
    streams, injector = in_memory([("binance_spot", "trades")], options)
    injector.push_many(trades(injector, 0, 9))
    injector.reconnecting("binance_spot", "trades")
    injector.error("binance_spot", "trades", "boom")
    injector.push_many(trades(injector, 9, 1))
    injector.close("binance_spot", "trades")
    streams_of(first, streams)
    first.watch()
    said = capsys.readouterr().out
    assert re.search(r"^[1-9]\d* items are missing here", said, re.MULTILINE)
    assert re.search(r"^disconnected, ", said, re.MULTILINE)
    assert re.search(r"^an error, .*: SocketError: boom$", said, re.MULTILINE)
    assert "buy 0.5 at 109.0" in said, "it goes on after all of them"


def test_the_book_example_is_stale_after_a_broken_connection_until_the_next_snapshot(
    streams_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    books = example("books")
    streams, injector = in_memory([("binance_spot", "l2")])
    btc = injector.instrument("binance_spot", "btc", "usdt", "spot")
    bids, asks = Levels.of(("10.50", "1"), ("10.40", "2")), Levels.of(("10.60", "3"))
    injector.push(BookSnapshotEvent(1, None, bids, asks, btc, 0, 0))
    change = Levels.of(("10.50", "0"), ("10.45", "4"))
    injector.push(BookUpdateEvent(2, None, change, Levels(), btc, 0, 0))
    injector.reconnecting("binance_spot", "l2")
    injector.push(BookSnapshotEvent(9, None, Levels.of(("9.00", "1")), asks, btc, 0, 0))
    injector.close("binance_spot", "l2")
    streams_of(books, streams)
    books.watch()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1: 10.50 | 10.60, spread 0.10, 2 + 1 levels"
    assert lines[1] == "2: 10.45 | 10.60, spread 0.15, 2 + 1 levels"
    assert lines[2].startswith("the book is stale until its next snapshot: Reconnecting(")
    assert lines[3] == "9: 9.00 | 10.60, spread 1.60, 1 + 1 levels"


@pytest.mark.parametrize(
    "test",
    [
        "test_five_buys_in_a_row_are_a_signal_with_the_last_price",
        "test_a_row_does_not_reach_over_a_broken_connection",
    ],
)
def test_the_tests_in_the_example_of_a_strategy_hold(test: str) -> None:
    getattr(example("testing_a_strategy"), test)()

"""Captures in place of the simulation: what was captured is what clients get."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from local_exchange_captures import (
    DEPTHS,
    OKX,
    START,
    Line,
    frames_of,
    okx_ids,
    okx_trade,
    recorded,
    trade_ids,
    written,
)
from local_exchange_client import (
    FRAME_TIMEOUT_S,
    TIMEOUT_S,
    pairs,
    parse,
    rest,
    run,
    subscribed,
)
from local_exchange_wires import WIRES, seen

from barter_cffi import BookEvent, BookSnapshotEvent, StreamOptions, Subscription, init_dynamic_streams
from barter_cffi.testing.local_exchange import BookSnapshot, Kind, LocalExchange

pytestmark = pytest.mark.timeout(60)

KRAKEN = "wss://ws.kraken.com"
BINANCE = "wss://stream.binance.com:9443/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@kline_1m"
DEPTH = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000"


def depth_update(first: int, last: int, price: str = "9.0", amount: str = "1.0") -> dict[str, Any]:
    data = {"e": "depthUpdate", "E": 1_000, "s": "BTCUSDT", "U": first, "u": last, "b": [[price, amount]], "a": []}
    return {"stream": "btcusdt@depth@100ms", "data": data}


def depth(sequence: int) -> str:
    return json.dumps({"lastUpdateId": sequence, "bids": [["9.0", "5.0"], ["8.0", "1.0"]], "asks": [["10.0", "2.0"]]})


@pytest.fixture
def okx(tmp_path: Path) -> Path:
    """Three trades a tenth of a second apart."""
    lines = [(index / 10, okx_trade(index)) for index in range(3)]
    return written(tmp_path / "okx", f"{OKX} <-> {START}", *lines)


@pairs
def test_what_was_recorded_is_what_clients_get(tmp_path: Path, name: str, kind: Kind) -> None:
    capture = tmp_path / "capture"
    markets = recorded(name, kind, capture)
    wire = WIRES[name]()
    wanted = [event for text in frames_of(capture.read_text().splitlines()) for event in wire.decode(parse(text))]

    async def scenario() -> list[Any]:
        async with subscribed(local, name, kind, markets) as client:
            for market in markets if kind == "l2" and name in DEPTHS else ():
                await rest(local, name, DEPTHS[name][1], symbol=market)
            return client.early + await client.events(len(wanted) - len(client.early))

    with LocalExchange(captures=[capture], speed=0) as local:
        assert list(local.addresses) == [name]
        assert set(local.markets(name)) == set(markets)
        got = run(scenario())
        assert len(got) >= 8 * len(markets)
        assert got == wanted == [seen(event) for event in local.captured(name, kind)]
        sent = [event for event in local.journal.sent(name, kind) if seen(event) in wanted]
        assert [seen(event) for event in sent] == wanted


def test_the_book_of_a_capture_is_rebuilt_by_the_library_without_an_error(tmp_path: Path) -> None:
    updates = [(0.1, depth_update(96, 99)), (0.2, depth_update(100, 102, "8.0", "0.0"))]
    later = [(0.4, depth_update(103, 104, "7.5", "2.5")), (0.5, depth_update(105, 107, "9.0", "0.0"))]
    snapshot = f"{DEPTH} -> {START + 0.3}: {depth(101)}"
    capture = written(tmp_path / "binance", f"{BINANCE} <-> {START}", *updates, snapshot, *later)
    with LocalExchange(captures=[capture], speed=0) as local:
        wanted = Subscription("binance_spot", "btc", "usdt", "spot", "l2")
        with init_dynamic_streams([[wanted]], StreamOptions(endpoints=local.endpoints)) as streams:
            stream = streams.select_l2s("binance_spot", errors="yield")
            assert stream is not None
            items = [stream.recv(timeout=5) for _ in range(4)]
            local.wait_played("binance_spot")
            assert stream.try_recv() is None
    sides: tuple[dict[Decimal, Decimal], ...] = {}, {}
    sequences: list[int] = []
    for item in items:
        assert isinstance(item, BookEvent), item
        sequences.append(item.sequence)
        for side, levels in zip(sides, (item.bids, item.asks), strict=True):
            side.update({level.price_decimal: level.amount_decimal for level in levels})
    assert isinstance(items[0], BookSnapshotEvent)
    assert sequences == [101, 102, 104, 107]
    left = [{price: amount for price, amount in side.items() if amount} for side in sides]
    assert left == [{Decimal("7.5"): Decimal("2.5")}, {Decimal("10.0"): Decimal("2.0")}]
    bids, asks = local.book_at("binance_spot", "BTCUSDT", 107)
    assert (bids, asks) == ((("7.5", "2.5"),), (("10.0", "2.0"),))
    assert [level.price for level in local.book_at("binance_spot", "BTCUSDT", 102)[0]] == ["9.0"]
    with pytest.raises(LookupError, match="no captured snapshot is as old as 100"):
        local.book_at("binance_spot", "BTCUSDT", 100)


def test_what_follows_a_captured_book_waits_until_the_client_has_asked_for_it(tmp_path: Path) -> None:
    snapshot = f"{DEPTH} -> {START + 0.2}: {depth(101)}"
    lines: list[Line] = [(0.1, depth_update(100, 102)), snapshot, (0.3, depth_update(103, 104))]
    capture = written(tmp_path / "binance", f"{BINANCE} <-> {START}", *lines)

    async def scenario() -> None:
        async with subscribed(local, "binance_spot", "l2", ["BTCUSDT"]) as client:
            assert (await client.events(1))[0][2] == 102
            assert local.journal.sent_count("binance_spot", "l2") == 1
            status, body, _ = await rest(local, "binance_spot", "/api/v3/depth", symbol="BTCUSDT", limit="5")
            assert (status, body) == (200, depth(101))
            assert (await client.events(1))[0][2] == 104
        status, body, _ = await rest(local, "binance_spot", "/api/v3/depth", symbol="ETHUSDT")
        assert (status, json.loads(body)["code"]) == (400, -1121)

    with LocalExchange(captures=[capture], speed=0) as local:
        run(scenario())
        events = local.journal.sent("binance_spot", "l2")
        assert [isinstance(event, BookSnapshot) for event in events] == [False, True, False]


@pytest.mark.parametrize("name", ["binance_spot", "binance_futures_usd"])
def test_where_no_book_was_captured_or_only_an_older_one_an_empty_one_begins_the_updates(
    tmp_path: Path, name: Literal["binance_spot", "binance_futures_usd"]
) -> None:
    host = {"binance_spot": "wss://stream.binance.com:9443", "binance_futures_usd": "wss://fstream.binance.com"}[name]
    url = f"{host}/stream?streams=btcusdt@depth@100ms"

    def update(first: int, last: int, previous: int, price: str) -> dict[str, Any]:
        frame = depth_update(first, last, price)
        extra = {"pu": previous, "T": 1_000} if name == "binance_futures_usd" else {}
        return {**frame, "data": {**frame["data"], **extra}}

    lines: list[Line] = [
        f"{url} <-> {START}",
        (0.1, update(51, 53, 50, "9.0")),
        (0.2, update(54, 55, 53, "8.0")),
        f"{url} <-> {START + 1}",
        (1.1, update(81, 83, 80, "7.0")),
    ]
    if name == "binance_spot":
        lines.insert(0, f"{DEPTH} -> {START}: {depth(20)}")
    capture = written(tmp_path / "binance", *lines)
    with LocalExchange(captures=[capture], speed=0) as local:
        kind = "spot" if name == "binance_spot" else "perpetual"
        wanted = Subscription(name, "btc", "usdt", kind, "l2")
        with init_dynamic_streams([[wanted]], StreamOptions(endpoints=local.endpoints)) as streams:
            stream = streams.select_l2s(name, errors="yield")
            assert stream is not None
            items = [stream.recv(timeout=10) for _ in range(7)]
    books = [item for item in items if isinstance(item, BookEvent)]
    assert [type(item).__name__ for item in items if item not in books] == ["Reconnecting", "Reconnected"]
    assert [isinstance(book, BookSnapshotEvent) for book in books] == [True, False, False, True, False]
    assert [book.sequence for book in books] == [50, 53, 55, 80, 83]
    assert [[level.price for level in book.bids] for book in books] == [[], [9.0], [8.0], [], [7.0]]
    assert local.book_at(name, "BTCUSDT", 55)[0] == (("9.0", "1.0"), ("8.0", "1.0"))


def test_a_client_that_never_asks_for_a_captured_book_gets_the_frames_all_the_same(tmp_path: Path) -> None:
    lines: list[Line] = [f"{DEPTH} -> {START}: {depth(101)}", (0.1, depth_update(100, 102))]
    capture = written(tmp_path / "binance", f"{BINANCE} <-> {START}", *lines)

    async def scenario() -> None:
        async with subscribed(local, "binance_spot", "l2", ["BTCUSDT"]) as client:
            assert (await client.events(1))[0][2] == 102

    with LocalExchange(captures=[capture], speed=0) as local:
        run(scenario())


def test_other_answers_are_the_captured_ones_and_what_was_not_captured_is_the_exchange_s(tmp_path: Path) -> None:
    listed = '{"symbols":[]} header: {"Date":"today"}'
    lines: list[Line] = [
        f"https://api.binance.com/api/v3/exchangeInfo -> {START}: {listed}",
        'configuration: {"l2_book":[]}',
        "",
    ]
    capture = written(tmp_path / "binance", *lines, f"{BINANCE} <-> {START}")

    async def scenario() -> None:
        status, body, _ = await rest(local, "binance_spot", "/api/v3/exchangeInfo", limit="3")
        assert (status, body) == (200, '{"symbols":[]}')
        _, body, _ = await rest(local, "binance_spot", "/api/v3/ticker/price")
        assert [row["symbol"] for row in json.loads(body)] == ["BTCUSDT"]
        status, body, _ = await rest(local, "binance_spot", "/api/v3/depth", symbol="BTCUSDT")
        assert (status, json.loads(body)["msg"]) == (404, "The capture has no depth of BTCUSDT.")

    with LocalExchange(captures=[capture]) as local:
        run(scenario())


def test_the_pace_is_the_captured_one_times_the_speed(okx: Path) -> None:
    def seconds(speed: float) -> float:
        with LocalExchange(captures=[okx], speed=speed) as local:

            async def scenario() -> float:
                async with subscribed(local, "okx", markets=["BTC-USDT"]) as client:
                    await client.events(1)
                    begun = time.monotonic()
                    await client.events(2)
                    return time.monotonic() - begun

            return float(run(scenario()))

    assert seconds(0.5) >= 0.38
    assert 0.18 <= seconds(1) < 0.38
    assert seconds(0) < 0.1
    assert seconds(float("inf")) < 0.1


def test_a_late_subscription_first_gets_what_came_before(tmp_path: Path) -> None:
    rows = [(number / 10, okx_trade(number, market)) for number, market in enumerate(["A-B", "C-D", "A-B", "C-D"])]
    capture = written(tmp_path / "okx", f"{OKX} <-> {START}", *rows)

    async def scenario() -> None:
        async with subscribed(local, "okx", markets=["A-B"]) as client:
            assert [event[2] for event in await client.events(2)] == okx_ids(0, 2)
            await client.send(*client.wire.subscribe("trades", ["C-D"]))
            assert [event[2] for event in await client.events(2)] == okx_ids(1, 3)
            await asyncio.to_thread(local.wait_played, "okx")
            assert [event.market for event in local.journal.sent("okx", "trades")] == ["A-B", "A-B", "C-D", "C-D"]

    with LocalExchange(captures=[capture], speed=0) as local:
        run(scenario())


def test_a_pause_holds_a_replay(okx: Path) -> None:
    async def scenario() -> None:
        async with subscribed(local, "okx", markets=["BTC-USDT"]) as client:
            await asyncio.to_thread(local.wait_subscribed, "okx", "trades", "BTC-USDT")
            with pytest.raises(TimeoutError):
                local.wait_until(lambda: local.journal.sent_count("okx", "trades") > 0, 0.3)
            local.resume()
            await client.events(3)

    with LocalExchange(captures=[okx], speed=0, autostart=False) as local:
        run(scenario())


@pytest.mark.parametrize("announced", [False, True])
def test_after_a_captured_end_the_next_connection_goes_on_behind_it(tmp_path: Path, announced: bool) -> None:
    notice = {"event": "notice", "code": "64008", "msg": "upgrade", "connId": "a"}
    first = [(0, okx_trade(1)), (0.1, notice)] if announced else [(0, okx_trade(1))]
    rest_of_it: list[Line] = [(0.2, okx_trade(2)), f"{OKX} <-> {START + 1}", (1.1, okx_trade(3)), (1.2, okx_trade(4))]
    capture = written(tmp_path / "okx", f"{OKX} <-> {START}", *first, *rest_of_it)

    async def scenario() -> None:
        async with subscribed(local, "okx", markets=["BTC-USDT"]) as client:
            if announced:
                await client.frame_where(lambda frame: frame.get("event") == "notice")
            else:
                assert [event[2] for event in await client.events(2)] == okx_ids(1, 2)
                assert (await client.end()).data == 1001
        await asyncio.to_thread(local.wait_until, lambda: local.journal.connections("okx").open == 0)
        assert await trade_ids(local, "okx", ["BTC-USDT"], 2) == okx_ids(3, 4)
        await asyncio.to_thread(local.wait_until, lambda: local.journal.connections("okx").open == 0)
        assert await trade_ids(local, "okx", ["BTC-USDT"], 1) == okx_ids(1), "another begins at the beginning"

    with LocalExchange(captures=[capture], speed=0) as local:
        run(scenario())


def test_connections_that_were_open_at_once_are_one_replay(tmp_path: Path) -> None:
    def kraken(number: int, seconds: float, pair: str) -> tuple[float, Any]:
        return seconds, [number, [["9.5", "1.0", f"{START + seconds:.6f}", "b", "l", ""]], "trade", pair]

    request = {"event": "subscribe", "pair": ["XBT/USD", "ETH/USD"], "subscription": {"name": "trade"}}
    opened, beat = f"{KRAKEN} <-> {START}", {"event": "heartbeat"}
    one: list[Line] = [
        opened,
        f"{KRAKEN} <- {START}: {json.dumps(request)}",
        kraken(7, 0, "XBT/USD"),
        kraken(7, 2, "XBT/USD"),
    ]
    capture = written(tmp_path / "kraken", *one, opened, (0.5, beat), kraken(8, 1, "ETH/USD"))

    async def scenario() -> None:
        async with subscribed(local, "kraken", markets=["XBT/USD", "ETH/USD"]) as client:
            events = await client.events(3)
            assert [event[1] for event in events] == ["XBT/USD", "ETH/USD", "XBT/USD"]
            numbers = {frame["channelID"] for frame in map(parse, control()) if "channelID" in frame}
            assert not numbers & {7, 8}
            assert json.dumps(beat) in control()

    def control() -> list[str]:
        return local.journal.control_frames("kraken")

    with LocalExchange(captures=[capture], speed=0) as local:
        run(scenario())


def test_a_replay_says_what_it_cannot_do(okx: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LocalExchange(captures=[okx.parent / "nowhere", okx])
    with pytest.raises(ValueError, match="speed must not be negative, not -1"):
        LocalExchange(captures=[okx], speed=-1)
    with pytest.raises(ValueError, match="okx has the markets of its captures"):
        LocalExchange(captures=[okx], markets={"okx": []})
    with LocalExchange(["kraken"], captures=[okx], autostart=False) as local:
        assert list(local.addresses) == ["kraken", "okx"]
        with pytest.raises(ValueError, match="okx replays a capture"):
            local.emit("okx", "trades", "BTC-USDT")
        with pytest.raises(LookupError, match="kraken is simulated"):
            local.captured("kraken", "trades")
        with pytest.raises(TimeoutError):
            local.wait_played("okx", 0.05)
        assert len(local.emit("kraken", "trades", "XBT/USD", unheard="allow")) == 1


def test_the_command_replays_files(okx: Path) -> None:
    module = "barter_cffi.testing.local_exchange"
    command = [sys.executable, "-m", module, "--replay", str(okx), "--speed", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            [(name, address)] = json.loads(process.stdout.readline()).items()
            assert name == "okx"

            async def scenario() -> int:
                import aiohttp

                url = address["websocket"] + "/ws/v5/public"
                async with aiohttp.ClientSession() as session, session.ws_connect(url) as websocket:
                    await websocket.send_json(WIRES["okx"]().subscribe("trades", ["BTC-USDT"])[0])
                    frames = [await websocket.receive_json(timeout=FRAME_TIMEOUT_S) for _ in range(4)]
                return sum("data" in frame for frame in frames)

            assert run(scenario()) == 3
        finally:
            process.terminate()
    okx.write_text("nonsense\n", encoding="utf-8")
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 1
    assert f"{okx}:1: not a record of a capture" in done.stderr

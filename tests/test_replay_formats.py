"""What captures hold, venue by venue: former shapes, wrappers, numbers of channels, and what is no capture."""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from local_exchange_captures import OKX, START, okx_ids, okx_trade, trade_ids, written
from local_exchange_client import (
    connected,
    parse,
    run,
    subscribed,
)

from barter_cffi.testing.local_exchange import CaptureError, Kind, LocalExchange

pytestmark = pytest.mark.timeout(60)

BITMEX = "wss://www.bitmex.com/realtime"
OKX_V3 = "wss://real.okex.com:8443/ws/v3"
BITFINEX, BYBIT_V2 = "wss://api.bitfinex.com/ws/2", "wss://stream.bybit.com/realtime_public"
BINANCE = "wss://stream.binance.com:9443/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@kline_1m"
DEPTH = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000"


def test_the_wrapper_of_combined_streams_is_for_those_who_ask_for_it(tmp_path: Path) -> None:
    best = {"u": 7, "s": "BTCUSDT", "b": "9.10", "B": "1e-8", "a": "10.0", "A": "2"}
    kline = {"stream": "btcusdt@kline_1m", "data": {"e": "kline", "s": "BTCUSDT"}}
    lines = [(0, kline), (0.1, {"stream": "btcusdt@bookTicker", "data": best}), (0.2, {"result": None, "id": 9})]
    capture = written(tmp_path / "binance", f"{BINANCE} <-> {START}", *lines)

    async def scenario() -> None:
        async with subscribed(local, "binance_spot", "l1", ["BTCUSDT"]) as client:
            assert await client.text() == json.dumps(best, separators=(",", ":"))
        path = "/stream?streams=btcusdt@bookTicker"
        async with connected(local, "binance_spot", path=path) as client:
            assert await client.frame() == {"stream": "btcusdt@bookTicker", "data": best}
        assert local.journal.control_frames("binance_spot") == ['{"result":null,"id":1}']

    with LocalExchange(captures=[capture], speed=0) as local:
        run(scenario())


def test_rows_of_markets_that_nobody_asked_for_are_left_out(tmp_path: Path) -> None:
    def row(market: str, number: str) -> dict[str, Any]:
        times = {"timestamp": "2021-07-22T22:36:10.014Z", "symbol": market, "side": "Buy"}
        return {**times, "size": 52, "price": 17.297000000000001, "trdMatchID": number}

    mixed = {"table": "trade", "action": "insert", "data": [row("XBTUSD", "a"), row("ETHUSD", "b"), row("XBTUSD", "c")]}
    capture = written(tmp_path / "bitmex", f"{BITMEX} <-> {START}", (0, '{"info":"Hi","version":"1"}'), (1, mixed))

    async def scenario() -> None:
        async with subscribed(local, "bitmex", markets=["XBTUSD"]) as client:
            assert [event[2] for event in await client.events(2)] == ["a", "c"]
        async with subscribed(local, "bitmex", markets=["ETHUSD", "XBTUSD"]) as client:
            assert await client.text() == json.dumps(mixed), "as it was"

    with LocalExchange(captures=[capture], speed=0) as local:
        run(scenario())
        assert local.journal.control_frames("bitmex")[0] == '{"info":"Hi","version":"1"}', "the captured greeting"


def test_bitfinex_channels_are_the_client_s_and_what_a_conf_request_added_is_left_off(tmp_path: Path) -> None:
    acknowledged = {"event": "subscribed", "channel": "trades", "chanId": 7, "symbol": "tBTCUSD", "pair": "BTCUSD"}
    history = "[7,[[2,1000,-0.50000001,9.10],[1,900,1E-8,9.0]],2]"
    texts = [history, '[7,"hb",3]', '[7,"te",[3,1100,2,9.2],4]', '[7,"tu",[3,1100,2,9.2],5]', '[9,"te",[4,1,1,1],6]']
    lines = [(0, acknowledged), *((0.1, text) for text in texts)]
    capture = written(tmp_path / "bitfinex", f"{BITFINEX} <-> {START}", *lines)

    async def scenario() -> list[str]:
        async with subscribed(local, "bitfinex", markets=["tBTCUSD"]) as client:
            return [await client.text() for _ in range(4)]

    with LocalExchange(captures=[capture], speed=0) as local:
        got = run(scenario())
        [told] = [frame for frame in map(parse, local.journal.control_frames("bitfinex")) if "chanId" in frame]
        history_of = [getattr(event, "history", None) for event in local.captured("bitfinex", "trades", "tBTCUSD")]
        assert history_of == [True, True, False]
    channel = told["chanId"]
    assert got == [
        f"[{channel},[[2,1000,-0.50000001,9.10],[1,900,1E-8,9.0]]]",
        f'[{channel},"hb"]',
        f'[{channel},"te",[3,1100,2,9.2]]',
        f'[{channel},"tu",[3,1100,2,9.2]]',
    ]


def test_bybit_s_former_frames_come_in_the_shapes_of_version_5(tmp_path: Path) -> None:
    trade = {"symbol": "BTCUSDT", "tick_direction": "PlusTick", "price": "9.50", "size": 0.1, "side": "Sell"}
    rows = [{**trade, "trade_time_ms": "1618677785116", "trade_id": "x"}]
    level = {"price": "9.0", "symbol": "BTCUSDT", "id": "90", "side": "Buy", "size": 2.5}
    stamp = {"cross_seq": "40", "timestamp_e6": "1618677786264147"}
    book = {"topic": "orderBookL2_25.BTCUSDT", **stamp}
    delta = {"delete": [{**level, "price": "8.5"}], "update": [], "insert": [{**level, "side": "Sell", "price": "9.1"}]}
    delta["delete"][0].pop("size")
    lines = [
        (0, {"topic": "trade.BTCUSDT", "data": rows}),
        (0.1, {**book, "type": "snapshot", "data": {"order_book": [level]}}),
        (0.2, {**book, "type": "delta", "data": delta, "cross_seq": 41}),
    ]
    capture = written(tmp_path / "bybit", f"{BYBIT_V2} <-> {START}", *lines)

    async def events(kind: Kind, count: int) -> list[Any]:
        async with subscribed(local, "bybit_perpetuals_usd", kind, ["BTCUSDT"]) as client:
            return await client.events(count)

    with LocalExchange(captures=[capture], speed=0) as local:
        assert run(events("trades", 1)) == [
            ("trade", "BTCUSDT", "x", Decimal("9.50"), Decimal("0.1"), "sell", 1_618_677_785_116_000_000)
        ]
        snapshot, update = run(events("l2", 2))
    assert snapshot == ("snapshot", "BTCUSDT", 40, ((Decimal("9.0"), Decimal("2.5")),), ())
    gone, more = (Decimal("8.5"), Decimal(0)), (Decimal("9.1"), Decimal("2.5"))
    assert update == ("update", "BTCUSDT", 41, (gone,), (more,))


def test_okx_s_former_frames_come_in_the_shapes_of_version_5(tmp_path: Path) -> None:
    trade = {"side": "sell", "trade_id": "7", "price": "35.389", "timestamp": "2021-04-17T16:49:52.486Z"}
    spot, option = {**trade, "instrument_id": "A-B", "size": "1.50"}, {**trade, "instrument_id": "A-B-210625-8.00-C"}
    frames = [
        {"event": "subscribe", "channel": "spot/trade:A-B"},
        {"table": "spot/ticker", "data": [{"instrument_id": "A-B"}]},
        {"table": "spot/trade", "data": [spot]},
        {"table": "option/trade", "data": [{**option, "qty": "7"}]},
    ]
    capture = written(tmp_path / "okex", f"{OKX_V3} <-> {START}", *((0, repr(_deflated(each))) for each in frames))

    async def scenario() -> None:
        async with subscribed(local, "okx", markets=["A-B", "A-B-210625-8.00-C"]) as client:
            values = (Decimal("35.389"), "sell", 1_618_678_192_486_000_000)
            got = [event[:4] + event[5:] + (event[4],) for event in await client.events(2)]
            assert {(event[1], event[2], event[6]) for event in got} == {
                ("A-B", "7", Decimal("1.50")),
                ("A-B-210625-8.00-C", "7", Decimal(7)),
            }
            assert {event[3:6] for event in got} == {values}

    with LocalExchange(captures=[capture], speed=0) as local:
        run(scenario())
    mixed = written(tmp_path / "mixed", f"{OKX_V3} <-> {START}", (0, {**frames[2], "data": [spot, option]}))
    with pytest.raises(CaptureError, match=r"mixed:2: not a frame as okx sends it .*a frame of 2 instruments"):
        LocalExchange(captures=[mixed])


def _deflated(frame: object) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(json.dumps(frame).encode()) + deflate.flush()


def test_binary_frames_are_text_deflated_or_not(tmp_path: Path) -> None:
    texts = [json.dumps(okx_trade(number)).encode() for number in range(3)]
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    binary = [texts[0], zlib.compress(texts[1]), deflate.compress(texts[2]) + deflate.flush()]
    capture = written(tmp_path / "okx", f"{OKX} <-> {START}", *((0, repr(each)) for each in binary), (1, "pong"))
    with LocalExchange(captures=[capture], speed=0) as local:
        assert run(trade_ids(local, "okx", ["BTC-USDT"], 3)) == okx_ids(0, 1, 2)


OPENED = f"{OKX} <-> {START}\n".encode()
TRADES = [f"{START}.{number}: {json.dumps(okx_trade(number))}".encode() for number in range(3)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(OPENED + b"\n".join(TRADES), id="the last line has no end"),
        pytest.param((OPENED + b"\n".join(TRADES)).replace(b"\n", b"\r\n"), id="Windows line ends"),
        pytest.param(b"\xef\xbb\xbf" + OPENED + b"\n\n".join(TRADES) + b"\n", id="a byte order mark and empty lines"),
        pytest.param(OPENED + b"\n".join(TRADES).replace(b": {", b": {\n\n  ") + b"\n", id="JSON over several lines"),
        pytest.param(OPENED + b"\n".join([*TRADES, TRADES[0][:-1]]), id="cut in a frame"),
        pytest.param(OPENED + b"\n".join([*TRADES, b"1600000005"]), id="cut in a time"),
        pytest.param(OPENED + b"\n".join([*TRADES, b"1600000005: b'{\\x0"]), id="cut in a binary frame"),
        pytest.param(OPENED + b"\n".join([*TRADES, b'1600000005: {"a":"\xe2\x82']), id="cut in a character"),
        pytest.param(OPENED + b"\n".join([*TRADES, OPENED[:-4]]), id="cut in a connection"),
        pytest.param(OPENED + b"\n".join([*TRADES, b'1600000005: {\n"a":']), id="cut in JSON over several lines"),
    ],
)
def test_whatever_the_ends_of_the_lines_and_of_the_file_each_whole_frame_is_read_once(
    tmp_path: Path, content: bytes
) -> None:
    capture = tmp_path / "okx"
    capture.write_bytes(content)
    with LocalExchange(captures=[capture], speed=0) as local:
        assert run(trade_ids(local, "okx", ["BTC-USDT"], 3)) == okx_ids(0, 1, 2)
        assert len(local.captured("okx", "trades")) == 3


def test_the_parts_of_a_file_are_read_in_the_order_of_their_numbers_and_its_connections_go_on(tmp_path: Path) -> None:
    numbers = [0, 1, 2, 10]
    parts = [tmp_path / f"OKX.ws.7.{number}" for number in numbers]
    for part, number in zip(parts, numbers, strict=True):
        part.write_text(f"{START + number}: {json.dumps(okx_trade(number))}\n", encoding="utf-8")
    parts[0].write_text(f"{OKX} <-> {START}\n{parts[0].read_text(encoding='utf-8')}", encoding="utf-8")
    with LocalExchange(captures=sorted(map(str, parts)), speed=0) as local:
        assert run(trade_ids(local, "okx", ["BTC-USDT"], 4)) == okx_ids(*numbers)
    with pytest.raises(CaptureError, match=r"OKX.ws.7.1:1: a frame before any connection"):
        LocalExchange(captures=parts[1:])


def test_connections_to_exchanges_that_are_not_here_are_left_out(tmp_path: Path) -> None:
    stranger = "wss://futures.kraken.com/ws/v1"
    lines = [f"{stranger} <-> {START}", f"{stranger} <- {START}: {{}}", (0.1, {"feed": "trade"}), (0.2, {"topic": 1})]
    other = written(tmp_path / "other", *lines)
    capture = written(tmp_path / "okx", *lines, f"{OKX} <-> {START}", *((1, okx_trade(number)) for number in range(2)))
    with LocalExchange(captures=[other, capture], speed=0) as local:
        assert list(local.addresses) == ["okx"]
        assert run(trade_ids(local, "okx", ["BTC-USDT"], 2)) == okx_ids(0, 1)
    with pytest.raises(CaptureError, match="other:1: no exchange of the local exchange has this address"):
        LocalExchange(captures=[other])


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["sum", 'over {"a":1}'], id="which began as something else"),
        pytest.param([(0, okx_trade(1)), "more"], id="after a whole frame"),
        pytest.param([(0, "pong"), "more"], id="after a text"),
        pytest.param([f"{OKX} <-> {START}", "more"], id="after a connection"),
    ],
)
def test_a_line_that_continues_nothing_is_told(tmp_path: Path, lines: list[Any]) -> None:
    capture = written(tmp_path / "okx", f"{OKX} <-> {START}", *lines)
    number = 2 if lines[0] == "sum" else 3
    with pytest.raises(CaptureError, match=f"okx:{number}: not a record of a capture"):
        LocalExchange(captures=[capture])


def test_dated_contracts_are_subscribed_as_what_their_venue_has(tmp_path: Path) -> None:
    rows = [
        f"wss://fstream.binance.com/stream?streams=btcusdt_210924@trade <-> {START}",
        f"{BITMEX} <-> {START}",
        f'{BITMEX} <- {START}: {{"op":"subscribe","args":["trade:XRPU21"]}}',
    ]
    with LocalExchange(captures=[written(tmp_path / "dated", *rows)]) as local:
        for name, market in (("binance_futures_usd", "BTCUSDT_210924"), ("bitmex", "XRPU21")):
            assert local.markets(name)[market].kind == "perpetual"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["nonsense"], ":1: not a record of a capture"),
        ([f"{OKX} <-> {START}", f"{OKX} <- {START}"], ":2: not a record of a capture"),
        ([(0, {})], ":1: a frame before any connection"),
        ([f"{OKX} <- {START}: ping"], ":1: a request on a connection that was not opened"),
        ([f"wss://example.com/ws <-> {START}"], ":1: no exchange of the local exchange has this address"),
        ([f"{OKX} <-> {START}", "", (0, '{"arg":')], ":3: not JSON"),
        ([f"{OKX} <-> {START}", (0, "b'a' + 1")], ":2: not a binary frame"),
        ([f"{OKX} <-> {START}", (0, r"b'\xff\xfe'")], ":2: a binary frame that is neither text nor deflated"),
        ([f"{OKX} <-> {START}", (0, {**okx_trade(1), "data": [{}]})], r":2: not a frame as okx sends it \(KeyError"),
        ([f'{DEPTH} -> {START}: {{"lastUpdateId":1}}'], ":1: not an order book as binance_spot answers it"),
    ],
)
def test_a_malformed_line_is_told_with_file_and_line(tmp_path: Path, lines: list[Any], message: str) -> None:
    capture = written(tmp_path / "broken.capture", *lines)
    with pytest.raises(CaptureError, match=f"broken.capture{message}"):
        LocalExchange(captures=[capture])


def test_text_in_another_encoding_is_told_with_file_and_line(tmp_path: Path) -> None:
    capture = tmp_path / "latin"
    capture.write_bytes(b"\n\xe9\n")
    with pytest.raises(CaptureError, match=r"latin:2: not UTF-8 text"):
        LocalExchange(captures=[capture])

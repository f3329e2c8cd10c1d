"""What the local exchange's Binance servers have of their own: requests, routes, the depth snapshot."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from local_exchange_client import (
    connected,
    paused,
    rest,
    run,
    subscribed,
)
from local_exchange_wires import BINANCE_STREAMS

from barter_cffi.testing.local_exchange import (
    LocalExchange,
)

__all__ = ["paused"]


def test_binance_answers_requests_as_documented(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with connected(paused, "binance_futures_usd", "trades") as client:
            asked: list[tuple[Any, Any]] = [
                ({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": "a"}, {"result": None, "id": "a"}),
                ({"method": "LIST_SUBSCRIPTIONS", "id": 3}, {"result": ["btcusdt@trade"], "id": 3}),
                ({"method": "GET_PROPERTY", "params": ["combined"], "id": 2}, {"result": False, "id": 2}),
                ({"method": "SET_PROPERTY", "params": ["combined", True], "id": 5}, {"result": None, "id": 5}),
            ]
            for request, answer in asked:
                await client.send(request)
                assert await client.frame() == answer
            paused.emit("binance_futures_usd", "trades", "BTCUSDT")
            frame = await client.frame()
            assert frame["stream"] == "btcusdt@trade"
            assert frame["data"]["e"] == "trade"
        async with connected(paused, "binance_futures_usd", "trades") as client:
            wrong: list[tuple[Any, int, str]] = [
                ("{", 3, "Invalid JSON"),
                ({"params": [], "id": 1}, 2, "missing field `method`"),
                ({"method": "NOPE", "id": 1}, 2, "unknown variant `NOPE`"),
                ({"method": "SUBSCRIBE", "params": [7], "id": 1}, 2, "params must be strings"),
                ({"method": "SET_PROPERTY", "params": ["nope", True], "id": 1}, 0, "Unknown property"),
                ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1, "expected Boolean"),
            ]
            for request, code, words in wrong:
                await client.send(request)
                error = (await client.frame())["error"]
                assert error["code"] == code
                assert words in error["msg"]

    run(scenario())


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        ("/ws", {"trades", "l1", "l2"}),
        ("/public/ws", {"trades", "l1", "l2"}),
        ("/market/ws", {"trades", "liquidations"}),
        ("/private/ws", set()),
    ],
)
def test_binance_futures_streams_are_silent_on_a_path_of_another_class(
    paused: LocalExchange, path: str, kinds: set[str]
) -> None:
    async def scenario() -> None:
        async with connected(paused, "binance_futures_usd", path=path) as client:
            params = [f"btcusdt@{stream}" for stream in BINANCE_STREAMS.values()]
            await client.send({"method": "SUBSCRIBE", "params": params, "id": 1})
            assert await client.frame() == {"result": None, "id": 1}
            heard = {
                kind
                for kind in BINANCE_STREAMS
                if paused.subscribers("binance_futures_usd", kind, "BTCUSDT")  # type: ignore[arg-type]
            }
            assert heard == kinds

    run(scenario())


def test_binance_futures_rows_that_are_no_trades_take_trade_numbers() -> None:
    async def scenario(local: LocalExchange) -> list[Any]:
        async with subscribed(local, "binance_futures_usd", markets=["BTCUSDT"]) as client:
            local.emit("binance_futures_usd", "trades", "BTCUSDT", 100)
            frames: list[Any] = []
            while sum(frame["X"] != "NA" for frame in frames) < 100:
                frames.append(await client.frame())
        return frames

    with LocalExchange(["binance_futures_usd"], autostart=False, na_trades=True) as local:
        frames = run(scenario(local))
    rows = [frame for frame in frames if frame["X"] == "NA"]
    assert len(rows) in (5, 6)
    assert all((row["p"], row["q"]) == ("0", "0") for row in rows)
    assert [frame["t"] for frame in frames] == list(range(frames[0]["t"], frames[0]["t"] + len(frames)))
    with LocalExchange(["binance_futures_usd"], autostart=False) as local:
        assert all(frame["X"] == "MARKET" for frame in run(scenario(local)))


def test_binance_s_depth_request_honours_its_limit_and_refuses_wrong_ones(paused: LocalExchange) -> None:
    spot, futures = "/api/v3/depth", "/fapi/v1/depth"
    cases: list[tuple[str, str, dict[str, str], int, Any]] = [
        ("binance_spot", spot, {"symbol": "BTCUSDT", "limit": "5"}, 200, 5),
        ("binance_spot", spot, {"symbol": "BTCUSDT"}, 200, 100),
        ("binance_spot", spot, {"symbol": "BTCUSDT", "limit": "9999"}, 200, 100),
        ("binance_spot", spot, {"symbol": "BTCUSDT", "limit": "0"}, 400, -1130),
        ("binance_spot", spot, {"symbol": "BTCUSDT", "limit": "x"}, 400, -1100),
        ("binance_spot", spot, {"symbol": "NOPEUSDT"}, 400, -1121),
        ("binance_spot", spot, {}, 400, -1102),
        ("binance_futures_usd", futures, {"symbol": "BTCUSDT", "limit": "50"}, 200, 50),
        ("binance_futures_usd", futures, {"symbol": "BTCUSDT"}, 200, 100),
        ("binance_futures_usd", futures, {"symbol": "BTCUSDT", "limit": "3"}, 400, -4021),
        ("binance_futures_usd", futures, {"symbol": "BTCUSDT", "limit": "1500"}, 400, -1130),
        ("binance_futures_usd", futures, {"symbol": "btcusdt"}, 400, -1121),
    ]

    async def scenario() -> None:
        for name, path, query, expected, outcome in cases:
            status, body, _ = await rest(paused, name, path, **query)
            answer = json.loads(body)
            assert status == expected, (query, body)
            if status == 200:
                assert (len(answer["bids"]), len(answer["asks"])) == (outcome, outcome)
                assert ("T" in answer) == (name == "binance_futures_usd")
                bids = [Decimal(price) for price, _ in answer["bids"]]
                asks = [Decimal(price) for price, _ in answer["asks"]]
                assert bids == sorted(bids, reverse=True)
                assert asks == sorted(asks)
                assert bids[0] < asks[0]
            else:
                assert answer["code"] == outcome

    run(scenario())

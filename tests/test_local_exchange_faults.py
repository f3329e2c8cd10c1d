"""The faults of the local exchange do what their table says, on every exchange."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from local_exchange_client import (
    FRAME_TIMEOUT_S,
    connected,
    names,
    paused,
    rest,
    run,
    subscribed,
)
from local_exchange_shapes import GREETINGS

from barter_cffi.testing.local_exchange import (
    FAULTS,
    Fault,
    LocalExchange,
)

__all__ = ["paused"]


def test_every_fault_has_its_row() -> None:
    assert set(FAULTS) == set(Fault)
    assert all(row.meaning for row in FAULTS.values())
    assert all((row.alter is not None) == (row.stage == "frame") for row in FAULTS.values())


@names
@pytest.mark.parametrize("status", [403, 429, 451, 503])
def test_an_upgrade_is_refused_with_the_status_asked_for(paused: LocalExchange, name: str, status: int) -> None:
    paused.set_fault(name, Fault.REFUSE_UPGRADE, status=status, retry_after_s=7, times=1)

    async def scenario() -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connected(paused, name):
                pass
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (status, "7")  # type: ignore[index]
        async with subscribed(paused, name):
            assert paused.journal.connections(name).open == 1

    run(scenario())
    assert paused.journal.refused_upgrades(name) == paused.fault_count(name, Fault.REFUSE_UPGRADE) == 1


@names
def test_a_mute_exchange_accepts_and_says_nothing(paused: LocalExchange, name: str) -> None:
    market = next(iter(paused.markets(name)))
    paused.set_fault(name, Fault.MUTE)

    async def scenario() -> None:
        async with connected(paused, name, autoping=False) as client:
            await client.send(*client.wire.subscribe("trades", [market]))
            await client.websocket.ping(b"alive")
            message = await client.websocket.receive(FRAME_TIMEOUT_S)
            assert message.type is aiohttp.WSMsgType.PONG
            await asyncio.to_thread(paused.wait_until, lambda: bool(paused.journal.frames(name)))
            assert paused.journal.control_frames(name) == []
            assert paused.subscribers(name, "trades", market) == 0

    run(scenario())


@names
def test_a_refused_subscription_is_refused_in_the_exchange_s_shape(paused: LocalExchange, name: str) -> None:
    market = next(iter(paused.markets(name)))
    paused.set_fault(name, Fault.REFUSE_SUBSCRIPTION, times=1)

    async def scenario() -> None:
        async with connected(paused, name) as client:
            await client.send(*client.wire.subscribe("trades", [market]))
            assert await client.refusal()
            assert paused.subscribers(name, "trades", market) == 0
            await client.send(*client.wire.subscribe("trades", [market]))
            await client.acknowledged(1)

    run(scenario())


@names
def test_a_subscription_may_be_acknowledged_and_stay_silent(paused: LocalExchange, name: str) -> None:
    market = next(iter(paused.markets(name)))
    paused.set_fault(name, Fault.SILENT_AFTER_ACKNOWLEDGEMENT)

    async def scenario() -> None:
        async with subscribed(paused, name):
            assert paused.subscribers(name, "trades", market) == 0
            assert paused.fault_count(name, Fault.SILENT_AFTER_ACKNOWLEDGEMENT) == 1

    run(scenario())


@names
def test_a_subscription_may_be_acknowledged_and_the_connection_closed(paused: LocalExchange, name: str) -> None:
    paused.set_fault(name, Fault.CLOSE_AFTER_ACKNOWLEDGEMENT, times=1)

    async def scenario() -> None:
        async with connected(paused, name) as client:
            await client.send(*client.wire.subscribe("trades", [next(iter(paused.markets(name)))]))
            await client.acknowledged(1)
            end = await client.end()
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1001)

    run(scenario())


@names
@pytest.mark.parametrize(("fault", "extra"), [(Fault.UNKNOWN_FRAMES, True), (Fault.INVALID_JSON, False)])
def test_unknown_and_broken_frames_come_before_a_data_frame(
    paused: LocalExchange, name: str, fault: Fault, extra: bool
) -> None:
    market = next(iter(paused.markets(name)))

    async def scenario() -> None:
        async with subscribed(paused, name) as client:
            sent = paused.journal.sent_count(name, "trades")
            await client.events(sent - len(client.early))
            paused.set_fault(name, fault, times=1)
            paused.emit(name, "trades", market)
            text = await client.text()
            with contextlib.nullcontext() if extra else pytest.raises(ValueError):
                assert "unexpected" in json.loads(text)
            assert await client.events(1)
        assert paused.fault_count(name, fault) == 1

    run(scenario())


@pytest.mark.parametrize(
    ("name", "continues"),
    [
        ("binance_spot", lambda before, after: after["U"] == before["u"] + 1),
        ("binance_futures_usd", lambda before, after: after["pu"] == before["u"]),
        ("bybit_spot", lambda before, after: after["data"]["u"] == before["data"]["u"] + 1),
        ("bybit_perpetuals_usd", lambda before, after: after["data"]["u"] == before["data"]["u"] + 1),
    ],
)
def test_a_sequence_gap_leaves_out_one_update(
    paused: LocalExchange, name: str, continues: Callable[[Any, Any], bool]
) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name, "l2", ["BTCUSDT"]) as client:
            frames: list[Any] = []
            for number in range(4):
                if number == 2:
                    paused.set_fault(name, Fault.SEQUENCE_GAP, times=1)
                paused.emit(name, "l2", "BTCUSDT")
            while len(frames) < 4:
                frame = await client.data_frame()
                frames += [frame] if frame.get("type") != "snapshot" else []
        unbroken = [continues(before, after) for before, after in itertools.pairwise(frames)]
        assert unbroken == [True, False, True]

    run(scenario())


@pytest.mark.parametrize(
    ("name", "path"), [("binance_spot", "/api/v3/depth"), ("binance_futures_usd", "/fapi/v1/depth")]
)
def test_a_snapshot_may_fail_in_several_ways(paused: LocalExchange, name: str, path: str) -> None:
    async def ask() -> tuple[int, str, Any]:
        return await rest(paused, name, path, symbol="BTCUSDT", limit=5)

    async def scenario() -> None:
        for status in (418, 429, 451, 503):
            paused.set_fault(name, Fault.SNAPSHOT_STATUS, status=status, retry_after_s=3, times=1)
            answered, body, headers = await ask()
            assert (answered, headers["Retry-After"]) == (status, "3")
            assert set(json.loads(body)) == {"code", "msg"}
        paused.set_fault(name, Fault.SNAPSHOT_WITHOUT_BOOK, times=1)
        status, body, _ = await ask()
        assert (status, set(json.loads(body))) == (200, {"code", "msg"})
        paused.set_fault(name, Fault.SNAPSHOT_INVALID_JSON, times=1)
        status, body, _ = await ask()
        with pytest.raises(ValueError):
            json.loads(body)
        status, body, _ = await ask()
        assert (status, len(json.loads(body)["bids"])) == (200, 5)
        statuses = [request.status for request in paused.journal.requests(name)]
        assert statuses == [418, 429, 451, 503, 200, 200, 200]

    run(scenario())


@names
@pytest.mark.parametrize("how", ["abort", "close"])
def test_connections_may_be_dropped_at_once(paused: LocalExchange, name: str, how: Any) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name) as client:
            dropping = asyncio.create_task(asyncio.to_thread(paused.drop, name, how))
            end = await client.end()
            assert await dropping == 1
            assert paused.journal.connections(name).open == 0
            assert paused.subscribers(name, "trades", next(iter(paused.markets(name)))) == 0
        if how == "close":
            assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        else:
            assert end.type is not aiohttp.WSMsgType.CLOSE
        async with subscribed(paused, name):
            assert paused.journal.connections(name).made == 2

    run(scenario())


@names
def test_notices_reach_every_connection_of_the_exchange(paused: LocalExchange, name: str) -> None:
    announced = {
        "binance_spot": ["server-shutdown"],
        "okx": ["service-upgrade"],
        "kraken": ["online", "cancel-only", "post-only", "maintenance"],
        "bitfinex": ["reconnect", "maintenance-start", "maintenance-end"],
    }
    expected = ["upgrade"] if name.startswith("gateio_") and name != "gateio_spot" else announced.get(name, [])

    async def scenario() -> None:
        async with connected(paused, name) as one, connected(paused, name) as two:
            for client in (one, two):
                if name in GREETINGS:
                    await client.frame()
            for notice in expected:
                paused.notify(name, notice)
                assert await one.text() == await two.text() == paused.journal.control_frames(name)[-1]

    run(scenario())
    assert list(paused.notices(name)) == expected
    with pytest.raises(LookupError, match=f"{name} has no notice 'nope'"):
        paused.notify(name, "nope")


def test_faults_are_checked_and_cleared(paused: LocalExchange) -> None:
    with pytest.raises(ValueError, match="needs a status"):
        paused.set_fault("okx", Fault.REFUSE_UPGRADE)
    with pytest.raises(ValueError, match="times must be positive"):
        paused.set_fault("okx", Fault.MUTE, times=0)
    with pytest.raises(LookupError, match="no exchange 'mtgox'"):
        paused.set_fault("mtgox", Fault.MUTE)
    paused.set_fault("okx", Fault.REFUSE_UPGRADE, status=503)
    paused.set_fault("okx", Fault.MUTE)
    paused.clear_faults("okx", Fault.REFUSE_UPGRADE)

    async def greeted() -> None:
        async with subscribed(paused, "okx"):
            pass

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(greeted(), 0.2))
    paused.clear_faults("okx")
    run(greeted())


def test_a_client_that_never_reads_is_cut_while_others_go_on(
    paused: LocalExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barter_cffi.testing.local_exchange.connection.MAX_WAITING_FRAMES", 100)
    text = json.dumps({"filler": "x" * 50_000})

    async def scenario() -> None:
        async with connected(paused, "okx"), connected(paused, "okx") as reader:
            await asyncio.to_thread(paused.wait_until, lambda: paused.journal.connections("okx").open == 2)
            while paused.journal.connections("okx").open == 2:
                await asyncio.to_thread(paused.send_text, "okx", text)
                assert await reader.text() == text
            assert paused.journal.connections("okx").open == 1

    run(scenario())

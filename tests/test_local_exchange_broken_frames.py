"""The faults that break what a connection carries: frames, their order, their times, and the connection itself."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from local_exchange_client import FRAME_TIMEOUT_S, Client, connected, names, paused, rest, run, subscribed

from barter_cffi.testing.local_exchange import Fault, LocalExchange, Trade

__all__ = ["paused"]

TEXT, BINARY = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY
#: What happens on the socket is the same for all.
some = pytest.mark.parametrize("name", ["binance_spot", "kraken", "gateio_options"])
#: Exchanges that answer a whole request at once, or list all that is subscribed.
ANSWERED_AS_A_WHOLE = ("binance", "bybit")


async def settled(exchange: LocalExchange, client: Client, name: str) -> str:
    """Reads what answered the subscription; gives the market."""
    await client.events(exchange.journal.sent_count(name, "trades") - len(client.early))
    return next(iter(exchange.markets(name)))


def port_of(exchange: LocalExchange, name: str) -> int:
    return int(exchange.addresses[name][0].rpartition(":")[2].partition("/")[0])


async def message(client: Client, kind: aiohttp.WSMsgType) -> Any:
    got = await client.websocket.receive(FRAME_TIMEOUT_S)
    assert got.type is kind, got
    return got.data


@names
@pytest.mark.parametrize("fault", [Fault.WRONG_TYPES, Fault.TRUNCATED_FRAME, Fault.DUPLICATE_FRAME, Fault.BINARY_FRAME])
def test_a_data_frame_comes_with_a_broken_one(paused: LocalExchange, name: str, fault: Fault) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name) as client:
            market = await settled(paused, client, name)
            paused.set_fault(name, fault, times=1)
            [sent] = paused.emit(name, "trades", market)
            assert isinstance(sent, Trade)
            if fault is Fault.BINARY_FRAME:
                with pytest.raises(UnicodeDecodeError):
                    (await message(client, BINARY)).decode()
                whole = (await message(client, BINARY)).decode()
            else:
                broken, whole = await message(client, TEXT), await message(client, TEXT)
                match fault:
                    case Fault.WRONG_TYPES:
                        assert json.loads(broken) != json.loads(whole)
                        assert "{}" in broken
                        assert sent.price not in broken
                    case Fault.TRUNCATED_FRAME:
                        assert whole.startswith(broken)
                        assert len(broken) == len(whole) // 2
                    case _:
                        assert broken == whole
            assert client.wire.decode(json.loads(whole))
        assert paused.fault_count(name, fault) == 1

    run(scenario())


@names
def test_events_of_a_market_that_nobody_asked_for_come_before_a_data_frame(paused: LocalExchange, name: str) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name) as client:
            market = await settled(paused, client, name)
            paused.set_fault(name, Fault.UNKNOWN_SYMBOL, times=1)
            paused.emit(name, "trades", market)
            foreign, own = await client.text(), await client.text()
            assert foreign != own
            if name == "bitfinex":
                assert json.loads(foreign)[0] == 1
            else:
                assert market in own
                assert f"X{market}" in foreign

    run(scenario())


@names
def test_a_frame_may_come_behind_the_next(paused: LocalExchange, name: str) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name) as client:
            market = await settled(paused, client, name)
            paused.set_fault(name, Fault.OUT_OF_ORDER, times=1)
            first, second = (paused.emit(name, "trades", market)[0] for _ in range(2))
            got = await client.events(2)
            paused.emit(name, "trades", market)
            assert await client.events(1)
            assert isinstance(first, Trade)
            assert isinstance(second, Trade)
            prices = [[str(each) for each in event] for event in got]
            assert any(second.price.rstrip("0").rstrip(".") in each for each in prices[0])
            assert any(first.price.rstrip("0").rstrip(".") in each for each in prices[1])

    run(scenario())


@some
def test_the_time_of_an_event_may_be_an_hour_behind(paused: LocalExchange, name: str) -> None:
    market = next(iter(paused.markets(name)))
    before, _, after = (
        paused.emit(name, "trades", market, unheard="allow")[0],
        paused.set_fault(name, Fault.CLOCK_BACKWARDS, times=1),
        paused.emit(name, "trades", market, unheard="allow")[0],
    )
    assert 3_590e9 < before.time_ns - after.time_ns <= 3_600e9
    assert abs(paused.emit(name, "trades", market, unheard="allow")[0].time_ns - time.time_ns()) < 1e9


@some
def test_a_frame_may_be_larger_than_anyone_takes(paused: LocalExchange, name: str) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name) as client:
            market = await settled(paused, client, name)
            paused.set_fault(name, Fault.OVERSIZE_FRAME, times=1)
            paused.emit(name, "trades", market)
            end = await client.end()
            assert (end.type, client.websocket.close_code) == (
                aiohttp.WSMsgType.ERROR,
                aiohttp.WSCloseCode.MESSAGE_TOO_BIG,
            )

    run(scenario())


@some
def test_a_connection_may_be_reset_in_the_middle_of_a_frame(paused: LocalExchange, name: str) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name) as client:
            market = await settled(paused, client, name)
            paused.set_fault(name, Fault.RESET_IN_FRAME, times=1)
            paused.emit(name, "trades", market)
            assert (await client.end()).type is not aiohttp.WSMsgType.CLOSE
            await asyncio.to_thread(paused.wait_until, lambda: paused.journal.connections(name).open == 0)

    run(scenario())


@some
def test_a_connection_may_be_closed_behind_a_frame(paused: LocalExchange, name: str) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name) as client:
            market = await settled(paused, client, name)
            paused.set_fault(name, Fault.CLOSE, times=1)
            paused.emit(name, "trades", market)
            assert await client.events(1)
            end = await client.end()
            assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1001)

    run(scenario())


@some
def test_a_half_open_connection_answers_nothing_and_ends_with_its_client(paused: LocalExchange, name: str) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name, timeout=aiohttp.ClientWSTimeout(ws_close=0.1)) as client:
            market = await settled(paused, client, name)
            paused.set_fault(name, Fault.HALF_OPEN, times=1)
            paused.emit(name, "trades", market)
            await client.websocket.ping(b"alive?")
            paused.emit(name, "trades", market)
            with pytest.raises(asyncio.TimeoutError):
                await client.websocket.receive(0.1)
            assert paused.journal.connections(name).open == 1
        await asyncio.to_thread(paused.wait_until, lambda: paused.journal.connections(name).open == 0)

    run(scenario())


@names
def test_the_acknowledgement_of_one_market_may_stay_away(paused: LocalExchange, name: str) -> None:
    markets = list(paused.markets(name))[:2]
    alone = name.startswith(ANSWERED_AS_A_WHOLE) or len(markets) == 1
    paused.set_fault(name, Fault.WITHHOLD_ACKNOWLEDGEMENT, times=1)

    async def scenario() -> None:
        async with connected(paused, name) as client:
            await client.send(*client.wire.subscribe("trades", markets))
            if alone:
                await client.send(*client.wire.subscribe("trades", markets))
            await client.acknowledged(1)
            withheld, answered = (markets[:1], markets[1:]) if not alone else ([], markets)
            assert [paused.subscribers(name, "trades", market) for market in withheld] == [0] * len(withheld)
            assert [paused.subscribers(name, "trades", market) for market in answered] == [1] * len(answered)

    run(scenario())


@some
def test_the_answer_to_an_upgrade_may_be_late(paused: LocalExchange, name: str) -> None:
    paused.set_fault(name, Fault.SLOW_UPGRADE, delay_s=0.1, times=2)

    async def scenario() -> None:
        began = time.monotonic()
        async with connected(paused, name):
            assert time.monotonic() - began >= 0.1
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(never_in_time(), 0.05)

    async def never_in_time() -> None:
        async with connected(paused, name):
            pass

    run(scenario())
    assert paused.journal.connections(name).made == 1


@some
def test_an_exchange_may_refuse_connections_while_its_others_and_all_others_go_on(name: str) -> None:
    other = "kraken" if name != "kraken" else "okx"
    with LocalExchange([name, other], autostart=False, own_ports=True) as local:

        async def scenario() -> None:
            async with subscribed(local, name) as client:
                market = await settled(local, client, name)
                local.set_fault(name, Fault.REFUSE_CONNECTIONS)
                with pytest.raises(aiohttp.ClientConnectorError) as refused:
                    async with connected(local, name):
                        pass
                assert isinstance(refused.value.os_error, ConnectionRefusedError)
                async with subscribed(local, other):
                    pass
                local.emit(name, "trades", market)
                assert await client.events(1)
                with socket.socket() as taker, pytest.raises(OSError):
                    taker.bind(("127.0.0.1", port_of(local, name)))
                local.clear_faults(name)
                async with subscribed(local, name):
                    assert local.fault_count(name, Fault.REFUSE_CONNECTIONS) == 1

        run(scenario())


@some
def test_an_exchange_may_show_a_certificate_that_nobody_trusts(name: str) -> None:
    with LocalExchange([name], autostart=False, own_ports=True, tls=True) as local:
        trusting = ssl.create_default_context(cafile=local.ca_file)

        port = port_of(local, name)

        async def connect() -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
            writer.close()
            await writer.wait_closed()

        local.set_fault(name, Fault.UNTRUSTED_CERTIFICATE, times=1)
        with pytest.raises(ssl.SSLCertVerificationError):
            run(connect())
        run(connect())
        assert local.fault_count(name, Fault.UNTRUSTED_CERTIFICATE) == 1


@pytest.mark.parametrize(
    ("name", "path"), [("binance_spot", "/api/v3/depth"), ("binance_futures_usd", "/fapi/v1/depth")]
)
def test_a_snapshot_may_be_older_than_the_stream(paused: LocalExchange, name: str, path: str) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name, "l2", ["BTCUSDT"]) as client:
            paused.set_fault(name, Fault.SNAPSHOT_OUTDATED, times=1)
            old, new = [json.loads((await rest(paused, name, path, symbol="BTCUSDT", limit=100))[1]) for _ in range(2)]
            paused.emit(name, "l2", "BTCUSDT")
            first = await client.data_frame()
            assert old["lastUpdateId"] + 1 < first["U"] <= new["lastUpdateId"] + 1
            assert (len(old["bids"]), len(old["asks"])) == (100, 100)
            assert old["bids"] != new["bids"]

    run(scenario())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (lambda local: local.set_fault("okx", Fault.SLOW_UPGRADE), "slow-upgrade needs a delay_s"),
        (lambda local: local.set_fault("okx", Fault.REFUSE_CONNECTIONS), "refuse-connections needs own_ports"),
        (lambda local: local.set_fault("okx", Fault.UNTRUSTED_CERTIFICATE), "untrusted-certificate needs own_ports"),
    ],
)
def test_a_setting_that_a_fault_cannot_have_is_named(
    paused: LocalExchange, setting: Callable[[LocalExchange], None], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        setting(paused)


def test_a_certificate_takes_tls() -> None:
    with (
        LocalExchange(["okx"], autostart=False, own_ports=True) as local,
        pytest.raises(ValueError, match="untrusted-certificate needs tls"),
    ):
        local.set_fault("okx", Fault.UNTRUSTED_CERTIFICATE)


def test_what_lasts_until_it_is_cleared_has_no_times() -> None:
    with (
        LocalExchange(["okx"], autostart=False, own_ports=True) as local,
        pytest.raises(ValueError, match="refuse-connections lasts until it is cleared"),
    ):
        local.set_fault("okx", Fault.REFUSE_CONNECTIONS, times=1)

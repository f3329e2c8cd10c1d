"""The limits that exchanges document, and how they keep a connection alive or end it."""

from __future__ import annotations

import aiohttp
import pytest
from local_exchange_client import (
    FRAME_TIMEOUT_S,
    connected,
    paused,
    run,
    subscribed,
)

from barter_cffi.testing.local_exchange import (
    LocalExchange,
    markets,
)

__all__ = ["paused"]


def test_binance_closes_a_connection_with_more_than_1024_streams() -> None:
    many = markets([f"a{number}/usdt" for number in range(1_025)])

    async def scenario(local: LocalExchange) -> None:
        everyone = list(local.markets("binance_spot"))
        async with subscribed(local, "binance_spot", markets=everyone[:1_024]) as client:
            local.emit("binance_spot", "trades", everyone[1_023])
            await client.events(1)
            await client.send(*client.wire.subscribe("trades", everyone[1_024:]))
            assert "1024 streams" in await client.refusal()
            end = await client.end()
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1008)

    with LocalExchange(["binance_spot"], autostart=False, markets={"binance_spot": many}) as local:
        run(scenario(local))


def test_binance_closes_a_connection_that_sends_more_than_5_messages_a_second(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with connected(paused, "binance_spot") as client:
            await client.send(*[{"method": "LIST_SUBSCRIPTIONS", "id": number} for number in range(6)])
            answers = [await client.frame() for _ in range(5)]
            end = await client.end()
        assert [answer["id"] for answer in answers] == [0, 1, 2, 3, 4]
        assert (end.type, end.data, end.extra) == (aiohttp.WSMsgType.CLOSE, 1008, "Too many requests")

    run(scenario())


def test_bybit_spot_takes_10_topics_a_request_and_linear_more() -> None:
    many = markets([f"a{number}/usdt" for number in range(11)])

    async def scenario(local: LocalExchange) -> None:
        everyone = list(local.markets("bybit_spot"))
        async with subscribed(local, "bybit_spot", markets=everyone[:10]):
            pass
        async with connected(local, "bybit_spot") as client:
            await client.send(*client.wire.subscribe("trades", everyone))
            assert await client.refusal() == "args size >10"
        async with subscribed(local, "bybit_perpetuals_usd", markets=everyone):
            pass

    with LocalExchange(
        ["bybit_spot", "bybit_perpetuals_usd"], markets={"bybit_spot": many, "bybit_perpetuals_usd": many}
    ) as local:
        run(scenario(local))


def test_bybit_takes_arguments_of_21000_characters_a_connection() -> None:
    many = markets([f"a{number}/usdt" for number in range(1_200)], "perpetual")

    async def scenario(local: LocalExchange) -> None:
        async with connected(local, "bybit_perpetuals_usd") as client:
            await client.send(*client.wire.subscribe("trades", list(local.markets("bybit_perpetuals_usd"))))
            assert await client.refusal() == "error:args length >21000"

    with LocalExchange(["bybit_perpetuals_usd"], markets={"bybit_perpetuals_usd": many}) as local:
        run(scenario(local))


def test_bitfinex_opens_25_channels_a_connection() -> None:
    many = markets([f"a{number:02}/usd" for number in range(26)])

    async def scenario(local: LocalExchange) -> None:
        everyone = list(local.markets("bitfinex"))
        async with subscribed(local, "bitfinex", markets=everyone[:25]) as client:
            await client.send(*client.wire.subscribe("trades", everyone[25:]))
            frame = await client.frame_where(client.wire.refused)
            assert (frame["code"], frame["msg"]) == (10305, "subscribe: limit")

    with LocalExchange(["bitfinex"], autostart=False, markets={"bitfinex": many}) as local:
        run(scenario(local))


def test_okx_takes_64_kb_of_arguments_and_480_requests_an_hour(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with connected(paused, "okx") as client:
            arguments = [{"channel": "trades", "instId": "BTC-USDT"}] * 2_000
            await client.send({"op": "subscribe", "args": arguments})
            assert "64 KB" in await client.refusal()
            for _ in range(479):
                await client.send({"op": "unsubscribe", "args": []})
            await client.send({"op": "subscribe", "args": arguments[:1]})
            frame = await client.frame_where(client.wire.refused)
            assert (frame["code"], frame["msg"]) == ("60014", "Requests too frequent")

    run(scenario())


@pytest.mark.parametrize("name", ["binance_spot", "binance_futures_usd", "gateio_spot", "gateio_perpetuals_btc"])
def test_the_server_pings_and_cuts_a_client_that_does_not_answer(name: str) -> None:
    scale = {"binance_futures_usd": 0.001}.get(name, 0.01)

    async def scenario() -> None:
        async with connected(local, name, autoping=False) as client:
            message = await client.websocket.receive(FRAME_TIMEOUT_S)
            assert message.type is aiohttp.WSMsgType.PING
            assert message.data == b"" or name.startswith("binance")
            await client.websocket.pong(message.data)
            end = await client.end()
        assert end.type is not aiohttp.WSMsgType.CLOSE

    with LocalExchange([name], keepalive_scale=scale) as local:
        run(scenario())


def test_kraken_s_heartbeats_come_when_nothing_else_does_and_only_to_subscribers() -> None:
    async def scenario() -> None:
        async with connected(local, "kraken") as unsubscribed, subscribed(local, "kraken") as client:
            assert await client.frame() == {"event": "heartbeat"}
            assert await client.frame() == {"event": "heartbeat"}
            assert (await unsubscribed.frame())["event"] == "systemStatus"
            end = await unsubscribed.end()
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1000)

    with LocalExchange(["kraken"], autostart=False, keepalive_scale=0.01) as local:
        run(scenario())


def test_bitfinex_s_heartbeats_come_on_every_channel() -> None:
    async def scenario() -> None:
        async with subscribed(local, "bitfinex", markets=["tBTCUSD", "tETHUSD"]) as client:
            beats = [await client.frame_where(lambda frame: frame[-1:] == ["hb"]) for _ in range(4)]
        channels = sorted(client.wire.decode.symbols)  # type: ignore[attr-defined]
        assert [beat[0] for beat in beats] == channels * 2

    with LocalExchange(["bitfinex"], autostart=False, keepalive_scale=0.005) as local:
        run(scenario())


@pytest.mark.parametrize(
    ("name", "scale", "code"), [("okx", 0.005, 4004), ("coinbase", 0.02, 1000), ("bybit_spot", 0.0005, 1000)]
)
def test_a_connection_on_which_the_client_says_nothing_is_closed(name: str, scale: float, code: int) -> None:
    async def scenario() -> None:
        async with connected(local, name) as client:
            end = await client.end()
        assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, code)

    with LocalExchange([name], keepalive_scale=scale) as local:
        run(scenario())


def test_bitfinex_drops_an_unused_connection_without_a_close() -> None:
    async def scenario() -> None:
        async with connected(local, "bitfinex") as client:
            assert (await client.end()).type is not aiohttp.WSMsgType.CLOSE

    with LocalExchange(["bitfinex"], keepalive_scale=0.005) as local:
        run(scenario())


def test_a_client_s_protocol_ping_is_answered(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with connected(paused, "okx", autoping=False) as client:
            await client.websocket.ping(b"payload")
            message = await client.websocket.receive(FRAME_TIMEOUT_S)
        assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"payload")

    run(scenario())

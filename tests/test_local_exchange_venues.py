"""What the other exchanges of the local exchange have of their own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from local_exchange_client import (
    connected,
    paused,
    run,
    subscribed,
)
from local_exchange_shapes import GREETINGS, shape
from local_exchange_wires import seen

from barter_cffi.testing.local_exchange import (
    LocalExchange,
    Trade,
)

__all__ = ["paused"]


def test_kraken_names_pairs_in_upper_case_and_only_a_lenient_one_takes_others() -> None:
    async def scenario(local: LocalExchange) -> tuple[Any, Any]:
        async with connected(local, "kraken") as client:
            await client.send({"event": "subscribe", "pair": ["xbt/usd"], "subscription": {"name": "trade"}})
            await client.frame()
            return await client.frame(), (
                await client.data_frame() if local.subscribers("kraken", "trades", "XBT/USD") else None
            )

    with LocalExchange(["kraken"]) as local:
        refused, nothing = run(scenario(local))
    assert (refused["errorMessage"], nothing) == ("Currency pair not supported xbt/usd", None)
    with LocalExchange(["kraken"], lenient=True) as local:
        accepted, frame = run(scenario(local))
    assert (accepted["status"], accepted["pair"], frame[3]) == ("subscribed", "xbt/usd", "xbt/usd")


def test_kraken_answers_pings_and_malformed_requests(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with connected(paused, "kraken") as client:
            await client.frame()
            trade_of = {"name": "trade"}
            asked: list[tuple[Any, Any]] = [
                ({"event": "ping", "reqid": 42}, {"event": "pong", "reqid": 42}),
                ("nonsense", {"errorMessage": "Malformed request", "event": "error"}),
                (
                    {"event": "subscribe", "pair": "XBT/USD", "subscription": trade_of},
                    {
                        "errorMessage": "Pair field must be an array", "event": "subscriptionStatus",
                        "status": "error", "subscription": trade_of,
                    },
                ),
                (
                    {"event": "subscribe", "pair": ["XBTUSD"], "subscription": trade_of},
                    {
                        "errorMessage": "Currency pair not in ISO 4217-A3 format XBTUSD",
                        "event": "subscriptionStatus", "pair": "XBTUSD", "status": "error", "subscription": trade_of,
                    },
                ),
                (
                    {"event": "unsubscribe", "pair": ["XBT/USD"], "subscription": trade_of},
                    {
                        "errorMessage": "Subscription Not Found", "event": "subscriptionStatus", "pair": "XBT/USD",
                        "status": "error", "subscription": trade_of,
                    },
                ),
            ]  # fmt: skip
            for request, answer in asked:
                await client.send(request)
                assert await client.frame() == answer

    run(scenario())


def test_kraken_sends_the_current_spread_at_once(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with subscribed(paused, "kraken", "l1", ["XBT/USD"]) as client:
            (event,) = await client.events(1)
        assert [event] == [seen(each) for each in paused.journal.sent("kraken", "l1")]

    run(scenario())


@pytest.mark.parametrize(
    ("name", "ping", "pong"),
    [
        ("bybit_spot", {"op": "ping"}, {"success": True, "ret_msg": "pong", "op": "ping"}),
        ("bybit_perpetuals_usd", {"op": "ping"}, {"success": True, "ret_msg": "pong", "op": "ping"}),
        ("okx", "ping", "pong"),
        ("bitmex", "ping", "pong"),
        ("bitfinex", {"event": "ping", "cid": 7}, {"event": "pong", "cid": 7}),
        ("gateio_spot", {"time": 1, "channel": "spot.ping"}, {"channel": "spot.pong", "event": "", "result": None}),
        ("gateio_options", {"time": 1, "channel": "options.ping"}, {"channel": "options.pong", "event": ""}),
        ("gateio_futures_usd", {"time": 1, "channel": "futures.ping"}, {"channel": "futures.pong", "event": ""}),
    ],
)
def test_an_application_s_ping_is_answered(paused: LocalExchange, name: str, ping: Any, pong: Any) -> None:
    async def scenario() -> None:
        async with connected(paused, name) as client:
            if name in GREETINGS:
                await client.frame()
            await client.send(ping)
            answer = await client.frame()
        assert answer == pong if isinstance(pong, str) else pong.items() <= answer.items()

    run(scenario())


def test_one_unknown_topic_refuses_all_of_a_bybit_request(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with connected(paused, "bybit_perpetuals_usd") as client:
            await client.send(*client.wire.subscribe("trades", ["BTCUSDT", "NOPEUSDT"]))
            assert await client.refusal() == "error:handler not found,topic:publicTrade.NOPEUSDT"
            assert paused.subscribers("bybit_perpetuals_usd", "trades", "BTCUSDT") == 0
            await client.send(*client.wire.subscribe("trades", ["BTCUSDT"]))
            await client.acknowledged(1)
            await client.send(*client.wire.subscribe("trades", ["BTCUSDT"]))
            assert await client.refusal() == "error:already subscribed,topic:publicTrade.BTCUSDT"

    run(scenario())


def test_one_unknown_market_refuses_all_of_a_gate_request(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with connected(paused, "gateio_spot") as client:
            payload = ["BTC_USDT", "NOPE_USDT"]
            await client.send({"time": 1, "channel": "spot.trades", "event": "subscribe", "payload": payload})
            assert await client.refusal() == "unknown currency pair NOPE_USDT"
            assert paused.subscribers("gateio_spot", "trades", "BTC_USDT") == 0

    run(scenario())


def test_gate_s_delivery_contracts_have_no_term_in_their_name_but_for_a_lenient_one() -> None:
    async def scenario(local: LocalExchange) -> Any:
        async with connected(local, "gateio_futures_usd") as client:
            await client.send(*client.wire.subscribe("trades", ["BTC_USDT_QUARTERLY_20301227"]))
            frame = await client.frame()
            return client.wire.refused(frame) or (await client.data_frame())["result"][0]["contract"]

    with LocalExchange(["gateio_futures_usd"]) as local:
        assert run(scenario(local)) == "unknown currency pair BTC_USDT_QUARTERLY_20301227"
    with LocalExchange(["gateio_futures_usd"], lenient=True) as local:
        assert run(scenario(local)) == "BTC_USDT_QUARTERLY_20301227"


def test_gate_s_sizes_are_signed_contracts_and_strings_on_request(paused: LocalExchange) -> None:
    name = "gateio_perpetuals_usd"

    async def sizes(**options: Any) -> list[Any]:
        async with subscribed(paused, name, markets=["BTC_USDT"], **options) as client:
            emitted = paused.emit(name, "trades", "BTC_USDT", 20)
            rows: list[Any] = []
            while len(rows) < 20:
                rows += (await client.data_frame())["result"]
        for row, event in zip(rows, emitted, strict=True):
            assert isinstance(event, Trade)
            assert (Decimal(row["size"]) < 0) == (event.side == "sell")
        return [row["size"] for row in rows]

    assert all(isinstance(size, int) for size in run(sizes()))
    assert all(isinstance(size, str) for size in run(sizes(headers={"X-Gate-Size-Decimal": "1"})))


def test_gate_s_spot_server_insists_on_its_trailing_slash(paused: LocalExchange) -> None:
    async def scenario() -> int:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connected(paused, "gateio_spot", path="/ws/v4"):
                pass
        return refused.value.status

    assert run(scenario()) == 404


def test_coinbase_lists_all_subscriptions_and_sends_the_last_match_on_either_side_of_that(
    paused: LocalExchange,
) -> None:
    async def scenario() -> None:
        async with connected(paused, "coinbase") as client:
            products = ["BTC-USD", "ETH-USD"]
            await client.send({"type": "subscribe", "product_ids": products, "channels": ["matches"]})
            kinds = [(await client.frame())["type"] for _ in range(3)]
            assert kinds == ["last_match", "subscriptions", "last_match"]
            again = {"type": "subscribe", "channels": [{"name": "matches", "product_ids": ["SOL-USD"]}]}
            await client.send(again)
            assert (await client.frame())["type"] == "last_match"
            listed = await client.frame()
            assert listed["channels"][0]["product_ids"] == ["BTC-USD", "ETH-USD", "SOL-USD"]
            for request, reason in [
                ({"type": "subscribe", "product_ids": products, "channels": ["level2"]}, "require authentication"),
                ({"type": "subscribe", "product_ids": products, "channels": ["nope"]}, "nope is not a valid channel"),
            ]:
                await client.send(request)
                error = await client.frame()
                assert error["message"] == "Failed to subscribe"
                assert reason in error["reason"]
            await client.send("{")
            assert shape(await client.frame()) == {"message": "str", "type": "str"}

    run(scenario())


def test_coinbase_s_heartbeat_channel_names_the_last_trade() -> None:
    async def scenario() -> None:
        async with connected(local, "coinbase") as client:
            await client.send({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["heartbeat"]})
            await client.acknowledged(1)
            beat = await client.frame()
        form = {"last_trade_id": "number", "product_id": "str", "sequence": "number", "time": "str", "type": "str"}
        assert shape(beat) == form

    with LocalExchange(["coinbase"], autostart=False, keepalive_scale=0.02) as local:
        run(scenario())


def test_bitfinex_sends_each_trade_twice_and_its_snapshot_newest_first(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with connected(paused, "bitfinex") as client:
            await client.frame()
            await client.send({"event": "subscribe", "channel": "trades", "symbol": "BTCUSD"})
            acknowledgement = await client.frame()
            assert (acknowledgement["symbol"], acknowledgement["pair"]) == ("tBTCUSD", "BTCUSD")
            channel, rows = await client.frame()
            assert channel == acknowledgement["chanId"]
            assert len(rows) == 30
            assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
            paused.emit("bitfinex", "trades", "tBTCUSD")
            executed, updated = await client.frame(), await client.frame()
            assert executed == [channel, "te", updated[2]]
            assert updated[:2] == [channel, "tu"]

    run(scenario())


def test_bitfinex_answers_requests_as_the_live_server_does(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with connected(paused, "bitfinex") as client:
            await client.frame()
            await client.send({"event": "subscribe", "channel": "trades", "symbol": "tBTCUSD"})
            held = await client.frame()
            await client.frame()
            trades_of = {"event": "subscribe", "channel": "trades"}
            wrong = [
                ({**trades_of, "symbol": "tBTCUSD"}, 10301, "subscribe: dup"),
                ({**trades_of, "symbol": "tNOPE"}, 10300, "symbol: invalid"),
                ({"event": "subscribe", "channel": "nope", "symbol": "tBTCUSD"}, 10300, "channel: unknown"),
                ({"event": "unsubscribe", "chanId": 1}, 10400, "unsubscribe: invalid"),
                ({"event": "nope"}, 10000, "event: invalid (nope)"),
            ]
            for request, code, message in wrong:
                await client.send(request)
                error = await client.frame()
                assert (error["event"], error["code"], error["msg"]) == ("error", code, message)
            await client.send("not JSON", {"event": "conf", "flags": 65536})
            assert await client.frame() == {"event": "conf", "status": "OK", "flags": 65536}
            await client.send({"event": "unsubscribe", "chanId": held["chanId"]})
            assert await client.frame() == {"event": "unsubscribed", "status": "OK", "chanId": held["chanId"]}

    run(scenario())


def test_bitmex_acknowledges_each_topic_and_opens_its_table_with_the_last_trade(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with connected(paused, "bitmex") as client:
            await client.frame()
            await client.send({"op": "subscribe", "args": ["trade:XBTUSD", "nope:XBTUSD", "trade:ETHUSD"]})
            frames = [await client.frame() for _ in range(5)]
            assert [frame.get("subscribe") for frame in frames] == ["trade:XBTUSD", None, None, "trade:ETHUSD", None]
            assert [frame.get("action") for frame in frames] == [None, "partial", None, None, "partial"]
            assert frames[2]["error"] == "Unknown table: nope"
            partial = frames[1]
            assert partial["filter"] == {"pool": "Aggregated", "symbol": "XBTUSD"}
            assert set(partial["types"]) == set(partial["data"][0])
            await client.send({"op": "subscribe", "args": "trade:XBTUSD"})
            assert await client.refusal() == "You are already subscribed to this topic: trade:XBTUSD"
            await client.send("nonsense")
            assert await client.refusal() == "Unrecognized request."

    run(scenario())

"""The local exchange: every pair of exchange and kind subscribes, is acknowledged or refused, and gets the events it
says it sent, in frames of the documented form."""

from __future__ import annotations

import asyncio
import json

import pytest
from local_exchange_client import (
    PAIRS,
    connected,
    names,
    pairs,
    paused,
    run,
    subscribed,
)
from local_exchange_shapes import CONTROL_SHAPES, GREETINGS, SHAPES, UNKNOWN_MARKETS, shape
from local_exchange_wires import WIRES, seen

from barter_cffi.testing.local_exchange import (
    EXCHANGES,
    Kind,
    LocalExchange,
    NotSubscribedError,
)

__all__ = ["paused"]


def test_there_are_25_pairs_of_exchange_and_kind() -> None:
    assert len(PAIRS) == 25
    assert set(SHAPES) == set(PAIRS)
    assert set(WIRES) == set(CONTROL_SHAPES) == set(EXCHANGES)


@pairs
def test_every_event_sent_is_received_in_order(paused: LocalExchange, name: str, kind: Kind) -> None:
    market = next(iter(paused.markets(name)))

    async def scenario() -> None:
        async with subscribed(paused, name, kind) as client:
            emitted = paused.emit(name, kind, market, 40)
            sent = paused.journal.sent(name, kind, market)
            received = client.early + await client.events(len(sent) - len(client.early))
        assert len(emitted) == 40
        assert sent[-40:] == emitted
        assert received == [seen(event) for event in sent]

    run(scenario())


@pairs
def test_data_frames_have_the_documented_keys_and_types(paused: LocalExchange, name: str, kind: Kind) -> None:
    market = next(iter(paused.markets(name)))

    async def scenario() -> None:
        async with subscribed(paused, name, kind) as client:
            while True:
                paused.emit(name, kind, market)
                frame = await client.frame_where(
                    lambda frame: client.wire.decode(frame) and "last_match" not in str(frame)
                )
                form = shape(frame)
                if (
                    "[]" not in str(form)  # a side of an update may be empty, another will not be
                    and form != ["number", [["number"]]]  # Bitfinex's snapshot
                    and not (isinstance(frame, dict) and frame.get("action") == "partial")
                ):
                    break
        assert form == SHAPES[name, kind]

    run(scenario())


@names
def test_a_subscription_is_acknowledged_in_the_exchange_s_shape(paused: LocalExchange, name: str) -> None:
    market = next(iter(paused.markets(name)))

    async def scenario() -> None:
        async with connected(paused, name) as client:
            await client.send(*client.wire.subscribe("trades", [market]))
            acknowledgement = await client.frame_where(client.wire.accepted)
        assert shape(acknowledgement) == CONTROL_SHAPES[name][0]

    run(scenario())


@names
def test_a_connection_is_greeted_where_the_exchange_greets(paused: LocalExchange, name: str) -> None:
    async def scenario() -> None:
        async with connected(paused, name) as client:
            if name in GREETINGS:
                assert shape(await client.frame()) == GREETINGS[name]
            else:
                with pytest.raises(asyncio.TimeoutError):
                    await client.websocket.receive(0.05)

    run(scenario())


@pytest.mark.parametrize("name", list(UNKNOWN_MARKETS))
def test_an_unknown_market_is_refused_in_the_exchange_s_words(paused: LocalExchange, name: str) -> None:
    market, reason = UNKNOWN_MARKETS[name]

    async def scenario() -> None:
        async with connected(paused, name) as client:
            await client.send(*client.wire.subscribe("trades", [market]))
            frame = await client.frame_where(client.wire.refused)
        assert client.wire.refused(frame) == reason
        assert shape(frame) == CONTROL_SHAPES[name][1]

    run(scenario())


@pytest.mark.parametrize("name", ["binance_spot", "binance_futures_usd"])
def test_binance_acknowledges_an_unknown_market_and_stays_silent(paused: LocalExchange, name: str) -> None:
    async def scenario() -> None:
        async with subscribed(paused, name, markets=["NOPEUSDT", "BTCUSDT"]) as client:
            paused.emit(name, "trades", "BTCUSDT")
            assert [event[1] for event in await client.events(1)] == ["BTCUSDT"]

    run(scenario())


@names
def test_several_markets_share_a_connection(paused: LocalExchange, name: str) -> None:
    chosen = list(paused.markets(name))[:3]

    async def scenario() -> None:
        async with subscribed(paused, name, markets=chosen) as client:
            for market in chosen:
                paused.emit(name, "trades", market, 3)
            sent = paused.journal.sent(name, "trades")
            received = client.early + await client.events(len(sent) - len(client.early))
        for market in chosen:
            of_market = [seen(event) for event in paused.journal.sent(name, "trades", market)]
            assert [event for event in received if event[1] == market] == of_market

    run(scenario())


@names
def test_unsubscribing_ends_the_events(paused: LocalExchange, name: str) -> None:
    market = next(iter(paused.markets(name)))
    asked = json.dumps(WIRES[name]().subscribe("trades", [market])[0])
    unsubscribe = asked.replace("SUBSCRIBE", "UNSUBSCRIBE").replace('"subscribe"', '"unsubscribe"')

    async def scenario() -> None:
        async with subscribed(paused, name) as client:
            if name == "bitfinex":
                held = next(iter(client.wire.decode.symbols))  # type: ignore[attr-defined]
                await client.send({"event": "unsubscribe", "chanId": held})
            else:
                await client.send(unsubscribe)
            await asyncio.to_thread(paused.wait_until, lambda: not paused.subscribers(name, "trades", market))
        with pytest.raises(NotSubscribedError, match=name):
            paused.emit(name, "trades", market)

    run(scenario())


def test_trades_replayed_at_subscription_are_marked_as_history(paused: LocalExchange) -> None:
    replayed = {"okx": 1, "coinbase": 1, "bitmex": 1, "bitfinex": 30}

    async def scenario(name: str) -> None:
        market = next(iter(paused.markets(name)))
        async with subscribed(paused, name) as client:
            paused.emit(name, "trades", market, 2)
            sent = paused.journal.sent(name, "trades")
            await client.events(len(sent) - len(client.early))
        count = replayed.get(name, 0)
        assert [event.history for event in sent] == [True] * count + [False, False]  # type: ignore[union-attr]
        numbers = [event.number for event in sent]  # type: ignore[union-attr]
        assert numbers == list(range(numbers[0], numbers[0] + count + 2))

    for name in EXCHANGES:
        run(scenario(name))

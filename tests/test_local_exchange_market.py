"""The markets of the local exchange: books, trades and sequence numbers agree, and a seed repeats a run."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from local_exchange_client import (
    connected,
    parse,
    paused,
    rest,
    run,
    subscribed,
)
from local_exchange_wires import BINANCE_STREAMS

from barter_cffi.testing.local_exchange import (
    EXCHANGES,
    Event,
    Kind,
    LocalExchange,
    Market,
    Trade,
    market_of,
    markets,
)
from barter_cffi.testing.local_exchange.book import BookHistory, Change
from barter_cffi.testing.local_exchange.market import Step
from barter_cffi.testing.local_exchange.simulation import Rules, SimulatedMarket

__all__ = ["paused"]


@pytest.mark.parametrize(
    ("name", "first_applies"),
    [
        ("binance_spot", lambda frame, last: frame["U"] <= last + 1 <= frame["u"]),
        ("binance_futures_usd", lambda frame, last: frame["U"] <= last <= frame["u"]),
    ],
)
def test_a_book_kept_from_snapshot_and_updates_is_the_server_s(
    name: str, first_applies: Callable[[Any, int], bool]
) -> None:
    """By the rules of Binance's documents, "How to manage a local order book correctly"."""
    path = {"binance_spot": "/api/v3/depth", "binance_futures_usd": "/fapi/v1/depth"}[name]

    async def scenario(local: LocalExchange) -> None:
        async with subscribed(local, name, "l2", ["BTCUSDT"]) as client:
            frames = [await client.data_frame()]
            status, body, _ = await rest(local, name, path, symbol="BTCUSDT", limit=100)
            assert status == 200
            snapshot = json.loads(body)
            last = snapshot["lastUpdateId"]
            book = {
                "b": {price: Decimal(amount) for price, amount in snapshot["bids"]},
                "a": {price: Decimal(amount) for price, amount in snapshot["asks"]},
            }
            assert (len(book["b"]), len(book["a"])) == (100, 100)
            applied = 0
            while applied < 50:
                frame = frames.pop(0) if frames else await client.data_frame()
                if frame["u"] <= last:
                    continue
                if applied == 0:
                    assert first_applies(frame, last)
                elif name == "binance_spot":
                    assert frame["U"] == last + 1
                else:
                    assert frame["pu"] == last
                last = frame["u"]
                applied += 1
                for side in "ba":
                    for price, amount in frame[side]:
                        book[side][price] = Decimal(amount)
                        if not book[side][price]:
                            del book[side][price]
            bids, asks = local.book_at(name, "BTCUSDT", last)
            assert book["b"] == {price: Decimal(amount) for price, amount in bids}
            assert book["a"] == {price: Decimal(amount) for price, amount in asks}

    with LocalExchange([name], rate=300, seed=5) as local:
        run(scenario(local))


@pytest.mark.parametrize("name", ["bybit_spot", "bybit_perpetuals_usd"])
def test_bybit_s_book_kept_from_its_first_frame_is_the_best_50_levels(name: str) -> None:
    async def scenario(local: LocalExchange) -> None:
        async with subscribed(local, name, "l2", ["BTCUSDT"]) as client:
            book: dict[str, dict[str, Decimal]] = {"b": {}, "a": {}}
            update_id = None
            for number in range(100):
                frame = await client.data_frame()
                assert frame["type"] == ("delta" if number else "snapshot")
                update = frame["data"]
                assert update_id is None or update["u"] == update_id + 1
                update_id = update["u"]
                for side in "ba":
                    for price, amount in update[side]:
                        book[side][price] = Decimal(amount)
                        if not book[side][price]:
                            del book[side][price]
            bids, asks = local.book_at(name, "BTCUSDT", update["seq"])
            assert (len(bids), len(asks)) == (50, 50)
            assert book["b"] == {price: Decimal(amount) for price, amount in bids}
            assert book["a"] == {price: Decimal(amount) for price, amount in asks}

    with LocalExchange([name], rate=300, seed=6) as local:
        run(scenario(local))


def simulated(seed: int = 0, rules: Rules | None = None, market: Market | None = None) -> SimulatedMarket:
    return SimulatedMarket(
        "exchange",
        "BTC",
        market or market_of("btc", "usd"),
        rules or Rules(),
        seed=seed,
        depth=30,
        history_limit=10_000,
        clock=lambda: 1_700_000_000_123_456_789,
    )


@pytest.mark.parametrize("seed", range(5))
def test_trades_happen_at_the_best_price_and_the_book_is_never_crossed(seed: int) -> None:
    market = simulated(seed)
    for step in range(400):
        before = market.current_best()
        assert Decimal(before.bid.price) < Decimal(before.ask.price)
        if step % 4 == 0:
            happened = market.trade()
            maker = before.ask if happened.side == "buy" else before.bid
            assert happened.price == maker.price
            assert Decimal(0) < Decimal(happened.amount) <= Decimal(maker.amount)
        elif step % 4 == 1:
            best = market.best()
            assert (best.bid, best.ask) == tuple(side[0] for side in market.book_at(best.sequence))
        elif step % 4 == 2:
            update = market.book_update()
            assert update.first_sequence <= update.sequence
        else:
            forced = market.liquidation()
            assert forced.average_price == (before.ask if forced.side == "buy" else before.bid).price
        snapshot = market.snapshot()
        assert (len(snapshot.bids), len(snapshot.asks)) == (30, 30)
        assert (snapshot.bids, snapshot.asks) == market.book_at(snapshot.sequence)


def test_the_best_prices_differ_from_the_ones_sent_before() -> None:
    market = simulated()
    sent = [market.current_best(), *[market.best() for _ in range(50)]]
    assert all((a.bid, a.ask) != (b.bid, b.ask) for a, b in itertools.pairwise(sent))


def test_prices_move_and_come_back() -> None:
    market = simulated()
    prices = []
    for _ in range(5_000):
        market.book_update()
        prices.append(Decimal(market.trade().price))
    assert len(set(prices)) > 1_000
    assert all(abs(price / 60_000 - 1) < Decimal("0.2") for price in prices)


def test_a_market_needs_room_for_its_levels() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        SimulatedMarket(
            "exchange",
            "BTC",
            market_of("btc", "usd"),
            Rules(),
            seed=0,
            depth=20_000,
            history_limit=10,
            clock=time.time_ns,
        )


def test_steps_write_exact_decimals() -> None:
    assert Step.of(Decimal("0.01")).text(6_000_001) == "60000.01"
    assert Step.of(Decimal("0.01"), 8).text(6_000_001) == "60000.01000000"
    assert Step.of(Decimal("0.5")).text(3) == "1.5"
    assert Step.of(Decimal("100")).text(7) == "700"
    assert Step.of(Decimal("0.0000001"), 5).text(1) == "0.0000001"


def test_markets_are_made_from_pairs_and_wrong_ones_refused() -> None:
    btc, doge = markets(["btc/usdt", "DOGE/btc"])
    assert (btc.pair, btc.price, doge.pair) == ("btc/usdt", Decimal(60_000), "doge/btc")
    for pair in ("btcusdt", "btc/", "/usdt", "a/b/c"):
        with pytest.raises(ValueError, match="is not a pair"):
            markets([pair])
    with pytest.raises(ValueError, match="1,000 ticks"):
        market_of("btc", "usd", tick="100")
    with pytest.raises(ValueError, match="time zone"):
        replace(btc, expiry=datetime(2030, 12, 27))
    with pytest.raises(ValueError, match="positive"):
        replace(btc, lot=Decimal(0))


def test_the_history_of_a_book_forgets_its_oldest_changes_only() -> None:
    history = BookHistory(3)
    for sequence in range(1, 6):
        history.append(Change(sequence * 10, "buy", sequence, 7))
    assert history.book_at(35).top("buy") == [(3, 7), (2, 7), (1, 7)]
    assert history.book_at(20).top("buy") == [(2, 7), (1, 7)]
    for sequence in (10, 51):
        with pytest.raises(LookupError, match="not in the history"):
            history.book_at(sequence)


def test_a_seed_makes_a_run_repeatable_to_the_byte() -> None:
    async def texts(local: LocalExchange, name: str) -> list[str]:
        market = next(iter(local.markets(name)))
        kinds = local.kinds(name)
        received = []
        async with connected(local, name, kinds[-1]) as client:
            for kind in kinds if name != "binance_futures_usd" else kinds[-1:]:
                await client.send(*client.wire.subscribe(kind, [market]))
                await asyncio.to_thread(local.wait_subscribed, name, kind, market)
                local.emit(name, kind, market, 20)
            count = sum(local.journal.sent_count(name, kind) for kind in kinds)
            events: list[Any] = []
            while len(events) < count:
                received.append(await client.text())
                events += client.wire.decode(parse(received[-1]))
        return received

    def recorded(name: str, seed: int) -> list[str]:
        with LocalExchange([name], seed=seed, autostart=False, clock=lambda: 1_700_000_000_000_000_000) as local:
            return run(texts(local, name))  # type: ignore[no-any-return]

    for name in EXCHANGES:
        assert recorded(name, 1) == recorded(name, 1)
        assert recorded(name, 1) != recorded(name, 2)


def test_traffic_gives_the_same_events_whatever_is_subscribed() -> None:
    def trades_of(kinds: list[Kind]) -> list[Trade]:
        async def scenario(local: LocalExchange) -> list[Event]:
            async with connected(local, "binance_spot") as client:
                params = [f"btcusdt@{BINANCE_STREAMS[kind]}" for kind in kinds]
                await client.send({"method": "SUBSCRIBE", "params": params, "id": 1})
                await asyncio.to_thread(
                    local.wait_until, lambda: local.journal.sent_count("binance_spot", "trades") >= 50
                )
            return local.journal.sent("binance_spot", "trades")[:50]

        with LocalExchange(["binance_spot"], rate=200, seed=3) as local:
            return [replace(event, time_ns=0) for event in run(scenario(local))]

    assert trades_of(["trades"]) == trades_of(["trades", "l1", "l2"])

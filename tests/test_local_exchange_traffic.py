"""When the local exchange sends, and what it remembers of it."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from local_exchange_client import (
    connected,
    paused,
    rest,
    run,
    subscribed,
)

from barter_cffi.testing.local_exchange import (
    BookSnapshot,
    LocalExchange,
    NotSubscribedError,
)

__all__ = ["paused"]


def test_traffic_keeps_its_rate_and_stops_and_starts() -> None:
    def count() -> int:
        return local.journal.sent_count("okx", "trades")

    async def scenario() -> None:
        async with subscribed(local, "okx", markets=["BTC-USDT"]):
            await asyncio.to_thread(local.wait_until, lambda: count() > 1)
            begun, first = time.monotonic(), count()
            await asyncio.to_thread(local.wait_until, lambda: count() >= first + 200)
            rate = 200 / (time.monotonic() - begun)
            assert 100 < rate < 300
            local.pause()
            stopped = count()
            with pytest.raises(TimeoutError):
                local.wait_until(lambda: count() != stopped, 0.1)
            local.resume()
            await asyncio.to_thread(local.wait_until, lambda: count() > stopped)

    with LocalExchange(["okx"], rate=200) as local:
        run(scenario())


def test_liquidations_come_at_most_once_a_second_for_each_market() -> None:
    async def scenario() -> None:
        async with subscribed(local, "binance_futures_usd", "liquidations", ["BTCUSDT"]) as client:
            times = [event[-1] for event in await client.events(3)]
        assert all(later - sooner >= 900_000_000 for sooner, later in itertools.pairwise(times))

    with LocalExchange(["binance_futures_usd"], rate=50) as local:
        run(scenario())


def test_emit_says_what_it_cannot_do(paused: LocalExchange) -> None:
    with pytest.raises(NotSubscribedError, match="binance_spot btc/usdt"):
        paused.emit("binance_spot", "trades", "btc/usdt")
    with pytest.raises(ValueError, match="kraken has no l2: it has trades, l1"):
        paused.emit("kraken", "l2", "XBT/USD")
    with pytest.raises(LookupError, match="has 0 markets for 'nope/usdt'"):
        paused.emit("binance_spot", "trades", "nope/usdt")
    with pytest.raises(LookupError, match="okx has 3 markets for 'btc/usdt'"):
        paused.emit("okx", "trades", "btc/usdt")
    with pytest.raises(LookupError, match="no exchange 'mtgox'"):
        paused.emit("mtgox", "trades", "btc/usd")
    assert len(paused.emit("binance_spot", "trades", "btc/usdt", 3, unheard="allow")) == 3
    assert paused.journal.sent("binance_spot", "trades") == []


def test_emit_waits_for_a_slow_reader_only_so_long(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with subscribed(paused, "okx", markets=["BTC-USDT"]):
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(paused.emit, "okx", "trades", "BTC-USDT", 1_000_000, timeout=1.0)

    run(scenario())


def test_events_of_one_taker_share_frames_where_the_exchange_does_so(paused: LocalExchange) -> None:
    async def rows(name: str) -> set[int]:
        market = next(iter(paused.markets(name)))
        counts = set()
        async with subscribed(paused, name) as client:
            paused.emit(name, "trades", market, 60)
            got = 0
            while got < 60:
                events = client.wire.decode(await client.data_frame())
                got += len(events)
                counts.add(len(events))
        return counts

    assert run(rows("bybit_spot")) == run(rows("kraken")) == run(rows("gateio_options")) == {1, 2, 3}
    assert run(rows("binance_spot")) == run(rows("gateio_spot")) == {1}


def test_the_journal_keeps_frames_requests_and_connections(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with (
            subscribed(paused, "binance_spot", "l2", ["BTCUSDT"]),
            connected(paused, "binance_spot", path="/stream?streams=btcusdt@trade"),
        ):
            await asyncio.to_thread(paused.wait_until, lambda: paused.journal.connections("binance_spot").open == 2)
            await rest(paused, "binance_spot", "/api/v3/depth", symbol="BTCUSDT", limit="5")
            await rest(paused, "binance_spot", "/api/v3/nope")
        await asyncio.to_thread(paused.wait_until, lambda: not paused.journal.connections("binance_spot").open)
        assert paused.journal.connections("binance_spot").made == 2
        (frame,) = paused.journal.frames("binance_spot")
        assert (frame.path, frame.text) == (
            "/ws",
            '{"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 1}',
        )
        asked = [(each.path, each.query, each.status) for each in paused.journal.requests("binance_spot")]
        assert asked == [
            ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "5"}, 200),
            ("/api/v3/nope", {}, 404),
        ]
        (snapshot,) = paused.journal.sent("binance_spot", "l2")
        assert isinstance(snapshot, BookSnapshot)
        assert (len(snapshot.bids), len(snapshot.asks)) == (5, 5)
        assert paused.journal.control_frames("binance_spot") == ['{"result":null,"id":1}']

    run(scenario())


def test_the_journal_tells_connections_apart(paused: LocalExchange) -> None:
    async def scenario() -> None:
        async with subscribed(paused, "kraken", markets=["XBT/USD"]) as first:
            paused.emit("kraken", "trades", "XBT/USD", 2)
            async with subscribed(paused, "kraken", markets=["XBT/USD"]) as second:
                paused.emit("kraken", "trades", "XBT/USD", 3)
                await first.events(5)
                await second.events(3)
        numbers = sorted({frame.connection for frame in paused.journal.frames("kraken")})
        sent = [len(paused.journal.sent("kraken", "trades", connection=number)) for number in numbers]
        assert sent == [5, 3]
        assert paused.journal.sent_count("kraken", "trades") == 5

    run(scenario())

"""Captures led into the library: what was recorded of an exchange is what its streams bring, without an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_exchange_captures import OKX, START, okx_trade, recorded, written
from local_exchange_client import pairs
from local_exchange_compare import (
    BOUND_S,
    UNMARKED_HISTORY,
    assert_same,
    nothing_more,
    options,
    select,
    served,
    take,
    to,
)

from barter_cffi import MarketEvent, Subscription, SubscriptionError, init_dynamic_streams
from barter_cffi.testing.local_exchange import BookSnapshot, BookUpdate, Event, Kind, LocalExchange, Trade

pytestmark = pytest.mark.timeout(60)


def for_a_subscriber(local: LocalExchange, name: str, kind: Kind, market: str) -> list[Event]:
    """What a subscriber gets of what was captured of a market: no trade from before the subscription, and of a book the
    snapshot that was asked for and the captured updates that follow it.
    """
    captured = local.captured(name, kind, market)
    if kind == "l2":
        [snapshot] = [event for event in local.journal.sent(name, kind, market) if isinstance(event, BookSnapshot)]
        updates = [event for event in captured if isinstance(event, BookUpdate)]
        return [snapshot, *(update for update in updates if update.sequence > snapshot.sequence)]
    return [event for event in captured if not (isinstance(event, Trade) and event.history) or name in UNMARKED_HISTORY]


@pairs
def test_what_was_recorded_is_what_the_library_brings(tmp_path: Path, name: str, kind: Kind) -> None:
    capture = tmp_path / "capture"
    markets = recorded(name, kind, capture)
    with LocalExchange(captures=[capture], speed=0) as local:
        batch = [to(name, description, kind) for _, description in served(local, name)]
        with init_dynamic_streams([batch], options(local)) as streams:
            stream = select(streams, name, kind)
            local.wait_played(name)
            wanted = {market: for_a_subscriber(local, name, kind, market) for market in markets}
            items = take(stream, sum(map(len, wanted.values())))
            nothing_more(stream)
    got: dict[str, list[MarketEvent]] = {market: [] for market in markets}
    for item in items:
        assert isinstance(item, MarketEvent), item
        got[item.instrument.name_exchange].append(item)
    for market, events in wanted.items():
        assert len(events) >= 6
        for item, event in zip(got[market], events, strict=True):
            assert_same(item, event, within_s=3600)


def test_a_market_that_a_capture_lacks_is_refused_in_the_exchanges_words_and_the_others_are_played(
    tmp_path: Path,
) -> None:
    capture = written(tmp_path / "okx", f"{OKX} <-> {START}", (0, okx_trade(1)), (0.1, okx_trade(2)))
    there = Subscription("okx", "btc", "usdt", "spot", "trades")
    lacking = Subscription("okx", "eth", "usdt", "spot", "trades")
    with LocalExchange(captures=[capture], speed=0) as local:
        with pytest.raises(SubscriptionError, match="okx refuses the subscription to ETH-USDT") as refused:
            init_dynamic_streams([[there, lacking]], options(local), timeout=BOUND_S)
        assert "ETH-USDT" in str(refused.value)
        assert "60018" in str(refused.value)
        with init_dynamic_streams([[there]], options(local)) as streams:
            stream = select(streams, "okx", "trades")
            assert [item.id for item in take(stream, 2)] == ["1", "2"]
            with pytest.raises(SubscriptionError, match="okx refuses the subscription to ETH-USDT"):
                streams.subscribe([lacking], timeout=BOUND_S)
            nothing_more(stream)

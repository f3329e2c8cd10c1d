"""The whole path over real sockets: the local exchange speaks each venue's protocol, upstream's connectors read it, and
what Python gets is compared with the exchange's own journal, field by field.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import pytest
from harness import eventually
from local_exchange_compare import (
    BOOKS,
    BOUND_S,
    PAIRS,
    PAIRS_OF_MANY,
    Side,
    apply,
    assert_same,
    connection,
    contract,
    delivered,
    nothing_more,
    options,
    select,
    served,
    server_book,
    sides,
    take,
    to,
    until,
)

from barter_cffi import (
    BookEvent,
    BookSnapshotEvent,
    BookUpdateEvent,
    ConnectError,
    DataError,
    MarketEvent,
    Notice,
    QueueOptions,
    Reconnected,
    Reconnecting,
    StreamOptions,
    SubKind,
    init_dynamic_streams,
)
from barter_cffi import Level as PyLevel
from barter_cffi.testing import LocalExchange
from barter_cffi.testing.local_exchange import (
    BestBidAsk,
    BookSnapshot,
    BookUpdate,
    Fault,
    Kind,
    Trade,
)

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def quiet() -> Iterator[LocalExchange]:
    """A local exchange on which nothing happens but what a test makes happen."""
    with LocalExchange(autostart=False, depth=20) as exchange:
        yield exchange


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_what_the_exchange_sent_is_what_python_got(quiet: LocalExchange, name: str, kind: Kind) -> None:
    markets = served(quiet, name)[:2]
    with init_dynamic_streams([[to(name, market, kind) for _, market in markets]], options(quiet)) as streams:
        stream = select(streams, name, kind)
        for market, _ in markets:
            quiet.wait_subscribed(name, kind, market)
        for count in (1, 40, 3):
            for market, _ in markets:
                quiet.emit(name, kind, market, count)
        expected = {market: delivered(quiet, name, kind, market) for market, _ in markets}
        got: dict[str, list[MarketEvent]] = {market: [] for market, _ in markets}
        for item in take(stream, sum(map(len, expected.values()))):
            assert isinstance(item, MarketEvent), item
            got[item.instrument.name_exchange].append(item)
        for market, _ in markets:
            assert len(got[market]) == len(expected[market]) >= 44
            for event, sent in zip(got[market], expected[market], strict=True):
                assert_same(event, sent)
        nothing_more(stream)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_the_instrument_of_an_event_is_the_one_of_the_subscription(quiet: LocalExchange, name: str, kind: Kind) -> None:
    markets = served(quiet, name)[:3]
    wanted = [to(name, market, kind) for _, market in markets]
    with init_dynamic_streams([wanted], options(quiet)) as streams:
        stream = select(streams, name, kind)
        assert [one.index for one in streams.instruments] == list(range(len(markets)))
        for (market, description), instrument in zip(markets, streams.instruments, strict=True):
            assert instrument.name_exchange == market
            assert (instrument.base, instrument.quote) == (description.base, description.quote)
            assert instrument.kind == contract(description)
            quiet.wait_subscribed(name, kind, market)
            quiet.emit(name, kind, market)
        count = sum(len(delivered(quiet, name, kind, market)) for market, _ in markets)
        instruments = {market: streams.instruments[at] for at, (market, _) in enumerate(markets)}
        for event in take(stream, count):
            assert isinstance(event, MarketEvent), event
            assert event.instrument is instruments.pop(event.instrument.name_exchange, event.instrument)
            assert event.sub_kind == kind
        assert not instruments, "each had an event"


@pytest.mark.parametrize("name", BOOKS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_book_built_from_events_is_the_servers_at_every_sequence(name: str, seed: int) -> None:
    """Traffic runs from the first moment, so updates and snapshot cross each other as they do on a busy venue."""
    events = 300
    with LocalExchange([name], seed=seed, rate=1000.0, depth=50) as exchange:
        market, description = served(exchange, name)[seed]
        with init_dynamic_streams([[to(name, description, "l2")]], options(exchange)) as streams:
            stream = select(streams, name, "l2")
            bids: Side = {}
            asks: Side = {}
            [first, *updates] = take(stream, events)
            assert isinstance(first, BookSnapshotEvent)
            for event in (first, *updates):
                assert isinstance(event, BookEvent), event
                assert isinstance(event, BookUpdateEvent) or event is first
                apply(event, bids, asks)
                server = server_book(exchange, name, market, event.sequence)
                assert sides(bids, asks) == server, f"at sequence {event.sequence}"
            sequences = [update.sequence for update in updates]
            assert sequences == sorted(set(sequences))


@pytest.mark.parametrize("name", BOOKS)
def test_after_a_gap_in_the_sequence_the_book_alone_comes_back_as_a_snapshot(quiet: LocalExchange, name: str) -> None:
    [(broken, a), (other, b)] = served(quiet, name)[:2]
    with init_dynamic_streams([[to(name, a, "l2"), to(name, b, "l2")]], options(quiet)) as streams:
        stream = select(streams, name, "l2")
        for market in (broken, other):
            quiet.wait_subscribed(name, "l2", market)
            quiet.emit(name, "l2", market, 3)
        books = Books()
        books.add(take(stream, 8))
        asked = len(quiet.journal.requests(name)), len(topic_requests(quiet, name))
        quiet.set_fault(name, Fault.SEQUENCE_GAP, times=1)
        for market in (broken, other, broken, other):
            # From the first on the gap is seen, and by Bybit the market is left for a moment and subscribed again.
            quiet.emit(name, "l2", market, unheard="allow")
        items = until(stream, lambda item: isinstance(item, DataError))
        items += until(stream, lambda item: isinstance(item, BookSnapshotEvent))
        quiet.emit(name, "l2", broken, 5)
        quiet.emit(name, "l2", other, 5)
        last = quiet.journal.sent(name, "l2", other)[-1]
        assert isinstance(last, BookUpdate)
        items += until(stream, lambda item: item.instrument.name_exchange == other and item.sequence == last.sequence)

        [error] = [item for item in items if not isinstance(item, BookEvent)]
        assert isinstance(error, DataError)
        assert error.variant == "invalid_sequence"
        after = [item for item in items[items.index(error) :] if isinstance(item, BookEvent)]
        first = next(item for item in after if item.instrument.name_exchange == broken)
        assert isinstance(first, BookSnapshotEvent), "no update of it stands between gap and snapshot"
        undisturbed = [item.sequence for item in items[items.index(error) :] if of(item, other)]
        assert undisturbed == [
            event.sequence
            for event in quiet.journal.sent(name, "l2", other)[-len(undisturbed) :]
            if isinstance(event, BookUpdate)
        ]
        books.add(items)
        for market in (broken, other):
            sequence = books.sequences[market]
            assert books.sides(market) == server_book(quiet, name, market, sequence)
            newest = quiet.journal.sent(name, "l2", market)[-1]
            assert isinstance(newest, (BookSnapshot, BookUpdate))
            assert sequence == newest.sequence
        by_rest = name.startswith("binance")
        extra = (1, 0) if by_rest else (0, 2)  # a snapshot, or a topic left and subscribed again
        assert (len(quiet.journal.requests(name)), len(topic_requests(quiet, name))) == (
            asked[0] + extra[0],
            asked[1] + extra[1],
        )
        assert quiet.journal.connections(name).made == 1


@pytest.mark.parametrize("name", [name for name in BOOKS if name.startswith("binance")])
@pytest.mark.parametrize("status", [429, 418])
def test_a_snapshot_that_the_exchange_will_not_give_now_is_told_once_and_had_later(
    quiet: LocalExchange, name: str, status: int
) -> None:
    [(broken, a), (other, b)] = served(quiet, name)[:2]
    with init_dynamic_streams([[to(name, a, "l2"), to(name, b, "l2")]], options(quiet)) as streams:
        stream = select(streams, name, "l2")
        for market in (broken, other):
            quiet.wait_subscribed(name, "l2", market)
            quiet.emit(name, "l2", market)
        take(stream, 4)
        quiet.set_fault(name, Fault.SNAPSHOT_STATUS, status=status, retry_after_s=1, times=1)
        quiet.set_fault(name, Fault.SEQUENCE_GAP, times=1)
        began = time.monotonic()
        quiet.emit(name, "l2", broken)
        refused = until(stream, lambda item: isinstance(item, DataError) and item.variant == "socket")
        quiet.emit(name, "l2", other, 3)
        [*_, gap, told] = refused
        assert gap.variant == "invalid_sequence"
        assert f"HTTP {status}" in str(told)
        assert "(retry after 1 s)" in str(told)
        assert all(of(item, other) for item in take(stream, 3)), "the other market goes on"
        [snapshot] = take(stream, 1)
        assert isinstance(snapshot, BookSnapshotEvent)
        assert of(snapshot, broken)
        assert time.monotonic() - began >= 1.0
        assert quiet.journal.connections(name).made == 1


class Books:
    """The books that events of several markets make."""

    def __init__(self) -> None:
        self.sequences: dict[str, int] = {}
        self._sides: dict[str, tuple[Side, Side]] = {}

    def add(self, items: list[Any]) -> None:
        """Applies the events among these."""
        for item in items:
            if isinstance(item, BookEvent):
                market = item.instrument.name_exchange
                apply(item, *self._sides.setdefault(market, ({}, {})))
                self.sequences[market] = item.sequence

    def sides(self, market: str) -> Any:
        """Bids and asks of a market."""
        return sides(*self._sides[market])


def of(item: Any, market: str) -> bool:
    """Whether an item is an event of that market."""
    return isinstance(item, MarketEvent) and item.instrument.name_exchange == market


def topic_requests(exchange: LocalExchange, name: str) -> list[str]:
    """The requests of a client about its subscriptions."""
    return [frame.text for frame in exchange.journal.frames(name) if "subscribe" in frame.text.lower()]


@pytest.mark.parametrize(("name", "kind"), PAIRS_OF_MANY)
def test_a_batch_of_two_markets_opens_one_connection(quiet: LocalExchange, name: str, kind: Kind) -> None:
    [(_, a), (_, b)] = served(quiet, name)[:2]
    with init_dynamic_streams([[to(name, a, kind), to(name, b, kind)]], options(quiet)):
        assert quiet.journal.connections(name).made == 1


@pytest.mark.parametrize(("name", "kind"), PAIRS_OF_MANY)
def test_two_batches_open_a_connection_each_that_end_in_one_stream(quiet: LocalExchange, name: str, kind: Kind) -> None:
    markets = served(quiet, name)[:2]
    batches = [[to(name, market, kind)] for _, market in markets]
    with init_dynamic_streams(batches, options(quiet)) as streams:
        assert quiet.journal.connections(name).made == 2
        assert streams.available == [(name, SubKind(kind))]
        stream = select(streams, name, kind)
        for market, _ in markets:
            quiet.wait_subscribed(name, kind, market)
            quiet.emit(name, kind, market, 3)
        count = sum(len(delivered(quiet, name, kind, market)) for market, _ in markets)
        seen = {item.instrument.name_exchange for item in take(stream, count)}
        assert seen == {market for market, _ in markets}


@pytest.mark.parametrize(("name", "kind"), PAIRS)
@pytest.mark.parametrize("shape", ["in one batch", "in two batches"])
def test_a_subscription_that_is_repeated_is_subscribed_once(
    quiet: LocalExchange, name: str, kind: Kind, shape: str
) -> None:
    market, description = served(quiet, name)[0]
    a = to(name, description, kind)
    batches = [[a, a]] if shape == "in one batch" else [[a], [a]]
    with init_dynamic_streams(batches, options(quiet)) as streams:
        assert quiet.journal.connections(name).made == 1
        requests = "".join([frame.text.lower() for frame in quiet.journal.frames(name)])
        assert requests.count(market.lower()) == 1, requests
        assert quiet.subscribers(name, kind, market) == 1
        assert len(streams.instruments) == 1
        stream = select(streams, name, kind)
        quiet.emit(name, kind, market, 4)
        expected = delivered(quiet, name, kind, market)
        for event, sent in zip(take(stream, len(expected)), expected, strict=True):
            assert_same(event, sent)
        nothing_more(stream)


def test_each_kind_of_an_exchange_has_its_own_connection(quiet: LocalExchange) -> None:
    name = "binance_futures_usd"
    _, market = served(quiet, name)[0]
    batch = [to(name, market, kind) for kind in quiet.kinds(name)]
    with init_dynamic_streams([batch], options(quiet)) as streams:
        assert quiet.journal.connections(name).made == len(batch) == 4
        assert len(streams.instruments) == 1, "kinds share their instrument"


@pytest.mark.parametrize(("name", "kind"), PAIRS)
@pytest.mark.parametrize("how", ["abort", "close"])
def test_a_dropped_connection_is_a_marker_in_its_place_and_events_come_again(
    quiet: LocalExchange, name: str, kind: Kind, how: Literal["abort", "close"]
) -> None:
    market, description = served(quiet, name)[0]
    with init_dynamic_streams([[to(name, description, kind)]], options(quiet)) as streams:
        stream = select(streams, name, kind)
        quiet.wait_subscribed(name, kind, market)
        quiet.emit(name, kind, market, 5)
        before = len(delivered(quiet, name, kind, market))
        # A reset throws away what lies in the sockets, so what was sent before it is read first; an orderly close
        # does not, so what was sent before it may still be unread when the connection ends.
        early = take(stream, before) if how == "abort" else []
        assert quiet.drop(name, how) == 1
        quiet.wait_until(lambda: quiet.journal.connections(name).made == 2)
        quiet.wait_subscribed(name, kind, market)
        quiet.emit(name, kind, market, 5)
        late = [*early, *until(stream, lambda item: isinstance(item, Reconnected))]
        ordered = [item for item in late if not isinstance(item, DataError)]
        *events, broken, again = ordered
        assert len(events) == before
        assert all(isinstance(item, MarketEvent) for item in events)
        assert isinstance(broken, Reconnecting)
        assert isinstance(again, Reconnected)
        assert (broken.exchange, broken.sub_kind) == (again.exchange, again.sub_kind) == (name, kind)
        assert broken.reason
        assert broken.last_event_ns == events[-1].time_received_ns
        assert broken.instruments == streams.instruments
        assert again.attempts >= 1
        assert again.gap_seconds is not None
        assert 0 <= again.gap_seconds < BOUND_S
        sent_again = delivered(quiet, name, kind, market, connection(quiet, name))
        expected = [sent for sent in sent_again if not (isinstance(sent, Trade) and sent.history)]
        for event, wanted in zip(take(stream, len(expected)), expected, strict=True):
            assert_same(event, wanted)
        nothing_more(stream)


def test_streams_of_other_exchanges_and_kinds_do_not_notice_a_dropped_connection(
    quiet: LocalExchange,
) -> None:
    _, spot = served(quiet, "binance_spot")[0]
    pair, crypto = served(quiet, "kraken")[0]
    batch = [to("binance_spot", spot, "trades"), to("kraken", crypto, "trades")]
    with init_dynamic_streams([batch], options(quiet)) as streams:
        dropped, untouched = (select(streams, name, "trades") for name in ("binance_spot", "kraken"))
        quiet.wait_subscribed("kraken", "trades", pair)
        quiet.drop("binance_spot")
        assert isinstance(until(dropped, lambda item: isinstance(item, Notice))[-1], Reconnecting)
        sent = quiet.emit("kraken", "trades", pair, 3)
        for event, wanted in zip(take(untouched, 3), sent, strict=True):
            assert_same(event, wanted)


def test_a_frame_that_cannot_be_read_is_one_error_and_loses_no_event(quiet: LocalExchange) -> None:
    market, description = served(quiet, "binance_spot")[0]
    subscription = to("binance_spot", description, "trades")
    with init_dynamic_streams([[subscription]], options(quiet)) as streams:
        stream = streams.select_trades("binance_spot")
        assert stream is not None
        quiet.set_fault("binance_spot", Fault.INVALID_JSON, times=1)
        sent = quiet.emit("binance_spot", "trades", market, 3)
        with pytest.raises(DataError, match="unexpected") as raised:
            stream.recv(timeout=BOUND_S)
        assert raised.value.variant == "socket"
        for event, wanted in zip(take(stream, 3), sent, strict=True):
            assert_same(event, wanted)
        nothing_more(stream)


def test_rows_that_are_no_trades_are_not_passed_off_as_trades() -> None:
    name = "binance_futures_usd"
    with LocalExchange([name], autostart=False, na_trades=True) as exchange:
        market, description = served(exchange, name)[0]
        with init_dynamic_streams([[to(name, description, "trades")]], options(exchange)) as streams:
            stream = select(streams, name, "trades")
            sent = exchange.emit(name, "trades", market, 100)
            numbers = [event.number for event in sent if isinstance(event, Trade)]
            assert numbers[-1] - numbers[0] > len(numbers) - 1, "some numbers were no trades"
            for event, wanted in zip(take(stream, 100), sent, strict=True):
                assert_same(event, wanted)


def test_a_level_of_an_event_equals_the_level_made_of_the_text_that_was_sent(
    quiet: LocalExchange,
) -> None:
    market, description = served(quiet, "binance_spot")[0]
    with init_dynamic_streams([[to("binance_spot", description, "l1")]], options(quiet)) as streams:
        stream = select(streams, "binance_spot", "l1")
        [sent] = quiet.emit("binance_spot", "l1", market)
        assert isinstance(sent, BestBidAsk)
        [event] = take(stream, 1)
        assert event.best_bid == PyLevel.of(sent.bid.price, sent.bid.amount)
        assert event.best_ask == PyLevel.of(sent.ask.price, sent.ask.amount)


def test_a_path_of_the_options_replaces_the_exchanges_own(quiet: LocalExchange) -> None:
    name = "binance_futures_usd"
    market, description = served(quiet, name)[0]
    own = quiet.endpoints["binance_futures_usd"]

    def at(path: str) -> StreamOptions:
        return StreamOptions(endpoints={"binance_futures_usd": replace(own, paths={"trades": path})})

    with init_dynamic_streams([[to(name, description, "trades")]], at("/public/ws")) as streams:
        stream = select(streams, name, "trades")
        [sent] = quiet.emit(name, "trades", market)
        [got] = take(stream, 1)
        assert isinstance(got, MarketEvent)
        assert_same(got, sent)
    with pytest.raises(ConnectError, match="/binance_futures_usd/nowhere"):
        init_dynamic_streams([[to(name, description, "trades")]], at("/nowhere"))


@pytest.mark.parametrize("spin", [0.0, 0.05])
def test_what_arrives_is_read_though_the_reader_that_read_the_sockets_does_not_come_back(spin: float) -> None:
    with LocalExchange(["kraken"], rate=200.0) as exchange:
        market = served(exchange, "kraken")[0][1]
        set_options = replace(options(exchange), queue=QueueOptions(spin=spin))
        with init_dynamic_streams([to("kraken", market, "trades")], set_options) as streams:
            stream = select(streams, "kraken", "trades")
            for _ in range(3):
                take(stream, 20)  # it waits for each, and comes back at once
                left = stream.metrics().frames
                eventually(partial(lambda left: stream.metrics().frames >= left + 20, left))

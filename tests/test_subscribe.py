"""Subscribing on a running set: every pair of exchange and kind, what is repeated, refused, or comes too late, and
threads that subscribe, select and close at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest
from harness import InThread, interrupted_after
from local_exchange_compare import (
    BOUND_S,
    PAIRS,
    PAIRS_OF_MANY,
    assert_same,
    is_event,
    nothing_more,
    options,
    select,
    served,
    take,
    to,
    until,
)

from barter_cffi import (
    ArgumentError,
    BarterError,
    BookSnapshotEvent,
    ConnectError,
    DynamicStreams,
    InitTimeoutError,
    MarketEvent,
    MarketStream,
    QueueOptions,
    Reconnecting,
    StreamClosedError,
    SubKind,
    Subscription,
    SubscriptionError,
    init_dynamic_streams,
)
from barter_cffi.testing import LocalExchange, in_memory
from barter_cffi.testing.local_exchange import Event, Fault, Kind

KRAKEN = Subscription("kraken", "btc", "usd", "spot", "trades")
ETH = Subscription("kraken", "eth", "usd", "spot", "trades")
NOWHERE = Subscription("kraken", "eth", "usd", "spot", "trades", name_exchange="NO/WHERE")
L1 = Subscription("kraken", "btc", "usd", "spot", "l1")
OKX = Subscription("okx", "btc", "usdt", "spot", "trades")

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    """A local exchange on which nothing happens but what a test makes happen; no test leaves a connection to it."""
    with LocalExchange(autostart=False, depth=20) as started:
        yield started


@pytest.fixture(autouse=True)
def _clean(exchange: LocalExchange) -> Iterator[None]:
    yield
    for name in ("kraken", "okx"):
        exchange.clear_faults(name)


def gone(exchange: LocalExchange, name: str, connections: int) -> None:
    """Waits until so many connections of an exchange are open."""
    exchange.wait_until(lambda: exchange.journal.connections(name).open == connections, BOUND_S)


@pytest.mark.parametrize(("name", "kind"), PAIRS_OF_MANY)
def test_a_stream_already_selected_brings_what_is_subscribed_later(
    exchange: LocalExchange, name: str, kind: Kind
) -> None:
    [(old, a), (new, b)] = served(exchange, name)[:2]
    gone(exchange, name, 0)
    with init_dynamic_streams([[to(name, a, kind)]], options(exchange)) as streams:
        stream = select(streams, name, kind)
        exchange.wait_subscribed(name, kind, old)
        streams.subscribe([to(name, b, kind)], timeout=BOUND_S)
        assert [instrument.name_exchange for instrument in streams.instruments] == [old, new]
        assert streams.available == []
        exchange.wait_subscribed(name, kind, new)
        for market in (old, new, old):
            sent = exchange.emit(name, kind, market, 2)[-1]
            [*_, got] = until(stream, lambda item, sent=sent: is_event(item, sent))  # type: ignore[misc]
            assert got.instrument.index == [old, new].index(market)
        nothing_more(stream)
        assert exchange.journal.connections(name).open == 2
    gone(exchange, name, 0)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_pair_that_had_no_stream_can_be_selected_once_it_is_subscribed(
    exchange: LocalExchange, name: str, kind: Kind
) -> None:
    first = OKX if name == "kraken" else KRAKEN
    market, description = served(exchange, name)[0]
    with init_dynamic_streams([[first]], options(exchange)) as streams:
        everything = streams.select_all()
        assert everything is not None
        streams.subscribe([[to(name, description, kind)]], timeout=BOUND_S)
        assert streams.available == [(name, SubKind(kind))]
        stream = select(streams, name, kind)
        exchange.wait_subscribed(name, kind, market)
        sent = exchange.emit(name, kind, market)[-1]
        until(stream, lambda item: is_event(item, sent))
        assert everything.try_recv() is None or first is OKX  # its last trade comes again at a subscription
    gone(exchange, name, 0)


def test_a_merged_stream_brings_what_is_subscribed_later(exchange: LocalExchange) -> None:
    with init_dynamic_streams([[KRAKEN, L1]], options(exchange)) as streams:
        merged = streams.select_all()
        assert merged is not None
        streams.subscribe([ETH], timeout=BOUND_S)
        exchange.wait_subscribed("kraken", "trades", "ETH/USD")
        [sent] = exchange.emit("kraken", "trades", "ETH/USD")
        until(merged, lambda item: is_event(item, sent))
        assert streams.available == []
    gone(exchange, "kraken", 0)


@pytest.mark.parametrize("start", ["all", "any"])
def test_what_is_subscribed_already_is_not_subscribed_again(
    exchange: LocalExchange, start: Literal["all", "any"]
) -> None:
    with init_dynamic_streams([[KRAKEN]], replace(options(exchange), start=start)) as streams:
        frames = len(exchange.journal.frames("kraken"))
        streams.subscribe([[KRAKEN], [KRAKEN]], timeout=BOUND_S)
        assert exchange.journal.connections("kraken").open == 1
        assert len(exchange.journal.frames("kraken")) == frames
        streams.subscribe([[KRAKEN, ETH], [ETH]], timeout=BOUND_S)
        assert exchange.journal.connections("kraken").open == 2
        assert exchange.subscribers("kraken", "trades", "ETH/USD") == 1
    gone(exchange, "kraken", 0)


def test_what_a_closed_stream_brought_can_be_subscribed_anew(exchange: LocalExchange) -> None:
    with init_dynamic_streams([[KRAKEN]], options(exchange)) as streams:
        select(streams, "kraken", "trades").close()
        streams.subscribe([KRAKEN], timeout=BOUND_S)
        stream = select(streams, "kraken", "trades")
        exchange.wait_subscribed("kraken", "trades", "XBT/USD")
        [sent] = exchange.emit("kraken", "trades", "XBT/USD")
        assert_same(take(stream, 1)[0], sent)
    gone(exchange, "kraken", 0)


@pytest.mark.parametrize("refused", ["by one exchange", "of the same stream"])
def test_an_addition_that_fails_names_exchange_and_market_and_leaves_nothing(
    exchange: LocalExchange, refused: str
) -> None:
    with init_dynamic_streams([[KRAKEN]], options(exchange)) as streams:
        stream = select(streams, "kraken", "trades")
        exchange.wait_subscribed("kraken", "trades", "XBT/USD")
        if refused == "by one exchange":
            exchange.set_fault("okx", Fault.REFUSE_SUBSCRIPTION)
            added, words = [[ETH], [OKX]], ("okx", "BTC-USDT")
        else:
            added, words = [[ETH], [NOWHERE]], ("kraken", "NO/WHERE")
        with pytest.raises(SubscriptionError) as error:
            streams.subscribe(added, timeout=BOUND_S)
        assert all(word in str(error.value) for word in words), error.value
        gone(exchange, "okx", 0)
        gone(exchange, "kraken", 1)
        assert streams.available == []
        [sent] = exchange.emit("kraken", "trades", "XBT/USD")
        assert_same(take(stream, 1)[0], sent)
        nothing_more(stream)
        exchange.clear_faults("okx")
        streams.subscribe([[ETH], [OKX]], timeout=BOUND_S)
        assert exchange.subscribers("kraken", "trades", "ETH/USD") == 1
        assert streams.available == [("okx", SubKind.PUBLIC_TRADES)]
    gone(exchange, "kraken", 0)


def test_an_addition_that_is_not_open_in_time_names_what_is_missing_and_leaves_nothing(
    exchange: LocalExchange,
) -> None:
    with init_dynamic_streams([[KRAKEN]], options(exchange)) as streams:
        exchange.set_fault("okx", Fault.MUTE)
        with pytest.raises(InitTimeoutError, match="not open yet: okx trades of BTC-USDT"):
            streams.subscribe([[OKX], [ETH]], timeout=0.3)
        gone(exchange, "okx", 0)
        gone(exchange, "kraken", 1)
    gone(exchange, "kraken", 0)


def test_an_initialisation_names_every_connection_that_failed_and_why(exchange: LocalExchange) -> None:
    exchange.set_fault("okx", Fault.REFUSE_SUBSCRIPTION)
    exchange.set_fault("kraken", Fault.REFUSE_UPGRADE, status=503)
    with pytest.raises(BarterError) as error:
        init_dynamic_streams([[KRAKEN, L1], [OKX], [ETH]], options(exchange), timeout=BOUND_S)
    text = str(error.value)
    for words in ("okx refuses the subscription to BTC-USDT", "HTTP 503", "kraken trades of XBT/USD",
                  "kraken l1 of XBT/USD", "kraken trades of ETH/USD"):  # fmt: skip
        assert words in text, text


def test_an_initialisation_that_is_late_names_what_is_not_open_and_what_failed(exchange: LocalExchange) -> None:
    exchange.set_fault("okx", Fault.REFUSE_SUBSCRIPTION)
    exchange.set_fault("kraken", Fault.MUTE)
    with pytest.raises(InitTimeoutError) as error:
        init_dynamic_streams([[KRAKEN], [OKX]], options(exchange), timeout=1.0)
    assert "okx refuses the subscription to BTC-USDT" in str(error.value)
    assert "not open yet: kraken trades of XBT/USD" in str(error.value)


def test_bad_batches_change_nothing(exchange: LocalExchange) -> None:
    with init_dynamic_streams([[KRAKEN]], options(exchange)) as streams:
        bad: Any
        for bad in ([], [[]], [[ETH, {**ETH_JSON, "exchange": "krakem"}]], [[ETH, {**ETH_JSON, "kind": "candles"}]]):
            with pytest.raises(SubscriptionError):
                streams.subscribe(bad)
        assert len(streams.instruments) == 1
        assert exchange.journal.connections("kraken").open == 1
        with pytest.raises(ValueError, match="timeout"):
            streams.subscribe([ETH], timeout=-1)
    with pytest.raises(StreamClosedError):
        streams.subscribe([ETH])


def test_what_is_refused_at_once_registers_no_instrument(exchange: LocalExchange) -> None:
    conflate = replace(options(exchange), queue=QueueOptions(policy="conflate"))
    with init_dynamic_streams([[L1]], conflate) as streams:
        with pytest.raises(ArgumentError, match="conflate is for l1 and l2"):
            streams.subscribe([[replace(ETH, kind=SubKind.ORDER_BOOKS_L1)], [OKX]])
        assert [instrument.name_exchange for instrument in streams.instruments] == ["XBT/USD"]
    gone(exchange, "kraken", 0)


def test_instruments_of_an_addition_that_fails_to_open_keep_their_indices(exchange: LocalExchange) -> None:
    with init_dynamic_streams([[KRAKEN]], options(exchange)) as streams:
        exchange.set_fault("okx", Fault.REFUSE_SUBSCRIPTION)
        with pytest.raises(SubscriptionError):
            streams.subscribe([[OKX]], timeout=BOUND_S)
        known = streams.instruments
        assert [instrument.name_exchange for instrument in known] == ["XBT/USD", "BTC-USDT"]
        exchange.clear_faults("okx")
        streams.subscribe([[ETH], [OKX]], timeout=BOUND_S)
        assert streams.instruments[:2] == known
        assert [instrument.name_exchange for instrument in streams.instruments[2:]] == ["ETH/USD"]
    gone(exchange, "kraken", 0)


ETH_JSON = {"exchange": "kraken", "base": "eth", "quote": "usd", "instrument_kind": "spot", "kind": "trades"}


def test_streams_in_memory_have_no_subscriptions() -> None:
    streams, _injector = in_memory([("kraken", "trades")])
    with pytest.raises(ArgumentError, match="in memory"):
        streams.subscribe([ETH])


def test_threads_that_subscribe_select_and_close_at_once_leave_each_subscription_once(
    exchange: LocalExchange,
) -> None:
    wanted = [to("kraken", market, kind) for _, market in served(exchange, "kraken")[:4] for kind in ("trades", "l1")]
    failures: list[BaseException] = []
    kept: list[Any] = []  # a stream that nobody refers to is closed, with what is being added to it

    def run(act: Any) -> None:
        try:
            kept.append(act())
        except BaseException as error:  # told below, in the test's own thread
            failures.append(error)

    with init_dynamic_streams([[KRAKEN]], options(exchange)) as streams:
        acts = [lambda batch=[one]: streams.subscribe(batch, timeout=BOUND_S) for one in [*wanted, *wanted]]
        acts += [lambda: streams.select_trades("kraken"), streams.select_all_l1s, lambda: streams.metrics()]
        threads = [threading.Thread(target=run, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND_S)
        assert failures == []
        for name, _ in served(exchange, "kraken")[:4]:
            assert exchange.subscribers("kraken", "trades", name) == 1
            assert exchange.subscribers("kraken", "l1", name) == 1
    gone(exchange, "kraken", 0)


def test_closing_the_set_ends_an_addition(exchange: LocalExchange) -> None:
    exchange.set_fault("okx", Fault.MUTE)
    streams: DynamicStreams = init_dynamic_streams([[KRAKEN]], options(exchange))
    raised: list[BaseException] = []

    def add() -> None:
        try:
            streams.subscribe([OKX], timeout=30)
        except (StreamClosedError, ConnectError) as error:
            raised.append(error)

    thread = threading.Thread(target=add)
    thread.start()
    gone(exchange, "okx", 1)
    streams.close()
    thread.join(BOUND_S)
    assert [type(error) for error in raised] == [StreamClosedError]
    gone(exchange, "okx", 0)
    gone(exchange, "kraken", 0)


def test_ctrl_c_ends_an_addition_and_leaves_nothing_of_it(exchange: LocalExchange) -> None:
    exchange.set_fault("okx", Fault.MUTE)
    with init_dynamic_streams([[KRAKEN]], options(exchange)) as streams:
        with interrupted_after(0.3):
            streams.subscribe([OKX])
        gone(exchange, "okx", 0)
        assert streams.available == [("kraken", SubKind.PUBLIC_TRADES)]
        exchange.clear_faults("okx")
        streams.subscribe([OKX], timeout=BOUND_S)
        assert exchange.subscribers("okx", "trades", "BTC-USDT") == 1
    gone(exchange, "okx", 0)
    gone(exchange, "kraken", 0)


@pytest.mark.parametrize(("name", "kind"), PAIRS_OF_MANY)
def test_what_is_unsubscribed_comes_no_more_and_the_others_of_its_connection_go_on(
    exchange: LocalExchange, name: str, kind: Kind
) -> None:
    [(kept, a), (left, b)] = served(exchange, name)[:2]
    gone(exchange, name, 0)
    with init_dynamic_streams([[to(name, a, kind), to(name, b, kind)]], options(exchange)) as streams:
        stream = select(streams, name, kind)
        for market in (kept, left):
            exchange.wait_subscribed(name, kind, market)
            sent = exchange.emit(name, kind, market)[-1]
            until(stream, lambda item, sent=sent: is_event(item, sent))  # type: ignore[misc]
        made = exchange.journal.connections(name).made
        streams.unsubscribe([to(name, b, kind)])
        exchange.wait_until(lambda: exchange.subscribers(name, kind, left) == 0, BOUND_S)
        sent = exchange.emit(name, kind, kept)[-1]
        items = until(stream, lambda item: is_event(item, sent))
        assert {item.instrument.name_exchange for item in items} == {kept}, "no event of it, no error, no notice"
        assert exchange.journal.connections(name).made == made
        with pytest.raises(SubscriptionError, match=f"{name} {kind} of .* is not subscribed"):
            streams.unsubscribe([to(name, b, kind)])

        exchange.drop(name)  # the next connection does not ask for it any more
        exchange.wait_until(lambda: exchange.journal.connections(name).made == made + 1, BOUND_S)
        exchange.wait_subscribed(name, kind, kept)
        assert exchange.subscribers(name, kind, left) == 0
        items = until(stream, lambda item: isinstance(item, Reconnecting))
        if kind == "l2":  # an update before the snapshot would be in it
            items += until(stream, lambda item: isinstance(item, BookSnapshotEvent))
        sent = exchange.emit(name, kind, kept)[-1]
        items += until(stream, lambda item: is_event(item, sent))
        [broken] = [item for item in items if isinstance(item, Reconnecting)]
        assert [instrument.name_exchange for instrument in broken.instruments] == [kept]

        streams.subscribe([to(name, b, kind)], timeout=BOUND_S)
        exchange.wait_subscribed(name, kind, left)
        sent = exchange.emit(name, kind, left)[-1]
        [*_, got] = until(stream, lambda item: is_event(item, sent))
        assert got.instrument.index == 1
    gone(exchange, name, 0)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_connection_whose_last_instrument_goes_is_closed_and_its_stream_stays_open(
    exchange: LocalExchange, name: str, kind: Kind
) -> None:
    market, description = served(exchange, name)[0]
    subscription = to(name, description, kind)
    gone(exchange, name, 0)
    with init_dynamic_streams([[subscription]], options(exchange)) as streams:
        stream = select(streams, name, kind)
        exchange.wait_subscribed(name, kind, market)
        streams.unsubscribe([subscription])
        gone(exchange, name, 0)
        while stream.try_recv() is not None:  # a snapshot or a repeated trade may have come before
            pass
        assert not stream.closed
        streams.subscribe([subscription], timeout=BOUND_S)
        assert streams.available == []
        exchange.wait_subscribed(name, kind, market)
        sent = exchange.emit(name, kind, market)[-1]
        until(stream, lambda item: is_event(item, sent))
    gone(exchange, name, 0)


def test_an_addition_that_fails_leaves_a_stream_open_that_nothing_is_subscribed_to(exchange: LocalExchange) -> None:
    with init_dynamic_streams([[KRAKEN]], options(exchange)) as streams:
        stream = select(streams, "kraken", "trades")
        streams.unsubscribe([KRAKEN])
        gone(exchange, "kraken", 0)
        with pytest.raises(SubscriptionError, match="NO/WHERE"):
            streams.subscribe([NOWHERE], timeout=BOUND_S)
        gone(exchange, "kraken", 0)
        takes_up_again(exchange, streams, stream)
    gone(exchange, "kraken", 0)


def test_a_stream_whose_last_connection_goes_during_an_addition_that_fails_stays_open(exchange: LocalExchange) -> None:
    with init_dynamic_streams([[KRAKEN]], options(exchange)) as streams:
        stream = select(streams, "kraken", "trades")
        exchange.set_fault("kraken", Fault.MUTE)

        def add() -> None:
            with pytest.raises(ConnectError):
                streams.subscribe([ETH], timeout=30)

        adding = InThread(add)
        gone(exchange, "kraken", 2)
        streams.unsubscribe([KRAKEN])
        gone(exchange, "kraken", 1)
        exchange.drop("kraken")
        adding.result()
        exchange.clear_faults("kraken")
        takes_up_again(exchange, streams, stream)
    gone(exchange, "kraken", 0)


def takes_up_again(exchange: LocalExchange, streams: DynamicStreams, stream: MarketStream) -> None:
    """The stream is still open: it brings what is subscribed again."""
    while stream.try_recv() is not None:  # a trade that is repeated at a subscription
        pass
    streams.subscribe([KRAKEN], timeout=BOUND_S)
    assert streams.available == [], "there is no other stream of it"
    exchange.wait_subscribed("kraken", "trades", "XBT/USD")
    [sent] = exchange.emit("kraken", "trades", "XBT/USD")
    until(stream, lambda item: is_event(item, sent))


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kind in PAIRS_OF_MANY if kind in ("trades", "l2")])
@pytest.mark.parametrize("shape", ["on its connection", "on another"])
def test_another_market_loses_no_event_and_notices_nothing_while_one_comes_and_goes(
    exchange: LocalExchange, name: str, kind: Kind, shape: str
) -> None:
    [(kept, a), (other, b)] = served(exchange, name)[:2]
    batches = [[to(name, a, kind), to(name, b, kind)]] if shape == "on its connection" else [[to(name, a, kind)]]
    gone(exchange, name, 0)
    with init_dynamic_streams(batches, options(exchange)) as streams:
        stream = select(streams, name, kind)
        exchange.wait_subscribed(name, kind, kept)
        first = exchange.emit(name, kind, kept)[-1]
        until(stream, lambda item: is_event(item, first))  # a snapshot, or the last trade once more, comes before it
        changed = threading.Event()
        sent: list[Event] = []

        def emit() -> None:
            while not changed.is_set():
                sent.extend(exchange.emit(name, kind, kept))

        emitting = InThread(emit)
        try:
            if shape == "on its connection":
                streams.unsubscribe([to(name, b, kind)])
            for number in range(1_000):
                if number >= 20 and len(sent) >= 20:
                    break
                streams.subscribe([to(name, b, kind)], timeout=BOUND_S)
                streams.unsubscribe([to(name, b, kind)])
        finally:
            changed.set()
        emitting.result()
        assert len(sent) >= 20, "they happened while the other came and went"
        items = until(stream, lambda item: is_event(item, sent[-1]))
        assert {item.instrument.name_exchange for item in items if isinstance(item, MarketEvent)} <= {kept, other}
        got = [item for item in items if not isinstance(item, MarketEvent) or item.instrument.name_exchange == kept]
        for item, event in zip(got, sent, strict=True):
            assert_same(item, event)
    gone(exchange, name, 0)


def test_what_waits_in_a_stream_stays_to_be_read(exchange: LocalExchange) -> None:
    with init_dynamic_streams([[KRAKEN]], options(exchange)) as streams:
        stream = select(streams, "kraken", "trades")
        exchange.wait_subscribed("kraken", "trades", "XBT/USD")
        sent = exchange.emit("kraken", "trades", "XBT/USD", 5)
        exchange.wait_until(lambda: stream.metrics().events == len(sent), BOUND_S)
        streams.unsubscribe([KRAKEN])
        for item, event in zip(take(stream, len(sent)), sent, strict=True):
            assert_same(item, event)
    gone(exchange, "kraken", 0)


def test_unsubscribing_is_all_or_nothing_and_names_what_is_not_subscribed(exchange: LocalExchange) -> None:
    with init_dynamic_streams([[KRAKEN, ETH]], options(exchange)) as streams:
        for wrong, words in (([KRAKEN, OKX], "okx trades of BTC-USDT"), ([KRAKEN, L1], "kraken l1 of XBT/USD")):
            with pytest.raises(SubscriptionError, match=f"{words} is not subscribed"):
                streams.unsubscribe(wrong)
        assert exchange.subscribers("kraken", "trades", "XBT/USD") == 1
        with pytest.raises(SubscriptionError):
            streams.unsubscribe([])
        streams.unsubscribe([[KRAKEN], [KRAKEN]])
        exchange.wait_until(lambda: exchange.subscribers("kraken", "trades", "XBT/USD") == 0, BOUND_S)
    with pytest.raises(StreamClosedError):
        streams.unsubscribe([ETH])
    memory, _injector = in_memory([("kraken", "trades")])
    with pytest.raises(ArgumentError, match="in memory"):
        memory.unsubscribe([KRAKEN])


def test_threads_that_subscribe_and_unsubscribe_at_once_leave_what_was_done_last(exchange: LocalExchange) -> None:
    wanted = [to("kraken", market, "trades") for _, market in served(exchange, "kraken")[:4]]
    failures: list[BaseException] = []

    def change(subscription: Subscription) -> None:
        try:
            for _ in range(5):
                streams.unsubscribe([subscription])
                streams.subscribe([subscription], timeout=BOUND_S)
        except BaseException as error:  # told below, in the test's own thread
            failures.append(error)

    with init_dynamic_streams([wanted], options(exchange)) as streams:
        stream = select(streams, "kraken", "trades")
        threads = [threading.Thread(target=change, args=(subscription,)) for subscription in wanted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(4 * BOUND_S)
        assert failures == []
        for market, _ in served(exchange, "kraken")[:4]:
            exchange.wait_until(lambda market=market: exchange.subscribers("kraken", "trades", market) == 1, BOUND_S)
            [sent] = exchange.emit("kraken", "trades", market)
            until(stream, lambda item, sent=sent: is_event(item, sent))  # type: ignore[misc]
    gone(exchange, "kraken", 0)

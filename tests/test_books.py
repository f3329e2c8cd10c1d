"""Maintained order books: what the library keeps is the exchange's book, and any thread reads it at any time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy
import pytest
from harness import BOUND_S, EXCHANGE, InThread, btc, eventually, interrupted_after
from local_exchange_compare import BOOKS, exchange_id, options, served, server_book, sides, to

from barter_cffi import (
    BookSnapshotEvent,
    BookUpdateEvent,
    ConnectError,
    DataError,
    Dropped,
    Instrument,
    Level,
    Levels,
    QueueOptions,
    Reconnected,
    Reconnecting,
    ReconnectPolicy,
    RecvTimeoutError,
    StreamClosedError,
    StreamOptions,
    Subscription,
    init_dynamic_streams,
)
from barter_cffi.testing import LocalExchange, in_memory
from barter_cffi.testing.local_exchange import BookSnapshot, BookUpdate, Fault


def _snapshot(instrument: Instrument, sequence: int, *bids: float) -> BookSnapshotEvent:
    levels = Levels.of(*[(str(price), "2") for price in bids])
    return BookSnapshotEvent(sequence, None, levels, Levels.of(("101", "1")), instrument, sequence, sequence)


def _remove(instrument: Instrument, sequence: int, bid: float) -> BookUpdateEvent:
    return BookUpdateEvent(sequence, None, Levels.of((str(bid), "0")), Levels(), instrument, sequence, sequence)


def test_a_book_is_read_by_its_top_its_depth_its_prices_and_arrays() -> None:
    streams, injector = in_memory([(EXCHANGE, "l2")])
    instrument = btc(injector)
    injector.push(_snapshot(instrument, 7, 99.5, 99, 98))
    books = streams.select_books(EXCHANGE)
    assert books is not None
    assert list(books) == [instrument] and len(books) == 1 and instrument in books
    book = books[instrument]
    assert (book.state, book.sequence, book.time_exchange_ns) == ("live", 7, 7)
    assert book.best_bid == Level.of("99.5", "2")
    assert book.best_ask == Level.of("101", "1")
    assert book.mid_price == 100.25
    assert book.volume_weighed_mid_price == (99.5 * 1 + 101 * 2) / 3
    top = book.depth(2)
    assert (top.bids.prices, top.asks.prices, top.bids_total, top.asks_total) == ((99.5, 99.0), (101.0,), 3, 1)
    assert top.bids[0].price_decimal == Level.of("99.5", "2").price_decimal
    assert book.depth().bids.prices == (99.5, 99.0, 98.0)
    bids, asks = book.arrays(2)
    assert bids.tolist() == [[99.5, 2.0], [99.0, 2.0]] and asks.shape == (1, 2) and bids.dtype == numpy.float64
    injector.push(_remove(instrument, 8, 99.5))
    assert (book.best_bid, book.sequence) == (Level.of("99", "2"), 8)
    assert repr(book) == "<Book of btc/usdt, live, 99.0 | 101.0>"
    with pytest.raises(ValueError, match="levels must be from 0"):
        book.depth(-1)
    with pytest.raises(KeyError):
        books[injector.instrument(EXCHANGE, "eth", "usdt", "perpetual")]


def test_the_instrument_of_another_set_has_no_book_though_its_index_is_the_same() -> None:
    sets = [in_memory([(EXCHANGE, "l2")]) for _ in range(3)]
    (streams, injector), (_, other), (_, third) = sets
    injector.push(_snapshot(btc(injector), 7, 99.5))
    books = streams.select_books(EXCHANGE)
    assert books is not None
    eth = other.instrument(EXCHANGE, "eth", "usdt", "perpetual")
    assert eth.index == btc(injector).index
    assert eth not in books and "btc" not in books
    with pytest.raises(KeyError, match="eth"):
        books[eth]
    assert books[btc(third)].best_bid == Level.of("99.5", "2"), "an equal instrument is as good"


def test_a_book_with_one_side_or_none_says_so_by_none() -> None:
    streams, injector = in_memory([(EXCHANGE, "l2")])
    instrument = btc(injector)
    injector.push(BookSnapshotEvent(1, None, Levels(), Levels(), instrument, 1, 1))
    books = streams.select_all_books()
    assert books is not None
    book = books[instrument]
    assert (book.best_bid, book.best_ask, book.mid_price, book.volume_weighed_mid_price) == (None, None, None, None)
    assert [side.shape for side in book.arrays(3)] == [(0, 2), (0, 2)]
    injector.push(BookUpdateEvent(2, None, Levels.of(("5", "1")), Levels(), instrument, 2, 2))
    assert (book.mid_price, book.volume_weighed_mid_price) == (5.0, 5.0)


def test_a_book_is_syncing_from_a_broken_connection_or_a_gap_until_its_next_snapshot() -> None:
    streams, injector = in_memory([(EXCHANGE, "l2")])
    first, second = btc(injector), injector.instrument(EXCHANGE, "eth", "usdt", "perpetual")
    injector.push_many([_snapshot(first, 10, 1), _snapshot(second, 20, 1)])
    books = streams.select_books(EXCHANGE, errors="yield")
    assert books is not None
    states = [lambda: books[first].state, lambda: books[second].state]
    injector.error(EXCHANGE, "l2", variant="invalid_sequence", prev_last_update_id=20, first_update_id=25)
    assert [state() for state in states] == ["live", "syncing"]
    injector.push(_snapshot(second, 26, 1))
    assert [state() for state in states] == ["live", "live"]
    injector.reconnecting(EXCHANGE, "l2")
    assert [state() for state in states] == ["syncing", "syncing"]
    injector.push(_remove(first, 11, 1))
    assert books[first].state == "syncing"
    injector.push(_snapshot(first, 12, 3))
    assert [state() for state in states] == ["live", "syncing"]
    assert isinstance(books.notices.recv(1), DataError)
    assert isinstance(books.notices.recv(1), Reconnecting)
    assert books.notices.try_recv() is None


def test_books_whose_queue_was_full_and_closed_before_they_were_selected_keep_their_last_state_and_are_syncing() -> (
    None
):
    options = StreamOptions(queue=QueueOptions(capacity=3, policy="close"))
    streams, injector = in_memory([(EXCHANGE, "l2")], options)
    instrument = btc(injector)
    injector.push_many([_snapshot(instrument, 1, 99, 98), _remove(instrument, 2, 98), _remove(instrument, 3, 98)])
    injector.push(_snapshot(instrument, 4, 97))
    books = streams.select_books(EXCHANGE, errors="yield")
    assert books is not None
    assert (books[instrument].state, books[instrument].sequence) == ("syncing", 3)
    assert books[instrument].depth().bids.prices == (99.0,)
    while books.wait(BOUND_S) is not None:  # until nothing is taken any more
        pass
    with pytest.raises(StreamClosedError):
        injector.push(_snapshot(instrument, 5, 96))
    dropped, error = list(books.notices)
    assert isinstance(dropped, Dropped) and dropped.count == 1
    assert isinstance(error, DataError) and error.variant == "queue_full"
    assert (books[instrument].state, books[instrument].sequence) == ("syncing", 3)


def test_wait_returns_with_each_change_without_missing_one_and_none_at_the_end() -> None:
    streams, injector = in_memory([(EXCHANGE, "l2")])
    instrument = btc(injector)
    books = streams.select_books(EXCHANGE)
    assert books is not None
    seen = books.wait(1)
    with pytest.raises(RecvTimeoutError):
        books.wait(0.01)
    waits = [InThread(lambda: books.wait(10, seen=seen)) for _ in range(3)]
    injector.push(_snapshot(instrument, 1, 1))
    assert [wait.result() for wait in waits] == [(seen or 0) + 1] * 3
    ends = InThread(lambda: books.wait(10, seen=(seen or 0) + 1))
    injector.close(EXCHANGE, "l2")
    assert ends.result() is None
    assert books[instrument].sequence == 1, "the books stay when their streams have ended"
    books.close()
    with pytest.raises(StreamClosedError):
        books.wait(1)
    with pytest.raises(StreamClosedError):
        books[instrument]


def test_close_ends_a_wait_and_leaving_the_set_closes_its_books() -> None:
    streams, injector = in_memory([(EXCHANGE, "l2")])
    with streams:
        books = streams.select_books(EXCHANGE)
        assert books is not None
        seen = books.wait(1)

        def waiting() -> str:
            try:
                books.wait(seen=seen)
            except StreamClosedError:
                return "closed"
            return "changed"

        ended = InThread(waiting)
    assert ended.result() == "closed"
    with pytest.raises(StreamClosedError):
        injector.push(_snapshot(btc(injector), 1, 1))


def test_ctrl_c_ends_a_wait_for_books_and_the_next_goes_on() -> None:
    streams, injector = in_memory([(EXCHANGE, "l2")])
    books = streams.select_books(EXCHANGE)
    assert books is not None
    seen = books.wait(1)
    with interrupted_after(0.07):
        books.wait(seen=seen)
    injector.push(_snapshot(btc(injector), 1, 1))
    assert books.wait(BOUND_S, seen=seen) != seen


def test_books_are_read_whole_by_other_threads_while_they_change() -> None:
    streams, injector = in_memory([(EXCHANGE, "l2")], StreamOptions(queue=QueueOptions(capacity=8)))
    instrument = btc(injector)
    injector.push(_snapshot(instrument, 1, 1))
    books = streams.select_books(EXCHANGE)
    assert books is not None
    stop = threading.Event()

    def read() -> int:
        reads = 0
        while not stop.is_set():
            state = books[instrument].depth()
            # The one bid's price is the sequence: both are of one moment.
            assert state.bids.prices == (float(state.sequence or 0),)
            reads += 1
        return reads

    readers = [InThread(read) for _ in range(3)]
    for sequence in range(2, 1_000):
        bids = Levels.of((str(sequence), "1"), (str(sequence - 1), "0"))
        injector.push(BookUpdateEvent(sequence, None, bids, Levels(), instrument, sequence, sequence))
    stop.set()
    assert all(reader.result() > 0 for reader in readers)


def test_what_was_selected_as_books_is_not_there_as_events_and_the_other_way_round() -> None:
    streams, _ = in_memory([(EXCHANGE, "l2")])
    assert streams.select_books(EXCHANGE) is not None
    assert streams.select_l2s(EXCHANGE) is None
    assert streams.select_all_books() is None


@pytest.fixture
def quiet() -> Iterator[LocalExchange]:
    with LocalExchange(autostart=False, depth=20) as exchange:
        yield exchange


@pytest.mark.parametrize("name", BOOKS)
def test_a_maintained_book_is_the_exchanges_after_every_update_gap_and_reconnection(
    quiet: LocalExchange, name: str
) -> None:
    [(market, of)] = served(quiet, name)[:1]
    with init_dynamic_streams([[to(name, of, "l2")]], options(quiet)) as streams:
        [instrument] = streams.instruments
        quiet.wait_subscribed(name, "l2", market)
        books = streams.select_books(exchange_id(name), errors="yield")
        assert books is not None
        book = books[instrument]

        def newest() -> int:
            event = quiet.journal.sent(name, "l2", market)[-1]
            assert isinstance(event, (BookSnapshot, BookUpdate))
            return event.sequence

        def is_the_exchanges() -> bool:
            state = book.depth()
            if state.state != "live" or state.sequence != newest():
                return False
            kept = tuple([(row.price_decimal, row.amount_decimal) for row in side] for side in (state.bids, state.asks))
            assert kept == server_book(quiet, name, market, state.sequence)
            return True

        for _ in range(10):
            quiet.emit(name, "l2", market)
            eventually(is_the_exchanges)

        quiet.set_fault(name, Fault.SEQUENCE_GAP, times=1)
        quiet.emit(name, "l2", market)
        # The gap is seen already, and by Bybit the market is left for a moment and subscribed again.
        quiet.emit(name, "l2", market, unheard="allow")
        gap = books.notices.recv(5)
        assert isinstance(gap, DataError) and gap.variant == "invalid_sequence"
        eventually(lambda: book.state == "live")
        quiet.emit(name, "l2", market)
        eventually(is_the_exchanges)

        quiet.drop(name)
        assert isinstance(books.notices.recv(5), Reconnecting)
        quiet.wait_subscribed(name, "l2", market)
        eventually(lambda: book.state == "live")
        quiet.emit(name, "l2", market, 3)
        eventually(is_the_exchanges)
        assert isinstance(books.notices.recv(5), Reconnected)


@pytest.mark.parametrize("name", BOOKS)
def test_a_maintained_book_is_syncing_after_a_gap_for_as_long_as_there_is_no_snapshot(
    quiet: LocalExchange, name: str
) -> None:
    [(market, of)] = served(quiet, name)[:1]
    with init_dynamic_streams([[to(name, of, "l2")]], options(quiet)) as streams:
        [instrument] = streams.instruments
        quiet.wait_subscribed(name, "l2", market)
        books = streams.select_books(exchange_id(name), errors="yield")
        assert books is not None
        quiet.emit(name, "l2", market)
        eventually(lambda: books[instrument].state == "live")
        if name.startswith("bybit"):
            quiet.set_fault(name, Fault.SILENT_AFTER_ACKNOWLEDGEMENT)
        else:
            quiet.set_fault(name, Fault.SNAPSHOT_STATUS, status=503)
        quiet.set_fault(name, Fault.SEQUENCE_GAP, times=1)
        quiet.emit(name, "l2", market)
        gap = books.notices.recv(5)
        assert isinstance(gap, DataError) and gap.variant == "invalid_sequence"
        assert books[instrument].state == "syncing"


def test_a_maintained_book_whose_connection_is_given_up_is_syncing(quiet: LocalExchange) -> None:
    [(market, of)] = served(quiet, "bybit_spot")[:1]
    never = replace(options(quiet), reconnect=ReconnectPolicy(max_attempts=0))
    with init_dynamic_streams([[to("bybit_spot", of, "l2")]], never) as streams:
        [instrument] = streams.instruments
        quiet.wait_subscribed("bybit_spot", "l2", market)
        books = streams.select_all_books(errors="yield")
        assert books is not None
        quiet.emit("bybit_spot", "l2", market)
        eventually(lambda: books[instrument].state == "live")
        quiet.drop("bybit_spot")
        broken, error = books.notices.recv(5), books.notices.recv(5)
        assert isinstance(broken, Reconnecting) and broken.instruments == (instrument,)
        assert isinstance(error, DataError) and "given up" in str(error)
        assert books.notices.recv(5) is None
        assert books[instrument].state == "syncing"


def test_books_that_are_subscribed_are_there_before_their_first_event(quiet: LocalExchange) -> None:
    markets = served(quiet, "bybit_spot")[:2]
    with init_dynamic_streams([[to("bybit_spot", of, "l2") for _, of in markets]], options(quiet)) as streams:
        books = streams.select_all_books()
        assert books is not None
        assert set(books) == set(streams.instruments)


@pytest.mark.parametrize("name", BOOKS)
def test_books_already_selected_have_what_is_subscribed_later_and_keep_what_is_unsubscribed_as_syncing(
    quiet: LocalExchange, name: str
) -> None:
    [(old, a), (_, b)] = served(quiet, name)[:2]
    with init_dynamic_streams([[to(name, a, "l2")]], options(quiet)) as streams:
        books = streams.select_books(exchange_id(name))
        assert books is not None
        quiet.wait_subscribed(name, "l2", old)
        streams.subscribe([to(name, b, "l2")], timeout=5)
        first, later = streams.instruments
        assert set(books) == {first, later}

        def follows(instrument: Instrument) -> None:
            market = instrument.name_exchange
            quiet.wait_subscribed(name, "l2", market)
            quiet.emit(name, "l2", market, 3)
            newest = quiet.journal.sent(name, "l2", market)[-1]
            assert isinstance(newest, (BookSnapshot, BookUpdate))
            eventually(lambda: (books[instrument].state, books[instrument].sequence) == ("live", newest.sequence))

        for instrument in (first, later):
            follows(instrument)
        before = books[later].depth()
        seen = books.wait(1)
        streams.unsubscribe([to(name, b, "l2")])
        assert books.wait(1, seen=seen) is not None, "it tells who waits"
        kept = books[later].depth()
        assert kept.state == "syncing"
        assert (kept.sequence, kept.bids, kept.asks) == (before.sequence, before.bids, before.asks)
        assert set(books) == {first, later}
        follows(first)
        streams.subscribe([to(name, b, "l2")], timeout=5)
        follows(later)
        streams.unsubscribe([to(name, a, "l2"), to(name, b, "l2")])
        assert [books[instrument].state for instrument in (first, later)] == ["syncing", "syncing"]


def test_a_book_of_an_addition_that_fails_is_not_live(quiet: LocalExchange) -> None:
    [(_, a), (_, b)] = served(quiet, "bybit_spot")[:2]
    with init_dynamic_streams([[to("bybit_spot", a, "l2")]], options(quiet)) as streams:
        books = streams.select_books("bybit_spot")
        assert books is not None
        [first] = books
        eventually(lambda: books[first].state == "live")
        quiet.set_fault("okx", Fault.MUTE)
        okx = Subscription("okx", "btc", "usdt", "spot", "trades")
        adding = InThread(lambda: streams.subscribe([[to("bybit_spot", b, "l2")], [okx]], timeout=30))
        eventually(lambda: len(books) == 2)
        [later] = set(books) - {first}
        eventually(lambda: books[later].state == "live")
        quiet.wait_until(lambda: quiet.journal.connections("okx").open == 1)
        quiet.drop("okx")
        with pytest.raises(ConnectError):
            adding.result()
        assert [books[instrument].state for instrument in (first, later)] == ["live", "syncing"]


def test_a_book_whose_subscription_ends_before_its_first_event_is_there_no_more(quiet: LocalExchange) -> None:
    [(_, a), (market, b)] = served(quiet, "bybit_spot")[:2]
    with init_dynamic_streams([[to("bybit_spot", a, "l2")]], options(quiet)) as streams:
        books = streams.select_books("bybit_spot")
        assert books is not None
        [first] = books
        eventually(lambda: books[first].state == "live")
        quiet.set_fault("bybit_spot", Fault.MUTE)
        adding = InThread(lambda: streams.subscribe([to("bybit_spot", b, "l2")], timeout=30))
        eventually(lambda: len(books) == 2)
        [later] = set(books) - {first}
        view = books[later]
        assert (view.state, view.sequence) == ("syncing", None)
        quiet.wait_until(lambda: quiet.journal.connections("bybit_spot").open == 2)
        streams.unsubscribe([to("bybit_spot", a, "l2")])  # so that none but the addition's connection is dropped
        quiet.wait_until(lambda: quiet.journal.connections("bybit_spot").open == 1)
        quiet.drop("bybit_spot")
        with pytest.raises(ConnectError):
            adding.result()
        assert list(books) == [first], "which had events, and stays"
        with pytest.raises(KeyError):
            _ = view.state
        quiet.clear_faults("bybit_spot")
        streams.subscribe([to("bybit_spot", b, "l2")], timeout=5)
        quiet.wait_subscribed("bybit_spot", "l2", market)
        eventually(lambda: view.state == "live")


@pytest.mark.parametrize("name", BOOKS)
def test_a_conflated_book_is_the_exchanges(quiet: LocalExchange, name: str) -> None:
    [(market, of)] = served(quiet, name)[:1]
    conflate = replace(options(quiet), queue={"l2": QueueOptions(policy="conflate")})
    with init_dynamic_streams([[to(name, of, "l2")]], conflate) as streams:
        quiet.wait_subscribed(name, "l2", market)
        stream = streams.select_l2s(exchange_id(name))
        assert stream is not None
        quiet.emit(name, "l2", market, 50)
        newest = quiet.journal.sent(name, "l2", market)[-1]
        assert isinstance(newest, (BookSnapshot, BookUpdate))
        kept: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}
        sequence, lost = 0, 0
        while sequence != newest.sequence:
            item = stream.recv(5)
            if isinstance(item, Dropped):
                assert item.reason == "conflated"
                lost += item.count
                continue
            assert isinstance(item, (BookSnapshotEvent, BookUpdateEvent))
            sequence = item.sequence
            for side, levels in (("bids", item.bids), ("asks", item.asks)):
                if isinstance(item, BookSnapshotEvent):
                    kept[side].clear()
                kept[side].update({row.price_decimal: row.amount_decimal for row in levels})
                kept[side] = {price: amount for price, amount in kept[side].items() if amount}
            assert sides(kept["bids"], kept["asks"]) == server_book(quiet, name, market, sequence)

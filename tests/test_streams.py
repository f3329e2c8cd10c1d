"""Sets of streams: opening them, selecting from them, and what closing and forgetting them does."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import MakesStreams
from harness import BOUND_S, EXCHANGE, KINDS, InThread, btc, eventually, one_of_each, trade
from test_stream import interrupted_after

from barter_cffi import (
    ArgumentError,
    ConnectError,
    DataError,
    DynamicStreams,
    InitTimeoutError,
    MarketStream,
    StreamClosedError,
    StreamOptions,
    SubKind,
    Subscription,
    SubscriptionError,
    init_dynamic_streams,
)
from barter_cffi.testing import Injector, in_memory

SELECTORS = {"trades": "trades", "l1": "l1s", "l2": "l2s", "liquidations": "liquidations"}
TRADES = Subscription("binance_spot", "btc", "usdt", "spot", "trades")


def select(streams: DynamicStreams, kind: str, **arguments: Any) -> MarketStream[Any] | None:
    selected: MarketStream[Any] | None = getattr(streams, f"select_{SELECTORS[kind]}")(EXCHANGE, **arguments)
    return selected


def refuses(injector: Injector, exchange: Any, kind: Any) -> bool:
    """Whether the stream is closed as its producer sees it."""
    try:
        injector.error(exchange, kind, "to nobody")
    except StreamClosedError:
        return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_each_selector_takes_its_kind_out_of_the_set_once(memory: MakesStreams, kind: str) -> None:
    streams, injector = memory()
    stream = select(streams, kind)
    assert stream is not None
    assert (stream.exchange, stream.sub_kind, stream.errors) == (EXCHANGE, SubKind(kind), "raise")
    assert select(streams, kind) is None
    assert sorted(streams.available) == sorted((EXCHANGE, SubKind(other)) for other in KINDS if other != kind)
    sent = [event for event in one_of_each(btc(injector)) if event.sub_kind == kind]
    injector.push_many(sent)
    assert [stream.recv(BOUND_S) for _ in sent] == sent


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_of_a_kind_is_merged(memory: MakesStreams, kind: Any) -> None:
    streams, injector = memory((EXCHANGE, kind), ("kraken", kind), ("okx", kind))
    assert select(streams, kind) is not None
    select_all = getattr(streams, f"select_all_{SELECTORS[kind]}")
    merged = select_all()
    assert (merged.exchange, merged.sub_kind) == (None, SubKind(kind))
    assert select_all() is None
    for exchange in ("kraken", "okx"):
        injector.error(exchange, kind, f"of {exchange}")
        with pytest.raises(DataError, match=f"of {exchange}") as raised:
            merged.recv(BOUND_S)
        assert raised.value.exchange == exchange


def test_select_all_merges_everything_that_is_left(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "trades"), ("kraken", "l1"), ("kraken", "trades"))
    assert select(streams, "trades") is not None
    merged = streams.select_all(errors="yield")
    assert merged is not None
    assert (merged.exchange, merged.sub_kind, merged.errors) == (None, None, "yield")
    assert streams.available == []
    assert streams.select_all() is None
    injector.error("kraken", "l1", "boom")
    error = merged.recv(BOUND_S)
    assert isinstance(error, DataError)
    assert (error.exchange, error.sub_kind) == ("kraken", SubKind.ORDER_BOOKS_L1)


@pytest.mark.parametrize("name", ["binance_spto", "", "binance_spot\0", "bin\0ance", "\ud800", "BINANCE SPOT"])
def test_an_unknown_exchange_is_refused_with_names_that_are_known(memory: MakesStreams, name: Any) -> None:
    streams, _ = memory()
    with pytest.raises(SubscriptionError, match="binance_spot"):
        streams.select_trades(name)


def test_a_known_exchange_that_is_not_in_the_set_gives_none(memory: MakesStreams) -> None:
    streams, _ = memory()
    assert streams.select_trades("kraken") is None


def test_arguments_of_selectors_are_checked(memory: MakesStreams) -> None:
    streams, _ = memory()
    with pytest.raises(ArgumentError, match='errors must be "raise" or "yield"'):
        streams.select_trades(EXCHANGE, "ignore")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="exchange must be a str"):
        streams.select_trades(b"kraken")  # type: ignore[arg-type]
    assert len(streams.available) == 4, "nothing was taken"


def test_of_sixteen_threads_and_a_select_all_exactly_one_gets_each_stream(memory: MakesStreams) -> None:
    rounds, threads = 1000, 16
    sets = [memory((EXCHANGE, "trades"))[0] for _ in range(rounds)]
    got: list[list[Any]] = [[] for _ in range(rounds)]
    line = threading.Barrier(threads + 1)

    def race(take: Any) -> None:
        for number, streams in enumerate(sets):
            line.wait(BOUND_S)
            stream = take(streams)
            if stream is not None:
                got[number].append(stream)

    racers = [InThread(lambda: race(lambda streams: streams.select_trades(EXCHANGE))) for _ in range(threads)]
    racers.append(InThread(lambda: race(DynamicStreams.select_all)))
    for racer in racers:
        racer.thread.join(3 * BOUND_S)
        racer.result()
    assert [len(winners) for winners in got] == [1] * rounds


def test_closing_a_set_closes_what_was_selected_and_what_was_not(memory: MakesStreams) -> None:
    streams, injector = memory()
    selected, closed_before = select(streams, "trades"), select(streams, "l1")
    assert selected is not None
    assert closed_before is not None
    closed_before.close()
    waiting = InThread(selected.recv)
    eventually(lambda: selected._turn is not None)
    streams.close()
    streams.close()
    assert streams.closed
    assert selected.closed
    with pytest.raises(StreamClosedError):
        waiting.result()
    for kind in KINDS:
        eventually(lambda kind=kind: refuses(injector, EXCHANGE, kind))  # type: ignore[misc]
    for use in (streams.select_all, lambda: select(streams, "l2"), lambda: streams.available):
        with pytest.raises(StreamClosedError):
            use()
    assert repr(streams) == "<DynamicStreams, closed>"


def test_leaving_with_closes_the_set_and_its_streams(memory: MakesStreams) -> None:
    streams, _ = memory()
    with streams as entered:
        assert entered is streams
        stream = select(streams, "trades")
        assert stream is not None
        assert not streams.closed
    assert streams.closed
    assert stream.closed


def test_a_set_that_is_garbage_leaves_its_selected_streams_alone_and_ends_the_others() -> None:
    streams, injector = in_memory([(EXCHANGE, "trades"), (EXCHANGE, "l1")])
    stream = select(streams, "trades")
    assert stream is not None
    instrument = btc(injector)
    del streams
    gc.collect()
    eventually(lambda: refuses(injector, EXCHANGE, "l1"))
    injector.push(trade(instrument))
    assert stream.recv(BOUND_S) == trade(instrument)
    stream.close()


def test_the_repr_says_what_can_be_selected(memory: MakesStreams) -> None:
    streams, _ = memory((EXCHANGE, "trades"), ("kraken", "l1"))
    assert repr(streams) == "<DynamicStreams, to be selected: trades of binance_futures_usd, l1 of kraken>"
    streams.select_all()
    assert repr(streams) == "<DynamicStreams, to be selected: nothing>"


def test_instruments_are_in_the_order_of_their_index_and_shared(memory: MakesStreams) -> None:
    streams, injector = memory()
    assert streams.instruments == ()
    made = [btc(injector), injector.instrument("kraken", "eth", "usd"), injector.instrument("okx", "a", "b", "spot")]
    assert [instrument.index for instrument in made] == [0, 1, 2]
    assert len(streams.instruments) == 3
    assert all(streams.instruments[place] is instrument for place, instrument in enumerate(made))


@pytest.mark.parametrize(
    ("batches", "error", "words"),
    [
        ([], SubscriptionError, "nothing to subscribe"),
        ([[]], SubscriptionError, "nothing to subscribe"),
        ([[], []], SubscriptionError, "nothing to subscribe"),
        (["binance_spto:btc/usdt:trades"], SubscriptionError, "did you mean binance_spot"),
        (["kraken:btc/usd:l2"], SubscriptionError, r"batches\[0\]\[0\].*kraken has no l2"),
        ([[TRADES], [TRADES, "okx:btc/usdt:trades"]], SubscriptionError, r"batches\[1\]\[1\].*instrument_kind"),
        ([{"exchange": "kraken", "base": "btc"}], ArgumentError, "quote"),
        ([{"exchange": "kraken", "base": "btc", "quote": "usd", "kind": "l1", "knd": 1}], ArgumentError, "knd"),
        ([{"exchange": "kraken", "base": "btc", "quote": "usd", "kind": "candles"}], SubscriptionError, "candles"),
        ([Subscription("kraken", "b tc", "usd", None, "l1")], SubscriptionError, "base"),
        ("kraken:btc/usd:l1", TypeError, "list"),
        ([1], TypeError, "1"),
    ],
)
def test_what_cannot_be_subscribed_is_refused_with_a_message_that_names_it(
    batches: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        init_dynamic_streams(batches)


@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), -1, 1e10, True, "1"])
def test_the_timeout_of_an_initialisation_is_checked(timeout: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="timeout must be"):
        init_dynamic_streams([TRADES], timeout=timeout)


class MuteServer:
    """Accepts connections and says nothing."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"ws://127.0.0.1:{self._listening.getsockname()[1]}"
        self.accepted: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.settimeout(BOUND_S)
            self.accepted.append(connection)

    def all_closed_by_the_other_side(self) -> bool:
        """Whether every connection was accepted and then ended by the client; waits for that."""
        for connection in self.accepted:
            try:
                while connection.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        return len(self.accepted) > 0

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self.accepted:
            connection.close()


@pytest.fixture
def mute() -> Iterator[MuteServer]:
    server = MuteServer()
    yield server
    server.close()


def at(address: str, **options: Any) -> StreamOptions:
    return StreamOptions(endpoints={"binance_spot": address}, **options)


def test_an_address_that_nobody_listens_at_is_a_connect_error_that_names_the_exchange() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectError, match="binance_spot") as raised:
        init_dynamic_streams([TRADES], at(f"ws://127.0.0.1:{port}"))
    assert raised.value.status == "CONNECT_FAILED"
    assert isinstance(raised.value, ConnectionError)


def test_a_server_that_never_answers_is_an_init_timeout_and_nothing_stays_open(mute: MuteServer) -> None:
    began = time.monotonic()
    with pytest.raises(InitTimeoutError, match=r"within 0\.12 s"):
        init_dynamic_streams([TRADES], at(mute.address), timeout=0.12)
    assert 0.12 <= time.monotonic() - began < 2
    assert mute.all_closed_by_the_other_side()


def test_the_connect_timeout_of_the_options_counts_too(mute: MuteServer) -> None:
    with pytest.raises(ConnectError, match="binance_spot"):
        init_dynamic_streams([TRADES], at(mute.address, connect_timeout=0.1), timeout=None)
    assert mute.all_closed_by_the_other_side()


def test_ctrl_c_ends_an_initialisation_and_nothing_stays_open(mute: MuteServer) -> None:
    with interrupted_after(0.12):
        init_dynamic_streams([TRADES], at(mute.address), timeout=None)
    assert mute.all_closed_by_the_other_side()


def test_an_initialisation_in_another_thread_times_out_too(mute: MuteServer) -> None:
    opening = InThread(lambda: init_dynamic_streams([[TRADES]], at(mute.address), timeout=0.05))
    with pytest.raises(InitTimeoutError):
        opening.result()


def test_the_library_works_after_failed_initialisations(memory: MakesStreams) -> None:
    for _ in range(5):
        with pytest.raises(SubscriptionError):
            init_dynamic_streams([])
    streams, injector = memory()
    stream = select(streams, "trades")
    assert stream is not None
    injector.push(trade(btc(injector)))
    assert stream.recv(BOUND_S) == trade(btc(injector))

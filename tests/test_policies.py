"""What happens when a stream's queue is full, by policy, and how a reader of it waits."""

from __future__ import annotations

import threading
import time

import pytest
from harness import EXCHANGE, InThread, btc, eventually, one_of_each, trade, trades, waits_for_data

from barter_cffi import (
    ArgumentError,
    BookSnapshotEvent,
    BookUpdateEvent,
    DataError,
    Dropped,
    Level,
    Levels,
    OrderBookL1Event,
    QueueOptions,
    StreamClosedError,
    StreamOptions,
    SubKind,
    TradeEvent,
    init_dynamic_streams,
)
from barter_cffi.instrument import Instrument
from barter_cffi.testing import LocalExchange, in_memory
from barter_cffi.testing.local_exchange import Trade


def _l1(instrument: Instrument, number: int) -> OrderBookL1Event:
    return OrderBookL1Event(number, Level.of(number, 1), None, instrument, number, number)


def _update(instrument: Instrument, sequence: int, price: int) -> BookUpdateEvent:
    return BookUpdateEvent(sequence, None, Levels.of((price, 1)), Levels(), instrument, sequence, sequence)


def test_drop_newest_keeps_what_waits_and_tells_the_loss_behind_it() -> None:
    options = StreamOptions(queue=QueueOptions(capacity=3, policy="drop_newest"))
    streams, injector = in_memory([(EXCHANGE, "trades")], options)
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    injector.push_many(trades(btc(injector), 8))
    injector.close(EXCHANGE, "trades")
    *kept, dropped = list(stream)
    assert [item.id for item in kept if isinstance(item, TradeEvent)] == ["t0", "t1", "t2"]
    assert isinstance(dropped, Dropped)
    assert (dropped.count, dropped.reason) == (5, "queue_full")


def test_block_loses_nothing_and_holds_back_what_does_not_fit_until_the_reader_has_made_room() -> None:
    options = StreamOptions(queue=QueueOptions(capacity=5, policy="block"))
    streams, injector = in_memory([(EXCHANGE, "trades")], options)
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    # A push returns though its items are held back.
    injector.push_many(trades(btc(injector), 2_000))
    injector.close(EXCHANGE, "trades")
    assert [item.id for item in stream if isinstance(item, TradeEvent)] == [f"t{n}" for n in range(2_000)]


def test_block_holds_merged_streams_too_also_those_that_were_held_before() -> None:
    options = StreamOptions(queue=QueueOptions(capacity=2, policy="block"))
    sources = [("kraken", "trades"), ("okx", "trades")]
    streams, injector = in_memory(sources, options)  # type: ignore[arg-type]
    for exchange, _ in sources:
        injector.push_many(trades(btc(injector, exchange), 500))
    stream = streams.select_all_trades()
    assert stream is not None
    for exchange, kind in sources:
        injector.close(exchange, kind)  # type: ignore[arg-type]
    read = [(item.exchange, item.id) for item in stream if isinstance(item, TradeEvent)]
    for exchange, _ in sources:
        assert [id for of, id in read if of == exchange] == [f"t{n}" for n in range(500)]


def test_block_holds_back_the_exchange_itself_and_its_connection_lives_on() -> None:
    count = 10_000
    with LocalExchange(["binance_spot"], autostart=False) as exchange:
        held = StreamOptions(endpoints=exchange.endpoints, queue=QueueOptions(capacity=64, policy="block"))
        with init_dynamic_streams(["binance_spot:btc/usdt:trades"], held) as streams:
            exchange.wait_subscribed("binance_spot", "trades", "BTCUSDT")
            stream = streams.select_trades("binance_spot")
            assert stream is not None
            for _ in range(count // 1_000):
                exchange.emit("binance_spot", "trades", "BTCUSDT", 1_000)
            # 64 wait in the queue, what the pump took and one read more before it, the rest in the sockets.
            eventually(lambda: stream.metrics().queued_events == 64)
            read = [stream.recv(10) for _ in range(count)]
            assert [item.id for item in read if isinstance(item, TradeEvent)] == [
                event.id
                for event in exchange.journal.sent("binance_spot", "trades", "BTCUSDT")
                if isinstance(event, Trade)
            ]
            assert stream.metrics().dropped == 0
            assert exchange.journal.connections("binance_spot").made == 1


def test_closing_ends_a_stream_that_is_held() -> None:
    streams, injector = in_memory([(EXCHANGE, "trades")], StreamOptions(queue=QueueOptions(capacity=1, policy="block")))
    injector.push_many(trades(btc(injector), 10))
    streams.close()

    def refused() -> bool:
        try:
            injector.push(trade(btc(injector)))
        except StreamClosedError:
            return True
        return False

    eventually(refused)


def test_conflate_gives_the_newest_best_bid_and_ask_and_counts_the_older_ones() -> None:
    options = StreamOptions(queue={"l1": QueueOptions(policy="conflate")})
    streams, injector = in_memory([(EXCHANGE, "l1")], options)
    stream = streams.select_l1s(EXCHANGE)
    assert stream is not None
    first, second = btc(injector), injector.instrument(EXCHANGE, "eth", "usdt", "perpetual")
    injector.push_many([_l1(first, 1), _l1(second, 2), _l1(first, 3), _l1(first, 4)])
    dropped, newest, other = [stream.recv(1) for _ in range(3)]
    assert isinstance(dropped, Dropped)
    assert (dropped.count, dropped.reason, dropped.sub_kind) == (2, "conflated", SubKind.ORDER_BOOKS_L1)
    assert isinstance(newest, OrderBookL1Event) and isinstance(other, OrderBookL1Event)
    assert (newest.instrument, newest.last_update_time_ns) == (first, 4)
    assert other.instrument == second
    injector.push(_l1(first, 5))
    assert stream.recv(1) == _l1(first, 5)


def test_conflate_turns_a_backlog_of_updates_into_one_snapshot_of_the_book_as_it_is_now() -> None:
    streams, injector = in_memory([(EXCHANGE, "l2")], StreamOptions(queue=QueueOptions(policy="conflate")))
    stream = streams.select_l2s(EXCHANGE)
    assert stream is not None
    instrument = btc(injector)
    injector.push(BookSnapshotEvent(1, None, Levels.of((10, 1)), Levels(), instrument, 1, 1))
    assert isinstance(stream.recv(1), BookSnapshotEvent)
    injector.push_many(_update(instrument, sequence, 10 + sequence) for sequence in range(2, 6))
    dropped, snapshot = stream.recv(1), stream.recv(1)
    assert isinstance(dropped, Dropped)
    assert (dropped.count, dropped.reason) == (4, "conflated")
    assert isinstance(snapshot, BookSnapshotEvent)
    assert snapshot.recovered and snapshot.sequence == 5
    assert snapshot.bids.prices == (15.0, 14.0, 13.0, 12.0, 10.0)
    injector.push(_update(instrument, 6, 20))
    assert stream.recv(1) == _update(instrument, 6, 20)


@pytest.mark.parametrize("kind", ["trades", "liquidations"])
def test_conflate_is_refused_where_every_event_counts(kind: SubKind) -> None:
    for queue in (QueueOptions(policy="conflate"), {kind: QueueOptions(policy="conflate")}):
        with pytest.raises(ArgumentError, match=rf"policy: conflate is for l1 and l2.*{kind}"):
            in_memory([(EXCHANGE, kind)], StreamOptions(queue=queue))
        with pytest.raises(ArgumentError, match=rf"policy: conflate is for l1 and l2.*{kind}"):
            init_dynamic_streams([f"binance_futures_usd:btc/usdt:perpetual:{kind}"], StreamOptions(queue=queue))


def test_streams_are_merged_only_where_their_policies_agree_and_nothing_is_taken_where_not() -> None:
    options = StreamOptions(queue={"l1": QueueOptions(policy="conflate"), "l2": QueueOptions(policy="conflate")})
    kinds: list[SubKind] = [SubKind.PUBLIC_TRADES, SubKind.ORDER_BOOKS_L1, SubKind.ORDER_BOOKS_L2]
    streams, injector = in_memory([(EXCHANGE, kind) for kind in kinds], options)
    with pytest.raises(
        ArgumentError, match=r"trades .drop_oldest. and l1 .conflate.: streams that are merged have one"
    ):
        streams.select_all()
    assert len(streams.available) == 3
    assert streams.select_trades(EXCHANGE) is not None
    with pytest.raises(ArgumentError, match=r"l1 .conflate. and l2 .conflate.: .*conflate is for one kind at a time"):
        streams.select_all()
    l1s = streams.select_all_l1s()
    assert l1s is not None
    injector.push_many([_l1(btc(injector), 1), _l1(btc(injector), 2)])
    assert isinstance(l1s.recv(1), Dropped)
    assert l1s.recv(1) == _l1(btc(injector), 2)


def test_close_delivers_what_waits_then_what_was_lost_then_why_and_ends() -> None:
    options = StreamOptions(queue=QueueOptions(capacity=3, policy="close"))
    streams, injector = in_memory([(EXCHANGE, "trades")], options)
    stream = streams.select_trades(EXCHANGE, errors="yield")
    assert stream is not None
    injector.push_many(trades(btc(injector), 3))
    injector.push(trade(btc(injector), 3))
    *kept, dropped, error = list(stream)
    with pytest.raises(StreamClosedError):
        injector.push(trade(btc(injector), 4))
    assert [item.id for item in kept if isinstance(item, TradeEvent)] == ["t0", "t1", "t2"]
    assert isinstance(dropped, Dropped) and dropped.count == 1
    assert isinstance(error, DataError) and error.variant == "queue_full"
    assert str(error).startswith("the queue was full (3 of 3 items")
    assert stream.recv() is None and stream.closed


def test_nothing_is_subscribed_into_a_stream_that_has_closed_itself_until_it_was_read() -> None:
    with LocalExchange(["kraken"], autostart=False) as exchange:
        closing = StreamOptions(endpoints=exchange.endpoints, queue=QueueOptions(capacity=4, policy="close"))
        with init_dynamic_streams(["kraken:btc/usd:trades"], closing) as streams:
            exchange.wait_subscribed("kraken", "trades", "XBT/USD")
            exchange.emit("kraken", "trades", "XBT/USD", 20)
            exchange.wait_until(lambda: exchange.journal.connections("kraken").open == 0, 10)
            with pytest.raises(
                ArgumentError, match=r"kraken: the queue of trades was full .* read it to its end first"
            ):
                streams.subscribe(["kraken:eth/usd:trades"], timeout=10)
            full = streams.select_trades("kraken", errors="yield")
            assert full is not None
            *_, error = list(full)
            assert isinstance(error, DataError) and error.variant == "queue_full"
            streams.subscribe(["kraken:eth/usd:trades"], timeout=10)
            exchange.wait_subscribed("kraken", "trades", "ETH/USD")
            stream = streams.select_trades("kraken")
            assert stream is not None
            exchange.emit("kraken", "trades", "ETH/USD")
            assert isinstance(stream.recv(timeout=10), TradeEvent)


def test_a_kind_without_options_of_its_own_has_the_defaults() -> None:
    options = StreamOptions(queue={"l1": QueueOptions(capacity=1)})
    streams, injector = in_memory([(EXCHANGE, "trades"), (EXCHANGE, "l1")], options)
    injector.push_many(trades(btc(injector), 5))
    injector.push_many(_l1(btc(injector), n) for n in range(5))
    stream, l1s = streams.select_trades(EXCHANGE), streams.select_l1s(EXCHANGE)
    assert stream is not None and l1s is not None
    assert isinstance(stream.recv(1), TradeEvent)
    dropped = l1s.recv(1)
    assert isinstance(dropped, Dropped) and dropped.count == 4


def test_memory_stays_within_the_bounds_before_a_stream_is_selected_too() -> None:
    for policy in ("drop_oldest", "drop_newest"):
        queue = QueueOptions(capacity=1_000_000, max_bytes=65_536, policy=policy)  # type: ignore[arg-type]
        streams, injector = in_memory([(EXCHANGE, "trades")], StreamOptions(queue=queue))
        instrument = btc(injector)
        for first in range(0, 20_000, 1_000):
            injector.push_many(trades(instrument, 1_000, first))
        stream = streams.select_trades(EXCHANGE)
        assert stream is not None
        injector.close(EXCHANGE, "trades")
        items = list(stream)
        received = [item for item in items if isinstance(item, TradeEvent)]
        [dropped] = [item for item in items if isinstance(item, Dropped)]
        assert len(received) + dropped.count == 20_000
        assert len(received) * 128 <= 65_536


def test_a_reader_that_spins_gets_every_item_and_ctrl_c_and_timeouts_hold() -> None:
    streams, injector = in_memory([(EXCHANGE, "trades")], StreamOptions(queue=QueueOptions(spin=0.002)))
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    instrument, read = btc(injector), threading.Semaphore(0)

    def reader() -> list[str]:
        ids = []
        for item in stream:
            assert isinstance(item, TradeEvent)
            ids.append(item.id)
            read.release()
        return ids

    reading = InThread(reader)
    for number in range(300):
        injector.push(trade(instrument, number))
        assert read.acquire(timeout=5)
    injector.close(EXCHANGE, "trades")
    assert reading.result() == [f"t{n}" for n in range(300)]


def test_a_reader_that_spins_does_not_hold_up_other_threads_of_python() -> None:
    """All of the time-out is spent spinning: who held the interpreter meanwhile would be past it before this thread
    could push, and who slept would take no processor time."""
    streams, injector = in_memory([(EXCHANGE, "trades")], StreamOptions(queue=QueueOptions(spin=1.0)))
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    sent = trade(btc(injector))
    reading = InThread(lambda: stream.recv(1.0))
    eventually(lambda: waits_for_data(stream))
    assert reading.thread.ident is not None
    clock = time.pthread_getcpuclockid(reading.thread.ident)
    begun = time.clock_gettime(clock)
    while reading.thread.is_alive() and time.clock_gettime(clock) - begun < 0.02:
        time.sleep(0.001)
    injector.push(sent)
    assert reading.result() == sent


@pytest.mark.parametrize("spin", [-1e-6, 1.5, float("nan")])
def test_a_time_to_spin_out_of_range_is_refused(spin: float) -> None:
    with pytest.raises(ArgumentError, match=r"options\.queue\.spin"):
        in_memory([(EXCHANGE, "trades")], StreamOptions(queue=QueueOptions(spin=spin)))


def test_every_kind_passes_a_queue_of_every_policy_that_it_can_have() -> None:
    for policy in ("drop_oldest", "drop_newest", "block", "close"):
        queue = QueueOptions(policy=policy)  # type: ignore[arg-type]
        kinds = [SubKind.PUBLIC_TRADES, SubKind.ORDER_BOOKS_L1, SubKind.ORDER_BOOKS_L2, SubKind.LIQUIDATIONS]
        streams, injector = in_memory([(EXCHANGE, kind) for kind in kinds], StreamOptions(queue=queue))
        sent = one_of_each(btc(injector))
        for event in sent:
            injector.push(event)
        stream = streams.select_all()
        assert stream is not None
        assert [stream.recv(1) for _ in sent] == sent

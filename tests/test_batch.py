"""Batches: sequences that decode when they are read, and own their memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from conftest import MakesStreams
from harness import BOUND_S, EXCHANGE, InThread, btc, one_of_each, trades

from barter_cffi import Batch, DataError, MarketEvent, Reconnecting, record
from barter_cffi import batch as batch_module


def batch_of(memory: MakesStreams, count: int) -> tuple[Batch[Any], list[Any]]:
    streams, injector = memory((EXCHANGE, "trades"))
    sent = trades(btc(injector), count)
    injector.push_many(sent)
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    batch = stream.recv_batch(timeout=BOUND_S)
    assert batch is not None
    return batch, list(sent)


@pytest.mark.parametrize("chunk", [1, 3, 4, 10, 1024])
def test_a_batch_is_a_sequence_whatever_its_chunks(
    memory: MakesStreams, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(batch_module, "CHUNK", chunk)
    batch, sent = batch_of(memory, 10)
    assert isinstance(batch, Sequence)
    assert len(batch) == 10
    assert [batch[place] for place in range(-10, 10)] == sent + sent
    assert list(batch) == sent
    assert batch[2:7] == sent[2:7]
    assert batch[::-3] == sent[::-3]
    assert list(reversed(batch)) == sent[::-1]
    assert sent[4] in batch
    assert batch.index(sent[4]) == 4
    with pytest.raises(IndexError):
        batch[10]
    with pytest.raises(IndexError):
        batch[-11]


def test_only_what_is_read_is_decoded_and_that_once(memory: MakesStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "CHUNK", 4)
    decoded: list[tuple[int, int]] = []
    decode = record.decode

    def noted(records: Any, start: int, kinds: bytes, instruments: Any) -> Any:
        decoded.append((start, start + len(kinds)))
        return decode(records, start, kinds, instruments)

    batch, sent = batch_of(memory, 10)
    monkeypatch.setattr(batch_module, "decode", noted)
    assert len(batch) == 10
    assert batch.events == 10
    assert decoded == []
    assert batch[9] == sent[9]
    assert batch[8] is batch[8]
    assert batch[5] == sent[5]
    assert decoded == [(8, 10), (4, 8)]


def test_events_counts_market_events_only_and_errors_are_items(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "l2"))
    stream = streams.select_l2s(EXCHANGE)
    assert stream is not None
    books = one_of_each(btc(injector))[2:4]
    injector.push(books[0])
    injector.error(EXCHANGE, "l2", "boom")
    injector.reconnecting(EXCHANGE, "l2")
    injector.push(books[1])
    batch = stream.recv_batch(timeout=BOUND_S)
    assert batch is not None
    assert (len(batch), batch.events) == (4, 2)
    assert [type(item) for item in batch] == [type(books[0]), DataError, Reconnecting, type(books[1])]
    assert [item for item in batch if isinstance(item, MarketEvent)] == books


def test_a_batch_outlives_its_stream_and_its_set(memory: MakesStreams) -> None:
    streams, injector = memory()
    sent = one_of_each(btc(injector))
    injector.push_many(sent)
    stream = streams.select_all()
    assert stream is not None
    batches = [stream.recv_batch(timeout=BOUND_S) for _ in range(4)]
    streams.close()
    del stream, streams, injector
    gc.collect()
    items = [item for batch in batches if batch is not None for item in batch]
    assert sorted(map(repr, items)) == sorted(map(repr, sent))


def test_a_batch_of_what_recv_has_left_stays_as_it_is_while_the_stream_goes_on(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "trades"))
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    assert stream.try_recv() is None
    sent = trades(btc(injector), 9)
    injector.push_many(sent[:3])
    assert stream.recv(BOUND_S) == sent[0]
    left = stream.recv_batch(1, timeout=BOUND_S)
    assert left is not None
    for one in sent[2:]:
        if one is not sent[2]:
            injector.push(one)
        assert stream.recv(BOUND_S) == one
    assert list(left) == sent[1:2]


@pytest.mark.parametrize("place", range(5))
def test_what_comes_by_itself_is_what_comes_among_others(memory: MakesStreams, place: int) -> None:
    kinds = ("trades", "l1", "l2", "l2", "liquidations")
    streams, injector = memory(*[(EXCHANGE, kind) for kind in sorted(set(kinds))])
    stream = streams.select_all()
    sent = one_of_each(btc(injector))[place]
    assert stream.try_recv() is None
    received: list[Any] = []
    for count in (1, 1, 3, 1):
        injector.push_many([sent] * count)
        received += [stream.recv(BOUND_S) for _ in range(count)]
    assert received == [sent] * 6
    assert len(set(map(repr, received))) == 1
    injector.error(EXCHANGE, kinds[place], "boom")
    with pytest.raises(DataError, match="boom"):
        stream.recv(BOUND_S)
    injector.reconnecting(EXCHANGE, kinds[place])
    assert isinstance(stream.recv(BOUND_S), Reconnecting)


def test_a_closed_batch_lets_go_of_its_memory_and_what_was_read_stays(memory: MakesStreams) -> None:
    batch, sent = batch_of(memory, 5)
    items = list(batch)
    assert batch._records is not None
    memory_of_the_library = weakref.ref(batch._records)
    batch.close()
    batch.close()
    assert memory_of_the_library() is None
    assert items == sent
    assert len(batch) == 5
    assert repr(batch) == "<Batch, closed>"
    for read in (lambda: batch[0], lambda: list(batch), lambda: batch.events):
        with pytest.raises(ValueError, match="the batch was closed"):
            read()


def test_the_memory_is_freed_with_the_last_reference(memory: MakesStreams) -> None:
    batch, _ = batch_of(memory, 5)
    assert batch._records is not None
    memory_of_the_library = weakref.ref(batch._records)
    del batch
    assert memory_of_the_library() is None


def test_a_batch_can_be_read_and_closed_by_many_threads_at_once(
    memory: MakesStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_module, "CHUNK", 2)
    batch, sent = batch_of(memory, 300)

    def read() -> list[Any]:
        read_here = []
        try:
            for place in range(len(batch)):
                read_here.append(batch[place])
        except ValueError:
            pass
        return read_here

    readers = [InThread(read) for _ in range(4)]
    batch.close()
    for reader in readers:
        items = reader.result()
        assert items == sent[: len(items)]


def test_small_batches_of_books_have_their_own_levels(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "l2"))
    stream = streams.select_l2s(EXCHANGE)
    assert stream is not None
    books = one_of_each(btc(injector))[2:4]
    injector.push_many(books * 3)
    items = []
    for size in (1, 2, 1, 1, 1):
        batch = stream.recv_batch(size, timeout=BOUND_S)
        assert batch is not None
        assert len(batch) == size
        items += list(batch)
    assert items == books * 3


def test_the_repr_of_a_batch_counts_its_items(memory: MakesStreams) -> None:
    assert repr(batch_of(memory, 3)[0]) == "<Batch of 3 items>"

"""Batches as numpy arrays: over the library's memory, read-only, alive as long as anything refers to them. What is in
them is checked against the objects in `property/test_columns.py`.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from conftest import MakesStreams
from harness import BOUND_S, EXCHANGE, KINDS, btc, one_of_each, run_python, trade, trades

from barter_cffi import Batch, DataError, Reconnecting, SubKind, TradeEvent
from barter_cffi._ffi import check, ffi, lib


def batch_of(memory: MakesStreams, kind: str, count: int = 5) -> Batch[Any]:
    """A batch of events of one kind."""
    streams, injector = memory((EXCHANGE, kind))
    instrument = btc(injector)
    events = [event for event in one_of_each(instrument) if event.sub_kind == kind]
    injector.push_many(trades(instrument, count) if kind == "trades" else events * count)
    stream = streams.select_all() if kind == "all" else getattr(streams, f"select_{kind.rstrip('s')}s")(EXCHANGE)
    assert stream is not None
    batch = stream.recv_batch(timeout=BOUND_S)
    assert batch is not None
    return batch


def owner(array: Any) -> Any:
    """What the memory of an array belongs to."""
    while isinstance(array, np.ndarray):
        assert not array.flags.owndata
        array = array.base
    return array


@pytest.mark.parametrize("kind", KINDS)
def test_the_array_of_a_stream_of_one_kind_is_the_librarys_memory(memory: MakesStreams, kind: str) -> None:
    batch = batch_of(memory, kind)
    array = batch.numpy()
    assert batch._records is not None
    address = int(ffi.cast("uintptr_t", batch._records._batch.events))
    assert array.__array_interface__["data"] == (address, True)
    assert array.dtype.itemsize == array.strides[0] == ffi.sizeof("barter_event")
    assert owner(array)._records is batch._records
    assert np.shares_memory(array, batch.numpy())
    assert np.shares_memory(array, batch.numpy(SubKind(kind))), "nothing has to be left out"


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_cannot_be_written_to(memory: MakesStreams, kind: str) -> None:
    batch = batch_of(memory, kind)
    for array in (batch.numpy(), batch.numpy("trades"), batch.numpy("notices"), batch.levels()):
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[:] = array
    with pytest.raises(ValueError, match="WRITEABLE"):
        batch.numpy().flags.writeable = True


def test_an_array_keeps_its_memory_when_batch_stream_and_set_are_gone(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "trades"))
    injector.push_many(trades(btc(injector), 1000))
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    batch = stream.recv_batch(timeout=BOUND_S)
    assert batch is not None
    prices = batch.numpy()["price"][10:]
    library = weakref.ref(batch._records)  # type: ignore[arg-type]
    batch.close()
    streams.close()
    del batch, stream, streams, injector
    gc.collect()
    assert library() is not None
    assert prices.tolist() == [100.5 + number for number in range(10, 1000)]
    del prices
    assert library() is None


def test_the_memory_that_arrays_hold_is_lent_in_the_metrics(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "trades"))
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    injector.push_many(trades(btc(injector), 100))
    metrics = ffi.new("barter_stream_metrics *", {"struct_size": ffi.sizeof("barter_stream_metrics")})
    array = next(stream.batches(timeout=BOUND_S)).numpy()
    check(lib.barter_stream_metrics_get(stream._handle, metrics))
    assert metrics.bytes_lent >= array.nbytes == 100 * 128
    del array
    check(lib.barter_stream_metrics_get(stream._handle, metrics))
    assert metrics.bytes_lent == 0


def test_columns_are_taken_by_name(memory: MakesStreams) -> None:
    array = batch_of(memory, "trades", 3).numpy()
    assert array["price"].tolist() == [100.5, 101.5, 102.5]
    assert array["id"].tolist() == [b"t0", b"t1", b"t2"]
    assert array["time_exchange"].dtype == np.dtype("M8[ns]")
    assert array["time_exchange"].tolist() == [1_000_000_000, 1_000_000_001, 1_000_000_002]
    assert array[["price", "amount"]].dtype.names == ("price", "amount")
    assert array[array["price"] > 101]["side"].tolist() == [2, 2]


def test_a_part_of_a_librarys_batch_has_its_own_rows_and_all_levels(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "l2"))
    stream = streams.select_l2s(EXCHANGE)
    assert stream is not None
    books = one_of_each(btc(injector))[2:4]
    injector.push_many(books * 2)
    parts = [*zip(range(4), stream.batches(1, timeout=BOUND_S), strict=False)]
    for place, batch in parts:
        [row] = batch.numpy()
        assert row["sequence"] == books[place % 2].sequence  # type: ignore[attr-defined]
        bids = batch.levels()[row["bids_offset"] :][: row["bids_len"]]
        assert bids.tolist() == [[100.5, 3.0], [100.4, 0.1]]
        exact = batch.levels(exact=True)[row["bids_offset"] :][: row["bids_len"]]
        assert [[str(number) for number in level] for level in exact] == [["100.50", "3"], ["100.40", "0.10"]]


def test_the_best_bid_and_ask_are_there_exactly(memory: MakesStreams) -> None:
    batch = batch_of(memory, "l1", 2)
    exact = batch.decimals(batch.numpy()["bid_price_decimal"])
    assert [str(number) for number in exact] == ["100.50", "100.50"]


def test_rows_of_notices_are_blank_and_nothing_is_left_out(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "l2"))
    stream = streams.select_l2s(EXCHANGE)
    assert stream is not None
    book = one_of_each(btc(injector))[2]
    injector.push(book)
    injector.error(EXCHANGE, "l2", "boom")
    injector.reconnecting(EXCHANGE, "l2")
    batch = stream.recv_batch(timeout=BOUND_S)
    assert batch is not None
    array = batch.numpy()
    assert array["kind"].tolist() == [3, 34, 32]
    assert array["bids_len"].tolist() == [2, 0, 0]
    assert np.isnat(array["time_engine"]).tolist() == [False, True, True]
    assert array["time_exchange"].astype(int).tolist()[1:] == [notice.time_ns for notice in batch.notices]
    assert [type(notice) for notice in batch.notices] == [DataError, Reconnecting]
    assert (len(batch.numpy("l2")), len(batch.numpy("notices")), len(batch.numpy("trades"))) == (1, 2, 0)


def test_a_long_id_makes_its_column_wider(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "trades"))
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    short = trade(btc(injector))
    ids = ["x" * 40, "é" * 21, "a\0", ""]
    injector.push_many(TradeEvent(1.0, 1.0, short.side, id, short.instrument, 0, 0) for id in ids)
    batch = stream.recv_batch(timeout=BOUND_S)
    assert batch is not None
    array = batch.numpy()
    assert array["id"].dtype == "S42"
    assert [row["id"].ljust(row["id_len"], b"\0").decode() for row in array] == ids
    assert not array.flags.writeable


def test_a_stream_of_several_kinds_has_the_header_of_all_and_each_kind_when_asked(memory: MakesStreams) -> None:
    streams, injector = memory()
    stream = streams.select_all()
    assert stream is not None
    sent = one_of_each(btc(injector))
    for event in sent:
        injector.push(event)
    batch = stream.recv_batch(timeout=BOUND_S)
    assert batch is not None
    array = batch.numpy()
    assert array.dtype.names == ("time_exchange", "time_received", "instrument", "exchange", "kind", "flags")
    assert array["kind"].tolist() == [1, 2, 3, 3, 4]
    owner(array)
    assert batch.numpy("trades")["price"].tolist() == [100.5]
    assert batch.numpy("order_books_l2")["sequence"].tolist() == [7, 8]
    assert batch.instruments[array["instrument"][0]] == sent[0].instrument


def test_an_unknown_kind_is_an_error_that_offers_the_nearest(memory: MakesStreams) -> None:
    batch = batch_of(memory, "trades")
    with pytest.raises(ValueError, match="did you mean trades"):
        batch.numpy("trade")  # type: ignore[arg-type]


def test_a_closed_batch_has_no_arrays(memory: MakesStreams) -> None:
    batch = batch_of(memory, "l2")
    batch.close()
    for make in (batch.numpy, batch.levels, batch.arrow, lambda: batch.notices):
        with pytest.raises(ValueError, match="the batch was closed"):
            make()


@pytest.mark.parametrize(("module", "call"), [("numpy", "numpy"), ("pyarrow", "arrow"), ("numpy", "levels")])
def test_a_missing_extra_is_an_import_error_that_names_it(module: str, call: str) -> None:
    done = run_python(
        f"""
import sys
sys.modules[{module!r}] = None
from barter_cffi.testing import in_memory
streams, injector = in_memory([("kraken", "trades")])
injector.error("kraken", "trades")
try:
    streams.select_trades("kraken").recv_batch(timeout=10).{call}()
except ImportError as error:
    print(error)
"""
    )
    extra = "arrow" if module == "pyarrow" else "numpy"
    assert f"barter-cffi[{extra}]" in done.stdout, done.stderr

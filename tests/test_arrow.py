"""Batches as Arrow: the PyCapsule interface is read by pyarrow and by polars. What is in the columns is checked against
the objects in `property/test_columns.py`.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from conftest import MakesStreams
from harness import BOUND_S, EXCHANGE, KINDS, btc, one_of_each

from barter_cffi import Batch, FutureContract

TIME = pa.timestamp("ns", "UTC")
NAMES = pa.dictionary(pa.int32(), pa.string())


def batch_of(memory: MakesStreams, kind: str) -> Batch[Any]:
    """A batch of the events of one kind, an error behind them."""
    streams, injector = memory((EXCHANGE, kind))
    injector.push_many(event for event in one_of_each(btc(injector)) if event.sub_kind == kind)
    injector.error(EXCHANGE, kind, "boom")  # type: ignore[arg-type]
    stream = getattr(streams, f"select_{kind.rstrip('s')}s")(EXCHANGE)
    batch: Batch[Any] = stream.recv_batch(timeout=BOUND_S)
    return batch


def test_the_types_of_the_columns(memory: MakesStreams) -> None:
    header = {"time_exchange": TIME, "time_received": TIME, "instrument": NAMES, "exchange": NAMES, "kind": NAMES}
    level = pa.struct({"price": pa.float64(), "amount": pa.float64()})
    columns = {
        "trades": {"price": pa.float64(), "amount": pa.float64(), "side": NAMES, "id": pa.string()},
        "l1": {"last_update_time": TIME}
        | dict.fromkeys(["bid_price", "bid_amount", "ask_price", "ask_amount"], pa.float64()),
        "l2": {"sequence": pa.uint64(), "time_engine": TIME, "recovered": pa.bool_()}
        | {"bids": pa.list_(level), "asks": pa.list_(level)},
        "liquidations": {"price": pa.float64(), "quantity": pa.float64(), "side": NAMES, "time": TIME},
    }
    for kind in KINDS:
        table = batch_of(memory, kind).arrow()
        table.validate(full=True)
        assert dict(zip(table.schema.names, table.schema.types, strict=True)) == header | columns[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_and_its_record_batch_have_the_capsules_that_arrow_readers_take(
    memory: MakesStreams, kind: str
) -> None:
    batch = batch_of(memory, kind)
    table = batch.arrow()
    assert pa.record_batch(batch).equals(table)
    frame = pl.DataFrame(table)
    assert frame.height == len(batch)
    assert frame["time_exchange"].dtype == pl.Datetime("ns", "UTC")
    assert frame["instrument"].cast(pl.String).to_list() == [f"{EXCHANGE}:btc/usdt:perpetual"] * batch.events + [None]
    assert frame["kind"].cast(pl.String).to_list()[-1] == "error"
    assert frame.to_arrow().num_rows == len(batch)


def test_polars_reads_the_levels_of_books(memory: MakesStreams) -> None:
    frame = pl.DataFrame(batch_of(memory, "l2").arrow(exact=True))
    best = frame.select(pl.col("bids").list.first().struct.field("price_exact").cast(pl.Decimal(38, 10)))
    assert [str(price) for price in best.to_series()] == ["100.5000000000"] * 2 + ["None"]
    assert frame["bids"].to_list()[0][1]["amount"] == 0.1
    assert frame["asks"].to_list()[1:] == [[], None]


def test_what_is_not_there_is_null(memory: MakesStreams) -> None:
    l1 = batch_of(memory, "l1").arrow()
    assert l1.column("bid_price").to_pylist() == [100.5, None]
    assert l1.column("ask_price").to_pylist() == [None, None]
    trades = batch_of(memory, "trades").arrow()
    assert trades.column("id").to_pylist() == ["t0", None]
    assert trades.column("side").to_pylist() == ["sell", None]


def test_notices_have_columns_of_their_own(memory: MakesStreams) -> None:
    [row] = batch_of(memory, "trades").arrow("notices").select(["kind", "reason", "variant", "count"]).to_pylist()
    assert row == {"kind": "error", "reason": "SocketError: boom", "variant": "socket", "count": 1}


def test_no_two_instruments_of_a_set_have_one_name(memory: MakesStreams) -> None:
    streams, injector = memory(("okx", "trades"))
    expiry = datetime(2026, 12, 25, 8, tzinfo=timezone.utc)
    first = injector.instrument("okx", "btc", "usd", FutureContract(expiry))
    second = injector.instrument("okx", "btc", "usd", FutureContract(expiry), "ANOTHER")
    event = one_of_each(first)[0]
    injector.push(event)
    injector.push(one_of_each(second)[0])
    stream = streams.select_trades("okx")
    assert stream is not None
    batch = stream.recv_batch(timeout=BOUND_S)
    assert batch is not None
    name = "okx:btc/usd:future@2026-12-25T08:00:00Z"
    assert batch.arrow().column("instrument").to_pylist() == [name, f"{name} (ANOTHER)"]


def test_record_batches_of_a_stream_make_one_table_and_outlive_it(memory: MakesStreams) -> None:
    streams, injector = memory((EXCHANGE, "trades"))
    event = one_of_each(btc(injector))[0]
    injector.push_many([event] * 10)
    injector.close(EXCHANGE, "trades")
    stream = streams.select_trades(EXCHANGE)
    assert stream is not None
    table = pa.Table.from_batches([batch.arrow() for batch in stream.batches(3)])
    streams.close()
    assert table.column("price").to_pylist() == [100.5] * 10

"""Batches as arrays: trades as numpy columns over the library's memory, order books as levels, and both as Arrow tables
for pyarrow, polars or a Parquet file.
"""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa

from barter_cffi import StreamOptions, init_dynamic_streams

TRADES = 100
BOOKS = 20
BUY = 1
SUBSCRIPTIONS = ["binance_spot:btc/usdt:trades", "binance_spot:eth/usdt:trades", "binance_spot:btc/usdt:l2"]


def watch(options: StreamOptions | None = None) -> None:
    """Prints volumes of trades, widths of books, and what a table of trades holds."""
    with init_dynamic_streams([SUBSCRIPTIONS], options) as streams:
        trades, books = streams.select_trades("binance_spot"), streams.select_l2s("binance_spot")
        assert trades is not None, "it is subscribed and was not selected before"
        assert books is not None, "it is subscribed and was not selected before"
        tables: list[pa.RecordBatch] = []
        seen = 0
        for batch in trades.batches():
            rows = batch.numpy("trades")  # a row for each trade; without "trades" also for notices and errors
            bought = rows["amount"][rows["side"] == BUY].sum()
            print(f"{len(rows)} trades, {bought:.3f} of {rows['amount'].sum():.3f} bought by takers")
            for notice in batch.notices:
                print(f"in its place among the trades: {notice!r}")
            tables.append(batch.arrow("trades"))
            seen += len(rows)
            if seen >= TRADES:
                break
        seen = 0
        for changes in books.batches():
            levels = changes.levels()
            for row in changes.numpy("l2"):
                bids = levels[row["bids_offset"] :][: row["bids_len"]]
                asks = levels[row["asks_offset"] :][: row["asks_len"]]
                print(f"book {row['sequence']}: {np.sum(bids[:, 1]):.3f} bid, {np.sum(asks[:, 1]):.3f} asked")
                seen += 1
            if seen >= BOOKS:
                break
    table = pa.Table.from_batches(tables).unify_dictionaries()
    volumes = table.group_by("instrument").aggregate([("amount", "sum")])
    for row in volumes.to_pylist():
        print(f"{row['instrument']}: {row['amount_sum']:.3f} traded")


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"]) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

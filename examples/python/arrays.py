"""Batches as arrays: trades as numpy columns over the library's memory, order books as levels, best bids and asks exact
to the last digit, and trades as Arrow tables for pyarrow, polars or a Parquet file.
"""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa

from barter_cffi import (
    Batch,
    BookSnapshotEvent,
    BookUpdateEvent,
    OrderBookL1Event,
    StreamOptions,
    SubKind,
    TradeEvent,
    init_dynamic_streams,
)

TRADES = 100
BOOKS = 20
BUY = 1
QUOTES = 20
SUBSCRIPTIONS = [
    "binance_spot:btc/usdt:trades",
    "binance_spot:eth/usdt:trades",
    "binance_spot:btc/usdt:l2",
    "binance_spot:btc/usdt:l1",
]


def volumes(batch: Batch[TradeEvent]) -> int:
    """Prints how much was bought and sold, and what is missing; how many trades it were."""
    rows = batch.numpy("trades")  # a row for each trade; without "trades" also for notices and errors
    bought = rows["amount"][rows["side"] == BUY].sum()
    print(f"{len(rows)} trades, {bought:.3f} of {rows['amount'].sum():.3f} bought by takers")
    notices = batch.numpy("notices")
    lost = notices["count"][notices["sub_kind"] == SubKind.PUBLIC_TRADES.number].sum()
    if lost:
        print(f"{lost} trades are missing among them")
    return len(rows)


def widths(batch: Batch[BookSnapshotEvent | BookUpdateEvent]) -> int:
    """Prints the amounts of each event of an order book; how many it were."""
    levels, rows = batch.levels(), batch.numpy("l2")
    for row in rows:
        bids = levels[row["bids_offset"] :][: row["bids_len"]]
        asks = levels[row["asks_offset"] :][: row["asks_len"]]
        print(f"book {row['sequence']}: {np.sum(bids[:, 1]):.3f} bid, {np.sum(asks[:, 1]):.3f} asked")
    return len(rows)


def spreads(batch: Batch[OrderBookL1Event]) -> int:
    """Prints the narrowest and the widest spread, as the exchange's digits say; of how many quotes."""
    quotes = batch.numpy("l1")
    both = quotes[~np.isnan(quotes["bid_price"]) & ~np.isnan(quotes["ask_price"])]
    if len(both):
        exact = batch.decimals(both["ask_price_decimal"]) - batch.decimals(both["bid_price_decimal"])
        print(f"spread from {exact.min()} to {exact.max()} in {len(both)} quotes")
    for row in batch.numpy("notices"):
        print(f"in its place among the {SubKind.from_number(int(row['sub_kind']))}: {row}")
    return len(quotes)


def watch(options: StreamOptions | None = None) -> None:
    """Prints volumes of trades, widths of books, spreads, and what a table of trades holds."""
    with init_dynamic_streams([SUBSCRIPTIONS], options) as streams:
        trades, books = streams.select_trades("binance_spot"), streams.select_l2s("binance_spot")
        quotes = streams.select_l1s("binance_spot")
        assert trades is not None, "it is subscribed and was not selected before"
        assert books is not None, "it is subscribed and was not selected before"
        assert quotes is not None, "it is subscribed and was not selected before"
        tables: list[pa.RecordBatch] = []
        seen = 0
        for traded in trades.batches():
            seen += volumes(traded)
            tables.append(traded.arrow("trades"))
            if seen >= TRADES:
                break
        seen = 0
        while seen < BOOKS and (changes := books.recv_batch()) is not None:
            seen += widths(changes)
        seen = 0
        while seen < QUOTES and (quoted := quotes.recv_batch()) is not None:
            seen += spreads(quoted)
    table = pa.Table.from_batches(tables).unify_dictionaries()
    sums = table.group_by("instrument").aggregate([("amount", "sum")])
    for row in sums.to_pylist():
        print(f"{row['instrument']}: {row['amount_sum']:.3f} traded")


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"]) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

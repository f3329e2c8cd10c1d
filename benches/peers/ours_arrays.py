"""barter_cffi, as numpy arrays: whole batches, with the levels of order books as numbers too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy  # noqa: F401  # before anything is timed
from measure import SAMPLE_FILE, Meter
from ours import KIND, opened

from barter_cffi import Batch

SIDES = ("", "buy", "sell")


def trades(batch: Batch[Any]) -> Iterator[list[Any]]:
    rows = batch.numpy()
    times = rows["time_exchange"].astype("M8[ms]").astype(int)
    for price, amount, id, side, time in zip(
        *(rows[name].tolist() for name in ("price", "amount", "id", "side")), times.tolist(), strict=True
    ):
        yield [price, amount, id.decode(), SIDES[side], time]


def best_prices(batch: Batch[Any]) -> Iterator[list[Any]]:
    rows = batch.numpy()
    return map(list, rows[["bid_price", "bid_amount", "ask_price", "ask_amount"]].tolist())


def updates(batch: Batch[Any]) -> Iterator[list[Any]]:
    levels = batch.levels()
    for row in batch.numpy():
        bids, asks = (levels[row[f"{side}_offset"] :][: row[f"{side}_len"]].tolist() for side in ("bids", "asks"))
        yield [int(row["sequence"]), bids, asks]


ROWS: dict[str, Callable[[Batch[Any]], Iterator[list[Any]]]] = {"trades": trades, "l1": best_prices, "l2": updates}


def main() -> None:
    meter = Meter(list)
    with opened() as stream:
        for batch in stream.batches():
            if SAMPLE_FILE:
                for row in ROWS[KIND](batch):
                    meter.take(row)
            elif KIND == "l2":
                rows, _levels = batch.numpy(), batch.levels()
                meter.take_many(len(rows))
            else:
                meter.take_many(len(batch.numpy()))


main()

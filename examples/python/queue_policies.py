"""What each queue policy does with a reader that comes late: the same hundred trades into streams that hold twenty. In
memory, so that nothing depends on the time. What is received and what is reported lost is always what a stream took.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import Final

from barter_cffi import DataError, Dropped, QueueOptions, Side, StreamClosedError, StreamOptions, TradeEvent
from barter_cffi.testing import in_memory

SENT = 100
EXCHANGE: Final = "binance_spot"
#: `block` would make the sender wait, and `conflate` is for best bids and asks and order books.
POLICIES: Final = ("drop_oldest", "drop_newest", "close")


def found(items: Iterable[object]) -> Iterator[str]:
    """What is in a stream, in its order."""
    for is_trade, run in groupby(items, lambda item: isinstance(item, TradeEvent)):
        if is_trade:
            first, *_, last = (item.id for item in run if isinstance(item, TradeEvent))
            yield f"trades {first} to {last}"
            continue
        for item in run:
            match item:
                case Dropped():
                    yield f"{item.count} lost"
                case DataError():
                    yield f"an error, {item.variant}"


def watch() -> None:
    """Prints what a reader finds that comes when all was sent."""
    for policy in POLICIES:
        options = StreamOptions(queue=QueueOptions(capacity=20, policy=policy))
        streams, injector = in_memory([(EXCHANGE, "trades")], options)
        with streams:
            btc = injector.instrument(EXCHANGE, "btc", "usdt", "spot")
            sent = [TradeEvent(100.0, 1.0, Side.BUY, str(number), btc, number, number) for number in range(SENT)]
            with suppress(StreamClosedError):  # `close` takes no more once it is full
                injector.push_many(sent)
                injector.close(EXCHANGE, "trades")
            trades = streams.select_trades(EXCHANGE, errors="yield")
            assert trades is not None, "it is there and was not selected before"
            print(f"{policy}: {', '.join(found(trades))}")


if __name__ == "__main__":
    watch()

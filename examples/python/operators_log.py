"""What an operator sees: the library speaks through `logging` like any other, below the logger `barter_cffi`. Here
all of it is shown from INFO on, and the steps of opening a connection too, until it is told to be quiet.
"""

from __future__ import annotations

import logging
import sys

from barter_cffi import StreamOptions, disable_logging, enable_logging, init_dynamic_streams

TRADES = 20


def watch(options: StreamOptions | None = None) -> None:
    """Reads some trades; what is printed is the log."""
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("barter_cffi.feed.open").setLevel(logging.DEBUG)
    enable_logging(logging.INFO)
    with init_dynamic_streams([["kraken:btc/usd:trades"]], options) as streams:
        trades = streams.select_trades("kraken")
        assert trades is not None, "it is subscribed and was not selected before"
        for seen, _ in enumerate(trades, start=1):
            if seen == TRADES:
                break
        disable_logging()  # what was said until now is handed over; of the closing nothing is said


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["kraken"]) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

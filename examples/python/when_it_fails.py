"""What can fail, and what a program does about each: a request that is wrong, an exchange that cannot be reached or
does not answer, a market that is quiet, and an end that another thread decides.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from barter_cffi import (
    ArgumentError,
    BarterError,
    ConnectError,
    DataError,
    ForkedError,
    InitTimeoutError,
    QueueOptions,
    RecvTimeoutError,
    StreamClosedError,
    StreamOptions,
    SubscriptionError,
    __version__,
    init_dynamic_streams,
)

BTC = "kraken:btc/usd:trades"
#: The first that an error is an instance of.
ADVICE: dict[type[BarterError], str] = {
    SubscriptionError: "ask for something else",
    ArgumentError: "mend the options",
    InitTimeoutError: "try again, with more time",
    ConnectError: "try again later",
    RecvTimeoutError: "go on reading",
    DataError: "go on reading",
    StreamClosedError: "stop reading",
    ForkedError: "start workers by the spawn method of multiprocessing",
    BarterError: f"report a fault of barter_cffi {__version__}",
}


def advice(error: BarterError) -> str:
    """What to do, and what happened."""
    [do, *_] = [text for kind, text in ADVICE.items() if isinstance(error, kind)]
    where = f" ({error.variant} of {error.exchange})" if isinstance(error, DataError) else ""
    return f"{do}: {type(error).__name__} {error.status or 'here'}{where}: {error}"


def opens(subscription: str, options: StreamOptions, timeout: float = 5.0) -> bool:
    """Whether it can be opened; what to do where it cannot."""
    try:
        init_dynamic_streams([[subscription]], options, timeout=timeout).close()
    except BarterError as error:
        print(advice(error))
        return False
    return True


def read(options: StreamOptions) -> None:
    """Reads until the stream is closed, here after a second by another thread."""
    with init_dynamic_streams([[BTC]], options) as streams:
        trades = streams.select_trades("kraken")
        assert trades is not None, "it is subscribed and was not selected before"
        threading.Timer(1, trades.close).start()
        seen = 0
        while not streams.closed:
            try:
                item = trades.recv(timeout=0.2)
            except (RecvTimeoutError, DataError) as error:
                print(advice(error))
            except StreamClosedError as error:
                print(advice(error))
                break
            else:
                seen += item is not None
        print(f"{seen} trades")


@contextmanager
def deaf_server() -> Iterator[str]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"ws://127.0.0.1:{server.getsockname()[1]}"


def watch(options: StreamOptions) -> None:
    """Tries what fails, then what does not."""
    opens("krakne:btc/usd:trades", options)
    opens("kraken:no/where:trades", options)
    opens(BTC, StreamOptions(queue=QueueOptions(capacity=0)))
    opens(BTC, StreamOptions(endpoints={"kraken": "ws://127.0.0.1:9"}))
    with deaf_server() as address:
        opens(BTC, StreamOptions(endpoints={"kraken": address}), timeout=0.5)
    read(options)


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["kraken"], autostart=False) as exchange:  # a market without trades
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch(StreamOptions())

"""What the streams of a program have come to: printed now and then, and served to Prometheus at port 9464 (the extra
`metrics`). A connection that is waiting says why.
"""

from __future__ import annotations

import sys

from prometheus_client import REGISTRY, start_http_server

from barter_cffi import (
    ConnectionMetrics,
    DataError,
    StreamMetrics,
    StreamOptions,
    StreamsMetrics,
    init_dynamic_streams,
)
from barter_cffi.metrics import Collector

EVENTS = 200
BATCHES = [["binance_spot:btc/usdt:trades", "binance_spot:btc/usdt:l1"], ["kraken:btc/usd:trades"]]


def is_slow(stream: StreamMetrics) -> bool:
    """Whether its reader keeps events waiting, or has lost some."""
    return stream.dropped > 0 or stream.queued_events > 1_000


def state(connection: ConnectionMetrics) -> str:
    """A connection's line."""
    markets = ", ".join([instrument.name_exchange for instrument in connection.instruments])
    return (
        f"{connection.exchange} {connection.sub_kind} of {markets}: {connection.state}, "
        f"{connection.events} events, {connection.control_frames} control frames, "
        f"{connection.reconnects} reconnects, last error: {connection.last_error}"
    )


def report(total: StreamsMetrics) -> None:
    """Prints a line for all streams together, one for each whose reader is slow, and one for each connection."""
    print(
        f"{total.events} events, {total.dropped} of them lost, {total.queued_events} waiting "
        f"(at most {total.high_water_events}); {total.bytes} bytes received"
    )
    for stream in filter(is_slow, total.streams):
        print(f"the reader of {stream.sub_kind or 'everything'} is slow: {stream.queued_bytes} bytes wait")
    for connection in total.connections:
        print(state(connection))


def watch(options: StreamOptions | None = None, port: int = 9464) -> None:
    """Reads some events and tells where things stand."""
    with init_dynamic_streams(BATCHES, options) as streams:
        REGISTRY.register(Collector(streams))
        server, _ = start_http_server(port, addr="127.0.0.1")
        everything = streams.select_all(errors="yield")
        assert everything is not None, "nothing was selected before"
        for seen, item in enumerate(everything, start=1):
            if isinstance(item, DataError):
                print(f"an error, after which the stream goes on: {item}")
            if seen == EVENTS:
                break
        report(streams.metrics())
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange() as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints), port=0)
    else:
        watch()

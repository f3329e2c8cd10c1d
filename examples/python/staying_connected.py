"""A feed that is left running: what it tells of silent markets and broken connections, and what decides it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator

from barter_cffi import (
    DataError,
    Notice,
    Reconnected,
    Reconnecting,
    ReconnectPolicy,
    Silent,
    StreamOptions,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
)

TRADES = 200
BTC = Subscription("binance_spot", "btc", "usdt", "spot", "trades")
PATIENT = StreamOptions(
    connect_timeout=5,  # for proxy, TCP, TLS and upgrade together
    subscribe_timeout=20,  # for acknowledgements and snapshots
    reconnect=ReconnectPolicy(
        initial=0.25,  # at most 0.25 s, 0.5 s, 1 s, … until the next attempt,
        multiplier=2,
        max=30,
        jitter=1,  # and at random from none to that, so that not everybody comes at once
        stable=60,  # after a minute that it is open all of that begins anew
        max_attempts=100,  # then the stream ends with an error that says why
    ),
    keepalive=10,  # a ping every 10 s
    keepalive_timeout=25,  # without any frame for 25 s the connection is dead and opened again
    max_message_size=4 << 20,  # a message past 4 MiB ends the connection too
    silence={"trades": 30},  # 30 s without a trade of this market are worth a word
    silence_reconnect=True,  # and a new connection
)


def watch(options: StreamOptions) -> Iterator[Notice | DataError]:
    """Prints what the stream says of itself until enough trades were seen, and yields it."""
    with init_dynamic_streams([[BTC]], options) as streams:
        stream = streams.select_trades("binance_spot", errors="yield")
        assert stream is not None, "it is subscribed and was not selected before"
        seen = 0
        for item in stream:
            match item:
                case TradeEvent():
                    seen += 1
                    if seen == TRADES:
                        return
                    continue
                case Silent(instrument=instrument, seconds=seconds) if instrument is not None:
                    print(f"silent: no trade of {instrument.base}/{instrument.quote} for {seconds:.1f} s")
                case Reconnecting():
                    print(f"disconnected at {item.time:%H:%M:%S}: {item.reason}")
                case Reconnected():
                    print(f"connected again: attempts {item.attempts}, seconds without trades {item.gap_seconds}")
                case DataError():
                    print(f"an error, after which the stream goes on or ends: {item}")
            yield item


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(
            ["binance_spot"], autostart=False
        ) as exchange:  # it answers pings, and nothing happens on it
            hasty = dataclasses.replace(PATIENT, endpoints=exchange.endpoints, silence={"trades": 0.3})
            for notice in watch(hasty):
                if isinstance(notice, Reconnecting):
                    exchange.resume()  # trades happen from now on
                if isinstance(notice, Reconnected):
                    break
    else:
        for _ in watch(PATIENT):
            pass

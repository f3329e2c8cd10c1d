"""The demo: market data of every kind, live in a table. By default it starts the local exchange in this process and
subscribes to it through the real connectors; with `--live` it subscribes to the exchanges themselves.

Exit status: 0 when data came (of the local exchange: for every subscription), 1 when it did not, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table

from barter_cffi import (
    BarterError,
    BookSnapshotEvent,
    BookUpdateEvent,
    DataError,
    Dropped,
    LiquidationEvent,
    MarketEvent,
    OrderBookL1Event,
    StreamOptions,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
)
from barter_cffi.stream import MarketStream
from barter_cffi.support import support
from barter_cffi.testing import LocalExchange

MARKETS = [("btc", "usdt"), ("eth", "usdt")]
MARKETS_IN_USD = [("btc", "usd"), ("eth", "usd")]
MARKETS_OF = {
    "kraken": MARKETS_IN_USD,
    "coinbase": MARKETS_IN_USD,
    "bitfinex": MARKETS_IN_USD,
    "bitmex": MARKETS_IN_USD,
    "gateio_perpetuals_btc": [("btc", "usd")],
}
INTERVAL_S = 0.25
EXAMPLE = """\
from barter_cffi import DataError, Subscription, init_dynamic_streams

with init_dynamic_streams([[Subscription("binance_spot", "btc", "usdt", "spot", "trades")]]) as streams:
    trades = streams.select_trades("binance_spot", errors="yield")
    for item in trades:
        match item:
            case DataError():
                print("error:", item)
            case _:
                print(item)
"""


@dataclass
class Row:
    """What one subscription has brought."""

    events: int = 0
    last: str = ""
    latency_ms: float = float("nan")


@dataclass
class Tally:
    """What all of it has brought, since `began`."""

    rows: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    dropped: int = 0
    notices: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def events(self) -> int:
        """Market events of all rows."""
        return sum(row.events for row in self.rows.values())

    def add(self, item: object) -> None:
        """Counts one item of a stream."""
        match item:
            case MarketEvent():
                market = f"{item.instrument.base}/{item.instrument.quote}"
                row = self.rows.setdefault((item.exchange, market, item.sub_kind.value), Row())
                row.events += 1
                row.last = in_words(item)
                row.latency_ms = (item.time_received_ns - item.time_exchange_ns) / 1e6
            case DataError():
                self.errors.setdefault(str(item.exchange), str(item))
            case Dropped():
                self.dropped += item.count
            case _:
                self.notices.append(repr(item))


def in_words(event: MarketEvent) -> str:
    """One event in a few words."""
    match event:
        case TradeEvent():
            return f"{event.side.value} {event.amount:g} at {event.price:g}"
        case OrderBookL1Event():
            bid = f"{event.best_bid.price:g}" if event.best_bid else "-"
            ask = f"{event.best_ask.price:g}" if event.best_ask else "-"
            return f"{bid} | {ask}"
        case BookSnapshotEvent():
            return f"snapshot of {len(event.bids)} + {len(event.asks)} levels"
        case BookUpdateEvent():
            return f"{len(event.bids)} + {len(event.asks)} levels changed"
        case LiquidationEvent():
            return f"{event.side.value} {event.quantity:g} at {event.price:g}"
        case _:
            return repr(event)


def subscriptions_to_everything(exchanges: Container[str]) -> list[list[Subscription]]:
    """Every kind of market data of these exchanges, for instruments without an expiry; a batch an exchange."""
    return [
        [
            Subscription(offer.exchange, base, quote, kind, sub_kind)
            for base, quote in MARKETS_OF.get(offer.exchange, MARKETS)
            for sub_kind in offer.kinds
        ]
        for offer in support()
        if offer.exchange in exchanges
        for kind in offer.instrument_kinds[:1]
        if kind == "spot" or kind == "perpetual"
    ]


def table_of(tally: Tally) -> Table:
    """The tally as a table, a row an instrument and kind."""
    table = Table(title=f"{tally.events:,} events in {time.monotonic() - tally.began:.0f} s")
    for heading in ("exchange", "market", "kind", "last event"):
        table.add_column(heading, no_wrap=True)
    for heading in ("events/s", "latency ms"):
        table.add_column(heading, justify="right")
    seconds = max(time.monotonic() - tally.began, 1e-9)
    for (exchange, market, kind), row in sorted(tally.rows.items()):
        rate, latency = f"{row.events / seconds:.1f}", f"{row.latency_ms:.1f}"
        table.add_row(exchange, market, kind, row.last, rate, latency)
    return table


def plain_lines(tally: Tally) -> Iterator[str]:
    """The tally as lines of text."""
    seconds = max(time.monotonic() - tally.began, 1e-9)
    for (exchange, market, kind), row in sorted(tally.rows.items()):
        rate = row.events / seconds
        yield f"{exchange} {market} {kind}: {rate:.1f} events/s, {row.latency_ms:.1f} ms, {row.last}"


def watch(stream: MarketStream[MarketEvent], tally: Tally, seconds: float, console: Console) -> None:
    """Counts what comes for so many seconds, and shows it: a table on a terminal, else a line a second."""
    end, line_due = tally.began + seconds, tally.began
    table = Live(console=console, get_renderable=lambda: table_of(tally), refresh_per_second=4)
    with table if console.is_terminal else nullcontext():
        while (left := end - time.monotonic()) > 0:
            try:
                batch = stream.recv_batch(timeout=min(left, INTERVAL_S))
            except TimeoutError:
                continue
            if batch is None:
                return
            for item in batch:
                tally.add(item)
            if not console.is_terminal and time.monotonic() >= line_due:
                line_due += 1.0
                console.print(f"{time.monotonic() - tally.began:4.0f} s  {tally.events:,} events")


def summary(tally: Tally, console: Console) -> None:
    """What came, what went wrong, and the Python that does the same."""
    if not console.is_terminal:
        for line in plain_lines(tally):
            console.print(line, highlight=False, soft_wrap=True)
    for exchange, error in sorted(tally.errors.items()):
        console.print(f"{exchange}: {error}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    for notice in tally.notices[:20]:
        console.print(notice, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"{tally.events:,} events of {len(tally.rows)} subscriptions, {tally.dropped:,} dropped, "
        f"{len(tally.errors)} exchanges with errors, {len(tally.notices)} notices"
    )
    console.print("\nThe same in Python:\n", style="bold")
    console.print(EXAMPLE, highlight=False, markup=False, soft_wrap=True)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """The demo with parsed arguments; its exit status."""
    if arguments.live:
        batches = subscriptions_to_everything([offer.exchange for offer in support()])
        return run_on(batches, StreamOptions(start="any"), arguments.seconds, console, live=True)
    with LocalExchange(rate=arguments.rate, seed=arguments.seed) as exchange:
        batches = subscriptions_to_everything(exchange.endpoints)
        options = StreamOptions(endpoints=exchange.endpoints, proxy=False)
        return run_on(batches, options, arguments.seconds, console, live=False)


def run_on(
    batches: list[list[Subscription]],
    options: StreamOptions,
    seconds: float,
    console: Console,
    *,
    live: bool,
) -> int:
    """Subscribes, watches and sums up; the exit status."""
    where = "the exchanges themselves" if live else "the local exchange"
    wanted = sum(len(batch) for batch in batches)
    console.print(f"{wanted} subscriptions on {where}, for {seconds:g} s; Ctrl-C ends it")
    tally = Tally()
    try:
        with init_dynamic_streams(batches, options) as streams:
            everything = streams.select_all(errors="yield")
            tally.began = time.monotonic()
            if everything is not None:
                watch(everything, tally, seconds, console)
    except KeyboardInterrupt:
        summary(tally, console)
        return 130
    except BarterError as error:
        by_venue = {reason.partition(":")[0]: reason for reason in str(error).split("; ")}
        for reason in by_venue.values():
            console.print(reason, style="red", highlight=False, markup=False, soft_wrap=True)
        return 1
    summary(tally, console)
    return 0 if tally.rows and (live or len(tally.rows) == wanted) else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and runs the demo."""
    parser = argparse.ArgumentParser(prog="build.py demo", description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=15.0, help="how long (default 15)")
    parser.add_argument("--live", action="store_true", help="the real exchanges")
    parser.add_argument("--rate", type=float, default=20.0, help="events a second of each instrument and kind")
    parser.add_argument("--seed", type=int, default=0, help="seed of the local exchange")
    try:
        return run(parser.parse_args(argv), Console())
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

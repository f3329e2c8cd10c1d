"""Trades of a future and of options: a contract is named by its terms, and amounts may count contracts."""

from __future__ import annotations

import sys
from datetime import datetime, timezone

from barter_cffi import (
    FutureContract,
    Instrument,
    OptionContract,
    StreamOptions,
    Subscription,
    TradeEvent,
    init_dynamic_streams,
    markets,
)

TRADES = 20
FUTURE = FutureContract(expiry=datetime(2030, 12, 27, 8, tzinfo=timezone.utc))
BTC = Subscription("gateio_futures_usd", "btc", "usdt", FUTURE, "trades")


def options_of(base: str, options: StreamOptions | None) -> list[Subscription]:
    """A subscription for each option on an asset that the exchange lists, whatever its strike and expiry."""
    listed = [market for market in markets("gateio_options", options=options) if market.base == base]
    return [Subscription("gateio_options", one.base, one.quote, one.kind, "trades", one.name) for one in listed]


def terms(instrument: Instrument) -> str:
    """What is traded, in words."""
    match instrument.kind:
        case FutureContract(expiry=expiry):
            return f"{instrument.base} of {expiry.date()}"
        case OptionContract(kind=right, strike=strike, expiry=expiry):
            return f"{right} on {instrument.base} at {strike} of {expiry.date()}"
        case other:
            return f"{instrument.base} {other}"


def watch(options: StreamOptions | None = None) -> None:
    """Prints trades of the future and of all options."""
    with init_dynamic_streams([[BTC], options_of("btc", options)], options) as streams:
        trades = streams.select_all_trades()
        assert trades is not None, "they are subscribed and were not selected before"
        for seen, item in enumerate(trades, start=1):
            if isinstance(item, TradeEvent):
                print(f"{terms(item.instrument)}: {item.amount} {item.instrument.amount_unit}, at {item.price}")
            if seen == TRADES:
                break


if __name__ == "__main__":
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["gateio_futures_usd", "gateio_options"]) as exchange:
            watch(StreamOptions(endpoints=exchange.endpoints))
    else:
        watch()

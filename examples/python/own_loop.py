"""A program with a loop of its own, such as a chart that is drawn ten times a second: each time it takes what has come
meanwhile, and never waits for the exchange.

    own_loop.py [binance_spot:btc/usdt:trades]
"""

from __future__ import annotations

import sys
import time

from barter_cffi import MarketStream, Side, StreamOptions, Subscription, TradeEvent, init_dynamic_streams

FRAMES = 10
FRAME_S = 0.1


def draw(trades: MarketStream[TradeEvent]) -> None:
    """One frame: what was bought and sold since the last one."""
    bought = sold = 0.0
    while (item := trades.try_recv()) is not None:
        if isinstance(item, TradeEvent):
            bought += item.amount if item.side is Side.BUY else 0.0
            sold += item.amount if item.side is Side.SELL else 0.0
        else:
            print(f"in its place among the trades: {item!r}")
    print(f"bought {bought:.4f}, sold {sold:.4f}")


def watch(market: str, options: StreamOptions | None = None) -> None:
    """Draws some frames."""
    wanted = Subscription.parse(market)
    with init_dynamic_streams([[wanted]], options) as streams:
        trades = streams.select_trades(wanted.exchange, errors="yield")
        assert trades is not None, "it is subscribed and was not selected before"
        for _ in range(FRAMES):
            time.sleep(FRAME_S)
            draw(trades)
            if trades.closed:  # it has ended, and all of it was drawn
                break


if __name__ == "__main__":
    [market] = [given for given in sys.argv[1:] if given != "--local"] or ["binance_spot:btc/usdt:trades"]
    if "--local" in sys.argv[1:]:
        from barter_cffi.testing import LocalExchange

        with LocalExchange(["binance_spot"]) as exchange:
            watch(market, StreamOptions(endpoints=exchange.endpoints))
    else:
        watch(market)

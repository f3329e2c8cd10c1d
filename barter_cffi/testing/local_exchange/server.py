"""The local exchange itself: the class tests and the demo start, and its thread.

It runs an event loop in one daemon thread; every public method may be called from any other thread.
What happens on the sockets is in `gateway.py`, what happens when in `traffic.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Final, Literal, cast

from .events import Event, Kind, Level
from .exchanges import EXCHANGES, Exchange
from .exchanges.base import Options
from .faults import FAULTS, Fault, Faults, FaultSetting
from .gateway import Gateway
from .journal import Journal
from .market import Market
from .replay import Replaying, replaying, timelines
from .thread import Ready, Server
from .traffic import Traffic

if TYPE_CHECKING:
    from barter_cffi.instrument import ExchangeId
    from barter_cffi.options import Endpoint

_CALL_TIMEOUT_S: Final = 30.0


class NotSubscribedError(LookupError):
    """`emit` was asked for events that nobody has subscribed to."""


class LocalExchange(Server):
    """A server on loopback that speaks the public wire protocol of each exchange.

    A context manager: inside it the server runs, leaving it ends every connection and the thread.
    `with LocalExchange(["kraken"]) as exchange:` and `async with` both work; so do `start()` and
    `close()`.

    Args:
        exchanges: identifiers of the exchanges to simulate; None for all, or for none where there
            are captures.
        rate: events per second for each market and kind, where the venue states no lower rate.
        seed: decides every event but its times.
        host, port: where to listen; port 0 takes a free one.
        own_ports: each exchange listens on a free port of its own as well, which `addresses` then name;
            only so can one refuse connections while the others accept them.
        tls: speak TLS, with a certificate for `host` by an authority of its own, which `ca_file` has; needs trustme.
        autostart: whether traffic starts with the first subscription; `emit` works either way.
        markets: the markets of an exchange in place of its own default ones.
        depth: levels on each side of every book.
        clock: the venues' time, in nanoseconds since the Unix epoch.
        journal_limit: how many events of each exchange and kind, and how many changes of each book,
            are kept.
        keepalive_scale: multiplies every keep-alive interval and time-out the venues state; 0.01
            makes Binance's ping come after 0.2 s.
        lenient: accept market names the venue would refuse where they are only spelled differently.
        na_trades: Binance USD-M sends rows that are no trades among its trades.
        captures: files to replay, in cryptofeed's raw format. The exchanges they capture send what
            was captured instead of simulated events; `autostart` holds for them too.
        speed: how much faster than captured a replay is; 0 or infinity: as fast as clients read.

    Raises:
        ValueError: an unknown exchange, a rate that is not positive, markets for a replay;
            `CaptureError` for a file that is no capture, with file and line.
        OSError: a capture cannot be read.
    """

    def __init__(
        self,
        exchanges: Sequence[str] | None = None,
        *,
        rate: float = 50.0,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        own_ports: bool = False,
        tls: bool = False,
        autostart: bool = True,
        markets: Mapping[str, Sequence[Market]] | None = None,
        depth: int = 100,
        clock: Callable[[], int] = time.time_ns,
        journal_limit: int = 100_000,
        keepalive_scale: float = 1.0,
        lenient: bool = False,
        na_trades: bool = False,
        captures: Sequence[str | PathLike[str]] = (),
        speed: float = 1.0,
    ) -> None:
        if not 0 < rate < float("inf"):
            raise ValueError(f"rate must be positive, not {rate}")
        if not 0 < keepalive_scale < float("inf"):
            raise ValueError(f"keepalive_scale must be positive, not {keepalive_scale}")
        if not speed >= 0:
            raise ValueError(f"speed must not be negative, not {speed}")
        captured = timelines(captures)
        everything = () if captures else EXCHANGES
        names = list(dict.fromkeys([*(everything if exchanges is None else exchanges), *captured]))
        for name in (*names, *(markets or {})):
            if name not in EXCHANGES:
                known = ", ".join(EXCHANGES)
                raise ValueError(f"unknown exchange {name!r}: the local exchange has {known}")
            if name in captured and name in (markets or {}):
                raise ValueError(f"{name} has the markets of its captures, not others")
        options = Options(
            seed=seed,
            depth=depth,
            history_limit=journal_limit,
            clock=clock,
            na_trades=na_trades,
            lenient=lenient,
            keepalive_scale=keepalive_scale,
        )
        self.journal: Final = Journal(journal_limit)
        self._faults = Faults()
        venues = EXCHANGES | {name: replaying(EXCHANGES[name], each, speed) for name, each in captured.items()}
        self._exchanges: dict[str, Exchange] = {
            name: venues[name](options, self.journal, self._faults, (markets or {}).get(name)) for name in names
        }
        self._traffic = Traffic(self._exchanges.values(), self.journal, rate, autostart)
        for replay in self._exchanges.values():
            if isinstance(replay, Replaying):
                replay.running = self._is_running
        self._gateway = Gateway(self._exchanges, self.journal, self._faults)
        self._host, self._port, self._own_ports = host, port, own_ports
        self._bound_port = 0
        self._tls = tls
        self._ca_file = ""
        super().__init__("local-exchange")

    # Where it is.

    @property
    def port(self) -> int:
        """The port that all exchanges share. Raises `RuntimeError` before the start."""
        if not self._bound_port:
            raise RuntimeError("the local exchange has not been started")
        return self._bound_port

    @property
    def addresses(self) -> dict[str, tuple[str, str]]:
        """(WebSocket base, REST base) by exchange; a client appends the exchange's own paths."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        own = self._gateway.listeners
        ports = {name: own[name].port if name in own else self.port for name in self._exchanges}
        s = "s" if self._tls else ""
        return {
            name: (f"ws{s}://{host}:{port}/{name}", f"http{s}://{host}:{port}/{name}") for name, port in ports.items()
        }

    @property
    def ca_file(self) -> str:
        """The PEM file that `StreamOptions(ca_file=...)` takes, there until the exchange is closed.

        Raises `RuntimeError` without `tls`, and before the start.
        """
        if not self._ca_file:
            raise RuntimeError("the local exchange does not speak TLS, or not yet")
        return self._ca_file

    @property
    def endpoints(self) -> dict[ExchangeId, Endpoint]:
        """The addresses as `StreamOptions(endpoints=...)` takes them."""
        from barter_cffi.options import Endpoint

        return {
            cast("ExchangeId", name): Endpoint(websocket=websocket, rest=rest)
            for name, (websocket, rest) in self.addresses.items()
        }

    def markets(self, exchange: str) -> dict[str, Market]:
        """The markets served, by the exchange's own names."""
        return dict(self._exchange(exchange).instruments)

    def kinds(self, exchange: str) -> tuple[Kind, ...]:
        """The kinds of events the exchange has."""
        return self._exchange(exchange).kinds

    # Making things happen.

    def emit(
        self,
        exchange: str,
        kind: Kind,
        market: str,
        count: int = 1,
        *,
        unheard: Literal["raise", "allow"] = "raise",
        timeout: float = _CALL_TIMEOUT_S,
    ) -> list[Event]:
        """Makes exactly `count` events happen now, and sends them to who subscribed; returns them.

        `market` is the exchange's name or a pair such as "btc/usdt". With `unheard="allow"` they
        happen though nobody listens.

        Raises `NotSubscribedError`, `LookupError` (no such exchange or market), `ValueError` (the
        exchange has no such kind, or replays a capture), `TimeoutError` when a subscriber does not read.
        """
        venue = self._exchange(exchange)
        if isinstance(venue, Replaying):
            raise ValueError(f"{exchange} replays a capture: nothing else happens there")
        if kind not in venue.kinds:
            raise ValueError(f"{exchange} has no {kind}: it has {', '.join(venue.kinds)}")
        with self.journal.lock:
            simulated = venue.resolve(market)
            if unheard == "raise" and not venue.subscriptions(kind, simulated.name):
                raise NotSubscribedError(f"nobody has subscribed to {kind} of {exchange} {market}")
        return self._thread.call(self._traffic.emit(venue, kind, simulated, count), timeout)

    def pause(self) -> None:
        """Stops the traffic; when this returns nothing happens any more but by `emit`."""
        with self.journal.lock:
            self._traffic.running = False

    def resume(self) -> None:
        """Starts the traffic, or starts it again."""
        with self.journal.lock:
            self._traffic.running = True

    def set_fault(
        self,
        exchange: str,
        fault: Fault,
        *,
        status: int = 0,
        retry_after_s: float | None = None,
        delay_s: float = 0.0,
        times: int | None = None,
    ) -> None:
        """Makes the exchange misbehave from now on, or the next `times` times.

        `status` and `retry_after_s` are for the faults that answer with an HTTP error, `delay_s` for
        what comes late. Raises `ValueError` for a setting the fault cannot have.
        """
        venue = self._exchange(exchange)
        stage = FAULTS[fault].stage
        if stage in ("listen", "tls") and not self._own_ports:
            raise ValueError(f"{fault.value} needs own_ports")
        if stage == "tls" and not self._tls:
            raise ValueError(f"{fault.value} needs tls")
        with self.journal.lock:
            self._faults.set(exchange, FaultSetting(fault, status, retry_after_s, delay_s, times))
        if stage == "listen":
            self._thread.call(self._gateway.listen(venue, False), _CALL_TIMEOUT_S)
            with self.journal.lock:
                self._faults.take(exchange, fault)

    def clear_faults(self, exchange: str, fault: Fault | None = None) -> None:
        """Ends one fault, or all of an exchange."""
        venue = self._exchange(exchange)
        with self.journal.lock:
            self._faults.clear(exchange, fault)
        if self._own_ports and fault in (None, Fault.REFUSE_CONNECTIONS):
            self._thread.call(self._gateway.listen(venue, True), _CALL_TIMEOUT_S)

    def fault_count(self, exchange: str, fault: Fault) -> int:
        """How often a fault has acted."""
        with self.journal.lock:
            return self._faults.fired(exchange, fault)

    def drop(self, exchange: str, how: Literal["abort", "close"] = "abort") -> int:
        """Ends the exchange's open connections now: by a TCP reset, or by a WebSocket close with
        code 1001. Returns how many."""
        venue = self._exchange(exchange)
        return self._thread.call(self._gateway.drop(venue, how), _CALL_TIMEOUT_S)

    def notify(self, exchange: str, notice: str) -> None:
        """Sends a notice of the exchange (see `notices`) on each of its connections.

        Raises `LookupError` where the exchange has no such notice.
        """
        venue = self._exchange(exchange)
        notices = venue.notices()
        if notice not in notices:
            known = ", ".join(notices) or "none"
            raise LookupError(f"{exchange} has no notice {notice!r}; it has {known}")
        self.send_text(exchange, notices[notice])

    def notices(self, exchange: str) -> tuple[str, ...]:
        """The names of what the exchange announces."""
        return tuple(self._exchange(exchange).notices())

    def send_text(self, exchange: str, text: str) -> None:
        """Sends a frame as it is on each of the exchange's connections."""
        venue = self._exchange(exchange)
        self._thread.call(self._gateway.send_text(venue, text), _CALL_TIMEOUT_S)

    # Looking at it.

    def book_at(self, exchange: str, market: str, sequence: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """(bids, asks), best first, of the server's own book after the change `sequence`.

        Where a venue publishes only so many levels, it is those. Raises `LookupError` for a
        sequence before the first or after the last change kept.
        """
        venue = self._exchange(exchange)
        with self.journal.lock:
            return venue.book_at(market, sequence)

    def captured(self, exchange: str, kind: Kind, market: str | None = None) -> list[Event]:
        """The events of a kind that an exchange's captures have, in their order, of one market if
        given; whether they were sent, the journal says. Raises `LookupError` where it has no captures.
        """
        return self._replay(exchange).timeline.events(kind, market)

    def wait_played(self, exchange: str, timeout: float = 5.0) -> None:
        """Waits until the exchange's subscriptions were sent all that its captures have of them.

        Raises `TimeoutError` after `timeout` seconds, `LookupError` where it has no captures.
        """
        self.wait_until(self._replay(exchange).played, timeout)

    def subscribers(self, exchange: str, kind: Kind, market: str) -> int:
        """How many connections get that kind of events of a market now."""
        venue = self._exchange(exchange)
        with self.journal.lock:
            return len(venue.subscriptions(kind, venue.resolve(market).name))

    def wait_until(self, predicate: Callable[[], bool], timeout: float = 5.0) -> None:
        """Waits until `predicate()` is true; it is asked again after everything that happens.

        Raises `TimeoutError` after `timeout` seconds.
        """
        if not self.journal.wait_until(predicate, timeout):
            raise TimeoutError(f"the condition did not become true within {timeout} s")

    def wait_subscribed(self, exchange: str, kind: Kind, market: str, count: int = 1, timeout: float = 5.0) -> None:
        """Waits until `count` connections get that kind of events of a market.

        Raises `TimeoutError` after `timeout` seconds.
        """
        self.wait_until(lambda: self.subscribers(exchange, kind, market) >= count, timeout)

    async def _serve(self, ready: Ready) -> None:
        with contextlib.ExitStack() as ends:
            tls = None
            if self._tls:
                from .certificates import certificates

                tls = ends.enter_context(certificates(self._host))
                self._ca_file = tls.ca_file
            listening = self._gateway.listening(self._host, self._port, own_ports=self._own_ports, tls=tls)
            async with listening as self._bound_port:
                ready()
                await self._traffic.run(asyncio.get_running_loop().time)

    def _is_running(self) -> bool:
        return self._traffic.running

    def _replay(self, name: str) -> Replaying:
        venue = self._exchange(name)
        if not isinstance(venue, Replaying):
            raise LookupError(f"{name} is simulated: there is no capture of it")
        return venue

    def _exchange(self, name: str) -> Exchange:
        try:
            return self._exchanges[name]
        except KeyError:
            known = ", ".join(self._exchanges)
            raise LookupError(f"no exchange {name!r} is served: there are {known}") from None

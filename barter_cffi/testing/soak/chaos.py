"""What goes wrong in a round: faults of the local exchange's table on random exchanges at random moments. Every fault
of the table comes up before any comes again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random
from typing import Final

from barter_cffi.testing.local_exchange import FAULTS, Fault, LocalExchange

#: Stages at which a connection is opened: it is broken so that there is another.
_OPENING: Final = ("listen", "tls", "upgrade", "session", "subscribe", "snapshot")
#: How many faults act in a round on each exchange that is chosen, on average.
_FAULTS_EACH: Final = 2.0
_SPARED: Final = 1 / 3
_REFUSING_S: Final = 0.4
_DELAY_S: Final = 4.5


class Chaos:
    """Draws faults and sets them; the seed decides which and when."""

    def __init__(self, exchange: LocalExchange, seed: int) -> None:
        self._exchange = exchange
        self._random = Random(seed)
        self._deck: list[Fault] = []

    def act(self, seconds: float) -> set[str]:
        """Makes faults for so long and ends them all; returns the exchanges that were disturbed."""
        names = list(self._exchange.addresses)
        chosen = [name for name in names if self._random.random() >= _SPARED] or names[:1]
        count = round(_FAULTS_EACH * len(chosen))
        moments = sorted(self._random.uniform(0, seconds) for _ in range(count))
        began = time.monotonic()
        refusing: dict[str, float] = {}
        silent: set[str] = set()
        disturbed: set[str] = set()
        for moment in moments:
            self._wait(began + moment, refusing)
            fault = self._draw()
            name = self._random.choice(self._able(chosen, fault) or self._able(names, fault))
            self._set(name, fault)
            disturbed.add(name)
            if fault is Fault.REFUSE_CONNECTIONS:
                refusing[name] = time.monotonic() + _REFUSING_S
            if fault is Fault.SILENT_AFTER_ACKNOWLEDGEMENT:
                silent.add(name)
        self._wait(began + seconds, refusing)
        for name in names:
            self._exchange.clear_faults(name)
        for name in silent:  # nothing else ends a connection that is acknowledged and brings nothing
            self._exchange.drop(name)
        return disturbed

    def _draw(self) -> Fault:
        if not self._deck:
            self._deck = list(FAULTS)
            self._random.shuffle(self._deck)
        return self._deck.pop()

    def _able(self, names: Sequence[str], fault: Fault) -> list[str]:
        """Those of the exchanges on which the fault can act."""
        if FAULTS[fault].stage == "snapshot":
            return [name for name in names if name.startswith("binance")]
        if fault is Fault.SEQUENCE_GAP:
            return [name for name in names if "l2" in self._exchange.kinds(name)]
        return list(names)

    def _set(self, name: str, fault: Fault) -> None:
        row = FAULTS[fault]
        self._exchange.set_fault(
            name,
            fault,
            status=self._random.choice((429, 503)) if row.needs_status else 0,
            delay_s=_DELAY_S if row.needs_delay else 0.0,
            times=None if row.stage == "listen" else 1,
        )
        if row.stage in _OPENING:
            self._exchange.drop(name, self._random.choice(("abort", "close")))

    def _wait(self, until: float, refusing: dict[str, float]) -> None:
        """Waits, and lets exchanges accept connections again when their time has come."""
        while (now := time.monotonic()) < until:
            for name in [name for name, end in refusing.items() if end <= now]:
                del refusing[name]
                self._exchange.clear_faults(name, Fault.REFUSE_CONNECTIONS)
            time.sleep(max(0.0, min([until, *refusing.values()]) - now))

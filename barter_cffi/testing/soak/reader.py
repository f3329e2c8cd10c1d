"""Reads one stream of everything in a thread of its own, sorts the items by source, and waits for single events."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Any, Final, TypeAlias

from barter_cffi.event import BookEvent, MarketEvent
from barter_cffi.notice import Silent
from barter_cffi.stream import MarketStream
from barter_cffi.testing.local_exchange import BookUpdate, Event, Kind

from .account import Key, key_of

Source: TypeAlias = tuple[str, Kind]
_MOMENT_S: Final = 1.5


class Reader:
    """Reads from the moment it is made until the stream ends."""

    def __init__(self, stream: MarketStream[Any]) -> None:
        self._stream = stream
        self._items: dict[Source, list[Any]] = defaultdict(list)
        self._newest: dict[tuple[Source, str], Key] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="soak-reader", daemon=True)
        self._thread.start()

    def wait(self, sent: dict[tuple[Source, str], Event]) -> set[tuple[Source, str]]:
        """Waits a moment for the events, one for each market; gives those markets whose event has come."""
        end, waiting = time.monotonic() + _MOMENT_S, dict(sent)
        with self._changed:
            while True:
                for place in [place for place, event in waiting.items() if self._has(place, event)]:
                    del waiting[place]
                if not waiting or not self._changed.wait(end - time.monotonic()):
                    return sent.keys() - waiting.keys()

    def take(self) -> dict[Source, list[Any]]:
        """What has come since the last call."""
        with self._changed:
            items, self._items = self._items, defaultdict(list)
            return items

    def join(self) -> None:
        """Returns when the stream has ended."""
        self._thread.join()

    def _has(self, place: tuple[Source, str], event: Event) -> bool:
        """Whether the event is the newest of its market, or is contained in the newest of its book."""
        newest = self._newest.get(place)
        if isinstance(event, BookUpdate):
            return newest is not None and newest >= (event.sequence,)
        return newest == key_of(event)

    def _read(self) -> None:
        for item in self._stream:
            if isinstance(item, Silent):
                continue
            of: Any = item  # every other item says whose it is
            source: Source = of.exchange, of.sub_kind.value
            with self._changed:
                self._items[source].append(item)
                if isinstance(item, MarketEvent):
                    place = source, item.instrument.name_exchange
                    self._newest[place] = (item.sequence,) if isinstance(item, BookEvent) else key_of(item)
                    self._changed.notify_all()

"""What a captured frame is to a replay: market data, or a word of the venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..connection import Subscription
from ..events import Event, Kind

#: Writes a frame for a client: its subscriptions, by the markets of the frame that it has.
Write: TypeAlias = Callable[[Mapping[str, Subscription]], str]


@dataclass(frozen=True, slots=True)
class MarketFrame:
    """A frame of a channel that the local exchange serves: its events, by market.

    A market without events is one of whose channel the frame tells nothing that is an event.
    `channel` is the venue's name of the channel without the market, `heartbeat` whether the frame
    only shows that the channel lives.
    """

    kind: Kind
    channel: str
    events: Mapping[str, tuple[Event, ...]]
    write: Write
    heartbeat: bool = False


@dataclass(frozen=True, slots=True)
class Greeting:
    """A frame that a venue sends when a connection opens."""

    text: str


@dataclass(frozen=True, slots=True)
class Word:
    """A frame that is about no market: a heartbeat, a notice. `ends` where it asks to reconnect."""

    text: str
    ends: bool = False


Frame: TypeAlias = MarketFrame | Greeting | Word

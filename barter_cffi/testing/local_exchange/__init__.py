"""A local exchange: each venue's public wire protocol, WebSocket and REST, on loopback.

In the order in which an event is made: `market` (what a market is) → `book`, `orderflow`,
`simulation` (how it moves) → `events` (what happened) → `exchanges/` (how each venue writes it) →
`connection`, `gateway` (the sockets). `traffic` decides when, `faults` what goes wrong, `journal`
keeps what was sent and received, and `server` is the class that ties them together. `replay/` puts
captures of real exchanges in the simulation's place.
"""

from __future__ import annotations

try:
    import aiohttp as _aiohttp  # noqa: F401
except ImportError as error:
    raise ImportError("the local exchange needs aiohttp: pip install barter-cffi[testing]") from error

from .events import (
    KINDS,
    BestBidAsk,
    BookSnapshot,
    BookUpdate,
    Event,
    Kind,
    Level,
    Liquidation,
    Side,
    Trade,
)
from .exchanges import EXCHANGES
from .faults import FAULTS, Fault, FaultRow
from .journal import Connections, FrameReceived, Journal, RequestReceived
from .market import Market, MarketKind, market_of, markets
from .replay import CaptureError
from .server import LocalExchange, NotSubscribedError

__all__ = [
    "EXCHANGES",
    "FAULTS",
    "KINDS",
    "BestBidAsk",
    "BookSnapshot",
    "BookUpdate",
    "CaptureError",
    "Connections",
    "Event",
    "Fault",
    "FaultRow",
    "FrameReceived",
    "Journal",
    "Kind",
    "Level",
    "Liquidation",
    "LocalExchange",
    "Market",
    "MarketKind",
    "NotSubscribedError",
    "RequestReceived",
    "Side",
    "Trade",
    "market_of",
    "markets",
]

"""Real-time crypto market data of 15 exchange servers: trades, best bid and ask, order books and liquidations, through
the connectors of the Rust crate barter-data.

Data flows this way; each module begins with what it guarantees:

    support, markets                    what there is to ask for
    subscription, instrument, options   what is asked for
    streams                             init_dynamic_streams, DynamicStreams: open, select
    stream, merge, source, turn         MarketStream, merge: recv, try_recv, recv_batch, for, async for
    batch, record, layout               the library's records, and the one decoder
    books                               order books that the library maintains
    arrays, arrow                       batches as numpy arrays and Arrow record batches
    event, level, notice                what a stream carries
    metrics                             what streams have come to, also for Prometheus
    errors                              every exception, and which status raises it
    testing                             in-memory channels and a local exchange, for programs' tests
    _logging                            what the library says, in Python's logging
    _ffi, _wait, aio                    the library, waits that Ctrl-C can end, waits of coroutines
"""

from barter_cffi._ffi import ffi, lib
from barter_cffi._logging import disable_logging, enable_logging
from barter_cffi.batch import Batch
from barter_cffi.books import Book, Books, BookState
from barter_cffi.errors import (
    ArgumentError,
    BarterError,
    ConnectError,
    DataError,
    ForkedError,
    InitTimeoutError,
    RecvTimeoutError,
    StreamClosedError,
    SubscriptionError,
)
from barter_cffi.event import (
    BookEvent,
    BookSnapshotEvent,
    BookUpdateEvent,
    Liquidation,
    LiquidationEvent,
    MarketEvent,
    OrderBookL1,
    OrderBookL1Event,
    OrderBookSnapshot,
    OrderBookUpdate,
    PublicTrade,
    Side,
    TradeEvent,
)
from barter_cffi.instrument import ExchangeId, FutureContract, Instrument, OptionContract
from barter_cffi.level import Level, Levels
from barter_cffi.markets import Market, markets, markets_async
from barter_cffi.merge import MergedStream, merge
from barter_cffi.metrics import ConnectionMetrics, StreamMetrics, StreamsMetrics
from barter_cffi.notice import Dropped, Notice, Reconnected, Reconnecting, Silent
from barter_cffi.options import Endpoint, QueueOptions, ReconnectPolicy, StreamOptions
from barter_cffi.stream import MarketStream
from barter_cffi.streams import DynamicStreams, init_dynamic_streams, init_dynamic_streams_async
from barter_cffi.subscription import SubKind, Subscription, subscriptions
from barter_cffi.support import ExchangeSupport, support

PyDynamicStreams = DynamicStreams
PyMarketStream = MarketStream
PySubscription = Subscription

__version__: str = ffi.string(lib.barter_version()).decode()

__all__ = [
    "ArgumentError",
    "BarterError",
    "Batch",
    "Book",
    "BookEvent",
    "BookSnapshotEvent",
    "BookState",
    "BookUpdateEvent",
    "Books",
    "ConnectError",
    "ConnectionMetrics",
    "DataError",
    "Dropped",
    "DynamicStreams",
    "Endpoint",
    "ExchangeId",
    "ExchangeSupport",
    "ForkedError",
    "FutureContract",
    "InitTimeoutError",
    "Instrument",
    "Level",
    "Levels",
    "Liquidation",
    "LiquidationEvent",
    "Market",
    "MarketEvent",
    "MarketStream",
    "MergedStream",
    "Notice",
    "OptionContract",
    "OrderBookL1",
    "OrderBookL1Event",
    "OrderBookSnapshot",
    "OrderBookUpdate",
    "PublicTrade",
    "PyDynamicStreams",
    "PyMarketStream",
    "PySubscription",
    "QueueOptions",
    "ReconnectPolicy",
    "Reconnected",
    "Reconnecting",
    "RecvTimeoutError",
    "Side",
    "Silent",
    "StreamClosedError",
    "StreamMetrics",
    "StreamOptions",
    "StreamsMetrics",
    "SubKind",
    "Subscription",
    "SubscriptionError",
    "TradeEvent",
    "__version__",
    "disable_logging",
    "enable_logging",
    "init_dynamic_streams",
    "init_dynamic_streams_async",
    "markets",
    "markets_async",
    "merge",
    "subscriptions",
    "support",
]

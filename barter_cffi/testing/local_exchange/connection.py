"""One client's WebSocket, seen from the exchange.

The exchange modules talk to it in text frames and never wait: frames queue in an outbox that one
task writes. A client that reads too slowly is cut, as real venues cut it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import ClientConnectionResetError, WSMsgType, web

from .events import Kind
from .faults import Ending, Faults, Outgoing, Raw
from .journal import Journal
from .simulation import SimulatedMarket

#: Frames that may wait for a client before it is cut, and before `emit` pauses for it.
MAX_WAITING_FRAMES: Final = 65_536
_PACE_ABOVE: Final = 4_096

#: A linger time of zero: closing the socket resets the connection instead of ending it in order.
_LINGER_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(eq=False, slots=True)
class Subscription:
    """What one connection gets of one market.

    `channel` is the venue's name for it as the client wrote it, `channel_id` the venue's number for
    it where it has one.
    """

    connection: Connection
    kind: Kind
    market: SimulatedMarket
    channel: str
    channel_id: int = 0
    #: Frames that a fault sends behind the next ones.
    held: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Control:
    opcode: WSMsgType
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Close:
    code: int
    reason: str


@dataclass(eq=False)
class Connection:
    """A connection: where it came in, what it subscribed to, and its outbox.

    `state` is the exchange module's to keep what its protocol needs. Used on the server's loop.
    """

    number: int
    exchange: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw_path: str
    websocket: web.WebSocketResponse
    transport: asyncio.Transport | None
    journal: Journal
    faults: Faults
    muted: bool = False
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    state: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._time = loop.time
        self._outbox: deque[Outgoing | _Control | _Close] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._messages: deque[float] = deque()
        self.closing = False
        #: Whether a fault lets nothing more pass, though the TCP connection is open.
        self.stalled = False
        self.ended = asyncio.Event()
        self.opened_at = self.last_sent_at = self.last_received_at = self.last_pong_at = self._time()

    @property
    def now(self) -> float:
        """The loop's time in seconds, the clock of the `…_at` fields."""
        return self._time()

    def send_control(self, text: str) -> None:
        """Sends a frame that is no event: a greeting, an acknowledgement, a heartbeat, an error."""
        if self.muted or self.closing or self.stalled:
            return
        self.journal.control_sent(self.exchange, text)
        self._put(text)

    def send_event(self, text: str) -> None:
        """Sends a data frame, altered where a fault of stage "frame" is set."""
        if self.muted or self.closing or self.stalled:
            return
        for frame in self.faults.alter(self.exchange, text):
            if frame is Ending.STALL:
                self.stalled = True
            elif frame is Ending.CLOSE:
                self.close(1001)
            else:
                self._put(frame)

    def ping(self, payload: bytes) -> None:
        """Sends a WebSocket ping."""
        if not self.closing:
            self._put(_Control(WSMsgType.PING, payload))

    def pong(self, payload: bytes) -> None:
        """Sends a WebSocket pong."""
        if not self.closing:
            self._put(_Control(WSMsgType.PONG, payload))

    def close(self, code: int, reason: str = "") -> None:
        """Closes the WebSocket in order, after what already waits."""
        if not self.closing:
            self._put(_Close(code, reason))
            self.closing = True

    def abort(self) -> None:
        """Resets the TCP connection without a WebSocket close; what waits is not sent."""
        self.closing = True
        self._outbox.clear()
        if self.transport is None or self.transport.is_closing():
            return
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self.transport.abort()

    def messages_within(self, seconds: float) -> int:
        """How many messages came in during the last `seconds`, this one counted."""
        now = self._time()
        self._messages.append(now)
        while self._messages[0] <= now - seconds:
            self._messages.popleft()
        return len(self._messages)

    async def room(self) -> None:
        """Returns when the outbox has room for more events."""
        while len(self._outbox) > _PACE_ABOVE and not self.closing:
            self._drained.clear()
            await self._drained.wait()

    async def write(self) -> None:
        """Writes the outbox to the socket until the connection closes."""
        try:
            while True:
                while self._outbox:
                    if not await self._write(self._outbox.popleft()):
                        return
                self._drained.set()
                self._filled.clear()
                await self._filled.wait()
        except (ClientConnectionResetError, ConnectionError):
            return  # the client is gone: the reading side sees the same and ends the connection
        finally:
            self.closing = True
            self._drained.set()

    async def _write(self, item: Outgoing | _Control | _Close) -> bool:
        """Writes one item; False where it ends the connection."""
        if isinstance(item, str):
            await self.websocket.send_str(item)
            self.journal.frame_sent(self.exchange, len(item.encode()))
        elif isinstance(item, bytes):
            await self.websocket.send_frame(item, WSMsgType.BINARY)
            self.journal.frame_sent(self.exchange, len(item))
        elif isinstance(item, _Control):
            await self.websocket.send_frame(item.payload, item.opcode)
            return True
        elif isinstance(item, _Close):
            await self.websocket.close(code=item.code, message=item.reason.encode())
            return False
        elif isinstance(item, Raw):
            if self.transport is not None:
                self.transport.write(item.payload)
        else:
            self.abort()
            return False
        self.last_sent_at = self._time()
        return True

    def _put(self, item: Outgoing | _Control | _Close) -> None:
        if self.stalled:
            return
        if len(self._outbox) >= MAX_WAITING_FRAMES:
            self.abort()
            return
        self._outbox.append(item)
        self._filled.set()

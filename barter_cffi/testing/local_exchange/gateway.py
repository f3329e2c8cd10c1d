"""The sockets: HTTP and WebSocket requests find their exchange here, and only here is aiohttp.

`/<exchange>/<the exchange's own path>`: an upgrade goes to the exchange's WebSocket protocol, any
other request to its REST.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import WSMessage, WSMsgType, web

from .connection import Connection
from .exchanges import Exchange
from .exchanges.base import Reply
from .faults import Fault, Faults
from .journal import FrameReceived, Journal, RequestReceived
from .listener import Listener

if TYPE_CHECKING:
    from .certificates import Certificates

_CLOSE_TIMEOUT_S: Final = 0.3
_STALLED_POLL_S: Final = 0.01
_MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024


class Gateway:
    """Accepts connections and requests for the exchanges served."""

    def __init__(self, exchanges: Mapping[str, Exchange], journal: Journal, faults: Faults) -> None:
        self._exchanges = exchanges
        self._journal = journal
        self._faults = faults
        self._numbers = itertools.count(1)
        #: By exchange, where each has a port of its own.
        self.listeners: dict[str, Listener] = {}

    @asynccontextmanager
    async def listening(self, host: str, port: int, *, own_ports: bool, tls: Certificates | None) -> AsyncIterator[int]:
        """Serves while the context lasts; gives the port that all share. Leaving it ends every connection."""
        app = web.Application()
        app.router.add_route("*", "/{exchange}{path:(/.*)?}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_TIMEOUT_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, ssl_context=None if tls is None else tls.context())
            await site.start()
            for name in self._exchanges if own_ports else ():
                assert runner.server is not None, "it was set up"
                untrusted = partial(self._takes, name, Fault.UNTRUSTED_CERTIFICATE)
                context = None if tls is None else tls.context(untrusted)
                self.listeners[name] = Listener(runner.server, host, context)
                await self.listeners[name].listen()
            yield int(runner.addresses[0][1])
        finally:
            for listener in self.listeners.values():
                listener.close()
            for exchange in self._exchanges.values():
                await self.drop(exchange, "close")
            await runner.cleanup()

    async def listen(self, exchange: Exchange, accept: bool) -> None:
        """Accepts or refuses connections to an exchange's own port."""
        listener = self.listeners[exchange.name]
        if accept:
            await listener.listen()
        else:
            listener.refuse()

    async def drop(self, exchange: Exchange, how: Literal["abort", "close"]) -> int:
        """Ends an exchange's connections; returns when they are gone."""
        connections = list(exchange.connections.values())
        for connection in connections:
            if how == "abort":
                connection.abort()
            else:
                connection.close(1001)
        ends = [connection.ended.wait() for connection in connections]
        try:
            await asyncio.wait_for(asyncio.gather(*ends), 2 * _CLOSE_TIMEOUT_S)
        except asyncio.TimeoutError:
            for connection in connections:  # the client neither reads nor answers the close
                connection.abort()
        return len(connections)

    async def send_text(self, exchange: Exchange, text: str) -> None:
        """Sends a frame on each of an exchange's connections."""
        for connection in exchange.connections.values():
            connection.send_control(text)

    def _takes(self, name: str, fault: Fault) -> bool:
        with self._journal.lock:
            return self._faults.take(name, fault) is not None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        exchange = self._exchanges.get(request.match_info["exchange"])
        if exchange is None:
            raise web.HTTPNotFound(text="no such exchange")
        path = request.match_info["path"]
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(exchange, request, path)
        return self._rest(exchange, request, path)

    def _rest(self, exchange: Exchange, request: web.Request, path: str) -> web.Response:
        with self._journal.lock:
            if request.method == "GET":
                reply = exchange.rest(path, request.query)
            else:
                reply = Reply(405, "{}", {"Allow": "GET"})
            received = RequestReceived(request.method, path, dict(request.query), reply.status)
            self._journal.request_received(exchange.name, received)
        return _response(reply)

    async def _websocket(self, exchange: Exchange, request: web.Request, path: str) -> web.StreamResponse:
        with self._journal.lock:
            slow = self._faults.take(exchange.name, Fault.SLOW_UPGRADE)
        if slow is not None:
            await asyncio.sleep(slow.delay_s)
        refusal = self._refusal(exchange, path)
        if refusal is not None:
            self._journal.upgrade_refused(exchange.name)
            return _response(refusal)
        websocket = web.WebSocketResponse(
            timeout=_CLOSE_TIMEOUT_S,
            autoping=False,
            autoclose=False,
            compress=False,
            max_msg_size=_MAX_MESSAGE_BYTES,
        )
        if request.transport is None or request.transport.is_closing():
            return web.Response(status=408)  # it did not wait for a slow answer
        await websocket.prepare(request)
        connection = Connection(
            number=next(self._numbers),
            exchange=exchange.name,
            path=path,
            query=request.query,
            headers=request.headers,
            raw_path=path + (f"?{request.query_string}" if request.query_string else ""),
            websocket=websocket,
            transport=request.transport,
            journal=self._journal,
            faults=self._faults,
        )
        await self._converse(exchange, connection)
        return websocket

    def _refusal(self, exchange: Exchange, path: str) -> Reply | None:
        with self._journal.lock:
            setting = self._faults.take(exchange.name, Fault.REFUSE_UPGRADE)
        if setting is not None:
            seconds = setting.retry_after_s
            headers = {} if seconds is None else {"Retry-After": f"{seconds:.0f}"}
            return Reply(setting.status, "", headers)
        if not exchange.accepts(path):
            return Reply(404, "")
        return None

    async def _converse(self, exchange: Exchange, connection: Connection) -> None:
        """The life of a connection, from greeting to end."""
        tasks = [asyncio.create_task(connection.write())]
        with self._journal.lock:
            connection.muted = exchange.fault(Fault.MUTE)
            exchange.connections[connection.number] = connection
            self._journal.connection_opened(exchange.name)
            exchange.opened(connection)
        tasks.append(asyncio.create_task(exchange.tend(connection)))
        try:
            async for message in connection.websocket:
                self._receive(exchange, connection, message)
            while connection.stalled and connection.transport is not None and not connection.transport.is_closing():
                await asyncio.sleep(_STALLED_POLL_S)  # its close is not answered
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with self._journal.lock:
                del exchange.connections[connection.number]
                exchange.disconnected(connection)
                self._journal.connection_closed(exchange.name, connection.websocket.close_code)
            connection.ended.set()

    def _receive(self, exchange: Exchange, connection: Connection, message: WSMessage) -> None:
        if connection.stalled:
            return
        connection.last_received_at = connection.now
        limit = exchange.messages_per_second
        if limit is not None and connection.messages_within(1.0) > limit:
            connection.close(1008, "Too many requests")
            return
        if message.type is WSMsgType.PING:
            connection.pong(message.data)
        elif message.type is WSMsgType.PONG:
            connection.last_pong_at = connection.now
        elif message.type is WSMsgType.TEXT:
            frame = FrameReceived(connection.number, connection.raw_path, message.data)
            with self._journal.lock:
                self._journal.frame_received(exchange.name, frame)
                if not connection.muted:
                    exchange.received(connection, message.data)


def _response(reply: Reply) -> web.Response:
    return web.Response(
        status=reply.status,
        text=reply.body,
        headers=dict(reply.headers),
        content_type="application/json",
    )

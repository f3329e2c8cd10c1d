"""An event loop in a thread of its own, which runs one server until it is told to stop, and the server's side of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, TypeAlias, TypeVar

T = TypeVar("T")
S = TypeVar("S", bound="Server")
#: Called by a server when it is ready.
Ready: TypeAlias = Callable[[], None]
_STOP_TIMEOUT_S: Final = 5.0


class LoopThread:
    """Runs `serve(ready)` in a daemon thread; `stop` cancels it.

    `serve` calls `ready()` once it serves, and ends what it started when it is cancelled.
    """

    def __init__(self, name: str, serve: Callable[[Ready], Coroutine[Any, Any, None]]) -> None:
        self._serve = serve
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    def start(self) -> None:
        """Returns when the server is ready; raises what it raised before that.

        Raises `RuntimeError` when it was started before.
        """
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join(_STOP_TIMEOUT_S)
            raise self._error

    def stop(self) -> None:
        """Cancels the server and returns when the thread has ended; may be called again.

        Raises `RuntimeError` when it does not end within 5 s, and what the server raised.
        """
        loop, task = self._loop, self._task
        if self._thread.ident is None or loop is None or task is None:
            return
        if self._thread.is_alive() and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)
        self._thread.join(_STOP_TIMEOUT_S)
        if self._thread.is_alive():
            raise RuntimeError(f"the thread {self._thread.name} did not end")
        error, self._error = self._error, None
        if error is not None:
            raise error

    def call(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Runs `work` on the loop and returns its result.

        Raises `TimeoutError` after `timeout` seconds, `RuntimeError` when the loop is not running.
        """
        loop = self._loop
        if loop is None or loop.is_closed():
            work.close()
            raise RuntimeError("the local exchange is not running")
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise TimeoutError(f"not done within {timeout} s") from None

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # handed to the thread that starts or stops this one
            self._error = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._serve(self._ready.set))
        try:
            await self._task
        except asyncio.CancelledError:
            if not self._task.cancelled():
                raise


class Server:
    """A server in a thread of its own, as a context manager, `with` or `async with`.

    A subclass serves in `_serve` until it is cancelled.
    """

    def __init__(self, name: str) -> None:
        self._thread = LoopThread(name, self._serve)

    def start(self: S) -> S:
        """Starts the server; returns when it listens.

        Raises `OSError` when it cannot listen there, `RuntimeError` when it was started before.
        """
        self._thread.start()
        return self

    def close(self) -> None:
        """Ends every connection, the server and its thread; returns when they are gone.

        May be called again. Raises `RuntimeError` when the thread does not end within 5 s.
        """
        self._thread.stop()

    def __enter__(self: S) -> S:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self: S) -> S:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    async def _serve(self, ready: Ready) -> None:
        raise NotImplementedError

"""Fixtures of all tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import anyio
import pytest
from harness import BOUND_S, EXCHANGE, KINDS, LOOPS, Run

from barter_cffi import DynamicStreams, StreamOptions, disable_logging
from barter_cffi.testing import Injector, in_memory

# A shell starts what it runs in the background with SIGINT ignored, and every program from there on inherits that; the
# tests of Ctrl-C need the signal as a terminal gives it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A proxy that the environment names is for what pip downloads, not for the servers that the tests start here.
for variable in ("NO_PROXY", "no_proxy"):
    os.environ[variable] = ",".join(filter(None, [os.environ.get(variable), "127.0.0.0/8", "::1", "localhost"]))


# pytest has a handler at the root logger, so that the streams of every test would have their log handed over to it.
disable_logging()


class MakesStreams(Protocol):
    """What the fixture `memory` is."""

    def __call__(
        self, *sources: tuple[Any, Any], options: StreamOptions | None = None
    ) -> tuple[DynamicStreams, Injector]:
        """In-memory streams of these sources, or of all kinds of one exchange, and their injector."""


class Soak(NamedTuple):
    """The soak that runs, and the file with what it says."""

    process: subprocess.Popen[bytes]
    said: Path


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine function on each kind of event loop."""
    backend, options = LOOPS[request.param]

    def run(call: Callable[[], Awaitable[Any]]) -> Any:
        async def bounded() -> Any:
            with anyio.fail_after(BOUND_S):
                return await call()

        return anyio.run(bounded, backend=backend, backend_options=options)

    return run


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soak | None]:
    """Two minutes of soak, begun by the first test that asks for them; none where no test looks at their end.

    They take a quarter of one core and wait for the rest, as the table of faults does, so the two run at once.
    """
    if "test_two_minutes_of_soak_balance" not in [item.name for item in request.session.items]:
        yield None
        return
    said = tmp_path_factory.mktemp("soak") / "said"
    command = [sys.executable, "-m", "barter_cffi.testing.soak", "--minutes", "2", "--seed", "1"]
    with said.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    yield Soak(process, said)
    process.kill()
    process.wait()


@pytest.fixture
def memory() -> Iterator[MakesStreams]:
    """Makes in-memory streams; all of them are closed in the end."""
    made = []

    def make(*sources: tuple[Any, Any], options: StreamOptions | None = None) -> tuple[DynamicStreams, Injector]:
        streams, injector = in_memory(sources or [(EXCHANGE, kind) for kind in KINDS], options)
        made.append(streams)
        return streams, injector

    yield make
    for streams in made:
        streams.close()

"""Importing the package: what it loads, what it refuses to run with, and how a process with it ends."""

from __future__ import annotations

import pytest
from harness import run_python

import barter_cffi
import barter_cffi.testing


def test_all_public_names_are_there_and_the_documented_aliases_are_the_same_classes() -> None:
    assert all(hasattr(barter_cffi, name) for name in barter_cffi.__all__)
    assert barter_cffi.__all__ == sorted(barter_cffi.__all__)
    assert barter_cffi.PyDynamicStreams is barter_cffi.DynamicStreams
    assert barter_cffi.PyMarketStream is barter_cffi.MarketStream
    assert barter_cffi.PySubscription is barter_cffi.Subscription


@pytest.mark.parametrize("module", ["barter_cffi", "barter_cffi.testing"])
def test_importing_loads_no_heavy_module(module: str) -> None:
    heavy = ("anyio", "asyncio", "trio", "numpy", "pyarrow", "aiohttp", "rich")
    done = run_python(f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_reading_without_coroutines_and_arrays_loads_no_heavy_module_either() -> None:
    done = run_python(
        """
import sys
from barter_cffi import merge
from barter_cffi.testing import in_memory
streams, injector = in_memory([("kraken", "trades")])
injector.error("kraken", "trades")
injector.close("kraken", "trades")
stream = merge(streams.select_trades("kraken", errors="yield"))
assert len(list(stream)) == 1
print([name for name in ("anyio", "asyncio", "trio", "numpy", "pyarrow") if name in sys.modules])
"""
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_local_exchange_is_there_when_asked_for_and_a_missing_extra_is_named() -> None:
    done = run_python(
        """
import sys
sys.modules["aiohttp"] = None
import barter_cffi.testing
try:
    barter_cffi.testing.LocalExchange
except ImportError as error:
    print(error)
"""
    )
    assert "barter-cffi[testing]" in done.stdout, done.stderr
    assert barter_cffi.testing.LocalExchange.__name__ == "LocalExchange"


def test_an_unknown_name_of_testing_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        barter_cffi.testing.nothing_of_the_kind  # noqa: B018


@pytest.mark.parametrize(
    ("pretence", "words"),
    [
        ("sys.implementation.name = 'pypy'", "CPython only"),
        ("sys.abiflags = 't'", "free-threaded"),
        ("sys.modules['barter_cffi._native'] = None", "build the package again"),
    ],
)
def test_an_interpreter_or_installation_that_cannot_work_is_refused_in_one_sentence(pretence: str, words: str) -> None:
    done = run_python(f"import sys, sysconfig, msgspec; {pretence}\nimport barter_cffi")
    assert done.returncode == 1
    [message] = [line for line in done.stderr.splitlines() if line.startswith("ImportError: ")]
    assert words in message


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ("barter_abi_version = staticmethod(lambda: 2 << 16)", "ABI is 2.0"),
        ("barter_abi_version = staticmethod(lambda: 0)", "ABI is 0.0"),
        ("barter_test_layout = staticmethod(moved)", "barter_level is not laid out"),
    ],
)
def test_a_library_that_does_not_fit_the_package_is_refused_with_a_hint_to_rebuild(lie: str, words: str) -> None:
    done = run_python(
        f"""
import importlib.util, re, sys, types
sys.path.insert(0, importlib.util.find_spec("barter_cffi").submodule_search_locations[0])
package = types.ModuleType("barter_cffi")
package.__path__ = importlib.util.find_spec("barter_cffi").submodule_search_locations
sys.modules["barter_cffi"] = package
from barter_cffi import _native
real = _native.lib

def moved(buffer, cap, length):
    status = real.barter_test_layout(buffer, cap, length)
    layout = _native.ffi.buffer(buffer, length[0]) if length[0] < cap else None
    if layout is not None:
        layout[:] = re.sub(rb'("barter_level":{{"fields":{{"amount":)16', rb"\\g<1>24", bytes(layout))
    return status

class Lib:
    {lie}
    def __getattr__(self, name):
        return getattr(real, name)

_native.lib = Lib()
import barter_cffi._ffi
"""
    )
    assert done.returncode == 1
    [message] = [line for line in done.stderr.splitlines() if line.startswith("ImportError: ")]
    assert words in message
    assert "build the package again" in message


def test_a_parent_that_only_imported_the_package_may_fork_children_that_use_it() -> None:
    done = run_python(
        """
import os, sys
import barter_cffi
from barter_cffi.testing import in_memory
child = os.fork()
if child == 0:
    streams, injector = in_memory([("kraken", "trades")])
    injector.error("kraken", "trades", "boom")
    stream = streams.select_trades("kraken", errors="yield")
    print(stream.recv(5.0), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(status)
"""
    )
    assert done.stdout.strip() == "SocketError: boom", done.stderr
    assert done.returncode == 0


def test_the_interpreter_ends_at_once_while_daemon_threads_wait_for_data() -> None:
    done = run_python(
        """
import threading, time
from barter_cffi.testing import in_memory
streams, injector = in_memory([("kraken", "trades")])
stream = streams.select_trades("kraken")
threading.Thread(target=lambda: list(stream), daemon=True).start()
threading.Thread(target=stream.recv, daemon=True).start()
while stream._turn is None:
    time.sleep(0.001)
print("over", flush=True)
"""
    )
    assert done.stdout.strip() == "over"
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_nothing_is_said_at_exit_when_nothing_was_closed() -> None:
    done = run_python(
        """
from barter_cffi.testing import in_memory
streams, injector = in_memory([("kraken", "trades"), ("kraken", "l1")])
stream = streams.select_trades("kraken")
injector.error("kraken", "trades", "boom")
batch = stream.recv_batch(timeout=5.0)
"""
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

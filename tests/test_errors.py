"""The exceptions: their tree, and the one table from the library's statuses to them."""

from __future__ import annotations

import pickle

import pytest
from harness import EXCHANGE, run_python

import barter_cffi
from barter_cffi import (
    ArgumentError,
    BarterError,
    ConnectError,
    DataError,
    ForkedError,
    InitTimeoutError,
    RecvTimeoutError,
    StreamClosedError,
    StreamOptions,
    SubKind,
    SubscriptionError,
)
from barter_cffi._ffi import check, constants, ffi, lib
from barter_cffi.errors import BY_STATUS
from barter_cffi.testing import in_memory

ERRORS = [getattr(barter_cffi, name) for name in barter_cffi.__all__ if name.endswith("Error")]


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (ArgumentError, (BarterError, ValueError)),
        (SubscriptionError, (BarterError, ValueError)),
        (DataError, (BarterError, ValueError)),
        (ConnectError, (BarterError, ConnectionError)),
        (InitTimeoutError, (ConnectError, ConnectionError, TimeoutError)),
        (RecvTimeoutError, (BarterError, TimeoutError)),
        (StreamClosedError, (BarterError, RuntimeError)),
        (ForkedError, (BarterError, RuntimeError)),
    ],
)
def test_every_error_is_a_barter_error_and_what_python_calls_such_a_thing(
    error: type[BarterError], bases: tuple[type, ...]
) -> None:
    assert all(issubclass(error, base) for base in bases)


def test_the_tree_in_the_docstring_has_every_error() -> None:
    assert barter_cffi.errors.__doc__ is not None
    for error in ERRORS:
        assert error.__name__ in barter_cffi.errors.__doc__


def test_every_error_status_of_the_library_is_in_the_table_and_nothing_else() -> None:
    statuses = {
        f"BARTER_{ffi.string(name).decode()}"
        for number in range(lib.BARTER_INVALID_ARGUMENT, 1000)
        if (name := lib.barter_status_name(number)) != ffi.NULL
    }
    assert statuses == set(BY_STATUS)


@pytest.mark.parametrize(("name", "error"), BY_STATUS.items())
def test_each_group_of_statuses_raises_its_error(name: str, error: type[BarterError]) -> None:
    groups = {1: ArgumentError, 2: StreamClosedError, 3: SubscriptionError, 4: ConnectError, 5: BarterError}
    exceptions = {"BARTER_FORKED": ForkedError, "BARTER_HANDSHAKE_TIMEOUT": InitTimeoutError}
    assert error is exceptions.get(name, groups[getattr(lib, name) // 100])


def test_check_raises_the_error_of_a_status_with_its_name_and_the_librarys_message() -> None:
    with pytest.raises(ArgumentError, match="barter_streams is NULL") as raised:
        check(lib.barter_streams_list(ffi.NULL, ffi.NULL, 0, ffi.NULL))
    assert raised.value.status == "NULL_POINTER"


def test_check_gives_back_success_and_outcomes() -> None:
    outcomes = [lib.BARTER_OK, lib.BARTER_TIMEOUT, lib.BARTER_CLOSED, lib.BARTER_NOT_FOUND, lib.BARTER_NOT_READY]
    assert [check(status) for status in outcomes] == outcomes


def test_a_long_message_of_the_library_is_whole() -> None:
    name = "x" * 5000
    with pytest.raises(SubscriptionError) as raised:
        in_memory([(name, "trades")])  # type: ignore[list-item]
    assert name in str(raised.value)


def test_data_errors_are_equal_by_text_and_attributes() -> None:
    one = DataError("SocketError: boom", EXCHANGE, SubKind.PUBLIC_TRADES, "socket", 5)
    same = DataError("SocketError: boom", EXCHANGE, SubKind.PUBLIC_TRADES, "socket", 5)
    others = [
        DataError("SocketError: bang", EXCHANGE, SubKind.PUBLIC_TRADES, "socket", 5),
        DataError("SocketError: boom", "kraken", SubKind.PUBLIC_TRADES, "socket", 5),
        DataError("SocketError: boom", EXCHANGE, SubKind.LIQUIDATIONS, "socket", 5),
        DataError("SocketError: boom", EXCHANGE, SubKind.PUBLIC_TRADES, "index", 5),
        DataError("SocketError: boom", EXCHANGE, SubKind.PUBLIC_TRADES, "socket", 6),
    ]
    assert one == same
    assert hash(one) == hash(same)
    assert one not in [*others, "SocketError: boom"]


def test_data_errors_have_a_readable_repr() -> None:
    error = DataError("SocketError: boom", "kraken", SubKind.PUBLIC_TRADES)
    assert repr(error).startswith("DataError('SocketError: boom', 'kraken', ")


@pytest.mark.parametrize("error", ERRORS)
def test_errors_survive_pickling(error: type[BarterError]) -> None:
    raised = error("what happened")
    raised.status = "CONNECT_FAILED"
    copy = pickle.loads(pickle.dumps(raised))
    assert type(copy) is error
    assert str(copy) == "what happened"


def test_a_pickled_data_error_is_equal_to_the_first() -> None:
    error = DataError("SocketError: boom", EXCHANGE, SubKind.LIQUIDATIONS, "socket", 5)
    assert pickle.loads(pickle.dumps(error)) == error


def test_options_out_of_range_raise_argument_errors_that_name_the_path() -> None:
    with pytest.raises(ArgumentError, match=r"options\.snapshot_depth") as raised:
        in_memory([(EXCHANGE, "trades")], StreamOptions(snapshot_depth=0))
    assert raised.value.status == "INVALID_OPTION"


def test_everything_raises_forked_error_in_a_forked_child_and_closing_does_nothing() -> None:
    done = run_python(
        """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from barter_cffi import ForkedError, Side, TradeEvent, init_dynamic_streams
from barter_cffi.testing import in_memory
streams, injector = in_memory([("kraken", "trades")])
btc = injector.instrument("kraken", "btc", "usd", "spot")
stream = streams.select_trades("kraken")
event = TradeEvent(1.0, 2.0, Side.BUY, "1", btc, 3, 4)
injector.push_many([event] * 3)
assert stream.recv(5.0) == event
child = os.fork()
if child == 0:
    calls = {
        "recv": lambda: stream.recv(1.0),
        "try_recv": stream.try_recv,
        "recv_batch": lambda: stream.recv_batch(timeout=1.0),
        "next": lambda: next(stream),
        "select": lambda: streams.select_trades("kraken"),
        "available": lambda: streams.available,
        "push": lambda: injector.push(event),
        "in_memory": lambda: in_memory([("kraken", "trades")]),
        "init": lambda: init_dynamic_streams(["kraken:btc/usd:trades"]),
    }
    for name, call in calls.items():
        try:
            call()
        except ForkedError as error:
            assert "spawn" in str(error), error
        else:
            print(name, "did not raise", flush=True)
            os._exit(1)
    stream.close()
    streams.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
assert stream.recv(5.0) == event
assert stream.recv_batch(timeout=5.0)[0] == event
"""
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_status_constants_are_read_from_the_library() -> None:
    families = {family: constants(family) for family in ("BARTER_ERROR_", "BARTER_DROPPED_", "BARTER_EVENT_")}
    assert families["BARTER_ERROR_"][lib.BARTER_ERROR_SOCKET] == "socket"
    assert families["BARTER_DROPPED_"][lib.BARTER_DROPPED_QUEUE_FULL] == "queue_full"
    assert families["BARTER_EVENT_"][lib.BARTER_EVENT_SILENT] == "silent"

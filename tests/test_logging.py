"""What the library says reaches the loggers that want it, with level and values, and nobody else; nothing of it is
secret, and nothing of it is in the way of threads, forks, Ctrl-C and the end of a program.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from harness import btc, eventually, run_python, trades
from local_exchange_compare import options, served, to

from barter_cffi import (
    ConnectError,
    InitTimeoutError,
    QueueOptions,
    StreamOptions,
    SubscriptionError,
    disable_logging,
    enable_logging,
    init_dynamic_streams,
)
from barter_cffi.testing import LocalExchange, in_memory
from barter_cffi.testing.local_exchange import Fault

NAME = "binance_spot"
LOGGER = logging.getLogger("barter_cffi")


class Kept(logging.Handler):
    """Keeps the records that reach it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def said(self, words: str) -> list[Any]:
        """Those whose message has these words."""
        return [record for record in list(self.records) if words in record.getMessage()]

    def first(self, words: str) -> Any:
        """The first of those, waited for."""
        eventually(lambda: bool(self.said(words)))
        return self.said(words)[0]


@pytest.fixture
def hear() -> Iterator[Callable[[int], Kept]]:
    """Hears the loggers from a level on; afterwards all is as it was."""
    kept = Kept()

    def begin(level: int) -> Kept:
        LOGGER.addHandler(kept)
        enable_logging(level)
        return kept

    yield begin
    disable_logging()
    LOGGER.removeHandler(kept)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("barter_cffi")]:
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def quiet() -> Iterator[LocalExchange]:
    with LocalExchange([NAME], autostart=False) as exchange:
        yield exchange


def test_a_connection_that_opens_breaks_and_opens_again_says_so(
    hear: Callable[[int], Kept], quiet: LocalExchange
) -> None:
    kept = hear(logging.INFO)
    market_name, market = served(quiet, NAME)[0]
    begun = time.time()
    with init_dynamic_streams([to(NAME, market, "trades")], options(quiet)):
        opened = kept.first("connection opened")
        address = quiet.endpoints[NAME].websocket
        assert address is not None
        assert (opened.levelno, opened.name) == (logging.INFO, "barter_cffi.feed.open")
        assert opened.fields == {
            "exchange": NAME,
            "kind": "trades",
            "address": f"{address}/ws",
            "markets": market_name,
        }
        assert f"exchange={NAME}, kind=trades" in opened.getMessage()
        assert begun <= opened.created <= time.time()
        assert opened.filename == "open.rs"
        quiet.drop(NAME)
        broke = kept.first("a connection broke")
        assert (broke.levelno, broke.name) == (logging.WARNING, "barter_cffi.feed.reconnect")
        assert (broke.fields["exchange"], broke.fields["markets"]) == (NAME, market_name)
        assert "connection" in broke.fields["reason"]
        assert broke.fields["next_attempt_s"] > 0
        eventually(lambda: len(kept.said("connection opened")) == 2)
        quiet.wait_subscribed(NAME, "trades", market_name)
        quiet.emit(NAME, "trades", market_name)
        assert kept.first("events flow again").fields["attempts"] == 1
    assert all(record.levelno >= logging.INFO for record in kept.records)


def test_what_is_refused_is_a_warning(hear: Callable[[int], Kept], quiet: LocalExchange) -> None:
    kept = hear(logging.WARNING)
    _, market = served(quiet, NAME)[0]
    quiet.set_fault(NAME, Fault.REFUSE_SUBSCRIPTION)
    with pytest.raises(SubscriptionError):
        init_dynamic_streams([to(NAME, market, "trades")], options(quiet))
    refused = kept.first("the exchange refuses a subscription")
    assert refused.levelno == logging.WARNING
    quiet.clear_faults(NAME)
    quiet.set_fault(NAME, Fault.REFUSE_UPGRADE, status=503)
    with pytest.raises(ConnectError):
        init_dynamic_streams([to(NAME, market, "trades")], options(quiet))
    assert "503" in kept.first("a connection could not be opened").fields["reason"]


def test_a_snapshot_that_cannot_be_had_and_a_silent_subscription_are_warnings(
    hear: Callable[[int], Kept], quiet: LocalExchange
) -> None:
    kept = hear(logging.WARNING)
    market_name, market = served(quiet, NAME)[0]
    hasty = StreamOptions(endpoints=quiet.endpoints, silence=0.05, start="any")
    with init_dynamic_streams([to(NAME, market, "trades")], hasty):
        silent = kept.first("a subscription is silent")
        assert (silent.fields["market"], silent.levelno) == (market_name, logging.WARNING)
    quiet.set_fault(NAME, Fault.SNAPSHOT_STATUS, status=429, retry_after_s=7, times=1)
    with pytest.raises(InitTimeoutError):
        init_dynamic_streams([to(NAME, market, "l2")], options(quiet), timeout=0.5)
    snapshot = kept.first("snapshot")
    assert (snapshot.fields["exchange"], snapshot.fields["market"]) == (NAME, market_name)
    assert "429" in snapshot.fields["reason"]


def test_events_that_are_lost_are_told_but_not_more_often_than_anybody_can_read(hear: Callable[[int], Kept]) -> None:
    kept = hear(logging.WARNING)
    streams, injector = in_memory([(NAME, "trades")], StreamOptions(queue=QueueOptions(capacity=8)))
    with streams:
        instrument = btc(injector, NAME)
        injector.push_many(trades(instrument, 8))
        for number in range(200):
            injector.push_many(trades(instrument, 8, first=number))
        lost = kept.first("events are lost")
        assert (lost.name, lost.fields["exchange"], lost.fields["kind"]) == ("barter_cffi.pump", NAME, "trades")
        suppressed = kept.first("more times: events are lost")
        told = [record for record in kept.said("events are lost") if "more times" not in record.getMessage()]
        assert 50 <= len(told) < 100
        assert suppressed.fields["suppressed"] >= 50
        assert suppressed.levelno == logging.WARNING


def test_levels_of_loggers_are_respected_and_followed_while_it_runs(
    hear: Callable[[int], Kept], quiet: LocalExchange
) -> None:
    kept = hear(logging.CRITICAL)
    _, market = served(quiet, NAME)[0]

    def open_once() -> None:
        init_dynamic_streams([to(NAME, market, "trades")], options(quiet)).close()

    open_once()
    logging.getLogger("barter_cffi.feed.open").setLevel(logging.DEBUG)

    def steps_are_told() -> bool:
        open_once()
        return bool(kept.said("connected, subscribing"))

    eventually(steps_are_told)
    eventually(lambda: {record.levelno for record in kept.records} == {logging.DEBUG, logging.INFO})
    assert {record.name for record in kept.records} == {"barter_cffi.feed.open"}


def test_nothing_secret_is_said(hear: Callable[[int], Kept], quiet: LocalExchange) -> None:
    kept = hear(5)
    address = quiet.endpoints[NAME].websocket
    assert address is not None
    secret = address.replace("://", "://somebody:hush@") + "?key=hush"
    _, market = served(quiet, NAME)[0]
    init_dynamic_streams([to(NAME, market, "trades")], StreamOptions(endpoints={NAME: secret})).close()
    dead = StreamOptions(endpoints={NAME: "ws://somebody:hush@127.0.0.1:9/?key=hush"})
    with pytest.raises(ConnectError) as failed:
        init_dynamic_streams([to(NAME, market, "trades")], dead)
    eventually(lambda: len(kept.said("could not be opened")) == 1)
    assert kept.said("connection opened")
    assert [record.getMessage() for record in kept.records if "hush" in record.getMessage()] == []
    assert "hush" not in str(failed.value)
    assert "127.0.0.1:9" in str(failed.value)


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        enable_logging("LOUD")
    with pytest.raises(TypeError):
        enable_logging(1.5)  # type: ignore[arg-type]


OPENS = """
import logging, sys, threading
from barter_cffi import StreamOptions, enable_logging, init_dynamic_streams
from barter_cffi.testing import LocalExchange
{configured}
with LocalExchange(["kraken"]) as exchange:
    streams = init_dynamic_streams([["kraken:btc/usd:trades"]], StreamOptions(endpoints=exchange.endpoints))
    stream = streams.select_trades("kraken")
    stream.recv(5.0)
    print("thread" if "barter-log" in [thread.name for thread in threading.enumerate()] else "no thread")
    {then}
    streams.close()
"""


def test_a_program_that_configures_nothing_hears_nothing_and_has_no_thread() -> None:
    done = run_python(OPENS.format(configured="", then=""))
    assert (done.returncode, done.stdout, done.stderr) == (0, "no thread\n", "")


@pytest.mark.parametrize(
    "configured",
    ["logging.basicConfig(level='INFO')", "logging.basicConfig(); enable_logging('INFO')"],
)
def test_a_program_that_configures_logging_hears_the_library(configured: str) -> None:
    done = run_python(OPENS.format(configured=configured, then=""))
    assert (done.returncode, done.stdout) == (0, "thread\n")
    said = [line for line in done.stderr.splitlines() if "barter_cffi" in line]
    assert len(said) == 1
    assert said[0].startswith("INFO:barter_cffi.feed.open:connection opened (exchange=kraken")


def test_what_was_said_last_is_heard_when_the_program_ends() -> None:
    late = "logging.getLogger('barter_cffi').setLevel('DEBUG'); exchange.drop('kraken'); sys.exit(3)"
    done = run_python(OPENS.format(configured="logging.basicConfig(level='INFO')", then=late))
    assert done.returncode == 3
    assert "connection opened" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fork_has_no_thread_and_ends_and_its_parent_goes_on() -> None:
    then = """
    import os
    child = os.fork()
    if child == 0:
        from barter_cffi import disable_logging
        disable_logging()
        os._exit(0 if "barter-log" not in [thread.name for thread in threading.enumerate()] else 1)
    print(os.waitpid(child, 0)[1])
    again = init_dynamic_streams([["kraken:eth/usd:trades"]], StreamOptions(endpoints=exchange.endpoints))
    again.close()
"""
    done = run_python(OPENS.format(configured="logging.basicConfig(level='INFO')", then=then.strip()))
    assert (done.returncode, done.stdout) == (0, "thread\n0\n"), done.stderr
    assert done.stderr.count("connection opened") == 2


def test_ctrl_c_ends_a_wait_while_the_log_is_handed_over() -> None:
    then = """
    import os, signal, time
    signal.signal(signal.SIGINT, signal.default_int_handler)
    exchange.pause()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    try:
        while True:
            stream.recv(10.0)
    except KeyboardInterrupt:
        print(time.monotonic() - begun < 5)
"""
    done = run_python(OPENS.format(configured="logging.basicConfig(level='INFO')", then=then.strip()))
    assert (done.returncode, done.stdout) == (0, "thread\nTrue\n"), done.stderr


def test_a_filter_that_fails_does_not_end_the_log() -> None:
    configured = """
def fails(record):
    raise RuntimeError("of the filter")
logging.basicConfig(level="INFO")
logging.getLogger("barter_cffi.feed.open").addFilter(fails)
"""
    then = "exchange.drop('kraken'); [stream.recv(5.0) for _ in range(50)]"
    done = run_python(OPENS.format(configured=configured, then=then))
    assert done.returncode == 0, done.stderr
    assert "of the filter" in done.stderr
    assert "a connection broke" in done.stderr


def test_a_record_factory_that_clashes_does_not_end_the_log() -> None:
    configured = """
made = logging.getLogRecordFactory()
def clashes(*arguments, **named):
    record = made(*arguments, **named)
    record.fields = {}
    return record
logging.setLogRecordFactory(clashes)
logging.basicConfig(level="INFO")
"""
    then = "exchange.drop('kraken'); [stream.recv(5.0) for _ in range(50)]"
    done = run_python(OPENS.format(configured=configured, then=then))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "thread\n"
    assert done.stderr.count("Attempt to overwrite 'fields' in LogRecord") > 1


def test_logging_disabled_and_enabled_by_a_handler_leaves_one_thread(
    hear: Callable[[int], Kept], quiet: LocalExchange
) -> None:
    class TurnsItOffAndOn(logging.Handler):
        turned = False

        def emit(self, record: logging.LogRecord) -> None:
            if not self.turned:
                self.turned = True
                disable_logging()
                enable_logging()

    turns = TurnsItOffAndOn()
    LOGGER.addHandler(turns)
    try:
        kept = hear(logging.INFO)
        with init_dynamic_streams([f"{NAME}:btc/usdt:trades"], StreamOptions(endpoints=quiet.endpoints)):
            eventually(lambda: turns.turned)
            kept.first("connection opened")
            eventually(lambda: [thread.name for thread in threading.enumerate()].count("barter-log") == 1)
    finally:
        LOGGER.removeHandler(turns)

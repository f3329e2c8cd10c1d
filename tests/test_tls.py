"""TLS: every exchange server over `wss` and `https` by an authority of the option `ca_file`, and who is not trusted."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_exchange_compare import PAIRS, delivered, select, served, take, to

from barter_cffi import (
    BookSnapshotEvent,
    ConnectError,
    Endpoint,
    ExchangeId,
    MarketEvent,
    StreamOptions,
    Subscription,
    init_dynamic_streams,
    markets,
    support,
)
from barter_cffi.testing import LocalExchange

KRAKEN = Subscription("kraken", "btc", "usd", "spot", "trades", name_exchange="XBT/USD")
UNTRUSTED = "invalid peer certificate: UnknownIssuer: .* the option ca_file names further ones"

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def secure() -> Iterator[LocalExchange]:
    """A local exchange with every venue, over TLS."""
    with LocalExchange(tls=True, autostart=False, depth=10) as exchange:
        yield exchange


def test_all_servers_and_kinds_are_read_over_tls_in_one_set_with_their_snapshots(secure: LocalExchange) -> None:
    assert {scheme for pair in secure.addresses.values() for scheme in (pair[0][:6], pair[1][:8])} == {
        "wss://",
        "https://",
    }
    options = StreamOptions(endpoints=secure.endpoints, ca_file=secure.ca_file)
    first = {name: served(secure, name)[0] for name in secure.addresses}
    wanted = [[to(name, first[name][1], kind) for name, kind in PAIRS]]
    with init_dynamic_streams(wanted, options) as streams:
        for name, kind in PAIRS:
            market = first[name][0]
            secure.wait_subscribed(name, kind, market)
            secure.emit(name, kind, market, 3)
            items = take(select(streams, name, kind), len(delivered(secure, name, kind, market)))
            assert all(isinstance(item, MarketEvent) for item in items), items
            assert len(items) >= 3
            if kind == "l2":
                assert isinstance(items[0], BookSnapshotEvent)
    assert len(PAIRS) == 25


@pytest.mark.parametrize("row", support(), ids=lambda row: row.exchange)
def test_every_server_lists_its_markets_over_tls(secure: LocalExchange, row: object) -> None:
    name: ExchangeId = row.exchange  # type: ignore[attr-defined]
    options = StreamOptions(endpoints=secure.endpoints, ca_file=secure.ca_file)
    assert len(markets(name, options=options)) == len(secure.markets(name))


def test_an_authority_that_is_not_known_is_refused_with_that_reason(secure: LocalExchange) -> None:
    with LocalExchange(["kraken"], tls=True) as other:
        for ca_file in (None, other.ca_file):
            options = StreamOptions(endpoints=secure.endpoints, ca_file=ca_file)
            with pytest.raises(ConnectError, match=UNTRUSTED) as refused:
                init_dynamic_streams([[KRAKEN]], options)
            assert secure.addresses["kraken"][0] in str(refused.value)
            with pytest.raises(ConnectError, match=UNTRUSTED):
                markets("kraken", options=options)


def test_a_certificate_of_another_host_is_refused_with_that_reason(secure: LocalExchange) -> None:
    websocket, rest = (base.replace("127.0.0.1", "localhost") for base in secure.addresses["kraken"])
    options = StreamOptions(endpoints={"kraken": Endpoint(websocket, rest)}, ca_file=secure.ca_file)
    reason = 'certificate not valid for name "localhost"'
    with pytest.raises(ConnectError, match=reason):
        init_dynamic_streams([[KRAKEN]], options)
    with pytest.raises(ConnectError, match=reason):
        markets("kraken", options=options)


def test_the_authorities_of_the_system_are_trusted_as_well(secure: LocalExchange, tmp_path: Path) -> None:
    """In a process of its own, which is told of another system: it reads the authorities once."""
    code = """
import sys
from barter_cffi import Endpoint, StreamOptions, markets
assert markets("kraken", options=StreamOptions(endpoints={"kraken": Endpoint(rest=sys.argv[1])}, ca_file=sys.argv[2]))
"""
    with LocalExchange(["kraken"], tls=True) as other:
        command = [sys.executable, "-c", code, secure.addresses["kraken"][1], other.ca_file]
        # One authority is the system's, the other one of the option: both hold.
        environment = {"SSL_CERT_FILE": secure.ca_file, "NO_PROXY": "*"}
        subprocess.run(command, env=environment, check=True, timeout=20)
        command[3] = other.addresses["kraken"][1]
        subprocess.run(command, env=environment, check=True, timeout=20)


def test_the_certificate_is_the_one_of_the_host_and_the_file_is_there_until_the_exchange_ends(tmp_path: Path) -> None:
    with LocalExchange(["kraken"], tls=True, host="::1") as exchange:
        copy = shutil.copyfile(exchange.ca_file, tmp_path / "authority.pem")
        context = ssl.create_default_context(cafile=str(copy))
        options = StreamOptions(endpoints=exchange.endpoints, ca_file=copy)
        with init_dynamic_streams([[KRAKEN]], options) as streams:
            exchange.wait_subscribed("kraken", "trades", "XBT/USD")
            assert select(streams, "kraken", "trades").recv(timeout=5) is not None
        assert markets("kraken", options=options)
        file = Path(exchange.ca_file)
    assert context.cert_store_stats()["x509_ca"] == 1
    assert not file.exists()


def test_without_tls_there_is_no_authority() -> None:
    with (
        LocalExchange(["kraken"]) as exchange,
        pytest.raises(RuntimeError, match="the local exchange does not speak TLS"),
    ):
        _ = exchange.ca_file


def test_without_trustme_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    monkeypatch.delitem(sys.modules, "barter_cffi.testing.local_exchange.certificates", raising=False)
    with pytest.raises(ImportError, match=r"needs trustme: pip install barter-cffi\[testing\]"):
        LocalExchange(["kraken"], tls=True).start()


def test_the_program_serves_tls_and_writes_the_authority_down(tmp_path: Path) -> None:
    ca_file = tmp_path / "authority.pem"
    command = [sys.executable, "-m", "barter_cffi.testing.local_exchange", "--exchanges", "kraken"]
    with subprocess.Popen([*command, "--ca-file", str(ca_file)], stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            assert "wss://127.0.0.1" in program.stdout.readline()
            assert ca_file.read_text().startswith("-----BEGIN CERTIFICATE-----")
        finally:
            program.terminate()
    assert program.returncode == 0

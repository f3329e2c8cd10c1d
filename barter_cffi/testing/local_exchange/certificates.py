"""The certificates of a local exchange that speaks TLS: an authority that nobody else trusts, made anew for each
exchange, and what it issues for the one host that the exchange listens on.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

try:
    import trustme
except ImportError as error:
    raise ImportError("a local exchange with tls needs trustme: pip install barter-cffi[testing]") from error


class Certificates:
    """What a server at `host` shows, and the path of a PEM file with the authority that its clients have to trust."""

    def __init__(self, host: str, folder: str) -> None:
        self._host = host
        self._authority = trustme.CA()
        self.ca_file = f"{folder}/authority.pem"
        self._authority.cert_pem.write_to_path(self.ca_file)

    def context(self, untrusted: Callable[[], bool] | None = None) -> ssl.SSLContext:
        """The server's side of TLS; where `untrusted`, asked at each handshake, is true, it shows a certificate of an
        authority that nobody trusts."""
        context = self._issued_by(self._authority)
        if untrusted is not None:
            stranger = self._issued_by(trustme.CA())

            def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
                if untrusted():
                    connection.context = stranger

            context.sni_callback = choose  # called for every handshake, also where the client names no host
        return context

    def _issued_by(self, authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0  # a session that is resumed shows no certificate
        authority.issue_cert(self._host).configure_cert(context)
        return context


@contextmanager
def certificates(host: str) -> Iterator[Certificates]:
    """Certificates for a server at `host`; the file is there as long as the context lasts."""
    with TemporaryDirectory(prefix="local-exchange-") as folder:
        yield Certificates(host, folder)

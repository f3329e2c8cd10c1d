"""The certificates of a local exchange that speaks TLS: an authority that nobody else trusts, made anew for each
exchange, and what it issues for the one host that the exchange listens on.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import NamedTuple

try:
    import trustme
except ImportError as error:
    raise ImportError("a local exchange with tls needs trustme: pip install barter-cffi[testing]") from error


class Certificates(NamedTuple):
    """The server's side of TLS, and the path of a PEM file with the authority that clients have to trust."""

    context: ssl.SSLContext
    ca_file: str


@contextmanager
def certificates(host: str) -> Iterator[Certificates]:
    """Certificates for a server at `host`; the file is there as long as the context lasts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    with TemporaryDirectory(prefix="local-exchange-") as folder:
        ca_file = f"{folder}/authority.pem"
        authority.cert_pem.write_to_path(ca_file)
        yield Certificates(context, ca_file)

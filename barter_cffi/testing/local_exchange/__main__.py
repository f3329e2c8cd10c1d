"""`python -m barter_cffi.testing.local_exchange`: serves until Ctrl-C.

Prints one line of JSON, the addresses by exchange, as soon as it listens. With `--check` it serves nobody else: it
leads captures through the library, prints what came of each exchange and kind, and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import sys
import threading
from collections.abc import Sequence

from .exchanges import EXCHANGES
from .server import LocalExchange


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status, 0 after Ctrl-C or SIGTERM, 1 where a check finds something."""
    parser = argparse.ArgumentParser(
        prog="python -m barter_cffi.testing.local_exchange",
        description="Serve the public protocols of exchanges on loopback, with simulated markets.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument(
        "--ca-file", metavar="FILE", help="speak TLS; FILE gets the authority that clients have to trust"
    )
    parser.add_argument("--rate", type=float, default=50.0, help="events/s per market and kind")
    parser.add_argument("--seed", type=int, default=0, help="decides what happens")
    parser.add_argument(
        "--exchanges",
        nargs="+",
        choices=sorted(EXCHANGES),
        metavar="NAME",
        help="to simulate; default: all, or none with --replay",
    )
    parser.add_argument("--lenient", action="store_true", help="accept market names the venues would refuse")
    parser.add_argument("--replay", nargs="+", default=[], metavar="FILE", help="captures to replay")
    parser.add_argument("--speed", type=float, default=1.0, help="pace of a replay; 0: as fast as clients read")
    parser.add_argument(
        "--check",
        nargs="+",
        metavar="FILE",
        help="lead these captures through the library and print events and errors by exchange and kind; "
        "1 where something is wrong",
    )
    given = parser.parse_args(arguments)
    if given.check:
        return _check(parser, given.check)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        local = LocalExchange(
            given.exchanges,
            rate=given.rate,
            seed=given.seed,
            host=given.host,
            port=given.port,
            tls=given.ca_file is not None,
            lenient=given.lenient,
            captures=given.replay,
            speed=given.speed,
        ).start()
    except (OSError, ValueError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    with contextlib.closing(local):
        if given.ca_file is not None:
            try:
                shutil.copyfile(local.ca_file, given.ca_file)
            except OSError as error:
                parser.exit(1, f"{parser.prog}: {error}\n")
        addresses = {
            name: {"websocket": websocket, "rest": rest} for name, (websocket, rest) in local.addresses.items()
        }
        print(json.dumps(addresses), flush=True)
        ended.wait()
    return 0


def _check(parser: argparse.ArgumentParser, captures: Sequence[str]) -> int:
    from .check import check, table  # the library, which serving does not need

    try:
        rows = list(check(captures))
    except (OSError, ValueError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print(table(rows))
    return int(any(row.wrong for row in rows))


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Builds, tests and shows barter_cffi: the one entry point for people.

usage: python3 build.py COMMAND [ARGUMENTS]

  demo [ARGS]       shows live market data arriving in Python; ARGS go to the demo (demo --help lists them)
  test [-- ARGS]    runs every test, Rust's and Python's; with ARGS only pytest, with these arguments
  lint              checks formatting, lints and types, and that the C header is current
  bench [ARGS]      runs the benchmarks; ARGS go to them (bench --quick is short)
  soak [ARGS]       runs all exchanges against random faults and accounts for every event (soak --minutes 20 --seed 1)
  header [--check]  writes the C header from the Rust sources; with --check only says whether it is current
  wheel             builds a wheel into dist/

Each command works from a bare clone and from any directory. It makes .venv, installs the packages of
requirements.lock, builds the Rust library and installs barter_cffi there, where the sources stay editable; what is
current is not done again, and then no network is needed. It takes CPython 3.10 or later with pip's ensurepip, a C
compiler, and Cargo. Logs and downloads are kept in .build/, and deleting .build, .venv and rust/target starts afresh.

The exit status is 0 on success, 1 on failure, 2 for a command that does not exist, 130 after Ctrl-C.
"""
# This file is read by whatever python3 there is, so that it can say what is missing: the syntax of
# it and of all that it imports is Python 3.6's.

import sys

from building import Failed
from building.commands import COMMANDS
from building.needs import missing


def main(arguments: "list[str]") -> int:
    """Runs one command and returns the exit status."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print((__doc__ or "").strip())
        return 0 if arguments else 2
    command, rest = COMMANDS.get(arguments[0]), arguments[1:]
    if command is None:
        print("no command %r; there are: %s" % (arguments[0], ", ".join(COMMANDS)), file=sys.stderr)
        return 2
    try:
        lacking = missing(arguments[0])
        if lacking:
            raise Failed("\n".join(["this is missing:"] + ["  - " + what for what in lacking]))
        command(rest)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

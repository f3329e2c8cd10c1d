"""Running the programs of the benchmarks: servers, consumers, and the figures of several rounds in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

BENCHES = Path(__file__).resolve().parent
ROOT = BENCHES.parent
BINARIES = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "rust" / "target")) / "release"
_PEERS = ROOT / ".build" / "peers" / "bin" / "python"
PEERS_PYTHON = str(_PEERS) if _PEERS.exists() else sys.executable
"""Of the environment that `build.py bench` makes of `benches/requirements.lock`; the tests' own has picows only."""

LONGEST_S = 300


class Failed(SystemExit):
    """A program did not do what it should."""


def build(*options: str) -> None:
    """Builds the Rust programs, with more options of Cargo where speed does not matter."""
    command = ["cargo", "build", "--release", "--locked", "--package", "barter_bench", *options]
    subprocess.run(command, cwd=ROOT / "rust", check=True)


@dataclass(frozen=True)
class Server:
    """A server that runs: `host:port`, and the certificate to trust where it speaks TLS."""

    address: str
    ca_file: str | None


@contextmanager
def serving(workload: str, tls: bool = False) -> Iterator[Server]:
    """The server of a workload while it runs."""
    with TemporaryDirectory() as directory:
        ca_file = os.path.join(directory, "ca.pem") if tls else None
        command = [str(BINARIES / "blast"), workload, *([ca_file] if ca_file else [])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout is not None
                address = process.stdout.readline().strip()
                if not address:
                    raise Failed(f"{' '.join(command)} ended with {process.wait()}")
                yield Server(address, ca_file)
            finally:
                process.kill()


def output(command: Sequence[str], **environment: str) -> str:
    """What a program prints; it has to succeed."""
    environment = {**os.environ, **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    if done.returncode != 0 or not done.stdout:
        raise Failed(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Figure:
    """The median of the rounds with its spread; formatted as `median (least to most)`, each as the format says."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Figure:
        """Of what each round has measured."""
        return cls(statistics.median(rounds), min(rounds), max(rounds))

    @classmethod
    def of_ratios(cls, ours: Sequence[float], theirs: Sequence[float]) -> Figure:
        """Of the rounds' ratios, so that a machine whose speed drifts does not decide them."""
        return cls.of([mine / its for mine, its in zip(ours, theirs, strict=True)])

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.least:{spec}} to {self.most:{spec}})"


@dataclass
class Consumer:
    """One way to consume a workload, and the events per second of each round.

    Attributes:
        events: of a round, as a fraction of what the fast ones take: slow ones would take minutes.
    """

    name: str
    command: Sequence[str]
    events: float = 1.0
    address: str = "{address}"
    rates: list[float] = field(default_factory=list)

    def run(self, workload: str, server: Server, events: int) -> None:
        """One round."""
        self.rates.append(float(output(self._command(workload, server, int(events * self.events))).split()[0]))

    def sample(self, workload: str, server: Server, events: int, path: Path) -> None:
        """Writes the fields of the first events to a file, a line of JSON each."""
        output(self._command(workload, server, events), SAMPLE_FILE=str(path))

    def _command(self, workload: str, server: Server, events: int) -> list[str]:
        scheme = "wss" if server.ca_file else "ws"
        host = server.address.replace("127.0.0.1", "localhost") if server.ca_file else server.address
        address = server.address if self.address == "{address}" else f"{scheme}://{host}/ws"
        return [*self.command, workload, address, str(events), *([server.ca_file] if server.ca_file else [])]

    @property
    def rate(self) -> Figure:
        """Events per second."""
        return Figure.of(self.rates)

    def ratio(self, other: Consumer) -> Figure:
        """The rounds' ratios to another's."""
        return Figure.of_ratios(self.rates, other.rates)


def ours(face: str) -> Consumer:
    """This package."""
    program = ["ours_arrays.py"] if face == "arrays" else ["ours.py", face]
    return Consumer(f"barter_cffi, {face}", [sys.executable, str(BENCHES / "peers" / program[0]), *program[1:]])


def pure(name: str = "pure Rust, upstream's types") -> Consumer:
    """Upstream in Rust with nothing behind it."""
    return Consumer(name, [str(BINARIES / "pure")], address="url")


def peer(name: str, program: str, events: float = 1.0) -> Consumer:
    """Another library in Python."""
    return Consumer(name, [PEERS_PYTHON, str(BENCHES / "peers" / f"{program}.py")], events)

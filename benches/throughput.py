"""How many events a second each consumer takes from the same server, in turn, round after round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from running import Consumer, Failed, Server, ours, peer, pure, serving

COMPARED = 10_000
"""Events whose fields are compared with ours before anything is timed."""


@dataclass(frozen=True)
class Workload:
    """What is sent, and who takes it."""

    name: str
    server: str
    client: str
    events: int
    consumers: Sequence[Consumer]
    tls: bool = False


def workloads(consumers: Sequence[str] | None = None) -> list[Workload]:
    """Every workload with its consumers: all, or those whose names begin so."""
    faces = ("arrays", "objects", "async")
    everything = [
        Workload(
            "trades of one symbol",
            "trades",
            "trades",
            1_000_000,
            [
                pure(),
                *map(ours, faces),
                peer("picows + msgspec", "picows_msgspec"),
                peer("aiohttp + orjson", "aiohttp_orjson", 0.3),
                peer("websockets + orjson", "websockets_orjson", 0.2),
                peer("cryptofeed", "cryptofeed_own", 0.1),
                peer("ccxt.pro", "ccxt_own", 0.02),
            ],
        ),
        Workload(
            "trades of 200 symbols",
            "mixed",
            "mixed",
            1_000_000,
            [pure(), *map(ours, faces), peer("picows + msgspec", "picows_msgspec")],
        ),
        Workload(
            "trades over TLS",
            "trades",
            "trades",
            1_000_000,
            [pure(), *map(ours, faces), peer("picows + msgspec", "picows_msgspec")],
            tls=True,
        ),
        Workload(
            "best bid and ask",
            "l1",
            "l1",
            1_000_000,
            [pure(), *map(ours, faces), peer("picows + msgspec", "picows_msgspec")],
        ),
        *(
            Workload(
                f"order book updates, {levels} level{'s' * (levels > 1)}",
                f"l2:{levels}",
                "l2",
                events,
                [
                    pure("pure Rust, without a book"),
                    *map(ours, faces),
                    peer("picows + msgspec, without a book", "picows_depth"),
                ],
            )
            for levels, events in ((1, 600_000), (20, 200_000), (1_000, 10_000))
        ),
        Workload(
            "order book updates, 20 levels, with a book",
            "l2:20",
            "l2-book",
            100_000,
            [
                pure("pure Rust, with upstream's book"),
                *map(ours, faces),
                peer("picows + msgspec + order_book", "picows_depth"),
            ],
        ),
    ]
    if consumers is None:
        return everything
    return [replace(workload, consumers=chosen(workload, consumers)) for workload in everything]


def chosen(workload: Workload, names: Sequence[str]) -> list[Consumer]:
    """The consumers whose names begin so."""
    return [consumer for consumer in workload.consumers if consumer.name.startswith(tuple(names))]


def compare(workload: Workload, server: Server) -> str:
    """Holds the fields of every consumer against those of our objects; says in words who was compared and how."""
    reference = ours("objects")
    same, lacking = [], []
    with TemporaryDirectory() as directory:
        expected, said = Path(directory, "expected"), Path(directory, "said")
        reference.sample(workload.client, server, COMPARED, expected)
        for consumer in workload.consumers:
            if consumer.name == reference.name:
                continue
            consumer.sample(workload.client, server, COMPARED, said)
            differs = difference(said, expected)
            if differs is None:
                same.append(consumer.name)
            # What a slow consumer gives of its cache may lack some, but nothing else and in no other order.
            elif consumer.name == "ccxt.pro" and is_subsequence(rows(said), list(rows(expected))):
                lacking.append(f"; {consumer.name}: as many are the same in the same order, others are missing")
            else:
                raise Failed(f"{workload.name}: {consumer.name} differs from {reference.name}: {differs}")
    return f"the first {COMPARED:,} events are the same in {'; '.join(same)}{''.join(lacking)}"


def rows(path: Path) -> Iterator[object]:
    """What a consumer said, event by event; some have so many numbers that they are not held together."""
    with path.open("rb") as lines:
        yield from map(msgspec.json.decode, lines)


def difference(said: Path, expected: Path) -> str | None:
    """The first event that is not the same."""
    for number, (its, our) in enumerate(zip_longest(rows(said), rows(expected))):
        if its != our:
            return f"event {number} is {its} instead of {our}"
    return None


def is_subsequence(rows: Iterable[object], of: Sequence[object]) -> bool:
    """Whether `rows` is `of`, the frames sent over and over, in its order with some left out. Never as many as half of
    the frames at once: a row that comes too early would pass for one of the next time round.
    """
    first_time: dict[str, int] = {}
    for place, row in enumerate(of):
        if first_time.setdefault(repr(row), place) != place:
            break
    places = [first_time.get(repr(row)) for row in rows]
    if None in places:
        return False
    steps = [(after - before) % len(first_time) for before, after in pairwise(places)]
    return all(0 < 2 * step <= len(first_time) for step in steps)


def measure(workloads: Sequence[Workload], rounds: int, scale: float) -> Iterator[str]:
    """Runs the workloads; the lines of their table, and what was compared."""
    yield from ["### events a second", "", "Medians of the rounds (least to most).", ""]
    yield from ["| workload | consumer | events/s | ÷ pure Rust | ÷ picows |", "|---|---|---:|---:|---:|"]
    compared = []
    for workload in workloads:
        events = max(10, int(workload.events * scale))
        compared.append(
            f"- {workload.name}, {events:,} events, fewer for slow consumers: {run(workload, rounds, events)}"
        )
        pure, picows = (
            next((consumer for consumer in workload.consumers if consumer.name.startswith(name)), None)
            for name in ("pure Rust", "picows")
        )
        for consumer in workload.consumers:
            ratios = [f"{consumer.ratio(other):.2f}" if other else "" for other in (pure, picows)]
            yield f"| {' | '.join([workload.name, consumer.name, f'{consumer.rate:,.0f}', *ratios])} |"
    yield from ["", "Compared with our objects before they were timed:", "", *compared, ""]


def run(workload: Workload, rounds: int, events: int) -> str:
    """Compares the consumers and times them in turn; says what was compared."""
    with serving(workload.server, workload.tls) as server:
        compared = compare(workload, server)
        for _ in range(rounds):
            for consumer in workload.consumers:
                consumer.run(workload.client, server, events)
    return compared

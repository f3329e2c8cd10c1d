"""How many events a second each consumer takes from the same server, in turn, round after round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from running import Consumer, Failed, Server, ours, peer, pure, serving

COMPARED = 10_000
"""Events whose fields are compared with ours before anything is timed."""


@dataclass(frozen=True)
class Workload:
    """What is sent, and who takes it; the first is what the ratios are of."""

    name: str
    server: str
    client: str
    events: int
    consumers: Sequence[Consumer]
    tls: bool = False
    compared: int = COMPARED


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
                # Ten thousand of the largest have twenty million numbers.
                compared=COMPARED if levels < 100 else COMPARED // 20,
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


def compare(workload: Workload, server: Server, events: int = COMPARED) -> list[str]:
    """Holds the fields of every Python peer against ours; says in words who was compared and how."""
    python = [consumer for consumer in workload.consumers if consumer.address == "{address}"]
    reference = next(consumer for consumer in python if consumer.name == "barter_cffi, objects")
    expected = reference.sample(workload.client, server, events)
    said = []
    for consumer in python:
        if consumer.name.startswith("barter_cffi"):
            continue
        # What a slow consumer gives of its cache may lack some, but nothing else and in no other order.
        rows = consumer.sample(workload.client, server, events)
        if rows == expected:
            said.append(f"{consumer.name}: the first {len(rows):,} events are the same")
        elif consumer.name == "ccxt.pro" and is_subsequence(rows, expected):
            said.append(f"{consumer.name}: {len(rows):,} events are the same in the same order, others are missing")
        else:
            raise Failed(difference(workload, consumer, rows, expected))
    return said


def is_subsequence(rows: Sequence[object], of: Sequence[object]) -> bool:
    """Whether `rows` is `of`, the frames sent over and over, in its order with some left out. Never as many as half of
    the frames at once: a row that comes too early would pass for one of the next time round.
    """
    first_time = {}
    for place, row in enumerate(of):
        if first_time.setdefault(repr(row), place) != place:
            break
    places = [first_time.get(repr(row)) for row in rows]
    if None in places:
        return False
    steps = [(after - before) % len(first_time) for before, after in pairwise(places)]
    return all(0 < 2 * step <= len(first_time) for step in steps)


def difference(workload: Workload, consumer: Consumer, rows: Sequence[object], expected: Sequence[object]) -> str:
    """The first event that is not the same."""
    for number, (its, our) in enumerate(zip(rows, expected, strict=False)):
        if its != our:
            return f"{workload.name}: event {number} is {its} of {consumer.name} and {our} of ours"
    return f"{workload.name}: {consumer.name} has {len(rows)} events, ours {len(expected)}"


def measure(workload: Workload, rounds: int, scale: float) -> list[str]:
    """Runs a workload; the lines of its table."""
    events = max(10, int(workload.events * scale))
    with serving(workload.server, workload.tls) as server:
        compared = compare(workload, server, workload.compared)
        for _ in range(rounds):
            for consumer in workload.consumers:
                consumer.run(workload.client, server, events)
    first, last = workload.consumers[0], next(c for c in workload.consumers if c.name.startswith("picows"))
    lines = [
        f"### {workload.name}",
        "",
        f"{events:,} events, fewer for slow peers; {'; '.join(compared)}.",
        "",
        "Medians of the rounds (least to most).",
        "",
        "| consumer | events/s | ÷ pure Rust | ÷ picows |",
        "|---|---:|---:|---:|",
    ]
    for consumer in workload.consumers:
        lines.append(
            f"| {consumer.name} | {consumer.rate:,.0f} | {consumer.ratio(first):.2f} | {consumer.ratio(last):.2f} |"
        )
    return [*lines, ""]

"""The figures that the project wants to hold, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from in_memory import InMemory
from latency import Latencies
from memory import Memory
from running import Figure
from throughput import Workload

OBJECTS, ARRAYS = "barter_cffi, objects", "barter_cffi, arrays"


def targets(workloads: Sequence[Workload], in_memory: InMemory, latency: Latencies, memory: Memory) -> Iterator[str]:
    """The lines of the table."""
    by_name = {workload.name: {consumer.name: consumer for consumer in workload.consumers} for workload in workloads}

    def ratio(workload: str, ours: str, peer: str) -> Figure:
        consumers = by_name[workload]
        return consumers[ours].ratio(next(consumers[name] for name in consumers if name.startswith(peer)))

    trades, l2, l2_book = (
        "trades of one symbol",
        "order book updates, 20 levels",
        "order book updates, 20 levels, with a book",
    )
    yield from ["### what is wanted", "", "Medians of the rounds, and the least to the most of them.", ""]
    yield from ["| figure | wanted | aim | measured | spread | reached |", "|---|---:|---:|---:|---:|---|"]
    rows: list[tuple[str, str, float, float | None, Figure]] = [
        ("socket → numpy ÷ pure Rust, trades", "≥", 0.85, 0.95, ratio(trades, ARRAYS, "pure")),
        ("socket → objects ÷ picows + msgspec, trades", "≥", 1.7, 2.2, ratio(trades, OBJECTS, "picows")),
        ("the same ÷ websockets + orjson", "≥", 5, 7, ratio(trades, OBJECTS, "websockets")),
        ("the same ÷ cryptofeed", "≥", 8, 11, ratio(trades, OBJECTS, "cryptofeed")),
        ("the same ÷ ccxt.pro", "≥", 30, 50, ratio(trades, OBJECTS, "ccxt")),
        ("20 levels → objects ÷ picows + msgspec", "≥", 1.2, 1.6, ratio(l2, OBJECTS, "picows")),
        ("the same ÷ picows + msgspec + order_book", "≥", 2, 3, ratio(l2_book, OBJECTS, "picows")),
        ("20 levels → numpy ÷ picows + msgspec", "≥", 1.5, 3, ratio(l2, ARRAYS, "picows")),
        ("in-memory channel → numpy, ns of processor time an event", "≤", 250, 150, in_memory.channel),
        ("latency p50, blocking recv ÷ picows + uvloop", "≤", 1.7, 1.4, latency.ratio("recv", "picows", 0.5)),
        ("latency p50, recv that spins ÷ picows + uvloop", "≤", 1.0, 0.7, latency.ratio("spin", "picows", 0.5)),
        ("memory of an absent reader, the most of any tenth of the time ÷ the first", "≤", 1.05, None, memory.absent),
        ("an idle socket, KiB", "≤", 256, None, memory.idle),
    ]
    for name, sense, wanted, aim, its in rows:
        reached = "aim" if holds(its.median, sense, aim) else "yes" if holds(its.median, sense, wanted) else "no"
        bounds = f"{sense} {wanted:g} | {'' if aim is None else f'{aim:g}'}"
        yield f"| {name} | {bounds} | {its.median:.2f} | {its.least:.2f} to {its.most:.2f} | {reached} |"
    yield ""


def holds(figure: float, sense: str, bound: float | None) -> bool:
    """Whether a figure is at least, or at most, what is wanted of it."""
    return bound is not None and (figure >= bound if sense == "≥" else figure <= bound)

"""How the benchmarks measure and print: medians of several repeats, peers in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any


def measure(*works: Callable[[], Any], repeats: int = 5) -> list[tuple[float, Any]]:
    """Median seconds of each work, and its last result; peers run in turns, so that a busy machine slows all alike.

    A first turn, which pays for imports and caches, does not count.
    """
    seconds: list[list[float]] = [[] for _ in works]
    results = [work() for work in works]
    for _ in range(repeats):
        for number, work in enumerate(works):
            began = time.perf_counter()
            results[number] = work()
            seconds[number].append(time.perf_counter() - began)
    return [(median(times), result) for times, result in zip(seconds, results, strict=True)]


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, the first flush left, the others flush right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    print(f"\n\n{title}")
    for row in (header, *rows):
        cells = [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        print("  " + "  ".join([row[0].ljust(widths[0]), *cells]))


def rate(count: int, seconds: float) -> str:
    """Things a second, three digits that count."""
    return f"{float(f'{count / seconds:.3g}'):,.0f}"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds."""
    return f"{1000 * seconds:,.1f} ms" if seconds < 0.1 else f"{1000 * seconds:,.0f} ms"


def ratio(seconds: float, peer: float) -> str:
    """How many times as fast as a peer."""
    return f"{peer / seconds:#.3g} x"

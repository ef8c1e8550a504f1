"""What was measured of servers side by side, and its table: medians of the rounds, and how many times ours it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from benchmarks.http_load import TIMED_OUT, Load
from benchmarks.measure import milliseconds, print_table

HEADER = (
    "", "answers a second", "p50", "p95", "processors", "mean kB", "errors", "time-outs", "memory MB", "of it own",
    "Surco is", "with a processor",
)  # fmt: skip


@dataclass
class Rounds:
    """Of one server and kind of question: each round's load, processor seconds an answer, memory in MB."""

    loads: list[Load] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def add(self, load: Load, processor_s: float, memory_mb: tuple[float, float]) -> None:
        """A round."""
        self.loads.append(load)
        self.processor.append(processor_s / len(load.answers))
        self.memory.append(memory_mb)

    @property
    def a_second(self) -> float:
        """Good answers a second, the median round's."""
        return median(load.a_second for load in self.loads)

    @property
    def processor_s(self) -> float:
        """Seconds of processors of an answer, the median round's."""
        return median(self.processor)

    @property
    def failed(self) -> int:
        """Answers that were none, of all rounds."""
        return sum(not answer.good for load in self.loads for answer in load.answers)

    @property
    def timed_out(self) -> int:
        """Those of them that did not come in time."""
        return sum(answer.status == TIMED_OUT for load in self.loads for answer in load.answers)

    def took(self, percent: float) -> float:
        """Percentile of seconds, failed ones included, the median round's."""
        return median(
            float(np.percentile([answer.took for answer in load.answers], percent)) for load in self.loads
        )

    def mean_kb(self) -> float:
        """Of an answer's body."""
        return float(np.mean([answer.size for load in self.loads for answer in load.answers])) / 1000


def print_peers(title: str, found: Mapping[tuple[str, str], Rounds]) -> None:
    """A line for each kind and server; how many times theirs our answers are, of a second and of a processor's."""
    rows = []
    for kind, name in sorted(found, key=lambda key: key[0]):
        rounds, ours = found[kind, name], found[kind, "Surco"]
        rows.append(
            [
                f"{kind}, {name}",
                *_columns(rounds),
                *(_ratios(ours, rounds) if rounds is not ours else ("", "")),
            ]
        )
    print_table(title, HEADER, rows)


def _columns(rounds: Rounds) -> list[str]:
    memory, own = (max(side) for side in zip(*rounds.memory, strict=True))
    return [
        f"{rounds.a_second:,.1f}",
        milliseconds(rounds.took(50)),
        milliseconds(rounds.took(95)),
        milliseconds(rounds.processor_s),
        f"{rounds.mean_kb():,.0f}",
        str(rounds.failed - rounds.timed_out),
        str(rounds.timed_out),
        f"{memory:,.0f}",
        f"{own:,.0f}",
    ]


def _ratios(ours: Rounds, theirs: Rounds) -> tuple[str, str]:
    work = f"{theirs.processor_s / ours.processor_s:#.3g} x"
    return (f"{ours.a_second / theirs.a_second:#.3g} x" if theirs.a_second else "all", work)

"""How many labels are enough: scores after 1 to 100 labels a class, in fresh draws with disjoint places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from surco.adapters.evaluation.held_out import ADAPTER, Contender, Progress, probabilities
from surco.adapters.evaluation.labelled import Labelled
from surco.adapters.scores import Estimate, score

__all__ = ["SHOTS", "CurvePoint", "LabelCurves", "label_curves"]

SHOTS = (1, 3, 5, 10, 20, 50, 100)
Codes = npt.NDArray[np.intp]
_LEAST_TEST = 3  # labels of a class in the testing half
_MOST_TEST = 2000  # rows that are tested a draw
_LEAST_DRAWS = 3
_TRIES = 50


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Means over draws with at most `shots` labels a class, `labels` in all; intervals are over the draws.

    `macro_f1` and `ece` by classifier, `gain` the adapter's macro-F1 minus each other one's in the same draws.
    """

    shots: int
    labels: float
    draws: int
    macro_f1: Mapping[str, Estimate]
    ece: Mapping[str, Estimate]
    gain: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class LabelCurves:
    """Points by number of labels; empty, with the reason in `words`, where places or classes are too few."""

    points: tuple[CurvePoint, ...]
    words: str


@dataclass(frozen=True, slots=True)
class _Draw:
    """One draw: candidates of each class in the order they are taken, and the rows tested."""

    candidates: tuple[Codes, ...]
    test: Codes

    def train(self, shots: int) -> Codes | None:
        """At most `shots` rows a class; None where over half of the classes have fewer."""
        if 2 * sum(len(rows) >= shots for rows in self.candidates) < len(self.candidates):
            return None
        return np.concatenate([rows[:shots] for rows in self.candidates])


@dataclass(slots=True)
class _Tally:
    """Scores of each draw at one number of labels, by contender."""

    labels: list[int] = field(default_factory=list)
    f1: dict[str, list[float]] = field(default_factory=dict)
    ece: dict[str, list[float]] = field(default_factory=dict)


def label_curves(
    entries: Sequence[Contender],
    data: Labelled,
    *,
    shots: Sequence[int] = SHOTS,
    draws: int = 10,
    seed: int = 0,
    progress: Progress | None = None,
) -> LabelCurves:
    """Macro-F1 and calibration by number of labels a class.

    Each draw halves the spatial blocks, takes labels from one half and tests on the other; more labels contain the
    fewer, and every classifier gets the same. A class takes part where one half has a label of it and the other
    three. Intervals are Student's over the draws: they say how lucky a draw is, not how other countries differ.
    """
    rng = np.random.default_rng(seed)
    made = [d for d in (_draw(data, rng) for _ in range(draws)) if d is not None]
    if len(made) < _LEAST_DRAWS:
        return LabelCurves((), "places or classes are too few to halve them and test one half by the other")
    tallies = {n: _Tally() for n in shots}
    total, done = len(made) * len(shots), 0
    for draw in made:
        for n in shots:
            if progress:
                progress(done, total, f"{n} labels a class")
            _add(tallies[n], draw, n, entries, data)
            done += 1
    if progress:
        progress(total, total, "")
    points = tuple(_point(n, tally) for n, tally in tallies.items() if len(tally.labels) >= _LEAST_DRAWS)
    return LabelCurves(
        points,
        f"{len(made)} draws, each with half of the {len(np.unique(data.groups))} blocks for labels and the other "
        "half for testing",
    )


def _draw(data: Labelled, rng: np.random.Generator) -> _Draw | None:
    blocks = np.unique(data.groups)
    for _ in range(_TRIES):
        ours = np.isin(data.groups, rng.permutation(blocks)[: (len(blocks) + 1) // 2])
        candidates, kept = [], []
        for c in range(len(data.classes)):
            here = np.flatnonzero(ours & (data.codes == c))
            if len(here) and (~ours & (data.codes == c)).sum() >= _LEAST_TEST:
                candidates.append(rng.permutation(here))
                kept.append(c)
        if len(kept) >= 2:
            test = np.flatnonzero(~ours & np.isin(data.codes, kept))
            return _Draw(tuple(candidates), rng.permutation(test)[:_MOST_TEST])
    return None


def _add(tally: _Tally, draw: _Draw, shots: int, entries: Sequence[Contender], data: Labelled) -> None:
    train = draw.train(shots)
    if train is None:
        return
    tally.labels.append(len(train))
    for entry in entries:
        rows = data.matrix(entry.features)[draw.test]
        proba = probabilities(entry.fit(data, train), rows, len(data.classes))
        found = score(data.codes[draw.test], proba, data.classes, np.zeros(len(draw.test), np.intp))
        tally.f1.setdefault(entry.name, []).append(found.macro_f1.value)
        tally.ece.setdefault(entry.name, []).append(found.ece.value)


def _point(shots: int, tally: _Tally) -> CurvePoint:
    ours = np.array(tally.f1.get(ADAPTER, next(iter(tally.f1.values()))))
    return CurvePoint(
        shots,
        float(np.mean(tally.labels)),
        len(tally.labels),
        {name: _mean(np.array(values)) for name, values in tally.f1.items()},
        {name: _mean(np.array(values)) for name, values in tally.ece.items()},
        {name: _mean(ours - np.array(values)) for name, values in tally.f1.items() if name != ADAPTER},
    )


def _mean(values: npt.NDArray[np.float64]) -> Estimate:
    """Mean and Student's 95 % interval of independent draws."""
    n = len(values)
    margin = float(student.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    mean = float(values.mean())
    return Estimate(mean, mean - margin, mean + margin)

"""Whether every region is served alike: scores by region, their spread, and the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.scores import Estimate, score

__all__ = ["Fairness", "RegionScore", "fairness"]

_LEAST_BLOCKS = 5  # as in `scores`
_LEAST = 20  # labels of a region below which its score is shown but not compared


@dataclass(frozen=True, slots=True)
class RegionScore:
    """Scores of one region.

    `compared` is False where it has too few labels to be called best or worst; `of_labels` says that the interval
    takes its labels for independent of each other, because they lie in too few blocks.
    """

    name: str
    n: int
    n_groups: int
    accuracy: Estimate
    macro_f1: Estimate
    baseline_accuracy: float
    compared: bool
    of_labels: bool


@dataclass(frozen=True, slots=True)
class Fairness:
    """Scores by region, best first, and how far apart the best and the worst compared one are in accuracy."""

    regions: tuple[RegionScore, ...]
    spread: float | None
    worst: str | None


def fairness(
    codes: npt.NDArray[np.intp],
    proba: npt.NDArray[np.float64],
    baseline: npt.NDArray[np.float64],
    classes: Sequence[str],
    groups: npt.NDArray[np.intp],
    regions: npt.NDArray[np.str_],
) -> Fairness:
    """Score probabilities (N, K) in each region; rows with an empty region count nowhere.

    Intervals resample the blocks of a region (its labels, where it has under five blocks), so they say how sure its
    own score is. `baseline` (N, K) is shown beside.
    """
    found = []
    for name in sorted(set(regions.tolist()) - {""}):
        here = regions == name
        of_labels = len(np.unique(groups[here])) < _LEAST_BLOCKS
        blocks = np.arange(here.sum()) if of_labels else groups[here]
        own = score(codes[here], proba[here], classes, blocks)
        plain = float((baseline[here].argmax(axis=1) == codes[here]).mean())
        found.append(
            RegionScore(
                name, own.n, own.n_groups, own.accuracy, own.macro_f1, plain, own.n >= _LEAST, of_labels
            )
        )
    found.sort(key=lambda r: -r.accuracy.value)
    compared = [r for r in found if r.compared]
    if len(compared) < 2:
        return Fairness(tuple(found), None, None)
    return Fairness(tuple(found), compared[0].accuracy.value - compared[-1].accuracy.value, compared[-1].name)

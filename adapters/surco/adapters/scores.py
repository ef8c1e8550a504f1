"""How good a classification is: scores with intervals from whole groups resampled.

Neighbouring labels resemble each other, so an interval from single labels is too narrow. Groups (spatial blocks) are
resampled instead: every score is a function of sums over groups, so a resample is a sum of group rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "Scores", "score"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_BINS = 15
_LEAST_GROUPS = 5  # fewer groups can be resampled in too few ways for an interval to mean anything
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score and its 95 % interval; `low` and `high` are None where there are too few groups for one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of N predictions over K classes.

    `accuracy` and `macro_f1` (mean over classes that occur) in 0..1; `ece` the expected calibration error in 15 bins
    of equal mass, 0..1; `brier` the multi-class Brier score, 0..2; `confusion` (K, K) counts or weights, rows the
    truth, columns the prediction, both as `classes`.
    """

    accuracy: Estimate
    macro_f1: Estimate
    ece: Estimate
    brier: Estimate
    confusion: list[list[float]]
    classes: list[str]
    n: int
    n_groups: int

    def as_dict(self) -> dict[str, object]:
        """The scores as plain JSON values."""
        return asdict(self)


def score(
    codes: Codes,
    proba: Doubles,
    classes: list[str],
    groups: Codes,
    weights: Doubles | None = None,
    *,
    seed: int = 0,
) -> Scores:
    """Score probabilities (N, K) against the true class positions (N,).

    Args:
        codes: (N,) true class, position in `classes`.
        proba: (N, K) probabilities, rows summing to one.
        classes: K names.
        groups: (N,) whole numbers; rows of one group are resampled together.
        weights: (N,) weight of each row, such as its area; None counts rows.
        seed: of the resampling.
    """
    weight = np.ones(len(codes)) if weights is None else weights
    _, group = np.unique(groups, return_inverse=True)
    n_groups = int(group.max()) + 1
    sums = _group_sums(codes, proba, weight, group, n_groups)
    values = _from_sums(sums.sum(axis=0)[None], len(classes))[:, 0]
    accuracy, macro_f1, ece, brier = (Estimate(float(v), None, None) for v in values)
    if n_groups >= _LEAST_GROUPS:
        drawn = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), _RESAMPLES)
        limits = np.percentile(_from_sums(drawn @ sums, len(classes)), [2.5, 97.5], axis=1)
        accuracy, macro_f1, ece, brier = (
            Estimate(float(v), float(low), float(high)) for v, low, high in zip(values, *limits, strict=True)
        )
    confusion = np.zeros((len(classes), len(classes)))
    np.add.at(confusion, (codes, proba.argmax(axis=1)), weight)
    return Scores(accuracy, macro_f1, ece, brier, confusion.tolist(), classes, len(codes), n_groups)


def _group_sums(codes: Codes, proba: Doubles, weight: Doubles, group: Codes, n_groups: int) -> Doubles:
    """What every score is made of, summed by group: (groups, 3 K + 3 bins + 2)."""
    n, k = proba.shape
    predicted, confidence = proba.argmax(axis=1), proba.max(axis=1)
    hit = (predicted == codes).astype(np.float64)
    brier = (proba**2).sum(axis=1) - 2 * proba[np.arange(n), codes] + 1
    bins = np.empty(n, np.intp)
    bins[np.argsort(confidence, kind="stable")] = np.arange(n) * min(_BINS, n) // n
    eye, box = np.eye(k), np.eye(_BINS)[bins]
    columns = [
        eye[codes] * hit[:, None],
        eye[codes],
        eye[predicted],
        box * confidence[:, None],
        box * hit[:, None],
        box * 0 + brier[:, None] / _BINS,
    ]
    rows = np.hstack(columns) * weight[:, None]
    out = np.zeros((n_groups, rows.shape[1]))
    np.add.at(out, group, rows)
    return out


def _from_sums(sums: Doubles, k: int) -> Doubles:
    """Accuracy, macro-F1, ECE and Brier, (4, B), from sums (B, columns of `_group_sums`)."""
    hits, true, predicted = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
    boxes = sums[:, 3 * k :].reshape(len(sums), 3, _BINS)
    total = np.maximum(true.sum(axis=1), np.finfo(float).tiny)
    either = true + predicted
    f1 = np.where(either > 0, 2 * hits / np.where(either > 0, either, 1), 0)
    occurring = np.maximum((either > 0).sum(axis=1), 1)
    ece = np.abs(boxes[:, 0] - boxes[:, 1]).sum(axis=1) / total
    return np.stack(
        [hits.sum(axis=1) / total, f1.sum(axis=1) / occurring, ece, boxes[:, 2].sum(axis=1) / total]
    )

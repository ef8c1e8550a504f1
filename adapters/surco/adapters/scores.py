"""How good a classification is: scores with intervals from whole groups resampled.

Neighbouring labels resemble each other, so an interval from single labels is too narrow. Groups (spatial blocks) are
resampled instead: every score is a function of sums over groups, so a resample is a sum of group rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["Difference", "Estimate", "Scores", "score", "score_difference"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_BINS = 15
_LEAST_GROUPS = 5  # fewer groups can be resampled in too few ways for an interval to mean anything
_MOST_GROUPS = 1000  # more are resampled in as many random bundles, which leaves the variance as it is
_RESAMPLES = 1000
_LEAST_PROBABILITY = (
    1e-6  # of the logarithmic loss: a truth that was called impossible costs 13.8, not infinity
)


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
    of equal mass, 0..1; `brier` the multi-class Brier score, 0..2; `log_loss` the mean of -log p of the truth (p at
    least 1e-6); `confusion` (K, K) counts or weights, rows the truth, columns the prediction, both as `classes`.
    """

    accuracy: Estimate
    macro_f1: Estimate
    ece: Estimate
    brier: Estimate
    log_loss: Estimate
    confusion: list[list[float]]
    classes: list[str]
    n: int
    n_groups: int

    def as_dict(self) -> dict[str, object]:
        """The scores as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """One classifier's scores minus another's on the same rows, with intervals of the paired difference."""

    accuracy: Estimate
    macro_f1: Estimate


def score(
    codes: Codes,
    proba: Doubles,
    classes: Sequence[str],
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
    bundle, n_groups = _bundles(groups, seed)
    sums = _group_sums(codes, proba, weight, bundle)
    values = _from_sums(sums.sum(axis=0)[None], len(classes))[:, 0]
    resampled = _from_sums(_resampled(sums, seed), len(classes)) if n_groups >= _LEAST_GROUPS else None
    confusion = np.zeros((len(classes), len(classes)))
    np.add.at(confusion, (codes, proba.argmax(axis=1)), weight)
    accuracy, macro_f1, ece, brier, log_loss = _estimates(values, resampled)
    return Scores(
        _with_room(accuracy, n_groups),
        _with_room(macro_f1, n_groups),
        ece,
        brier,
        log_loss,
        confusion.tolist(),
        list(classes),
        len(codes),
        n_groups,
    )


def score_difference(
    codes: Codes, ours: Doubles, theirs: Doubles, groups: Codes, *, seed: int = 0
) -> Difference:
    """Scores of `ours` minus those of `theirs`, both (N, K) for the same rows, resampled together by group."""
    k = ours.shape[1]
    bundle, n_groups = _bundles(groups, seed)
    sums = [_group_sums(codes, proba, np.ones(len(codes)), bundle) for proba in (ours, theirs)]
    values = [_from_sums(s.sum(axis=0)[None], k)[:, 0] for s in sums]
    resampled = None
    if n_groups >= _LEAST_GROUPS:
        first, second = (_from_sums(_resampled(s, seed), k) for s in sums)
        resampled = first - second
    accuracy, macro_f1, *_ = _estimates(values[0] - values[1], resampled)
    return Difference(accuracy, macro_f1)


def _bundles(groups: Codes, seed: int) -> tuple[Codes, int]:
    """What is resampled together (N,), numbered from 0, and how many groups there are."""
    _, group = np.unique(groups, return_inverse=True)
    n_groups = int(group.max()) + 1
    if n_groups <= _MOST_GROUPS:
        return group.astype(np.intp), n_groups
    bundle = np.random.default_rng(seed).permutation(n_groups) % _MOST_GROUPS
    return bundle[group].astype(np.intp), n_groups


def _resampled(sums: Doubles, seed: int) -> Doubles:
    """Sums (resamples, columns) of as many groups as there are, drawn with replacement."""
    out: Doubles = _drawn(len(sums), seed) @ sums
    return out


@lru_cache(maxsize=4)
def _drawn(n: int, seed: int) -> Doubles:
    """How often each of n groups is in each resample, (resamples, n): the same for all that one report compares."""
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), _RESAMPLES).astype(np.float64)
    drawn.flags.writeable = False
    return drawn


def _estimates(values: Doubles, resampled: Doubles | None) -> list[Estimate]:
    if resampled is None:
        return [Estimate(float(v), None, None) for v in values]
    limits = np.percentile(resampled, [2.5, 97.5], axis=1)
    return [Estimate(float(v), float(low), float(high)) for v, low, high in zip(values, *limits, strict=True)]


def _with_room(share: Estimate, n_groups: int) -> Estimate:
    """A share whose resamples never err, or always do, with the limit that so many groups leave room for.

    Resampling rows without an error finds none, however few they are; Clopper and Pearson (1934) say how often an
    error may still occur that none of `n_groups` showed.
    """
    if share.low is None or share.high is None or share.low != share.high:
        return share
    unseen = 1 - 0.025 ** (1 / n_groups)
    if share.value == 1:
        return Estimate(share.value, 1 - unseen, 1.0)
    return Estimate(share.value, 0.0, unseen) if share.value == 0 else share


def _group_sums(codes: Codes, proba: Doubles, weight: Doubles, group: Codes) -> Doubles:
    """What every score is made of, summed by group: (groups, 3 K + 2 bins + 2)."""
    n, k = proba.shape
    predicted, confidence = proba.argmax(axis=1), proba.max(axis=1)
    hit = (predicted == codes).astype(np.float64)
    truth = proba[np.arange(n), codes]
    brier = (proba**2).sum(axis=1) - 2 * truth + 1
    surprise = -np.log(np.maximum(truth, _LEAST_PROBABILITY))
    bins = np.empty(n, np.intp)
    bins[np.argsort(confidence, kind="stable")] = np.arange(n) * min(_BINS, n) // n
    eye, box = np.eye(k), np.eye(_BINS)[bins]
    columns = [
        eye[codes] * hit[:, None],
        eye[codes],
        eye[predicted],
        box * confidence[:, None],
        box * hit[:, None],
        brier[:, None],
        surprise[:, None],
    ]
    rows = np.hstack(columns) * weight[:, None]
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    out: Doubles = np.add.reduceat(rows[order], starts, axis=0)
    return out


def _from_sums(sums: Doubles, k: int) -> Doubles:
    """Accuracy, macro-F1, ECE, Brier and log-loss, (5, B), from sums (B, columns of `_group_sums`)."""
    hits, true, predicted = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
    confidence, right = sums[:, 3 * k : 3 * k + _BINS], sums[:, 3 * k + _BINS : 3 * k + 2 * _BINS]
    total = np.maximum(true.sum(axis=1), np.finfo(float).tiny)
    either = true + predicted
    f1 = np.where(either > 0, 2 * hits / np.where(either > 0, either, 1), 0)
    occurring = np.maximum((either > 0).sum(axis=1), 1)
    ece = np.abs(confidence - right).sum(axis=1) / total
    brier, surprise = sums[:, -2] / total, sums[:, -1] / total
    return np.stack([hits.sum(axis=1) / total, f1.sum(axis=1) / occurring, ece, brier, surprise])

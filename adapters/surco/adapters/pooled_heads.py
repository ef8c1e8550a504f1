"""From standardised vectors and class codes to one linear head: discriminant and logistic, pooled log-linearly."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from surco.adapters.discriminant import discriminant
from surco.adapters.errors import SettingsError
from surco.adapters.logistic import logistic
from surco.adapters.temperatures import (
    CROSSFIT_LABELS,
    FoldScores,
    Temperatures,
    crossfitted,
    expected_temperatures,
)

__all__ = ["HeadSettings", "PooledHeads", "pooled_temperatures"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_FOLDS = 5
_CROSSFIT_MOST = 5000  # one temperature needs no more
_PRIOR_SIZE = 0.5  # share of a table's variance that lies within classes, where no label says otherwise


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """What the two heads are fitted with; see `CropTypeAdapter` for the meaning of each.

    Raises:
        SettingsError: a number outside its range.
    """

    C: float
    prior_strength: float
    mean_strength: float
    pool_share: float
    frequency_weight: float

    def __post_init__(self) -> None:
        _require(self.C, "C", above=0.0)
        _require(self.prior_strength, "prior_strength", above=0.0)
        _require(self.mean_strength, "mean_strength", least=0.0)
        _require(self.pool_share, "pool_share", least=0.0, below=1.0)
        _require(self.frequency_weight, "frequency_weight", least=0.0, most=1.0)


def _require(
    value: float,
    name: str,
    *,
    least: float = -np.inf,
    above: float = -np.inf,
    most: float = np.inf,
    below: float = np.inf,
) -> None:
    if not (
        isinstance(value, Real) and np.isfinite(value) and least <= value <= most and above < value < below
    ):
        low = f"at least {least:g}" if above == -np.inf else f"above {above:g}"
        high = (
            f" and at most {most:g}" if most < np.inf else f" and below {below:g}" if below < np.inf else ""
        )
        raise SettingsError(
            f"expected {name} to be a number {low}{high}; got {value!r}: leave it out for the default"
        )


@dataclass(frozen=True, slots=True)
class PooledHeads:
    """Weights (D, K) and bias (K,) of both heads, and labels of each class (K,)."""

    logistic: tuple[Doubles, Doubles]
    discriminant: tuple[Doubles, Doubles]
    counts: Doubles

    @classmethod
    def fit(
        cls, vectors: Doubles, codes: Codes, n_classes: int, prior: Doubles, settings: HeadSettings
    ) -> Self:
        """Fit both heads on standardised vectors (N, D) whose classes are 0..K-1, each present."""
        return cls(
            logistic(vectors, codes, n_classes, C=settings.C),
            discriminant(
                vectors,
                codes,
                n_classes,
                prior,
                strength=settings.prior_strength,
                scale=_PRIOR_SIZE,
                mean_strength=settings.mean_strength,
            ),
            np.bincount(codes, minlength=n_classes).astype(np.float64),
        )

    def pooled(self, temperatures: Temperatures) -> tuple[Doubles, Doubles]:
        """Weights (D, K) and bias (K,) of the log-linear pool, class-balanced."""
        (w1, b1), (w2, b2) = self.logistic, self.discriminant
        t1, t2 = temperatures.logistic, temperatures.discriminant
        return t1 * w1 + t2 * w2, t1 * b1 + t2 * b2

    def log_prior(self, weight: float) -> Doubles:
        """Tempered class frequencies (K,): weight 0 takes all classes as equally frequent, 1 the labels' shares."""
        shares: Doubles = np.log((self.counts + 1) / (self.counts.sum() + len(self.counts)))
        return weight * shares


def pooled_temperatures(
    vectors: Doubles,
    codes: Codes,
    groups: Codes,
    heads: PooledHeads,
    prior: Doubles,
    settings: HeadSettings,
    *,
    with_pool: bool,
) -> Temperatures:
    """Temperatures for these labels: the expected ones, corrected on held-out groups where there are enough labels."""
    expected = expected_temperatures(heads.counts, with_pool=with_pool)
    n_groups = len(np.unique(groups))
    if len(codes) < CROSSFIT_LABELS or n_groups < 3:
        return expected
    rows = np.random.default_rng(0).permutation(len(codes))[:_CROSSFIT_MOST]
    splits = GroupKFold(min(_FOLDS, n_groups)).split(rows, groups=groups[rows])
    folds = [
        _fold(vectors, codes, rows[train], rows[test], expected, prior, settings) for train, test in splits
    ]
    return crossfitted(expected, [f for f in folds if f is not None])


def _fold(
    vectors: Doubles,
    codes: Codes,
    train: Codes,
    test: Codes,
    expected: Temperatures,
    prior: Doubles,
    settings: HeadSettings,
) -> FoldScores | None:
    known, inner = np.unique(codes[train], return_inverse=True)
    test = test[np.isin(codes[test], known)]
    if len(known) < 2 or len(test) == 0:
        return None
    heads = PooledHeads.fit(vectors[train], inner, len(known), prior, settings)
    weights, bias = heads.pooled(expected)
    return FoldScores(
        vectors[test] @ weights + bias,
        heads.log_prior(settings.frequency_weight),
        np.searchsorted(known, codes[test]),
    )

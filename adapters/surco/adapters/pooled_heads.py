"""From standardised vectors and class codes to one linear head: discriminant and logistic, pooled log-linearly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from surco.adapters.discriminant import Gaussians
from surco.adapters.errors import SettingsError
from surco.adapters.logistic import logistic, logistic_each
from surco.adapters.support import Support
from surco.adapters.temperatures import FoldScores

__all__ = ["LEAST_HELD_OUT", "HeadSettings", "Labelled", "PooledHeads", "heads_and_folds"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
LEAST_HELD_OUT = 20
"""Labels from which on some are held out to see how far the rest is right."""
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
    borrowed: float
    frequency_weight: float

    def __post_init__(self) -> None:
        _require(self.C, "C", above=0.0)
        _require(self.prior_strength, "prior_strength", above=0.0)
        _require(self.mean_strength, "mean_strength", least=0.0)
        _require(self.borrowed, "borrowed", least=0.0)
        _require(self.frequency_weight, "frequency_weight", least=0.0, most=1.0)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Standardised labelled vectors.

    Attributes:
        plain: (N, D) as they are: what is asked about.
        taught: (N, D) drawn towards their neighbours: what is learned from.
        codes: (N,) class of each, 0..K-1, each present.
        groups: (N,) spatial block of each.
    """

    plain: Doubles
    taught: Doubles
    codes: Codes
    groups: Codes


def _require(
    value: float,
    name: str,
    *,
    least: float = -np.inf,
    above: float = -np.inf,
    most: float = np.inf,
) -> None:
    if not (isinstance(value, Real) and np.isfinite(value) and least <= value <= most and above < value):
        low = f"at least {least:g}" if above == -np.inf else f"above {above:g}"
        high = f" and at most {most:g}" if most < np.inf else ""
        raise SettingsError(
            f"expected {name} to be a number {low}{high}; got {value!r}: leave it out for the default"
        )


@dataclass(frozen=True, slots=True)
class PooledHeads:
    """Both heads' weights (D, K) and bias (K,); labels of each class (K,); the discriminant's Gaussians.

    `means` is (K, D), `covariance` (D, D).
    """

    logistic: tuple[Doubles, Doubles]
    discriminant: tuple[Doubles, Doubles]
    counts: Doubles
    means: Doubles
    covariance: Doubles

    @classmethod
    def fit(
        cls, vectors: Doubles, codes: Codes, n_classes: int, prior: Doubles, settings: HeadSettings
    ) -> Self:
        """Fit both heads on standardised vectors (N, D) whose classes are 0..K-1, each present."""
        return cls._of(
            vectors, codes, n_classes, prior, settings, logistic(vectors, codes, n_classes, C=settings.C)
        )

    @classmethod
    def fit_each(
        cls,
        vectors: Doubles,
        codes: Codes,
        subsets: npt.NDArray[np.bool_],
        prior: Doubles,
        settings: HeadSettings,
    ) -> list[tuple[Codes, Self]]:
        """Fit heads on each of P subsets (P, N) of the labels: the classes that each knows (K,), and its heads."""
        n_classes = int(codes.max()) + 1
        fitted = []
        for rows, (weights, bias) in zip(
            subsets, logistic_each(vectors, codes, n_classes, subsets, C=settings.C), strict=True
        ):
            known, inner = np.unique(codes[rows], return_inverse=True)
            first = weights[:, known], bias[known]
            fitted.append((known, cls._of(vectors[rows], inner, len(known), prior, settings, first)))
        return fitted

    @classmethod
    def _of(
        cls,
        vectors: Doubles,
        codes: Codes,
        n_classes: int,
        prior: Doubles,
        settings: HeadSettings,
        first: tuple[Doubles, Doubles],
    ) -> Self:
        gaussians = Gaussians.fit(
            vectors,
            codes,
            n_classes,
            prior,
            strength=settings.prior_strength,
            scale=_PRIOR_SIZE,
            mean_strength=settings.mean_strength,
        )
        return cls(
            first,
            gaussians.discriminant(),
            np.bincount(codes, minlength=n_classes).astype(np.float64),
            gaussians.means,
            gaussians.covariance,
        )

    def pooled(self, temperature: float) -> tuple[Doubles, Doubles]:
        """Weights (D, K) and bias (K,) of the log-linear pool, class-balanced."""
        # The discriminant alone is less calibrated, the logistic head alone less right; between, little changes.
        (w1, b1), (w2, b2) = self.logistic, self.discriminant
        return temperature * (1.5 * w1 + 0.5 * w2), temperature * (1.5 * b1 + 0.5 * b2)

    def log_prior(self, weight: float) -> Doubles:
        """Tempered class frequencies (K,): weight 0 takes all classes as equally frequent, 1 the labels' shares."""
        shares: Doubles = np.log((self.counts + 1) / (self.counts.sum() + len(self.counts)))
        return weight * shares


def heads_and_folds(
    labelled: Labelled, prior: Doubles, settings: HeadSettings, expected: Callable[[Doubles], float]
) -> tuple[PooledHeads, list[FoldScores]]:
    """Heads of all labels, and what heads that did not see a group say of it.

    Five parts of the groups are held out in turn; none where labels are too few.

    Args:
        labelled: standardised labels.
        prior: (D, D) shape of the within-class covariance.
        settings: of the heads.
        expected: the temperature to expect from the labels of each class (K,).
    """
    splits = _splits(labelled)
    subsets = np.ones((1 + len(splits), len(labelled.codes)), bool)
    for number, (train, _) in enumerate(splits, 1):
        subsets[number] = False
        subsets[number, train] = True
    (_, heads), *others = PooledHeads.fit_each(labelled.taught, labelled.codes, subsets, prior, settings)
    temperature = expected(heads.counts)
    folds = [
        _fold(labelled, known, fitted, test, temperature, settings)
        for (known, fitted), (_, test) in zip(others, splits, strict=True)
    ]
    return heads, [fold for fold in folds if fold is not None]


def _splits(labelled: Labelled) -> list[tuple[Codes, Codes]]:
    """Rows to learn from and rows held out, of each part of the groups."""
    n_groups = len(np.unique(labelled.groups))
    if len(labelled.codes) < LEAST_HELD_OUT or n_groups < 3:
        return []
    rows = np.random.default_rng(0).permutation(len(labelled.codes))[:_CROSSFIT_MOST]
    splits = GroupKFold(min(_FOLDS, n_groups)).split(rows, groups=labelled.groups[rows])
    return [(rows[train], rows[test]) for train, test in splits]


def _fold(
    labelled: Labelled,
    known: Codes,
    heads: PooledHeads,
    test: Codes,
    expected: float,
    settings: HeadSettings,
) -> FoldScores | None:
    codes = labelled.codes
    test = test[np.isin(codes[test], known)]
    if len(known) < 2 or len(test) == 0:
        return None
    weights, bias = heads.pooled(expected)
    asked = labelled.plain[test]
    return FoldScores(
        asked @ weights + bias,
        heads.log_prior(settings.frequency_weight),
        np.searchsorted(known, codes[test]),
        Support.of(heads.covariance, heads.means, np.zeros(0)).squared_distances(asked),
    )

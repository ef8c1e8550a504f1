"""The fit of a crop-type adapter: standardise, borrow, fit both heads, hold groups out, fold into one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.borrowing import drawn_towards, neighbour_means
from surco.adapters.conformal import ALWAYS, true_probabilities
from surco.adapters.learned_prior import LearnedPrior
from surco.adapters.linear_head import LinearHead
from surco.adapters.local_scatter import LocalScatter
from surco.adapters.pooled_heads import HeadSettings, Labelled, PooledHeads, heads_and_folds
from surco.adapters.support import Support
from surco.adapters.temperatures import (
    CROSSFIT_LABELS,
    Correction,
    FoldScores,
    crossfitted,
    expected_temperature,
)

__all__ = ["FittedHeads", "fit_each_head", "fit_heads", "standard_of"]

Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
_NEIGHBOUR_ROWS = (
    8000  # rows of the table that labels may borrow from: more cost time, and are not measurably better
)
_EXPECTED_ROWS = 2000  # rows of the table that show what the adapter expects of it


@dataclass(frozen=True, slots=True)
class FittedHeads:
    """What a fit leaves: the folded head, its temperature, quantiles of the true class's probability, and support."""

    head: LinearHead
    temperature: float
    true_probabilities: npt.NDArray[np.float32]
    support: Support


@dataclass(frozen=True, slots=True)
class _Standard:
    """Centre (D,) and spread (D,) by which vectors are standardised."""

    centre: Doubles
    spread: Doubles

    def apply(self, vectors: npt.NDArray[np.floating]) -> Doubles:
        standard: Doubles = (vectors - self.centre) / self.spread
        return standard


def standard_of(
    vectors: npt.NDArray[np.floating], scatter: LocalScatter | None, common: bool
) -> tuple[Doubles, Doubles]:
    """Centre (D,) and spread (D,) of a table, or of the labels (N, D) where the table is unknown.

    Args:
        vectors: (N, D) labelled vectors.
        scatter: of the table's vectors.
        common: one spread for all dimensions.
    """
    if scatter is None:
        centre = vectors.mean(axis=0, dtype=np.float64)
        spread = vectors.std(axis=0, dtype=np.float64)
    else:
        centre, spread = scatter.mean, scatter.deviation
    if common:
        spread = np.full_like(spread, np.sqrt(np.mean(spread**2)))
    return centre, np.where(spread > 0, spread, 1.0)


def fit_heads(
    vectors: npt.NDArray[np.floating],
    codes: Codes,
    blocks: Codes,
    scatter: LocalScatter | None,
    prior: LearnedPrior,
    settings: HeadSettings,
    *,
    common: bool,
) -> FittedHeads:
    """Fit both heads on labelled vectors (N, D) whose classes are 0..K-1, each present.

    Args:
        vectors: (N, D) labelled vectors.
        codes: (N,) class of each.
        blocks: (N,) spatial block of each.
        scatter: what the unlabelled table says; None where it is unknown.
        prior: what other tasks taught.
        settings: of the heads.
        common: one spread for all dimensions.
    """
    standard = _Standard(*standard_of(vectors, scatter, common))
    plain = standard.apply(vectors)
    near = _near(plain, scatter, standard, settings.borrowed)
    ground = _Ground(standard, scatter, prior, settings)
    head, temperature, heads, folds, correction = ground.fit(plain, near, codes, blocks)
    rows = _expected_rows(plain, scatter, standard)
    known = np.concatenate(
        [np.where(f.likeliest(correction), ALWAYS, f.true_probabilities(correction)) for f in folds]
        or [np.zeros(0)]
    )
    return FittedHeads(
        head,
        temperature,
        true_probabilities(known, head.probabilities(rows), len(codes) / len(heads.counts)),
        _support(heads, folds, standard),
    )


def fit_each_head(
    vectors: npt.NDArray[np.floating],
    codes: Codes,
    blocks: Codes,
    subsets: Sequence[Codes],
    scatter: LocalScatter,
    prior: LearnedPrior,
    settings: HeadSettings,
    *,
    common: bool,
) -> list[tuple[Codes, LinearHead]]:
    """The head that `fit_heads` makes of each of several subsets of labels, and the classes (K,) that it knows.

    All are compared with the table once. Arguments as of `fit_heads`; `subsets` are rows, with two classes or more.
    """
    standard = _Standard(*standard_of(vectors, scatter, common))
    plain = standard.apply(vectors)
    near = _near(plain, scatter, standard, settings.borrowed)
    ground = _Ground(standard, scatter, prior, settings)
    fitted = []
    for rows in subsets:
        known, inner = np.unique(codes[rows], return_inverse=True)
        head, *_ = ground.fit(plain[rows], None if near is None else near[rows], inner, blocks[rows])
        fitted.append((known, head))
    return fitted


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a fit knows before any label."""

    standard: _Standard
    scatter: LocalScatter | None
    prior: LearnedPrior
    settings: HeadSettings

    def fit(
        self, plain: Doubles, near: Doubles | None, codes: Codes, blocks: Codes
    ) -> tuple[LinearHead, float, PooledHeads, list[FoldScores], Correction]:
        """The folded head, its temperature, both heads, what held-out folds say, and how they correct."""
        settings, spread = self.settings, self.standard.spread
        local = None if self.scatter is None else self.scatter.covariance / np.outer(spread, spread)
        taught = plain if near is None else drawn_towards(plain, codes, near, settings.borrowed)
        heads, folds = heads_and_folds(
            Labelled(plain, taught, codes, blocks), self.prior.shape(spread, local), settings, self.expected
        )
        correction = crossfitted(folds) if folds and len(codes) >= CROSSFIT_LABELS else Correction()
        temperature = self.expected(heads.counts) * correction.factor
        head = _folded(heads, temperature, correction.floor, settings.frequency_weight, self.standard)
        return head, temperature, heads, folds, correction

    def expected(self, counts: Doubles) -> float:
        """Temperature to expect from the labels of each class (K,)."""
        return expected_temperature(counts, with_pool=self.scatter is not None, table=self.prior.temperatures)


def _near(
    plain: Doubles, scatter: LocalScatter | None, standard: _Standard, borrowed: float
) -> Doubles | None:
    """Means (N, D) of each label's nearest rows of the table; None where nothing is borrowed."""
    if scatter is None or borrowed <= 0:
        return None
    asked = scatter.rows[:: max(1, len(scatter.rows) // _NEIGHBOUR_ROWS)]
    # Standardised vectors tell the standardisation, too: the same ones have the same neighbours.
    return scatter.remembered(plain, lambda: neighbour_means(plain, standard.apply(asked).astype(np.float32)))


def _expected_rows(
    plain: Doubles, scatter: LocalScatter | None, standard: _Standard
) -> npt.NDArray[np.floating]:
    """Plain rows (R, D) of the table, or the labels' own where it is unknown."""
    if scatter is None:
        return plain[:_EXPECTED_ROWS] * standard.spread + standard.centre
    return scatter.rows[:: max(1, len(scatter.rows) // _EXPECTED_ROWS)]


def _folded(
    heads: PooledHeads, temperature: float, floor: float, frequency_weight: float, standard: _Standard
) -> LinearHead:
    """One head on plain vectors: the standardisation, both heads, their temperature and the class prior."""
    weights, bias = heads.pooled(temperature)
    weights = weights / standard.spread[:, None]
    bias = bias + heads.log_prior(frequency_weight) - standard.centre @ weights
    return LinearHead(weights.astype(np.float32), bias.astype(np.float32), floor)


def _support(heads: PooledHeads, folds: list[FoldScores], standard: _Standard) -> Support:
    """Support for plain vectors: the standardisation folded in."""
    apart = np.concatenate([f.distances for f in folds] or [np.zeros(0, np.float32)])
    covariance = heads.covariance * np.outer(standard.spread, standard.spread)
    means = heads.means * standard.spread + standard.centre
    return Support.of(covariance, means, apart.astype(np.float64))

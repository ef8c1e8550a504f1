"""Principal components of the season's grid, with what was not measured filled by its Gaussian expectation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["SeasonComponents", "fit_season_components", "within_covariance"]

Doubles = npt.NDArray[np.float64]

_WHOLE = 0.9
_RIDGE = 0.1


@dataclass(frozen=True)
class SeasonComponents:
    """A linear map from a flattened grid (F = K * channels) to its leading components, for grids with gaps too."""

    covariance: Doubles
    """(F, F)."""
    axes: Doubles
    """(F, P), orthonormal."""

    def __call__(self, grid: npt.NDArray[np.float32], measured: npt.NDArray[np.bool_]) -> Doubles:
        """Components (N, P) of grids (N, K, C) and their validity.

        Gaps take their expectation given what was measured, E[g | m] = S_gm (S_mm + r I)^-1 m, solved once for each
        pattern of gaps; `r` is a tenth of a scaled channel's variance, for the noise of a measurement.
        """
        flat, known = grid.reshape(len(grid), -1).astype(np.float64), measured.reshape(len(grid), -1)
        flat = np.where(known, flat, 0.0)
        patterns, which = np.unique(known, axis=0, return_inverse=True)
        for number, seen in enumerate(patterns):
            if seen.any() and not seen.all():
                rows = np.flatnonzero(which.ravel() == number)
                inner = self.covariance[np.ix_(seen, seen)] + _RIDGE * np.eye(int(seen.sum()))
                weights = np.linalg.solve(inner, self.covariance[np.ix_(seen, ~seen)])
                flat[np.ix_(rows, np.flatnonzero(~seen))] = flat[np.ix_(rows, np.flatnonzero(seen))] @ weights
        out: Doubles = flat @ self.axes
        return out


def fit_season_components(
    grids: Sequence[npt.NDArray[np.float32]], measured: Sequence[npt.NDArray[np.bool_]], components: int
) -> SeasonComponents:
    """Fit on the rows of all sets (N, K, C) whose grid is nine tenths measured, or on all where none is."""
    flat = np.concatenate([g.reshape(len(g), -1) for g in grids]).astype(np.float64)
    known = np.concatenate([m.reshape(len(m), -1) for m in measured])
    whole = known.mean(axis=1) > _WHOLE
    if whole.any():
        flat, known = flat[whole], known[whole]
    covariance = np.cov(np.where(known, flat, 0.0).T)
    _, axes = np.linalg.eigh(covariance)
    return SeasonComponents(covariance, axes[:, ::-1][:, :components])


def within_covariance(vectors: Doubles, group: npt.NDArray[np.int64] | None = None) -> Doubles:
    """(P, P) covariance of (N, P) vectors around their mean, or around the means of their groups (N,)."""
    if group is None:
        centred = vectors - vectors.mean(axis=0)
    else:
        _, number = np.unique(group, return_inverse=True)
        sums = np.zeros((int(number.max()) + 1, vectors.shape[1]))
        np.add.at(sums, number, vectors)
        centred = vectors - (sums / np.bincount(number)[:, None])[number]
    out: Doubles = centred.T @ centred / len(vectors)
    return out

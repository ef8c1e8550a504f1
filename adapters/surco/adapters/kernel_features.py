"""Features of vectors: themselves, and a Gaussian process's by a few of them (Nyström).

With rows Z chosen by pivoted Cholesky (Foster et al. 2009; Fine and Scheinberg 2001) and K_ZZ = L L^T, the features
L^-1 k(Z, x) have the kernel's products up to what is left over, `1 - |features|^2` of a row's variance, which is
added to its uncertainty (Quiñonero-Candela and Rasmussen 2005, section 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

__all__ = ["Features", "standardised"]

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

_MOST_DIRECTIONS = 256
_LEFT_OVER = (
    1e-3  # of a row's variance: less is not worth another chosen row, and single precision could not hold it
)


@dataclass(frozen=True, slots=True)
class Features:
    """A map from vectors (N, D) to features (N, P) = the constant, R directions, M kernel features.

    Attributes:
        projection: (D, R); `x @ projection + offset` has mean square R/D over the labelled vectors.
        offset: (R,).
        chosen: (M, R) rows in those directions; M is 0 for a linear model.
        whitening: (M, M), the transposed inverse of the Cholesky factor of the chosen rows' kernel.
        length: length scale of the kernel, in units of the root mean square of `x @ projection + offset`.
    """

    projection: Floats
    offset: Floats
    chosen: Floats
    whitening: Floats
    length: float

    def of(self, vectors: npt.NDArray[np.floating[Any]]) -> Floats:
        """Features (N, P) float32 of vectors (N, D)."""
        return self.of_directions(vectors.astype(np.float32, copy=False) @ self.projection + self.offset)

    def of_directions(self, directions: Floats) -> Floats:
        """Features (N, P) float32 of rows (N, R) that are projected already."""
        parts = [np.ones((len(directions), 1), np.float32), directions]
        if len(self.chosen):
            parts.append(_kernel(directions, self.chosen, self.length) @ self.whitening)
        return np.hstack(parts)

    def left_over(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """Share (N,) of the kernel's variance that the features (N, P) do not carry; zero for a linear model."""
        if not len(self.chosen):
            return np.zeros(len(features), np.float32)
        kernel = features[:, 1 + self.projection.shape[1] :]
        return np.asarray(np.clip(1 - np.einsum("np,np->n", kernel, kernel), 0, 1), np.float32)

    def blocks(self) -> npt.NDArray[np.intp]:
        """Block (P,) of each feature: 0 the constant, 1 the directions, 2 the kernel."""
        return np.repeat([0, 1, 2], [1, self.projection.shape[1], len(self.chosen)]).astype(np.intp)

    def with_kernel(self, directions: Floats, length: float, most: int) -> Features:
        """The same with at most `most` of the rows (N, R) chosen for a kernel of this length."""
        rows, factor = _chosen(directions, length, most)
        inverse = scipy.linalg.solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False)
        return Features(
            self.projection, self.offset, directions[rows], inverse.T.astype(np.float32).copy(), float(length)
        )

    def tensors(self) -> Mapping[str, Floats]:
        """The arrays by name."""
        names = ("projection", "offset", "chosen", "whitening")
        return {name: getattr(self, name) for name in names}


def standardised(vectors: npt.NDArray[np.floating[Any]], *, each: bool) -> Features:
    """Linear features of labelled vectors (N, D): centred, divided by their spread, at most 256 directions kept.

    Args:
        vectors: the labelled vectors.
        each: divide every dimension by its own spread (raw bands), not all by one (embeddings).
    """
    rows = vectors.astype(np.float64)
    centre, spread = rows.mean(axis=0), rows.std(axis=0)
    if not each:
        spread = np.full_like(spread, np.sqrt(np.mean(spread**2)))
    # What differs by no more than rounding does not differ.
    tiny = 1e-6 * np.abs(rows).max(initial=0.0)
    scale = np.where(spread > tiny, 1 / np.where(spread > tiny, spread, 1), 0.0) / np.sqrt(rows.shape[1])
    projection = np.diag(scale)
    if rows.shape[1] > _MOST_DIRECTIONS:
        _, _, axes = np.linalg.svd((rows - centre) * scale, full_matrices=False)
        projection = scale[:, None] * axes[:_MOST_DIRECTIONS].T
    empty = np.zeros((0, projection.shape[1]), np.float32)
    return Features(
        projection.astype(np.float32),
        (-centre @ projection).astype(np.float32),
        empty,
        np.zeros((0, 0), np.float32),
        1.0,
    )


def _kernel(rows: npt.NDArray[Any], chosen: npt.NDArray[Any], length: float) -> npt.NDArray[Any]:
    """exp(-|a - b|^2 / (2 length^2)) of rows (N, R) and (M, R)."""
    squares = (rows**2).sum(axis=1)[:, None] + (chosen**2).sum(axis=1) - 2 * (rows @ chosen.T)
    exponent = np.maximum(squares, 0) * rows.dtype.type(-0.5 / length**2)
    return np.asarray(np.exp(exponent, out=exponent))


def _chosen(directions: Floats, length: float, most: int) -> tuple[npt.NDArray[np.intp], Doubles]:
    """Rows (M,) that leave the least of the others' variance over, and the Cholesky factor (M, M) of their kernel."""
    rows = directions.astype(np.float64)
    most = min(most, len(rows))
    left, columns, picked = np.ones(len(rows)), np.zeros((len(rows), most)), []
    for step in range(most):
        row = int(left.argmax())
        if left[row] < _LEFT_OVER:
            break
        column = _kernel(rows, rows[row : row + 1], length)[:, 0] - columns[:, :step] @ columns[row, :step]
        columns[:, step] = column / np.sqrt(left[row])
        left = np.maximum(left - columns[:, step] ** 2, 0)
        left[row] = 0
        picked.append(row)
    where = np.array(picked, np.intp)
    return where, np.tril(columns[where, : len(where)])

"""Labels borrow from the table: a labelled vector is averaged with its nearest unlabelled neighbours.

One label shows one place with all its noise; the rows most like it are mostly of its class, and their mean shows less.
The fewer labels a class has, the more is borrowed (a fixed worth of labels, as a prior's strength is).
"""

from __future__ import annotations

import faiss
import numpy as np
import numpy.typing as npt

__all__ = ["drawn_towards", "neighbour_means", "with_neighbours"]

Doubles = npt.NDArray[np.float64]
_NEIGHBOURS = 3
_SAME = 1e-9  # squared distance, as a share of the mean, below which a row is the label's own


def with_neighbours(
    vectors: Doubles, codes: npt.NDArray[np.intp], rows: npt.NDArray[np.float32], worth: float
) -> Doubles:
    """Labelled vectors (N, D), each drawn towards the mean of its three nearest rows.

    A vector whose class has n labels keeps the weight n / (n + worth).

    Args:
        vectors: (N, D) standardised labelled vectors.
        codes: (N,) class of each, 0..K-1.
        rows: (M, D) standardised rows of the table, labelled or not; a row that is the vector itself is passed over.
        worth: how many labels the neighbours are worth; 0 borrows nothing.
    """
    if worth <= 0:
        return vectors
    return drawn_towards(vectors, codes, neighbour_means(vectors, rows), worth)


def neighbour_means(vectors: Doubles, rows: npt.NDArray[np.float32]) -> Doubles:
    """The mean (N, D) of the three rows (M, D) nearest to each vector (N, D), the vector's own row passed over."""
    distances, kin = faiss.knn(np.ascontiguousarray(vectors, np.float32), rows, _NEIGHBOURS + 1)
    own = distances[:, 0] <= _SAME * distances.mean()
    chosen = np.where(own[:, None], kin[:, 1:], kin[:, :-1])
    means: Doubles = rows[chosen].mean(axis=1, dtype=np.float64)
    return means


def drawn_towards(vectors: Doubles, codes: npt.NDArray[np.intp], means: Doubles, worth: float) -> Doubles:
    """Vectors (N, D), each drawn towards its own of `means` (N, D), the more the fewer labels its class has."""
    share = worth / (worth + np.bincount(codes)[codes])[:, None]
    borrowed: Doubles = (1 - share) * vectors + share * means
    return borrowed

"""What an unlabelled table says about classes: how vectors differ from their nearest neighbours.

Two neighbours mostly belong to one class, so the covariance of their differences has the shape of the within-class
covariance, and needs no label (docs: ml-study, "label-free local scatter of the pool").
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Self

import faiss
import numpy as np
import numpy.typing as npt

from surco.adapters.errors import VectorsError

__all__ = ["LocalScatter"]

Doubles = npt.NDArray[np.float64]
_MOST_ASKED = 16
_LEAST_ROWS = 50  # fewer vectors have no neighbours to speak of


@dataclass(frozen=True, slots=True)
class LocalScatter:
    """Mean (D,), standard deviation (D,) and local scatter (D, D) of a table's vectors, in the vectors' units.

    `rows` (M, D) float32 are those that neighbours are sought among. Made once for a table it can be given to any
    number of fits in place of the table's vectors; it remembers what it was asked for last (`remembered`).
    """

    mean: Doubles
    deviation: Doubles
    covariance: Doubles
    rows: npt.NDArray[np.float32]
    _asked: OrderedDict[bytes, Doubles] = field(default_factory=OrderedDict, compare=False, repr=False)
    _lock: Lock = field(default_factory=Lock, compare=False, repr=False)

    def remembered(self, vectors: Doubles, compute: Callable[[], Doubles]) -> Doubles:
        """What `compute` makes of vectors (N, D) and these rows: computed once for the vectors asked about last.

        A fit, its cross-validation and the judge of its labels all ask for the neighbours of the same labels.
        """
        key = hashlib.blake2b(np.ascontiguousarray(vectors).data).digest()
        with self._lock:
            found = self._asked.get(key)
        if found is None:
            found = compute()
            with self._lock:
                self._asked[key] = found
                while len(self._asked) > _MOST_ASKED:
                    self._asked.popitem(last=False)
        return found

    def __reduce__(self) -> tuple[type[LocalScatter], tuple[npt.NDArray[Any], ...]]:
        """Copies and processes get the arrays, not what was remembered."""
        return type(self), (self.mean, self.deviation, self.covariance, self.rows)

    @classmethod
    def of(
        cls,
        vectors: npt.NDArray[np.floating],
        *,
        neighbours: int = 5,
        queries: int = 2000,
        rows: int = 20_000,
        seed: int = 0,
    ) -> Self:
        """Measure the scatter of vectors (N, D): half the mean outer product of a vector less its neighbours.

        Args:
            vectors: (N, D), at least 50 rows, finite.
            neighbours: how many nearest neighbours of a vector are its kin.
            queries: how many vectors are asked for their neighbours, drawn at random.
            rows: how many vectors the neighbours are sought among, drawn at random.
            seed: of the draws.

        Raises:
            VectorsError: fewer than 50 rows, or values that are not finite.
        """
        table = _checked(vectors)
        rng = np.random.default_rng(seed)
        if len(table) > rows:
            table = table[rng.choice(len(table), rows, replace=False)]
        mean = table.mean(axis=0, dtype=np.float64)
        deviation = table.std(axis=0, dtype=np.float64)
        standard = ((table - mean) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)
        asked = rng.permutation(len(standard))[:queries]
        _, kin = faiss.knn(standard[asked], standard, neighbours + 1)
        differences = (table[kin[:, 1:]] - table[asked, None]).reshape(-1, table.shape[1]).astype(np.float64)
        return cls(mean, deviation, differences.T @ differences / (2 * len(differences)), table)

    @classmethod
    def where_enough(cls, vectors: npt.NDArray[np.floating]) -> Self | None:
        """The scatter of vectors (N, D); None where there are fewer than 50, too few to have neighbours."""
        return cls.of(vectors) if len(vectors) >= _LEAST_ROWS else None


def _checked(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    table = np.asarray(vectors, np.float32)
    if table.ndim != 2 or len(table) < _LEAST_ROWS:
        raise VectorsError(
            f"a pool needs at least {_LEAST_ROWS} vectors, shape (rows, dimension), to show what its neighbours share; "
            f"got shape {table.shape}: give more rows of the table, or leave pool out"
        )
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        raise VectorsError(
            f"a pool needs finite vectors; got NaN or infinity in {int(bad.sum())} of {len(table)} rows: "
            "leave out the cells without data"
        )
    return table

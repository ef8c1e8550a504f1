"""Labelled vectors to evaluate on: checked once, with the places that must not stand on both sides of a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from surco.adapters.checks import checked_groups, checked_labels, require_finite
from surco.adapters.errors import LabelsError, VectorsError
from surco.adapters.local_scatter import LocalScatter

__all__ = ["Labelled"]

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Labelled:
    """N labelled rows.

    Attributes:
        vectors: (N, D), finite.
        codes: (N,) class of each row, position in `classes`.
        classes: K class names, sorted.
        groups: (N,) spatial block of each row, from 0: rows of one block are on one side of a split.
        regions: (N,) name of the region (or whatever is compared) of each row; None where there is none.
        features: other features of the same rows by name, (N, F) each, such as raw bands: plain heads only.
        pool: unlabelled vectors for the adapter's `fit`, or None.
    """

    vectors: npt.NDArray[np.floating]
    codes: Codes
    classes: tuple[str, ...]
    groups: Codes
    regions: npt.NDArray[np.str_] | None = None
    features: Mapping[str, npt.NDArray[np.floating]] = field(default_factory=dict)
    pool: LocalScatter | None = None

    @classmethod
    def of(
        cls,
        X: Any,
        y: Any,
        groups: Any = None,
        *,
        regions: Any = None,
        features: Mapping[str, Any] | None = None,
        pool: Any = None,
    ) -> Self:
        """Check what comes from outside.

        Args:
            X: (N, D) vectors.
            y: (N,) class names or whole numbers, at least two different.
            groups: (N,) spatial block of each row; None takes each row for itself.
            regions: (N,) region, season or other name of each row; empty where unknown.
            features: other features of the same rows, (N, F) each.
            pool: unlabelled vectors (M, D) of the same table, or their `LocalScatter`. They may include the held-out
                places: a table's vectors are known wherever the map is drawn, their labels are not.

        Raises:
            LabelsError, VectorsError: lengths that differ, one class, values that are not finite.
        """
        vectors = _matrix("vectors", X, None)
        classes, codes = checked_labels(y, len(vectors))
        return cls(
            vectors,
            codes,
            tuple(str(c) for c in classes),
            checked_groups(groups, len(vectors)),
            None if regions is None else _names(regions, len(vectors)),
            {name: _matrix(name, table, len(vectors)) for name, table in (features or {}).items()},
            pool if pool is None or isinstance(pool, LocalScatter) else LocalScatter.of(pool),
        )

    def __len__(self) -> int:
        return len(self.codes)

    def matrix(self, features: str | None) -> npt.NDArray[np.floating]:
        """The vectors, or other features by name."""
        return self.vectors if features is None else self.features[features]


def _matrix(name: str, values: Any, rows: int | None) -> npt.NDArray[np.floating]:
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or rows not in (None, len(array)):
        raise VectorsError(
            f"expected {name} as numbers of shape ({rows or 'rows'}, columns); got {array.dtype} of shape "
            f"{array.shape}: give one row a label"
        )
    table = array.astype(np.float64) if array.dtype.kind != "f" else array
    require_finite(table)
    return table


def _names(values: Any, rows: int) -> npt.NDArray[np.str_]:
    array = np.asarray(values)
    if array.shape != (rows,):
        raise LabelsError(
            f"expected one region a label, shape ({rows},); got shape {array.shape}: name the region of each label, "
            "empty where it is unknown"
        )
    return np.array([str(v) for v in array.tolist()], dtype=np.str_)

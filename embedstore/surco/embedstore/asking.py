"""What a search may ask for: a row of the table, a vector, or examples of what is wanted and what is not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h3
import numpy as np
import numpy.typing as npt

from surco.embedstore.errors import SearchError
from surco.embedstore.tables import TableInfo
from surco.embedstore.vectors import KEYS, Floats, TableVectors

__all__ = ["Contrast", "Item", "Wanted", "contrasted", "direction_of"]

Item = int | str | npt.ArrayLike
"""An H3 cell (number, or text in hexadecimal), a parcel's id, or a vector (D,) of the table's model."""


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """Like these, unlike those: Rocchio's relevance feedback (1971) on unit vectors, without an original query.

    The direction searched for is mean(like) - weight * mean(unlike).

    Attributes:
        like: items of the table or vectors, at least one.
        unlike: the same, or none.
        weight: how much the latter count, 0 or more. At 1 only what tells the two groups apart counts.

    Raises:
        SearchError: nothing to be like, or a weight that is negative or not finite.
    """

    like: Sequence[Item]
    unlike: Sequence[Item] = ()
    weight: float = 0.5

    def __post_init__(self) -> None:
        if len(self.like) == 0:
            raise SearchError("at least one example to be like", "none", "Name a cell, a parcel or a vector.")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise SearchError("a weight of 0 or more", f"{self.weight}", "0.5 is a good beginning.")


Wanted = Item | Contrast
"""What `nearest` takes."""


def direction_of(vectors: TableVectors, info: TableInfo, what: Wanted) -> tuple[Floats, list[int]]:
    """The unit vector (D,) to search for, and the rows of the table that it was made from.

    Raises:
        SearchError: an item that is not in the table or has no direction, a vector of another length, of zeros or not
            finite, examples that cancel each other out.
    """
    if not isinstance(what, Contrast):
        direction, row = _unit(vectors, info, what)
        return direction.astype(np.float32), [] if row is None else [row]
    like, unlike = ([_unit(vectors, info, item) for item in items] for items in (what.like, what.unlike))
    sought = contrasted([unit for unit, _ in like], [unit for unit, _ in unlike], what.weight)
    return sought, [row for _, row in (*like, *unlike) if row is not None]


def contrasted(like: npt.ArrayLike, unlike: npt.ArrayLike, weight: float) -> Floats:
    """The unit vector (D,) along mean(like) - weight * mean(unlike), see `Contrast`, of unit vectors (N, D), (M, D).

    Raises:
        SearchError: examples that cancel each other out.
    """
    sought = np.asarray(like).mean(axis=0)
    if np.size(unlike):
        sought = sought - weight * np.asarray(unlike).mean(axis=0)
    length = np.linalg.norm(sought)
    if length < 1e-6:
        raise SearchError(
            "examples that differ", "a mean difference of zero", "Take other examples, or another weight."
        )
    unit: Floats = (sought / length).astype(np.float32)
    return unit


def _unit(vectors: TableVectors, info: TableInfo, item: Item) -> tuple[npt.NDArray[np.float64], int | None]:
    if isinstance(item, int | str | np.integer):
        row = _row(vectors, info, item)
        values = vectors.embedding[row].astype(np.float64)
        if not values.any():
            raise SearchError("a row with a direction", f"{item!r}, a vector of zeros", "Choose another.")
        return values / np.linalg.norm(values), row
    return _checked(info, item), None


def _checked(info: TableInfo, vector: npt.ArrayLike) -> npt.NDArray[np.float64]:
    try:
        values = np.asarray(vector, np.float64)
    except (TypeError, ValueError) as error:
        raise SearchError(
            "an H3 cell, a parcel id or a vector", repr(vector)[:80], f"Pass one of them ({error})."
        ) from error
    if values.shape != (info.dimension,) or not np.isfinite(values).all() or not values.any():
        raise SearchError(
            f"a finite vector of {info.dimension} values, not all zero, of model {info.model_id}",
            f"shape {values.shape}, {int(np.count_nonzero(values))} values not zero",
            "Pass one dequantised vector of that model.",
        )
    # Two steps: the square of a very large or small value is not finite, or is zero.
    values = values / np.abs(values).max()
    return np.asarray(values / np.linalg.norm(values), np.float64)


def _row(vectors: TableVectors, info: TableInfo, item: int | str | np.integer[Any]) -> int:
    key = str(item) if info.table == "parcels" else _cell(item)
    row = vectors.row_of(key)
    if row is None:
        resolution = "" if info.resolution is None else f" res {info.resolution}"
        raise SearchError(
            f"a {KEYS[info.table]} of {info.table} {info.season}{resolution}",
            repr(key),
            "Choose one that the table has; a cell must have the table's resolution.",
        )
    return row


def _cell(item: int | str | np.integer[Any]) -> int:
    try:
        return int(np.uint64(h3.str_to_int(item) if isinstance(item, str) else int(item)))
    except (ValueError, OverflowError) as error:
        raise SearchError("an H3 cell", repr(item), "Pass its number, or its hexadecimal text.") from error

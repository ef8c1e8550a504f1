"""The table whose places may be visited, and the places that were: checked once, of any size up to a country."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import LabelsError, VectorsError
from surco.adapters.next_label.campaign import Labelled

__all__ = ["CHANCE", "Ground", "Visits"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

CHANCE = "probability sample"
"""What stands in the place of an arm's name where a place was drawn by chance."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A table of N places, in an order in which neighbours are close (as every table of a store is).

    Attributes:
        vectors: (N, D) int8 with `scale`, or float32 without.
        scale: (N,) float32, or None.
        region: (N,) number of each row's region, 0..R-1.
        region_share: (R,) share of the rows in each region.
        group: (N,) number of each row's group: a batch takes one place a group while there are others.
    """

    vectors: npt.NDArray[np.generic]
    scale: Floats | None
    region: npt.NDArray[np.int32]
    region_share: npt.NDArray[np.float64]
    group: Ints

    @classmethod
    def of(cls, vectors: Any, scale: Any = None, *, regions: Any = None, groups: Any = None) -> Self:
        """Check a table.

        Args:
            vectors: (N, D) int8 (then with `scale`) or real numbers; rows of zeros are places without data.
            scale: (N,) what the int8 rows are multiplied by; 0 where there is no data.
            regions: (N,) names or numbers; None takes all as one region.
            groups: (N,) names or numbers; None makes each row its own group.

        Raises:
            VectorsError: another shape or type, NaN or infinity, no row.
            LabelsError: regions or groups of another length.
        """
        table, factors = _checked(np.asarray(vectors), scale)
        region = _codes(regions, len(table), "regions")
        region = np.zeros(len(table), np.int64) if region is None else region
        group = _codes(groups, len(table), "groups")
        share = np.bincount(region) / len(table)
        return cls(
            table, factors, region.astype(np.int32), share, np.arange(len(table)) if group is None else group
        )

    def __len__(self) -> int:
        return len(self.vectors)

    def with_data(self) -> npt.NDArray[np.bool_]:
        """(N,) True where something was observed."""
        return np.asarray(self.vectors.any(axis=1) if self.scale is None else self.scale > 0)

    def floats(self, rows: Ints) -> Floats:
        """(n, D) float32 vectors of some rows."""
        table = self.vectors[rows].astype(np.float32)
        return table if self.scale is None else table * self.scale[rows, None]


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """Places that were visited, L of them.

    Attributes:
        row: (L,) row of each in the ground, -1 where it lies outside.
        labelled: vectors, class names, regions.
        arm: (L,) what chose each: an arm, `CHANCE`, or "" where nobody knows.
        round: (L,) the round it was chosen in, from 1; 0 where it was not chosen by us.
    """

    row: Ints
    labelled: Labelled
    arm: npt.NDArray[np.str_]
    round: Ints

    @classmethod
    def none(cls, ground: Ground) -> Self:
        """A campaign that has not begun."""
        return cls.of(ground, np.empty(0, np.int64), np.empty(0, np.str_))

    @classmethod
    def of(
        cls, ground: Ground, row: Any, label: Any, *, vectors: Any = None, arm: Any = None, round: Any = None
    ) -> Self:
        """Check visited places.

        Args:
            ground: the table.
            row: (L,) row of each place in it; -1 for a place outside, which needs `vectors`.
            label: (L,) class names.
            vectors: (L, D) of the places; None takes them from the ground.
            arm: (L,) as `Selection.arm` gave it; None where nobody knows.
            round: (L,) as `Selection.round` gave it.

        Raises:
            LabelsError: lengths that differ, empty class names, rows that the ground does not have.
            VectorsError: vectors of another shape, NaN or infinity.
        """
        rows, labels = np.asarray(row, np.int64).reshape(-1), np.asarray(label, np.str_).reshape(-1)
        arms = np.full(len(rows), "") if arm is None else np.asarray(arm, np.str_)
        rounds = np.zeros(len(rows), np.int64) if round is None else np.asarray(round, np.int64)
        _check_visits(len(ground), rows, labels, arms, rounds, vectors is None)
        if vectors is None:
            places = ground.floats(rows)
        else:
            places, _ = _checked(np.asarray(vectors), None, least=0)
        if places.shape != (len(rows), ground.vectors.shape[1]):
            raise VectorsError(
                f"expected vectors of shape ({len(rows)}, {ground.vectors.shape[1]}), as the table's; got "
                f"{places.shape}: take them from a table of the same model"
            )
        region = np.where(rows >= 0, ground.region[rows], -1) if len(rows) else np.empty(0, np.int64)
        return cls(rows, Labelled(places.astype(np.float32), labels, region.astype(np.int64)), arms, rounds)

    def __len__(self) -> int:
        return len(self.row)


def _checked(table: npt.NDArray[Any], scale: Any, least: int = 1) -> tuple[npt.NDArray[Any], Floats | None]:
    if (
        table.ndim != 2
        or len(table) < least
        or table.dtype.kind not in "if"
        or (table.dtype.kind == "i") != (scale is not None)
    ):
        raise VectorsError(
            f"expected vectors of shape (rows, dimension), at least {least}, int8 with a scale a row or real numbers "
            f"without; got {table.dtype} of shape {table.shape}: read `embedding` and `embedding_scale` "
            "from a table with rows"
        )
    checked = table if scale is None else np.asarray(scale, np.float32)
    if scale is not None and (table.dtype != np.int8 or checked.shape != (len(table),)):
        raise VectorsError(
            f"expected int8 vectors and one scale a row, shape ({len(table)},); got {table.dtype} and shape "
            f"{checked.shape}: read both from one table"
        )
    bad = np.flatnonzero(
        ~np.isfinite(checked if checked.ndim == 1 else checked.sum(axis=1, dtype=np.float64))
    )
    if len(bad):
        raise VectorsError(
            f"expected finite vectors; got NaN or infinity in {len(bad)} of {len(table)} rows, first in row {bad[0]}: "
            "leave out the places without data"
        )
    return (table.astype(np.float32, copy=False), None) if scale is None else (table, checked)


def _codes(names: Any, rows: int, what: str) -> Ints | None:
    if names is None:
        return None
    array = np.asarray(names)
    if array.shape != (rows,):
        raise LabelsError(
            f"expected {what} of shape ({rows},), one a row; got shape {array.shape}: "
            "give each row its own, or leave them out"
        )
    return np.unique(array if array.dtype.kind in "iu" else array.astype(str), return_inverse=True)[1].astype(
        np.int64
    )


def _check_visits(
    rows_of_ground: int,
    rows: Ints,
    labels: npt.NDArray[Any],
    arms: npt.NDArray[Any],
    rounds: Ints,
    on_ground: bool,
) -> None:
    if not len(rows) == len(labels) == len(arms) == len(rounds):
        raise LabelsError(
            f"expected a row, a label, an arm and a round for each place; got {len(rows)}, {len(labels)}, "
            f"{len(arms)} and {len(rounds)}: give all of them for every place"
        )
    wrong = np.flatnonzero((rows >= rows_of_ground) | (rows < (0 if on_ground else -1)))
    if len(wrong):
        raise LabelsError(
            f"expected labels on rows of the table, 0 to {rows_of_ground - 1}; got row {rows[wrong[0]]} and "
            f"{len(wrong)} such in all: leave out labels outside the table, or give their vectors"
        )
    empty = np.flatnonzero(np.char.strip(labels) == "")
    if len(empty):
        raise LabelsError(
            f"expected a class name for each place; got an empty one in place {empty[0]} and {len(empty)} such in all: "
            "fill it in, or leave the place out"
        )

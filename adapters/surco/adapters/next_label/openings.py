"""Which candidates of a batch may still be taken: one a group, until every group has had its turn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Openings"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Openings:
    """The candidates that may still be taken into a batch.

    Args:
        groups: (M,) group of each candidate; places of one group tell much the same.
        closed: (M,) True for candidates that may not be taken at all.
    """

    def __init__(self, groups: Ints, closed: Bools | None = None) -> None:
        self._groups = groups
        self._free = np.ones(len(groups), bool) if closed is None else ~closed
        self.open = self._free.copy()
        self.taken: list[int] = []

    def left(self) -> int:
        """How many candidates can be taken yet."""
        return int(self._free.sum())

    def take(self, row: int) -> int:
        """Close a candidate and its group; once no group is left, all that were not taken are open again."""
        self._free[row] = False
        self.taken.append(row)
        self.open[self._groups == self._groups[row]] = False
        if not self.open.any():
            self.open = self._free.copy()
        return row

    def best(self, score: npt.NDArray[np.floating]) -> int:
        """The open candidate of the highest score (M,), the first of equals, now taken."""
        rows = np.flatnonzero(self.open)
        return self.take(int(rows[np.argmax(score[rows])]))

"""The fifth of every batch that is drawn by chance, so that areas and accuracies stay free of the arms' preferences."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST_SHARE", "chance_places", "drawn_by_chance"]

LEAST_SHARE = 0.2
"""The least share of a batch that is a probability sample."""


def chance_places(count: int, share: float = LEAST_SHARE) -> int:
    """How many of `count` places are drawn by chance: a fifth, rounded up."""
    return min(count, math.ceil(round(share * count, 9)))


def drawn_by_chance(
    region: npt.NDArray[np.integer], open_rows: npt.NDArray[np.int64], count: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], float]:
    """A systematic sample of places, spread evenly over regions and over the table's order within each.

    Every open row has the same chance, `count / len(open_rows)`, whatever its region. The table's order is by place, so
    the sample is spread over the land (Madow 1949); variances computed as for a simple random sample are too high
    rather than too low where neighbours are alike.

    Args:
        region: (N,) region of each row of the table.
        open_rows: rows that may be drawn, in the table's order.
        count: how many, at most as many as there are.
        rng: of the random start.

    Returns:
        The rows in an order drawn by chance, and the chance with which each row came in.
    """
    if not count:
        return np.empty(0, np.int64), 0.0
    ordered = open_rows[np.argsort(region[open_rows], kind="stable")]
    step = len(ordered) / count
    places = np.floor(rng.uniform(0.0, step) + step * np.arange(count)).astype(np.int64)
    rows = ordered[np.minimum(places, len(ordered) - 1)]
    return rng.permutation(rows), count / len(ordered)

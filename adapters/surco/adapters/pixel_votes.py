"""From classes of pixels to the class of a parcel: the mean of its pixels' log-probabilities, by area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import VectorsError

__all__ = ["ParcelClasses", "Votes"]

_LEAST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class ParcelClasses:
    """The classes of n parcels.

    Attributes:
        codes: (n,) int32 position of the likeliest class, -1 where no pixel was seen.
        probabilities: (n, K) float32, rows sum to one, NaN where no pixel was seen.
        pixels: (n,) float64, the area that voted, in pixels.
    """

    codes: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float32]
    pixels: npt.NDArray[np.float64]


class Votes:
    """Adds up the votes of pixels for n parcels, window by window.

    Args:
        parcels: n.
        classes: K.
    """

    def __init__(self, parcels: int, classes: int) -> None:
        self._total = np.zeros((parcels, classes))
        self._pixels = np.zeros(parcels)

    def add(
        self,
        probabilities: npt.NDArray[np.float32],
        parcel: npt.NDArray[Any],
        share: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Count pixels.

        Args:
            probabilities: (M, K); rows with NaN, of pixels nobody saw, do not vote.
            parcel: (M,) number of the parcel, 0 to n - 1; below 0 for none.
            share: (M,) of the pixel's area inside the parcel; 1 if None.

        Raises:
            VectorsError: shapes that do not fit together, a parcel that is not there.
        """
        weight = np.ones(len(parcel)) if share is None else np.asarray(share, np.float64)
        fits = probabilities.shape == (len(parcel), self._total.shape[1]) and weight.shape == parcel.shape
        if not fits or parcel.max(initial=-1) >= len(self._pixels):
            raise VectorsError(
                f"expected probabilities (pixels, {self._total.shape[1]}), a parcel below {len(self._pixels)} and a "
                f"share for each; got shapes {probabilities.shape}, {parcel.shape}, {weight.shape} and parcels up to "
                f"{parcel.max(initial=-1)}: number the parcels from 0"
            )
        voting = (parcel >= 0) & np.isfinite(probabilities[:, 0]) & (weight > 0)
        rows, weight = parcel[voting], weight[voting]
        logs = np.log(np.maximum(probabilities[voting], _LEAST)).astype(np.float64)
        self._pixels += np.bincount(rows, weight, len(self._pixels))
        for number in range(self._total.shape[1]):
            self._total[:, number] += np.bincount(rows, weight * logs[:, number], len(self._pixels))

    def result(self) -> ParcelClasses:
        """The classes of the parcels by what was counted so far."""
        seen = self._pixels > 0
        mean = self._total / np.where(seen, self._pixels, 1)[:, None]
        raised = np.exp(mean - mean.max(axis=1, keepdims=True))
        probabilities = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
        probabilities[~seen] = np.nan
        codes = np.where(seen, mean.argmax(axis=1), -1).astype(np.int32)
        return ParcelClasses(codes, probabilities, self._pixels.copy())

"""How well fields as objects fit those that are really there.

A found field fits a true one where their intersection over union is above one half: then no other can (Kirillov et al.
2019, CVPR, "Panoptic segmentation"). Over- and under-segmentation are those of Persello & Bruzzone 2010 (IEEE TGRS 48,
1232-1244): for each true field the found one that covers most of it, how much of the true one is outside it, and how
much of it is outside the true one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.adapters.errors import VectorsError

__all__ = ["ObjectScores", "score_objects"]

Labels = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class ObjectScores:
    """Counts and sums that scores are made from; scores of several areas are those of their sum.

    Attributes:
        true: true fields counted.
        found: found fields counted.
        fitting: pairs with an intersection over union above 0.5.
        iou_sum: over the true fields, of the best intersection over union with a found one.
        over_sum: over the true fields, of the share outside the found one that covers most of it; 1 if none does.
        under_sum: over the true fields, of that found one's share outside the true one; 0 if none covers it.
    """

    true: int
    found: int
    fitting: int
    iou_sum: float
    over_sum: float
    under_sum: float

    @classmethod
    def joined(cls, parts: Sequence[ObjectScores]) -> ObjectScores:
        """The scores of several areas together, each field counting once."""
        return cls(
            sum(p.true for p in parts),
            sum(p.found for p in parts),
            sum(p.fitting for p in parts),
            sum(p.iou_sum for p in parts),
            sum(p.over_sum for p in parts),
            sum(p.under_sum for p in parts),
        )

    @property
    def precision(self) -> float:
        """Share of the found fields that fit; 0 where none was found."""
        return self.fitting / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the true fields that were found; 0 where there is none."""
        return self.fitting / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.fitting / (self.true + self.found) if self.true + self.found else 0.0

    @property
    def mean_iou(self) -> float:
        """Mean over the true fields of the best intersection over union."""
        return self.iou_sum / self.true if self.true else 0.0

    @property
    def over_segmentation(self) -> float:
        """0 = no true field is cut, 1 = all are in crumbs."""
        return self.over_sum / self.true if self.true else 0.0

    @property
    def under_segmentation(self) -> float:
        """0 = no found field reaches beyond a true one, 1 = one found field holds everything."""
        return self.under_sum / self.true if self.true else 0.0


def score_objects(found: Labels, true: Labels, *, min_pixels: int = 10) -> ObjectScores:
    """Compare found fields with true ones on the same pixels.

    Args:
        found: (H, W), 0 = no field.
        true: (H, W), 0 = no field.
        min_pixels: smaller fields are left out on both sides, and found ones that lie mostly on such true ones too:
            they are too small for the pixels.

    Raises:
        VectorsError: rasters of different shapes.
    """
    if found.shape != true.shape:
        raise VectorsError(
            f"expected found and true fields on the same pixels; got {found.shape} and {true.shape}: "
            "rasterise the true ones on the grid of the others"
        )
    pairs = _common(found, true)
    true_size, found_size = np.bincount(true.ravel()), np.bincount(found.ravel())
    tiny = (true_size < min_pixels) & (true_size > 0)
    tiny[0] = False
    wanted = true_size >= min_pixels
    counted = found_size >= min_pixels
    on_tiny = np.bincount(pairs.found, pairs.pixels * tiny[pairs.true], len(found_size))
    counted &= on_tiny * 2 <= found_size
    wanted[0] = counted[0] = False
    kept = pairs.of(counted, wanted)
    return _scores(kept, found_size, true_size, int(counted.sum()), np.flatnonzero(wanted))


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Found and true fields that have pixels in common, and how many."""

    found: npt.NDArray[np.int64]
    true: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]

    def of(self, found: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> _Pairs:
        """Those of the fields that are marked."""
        kept = found[self.found] & true[self.true]
        return _Pairs(self.found[kept], self.true[kept], self.pixels[kept])


def _common(found: Labels, true: Labels) -> _Pairs:
    key, pixels = np.unique(found.ravel().astype(np.int64) << 32 | true.ravel(), return_counts=True)
    return _Pairs(key >> 32, key & 0xFFFFFFFF, pixels)


def _scores(
    pairs: _Pairs,
    found_size: npt.NDArray[np.int64],
    true_size: npt.NDArray[np.int64],
    found: int,
    wanted: npt.NDArray[np.int64],
) -> ObjectScores:
    iou = pairs.pixels / (found_size[pairs.found] + true_size[pairs.true] - pairs.pixels)
    best = np.zeros(len(true_size))
    np.maximum.at(best, pairs.true, iou)
    covered, beyond = np.zeros(len(true_size)), np.zeros(len(true_size))
    order = np.lexsort(
        (pairs.found, pairs.pixels)
    )  # of equal ones the last counts, whatever the order they came in
    share = pairs.pixels[order] / found_size[pairs.found[order]]
    covered[pairs.true[order]] = pairs.pixels[order] / true_size[pairs.true[order]]
    beyond[pairs.true[order]] = 1 - share
    return ObjectScores(
        len(wanted),
        found,
        int((iou > 0.5).sum()),
        float(best[wanted].sum()),
        float((1 - covered[wanted]).sum()),
        float(beyond[wanted].sum()),
    )

"""Fields as objects of a raster: which pixels hang together, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from affine import Affine

from surco.adapters.errors import VectorsError

__all__ = ["FieldObjects"]


@dataclass(frozen=True, slots=True, eq=False)
class FieldObjects:
    """The fields of an area, checked once.

    Attributes:
        labels: (H, W) int32, 0 = no field, else 1 to n, each of which occurs.
        confidence: (n,) float32, 0 to 1, of labels 1 to n in order.
        transform: from columns and rows to `crs`.
        crs: projected.

    Raises:
        VectorsError: labels that are not 0 to n, or a confidence outside 0 to 1.
    """

    labels: npt.NDArray[np.int32]
    confidence: npt.NDArray[np.float32]
    transform: Affine
    crs: str

    def __post_init__(self) -> None:
        labels, confidence = self.labels, self.confidence
        if labels.ndim != 2 or labels.dtype != np.int32 or confidence.ndim != 1 or labels.min(initial=0) < 0:
            raise VectorsError(
                f"expected labels (height, width) int32, not negative, and one confidence a field; got {labels.dtype} "
                f"{labels.shape} and {confidence.shape}: pass the objects of one area"
            )
        found = np.bincount(labels.ravel(), minlength=len(confidence) + 1)
        if len(found) != len(confidence) + 1 or (found[1:] == 0).any():
            raise VectorsError(
                f"expected labels 1 to {len(confidence)}, each in use, one confidence each; got labels up to "
                f"{int(labels.max(initial=0))}: number the fields again"
            )
        if confidence.dtype != np.float32 or not ((confidence >= 0) & (confidence <= 1)).all():
            raise VectorsError(
                "expected float32 confidences from 0 to 1; got others: correct how they are computed"
            )

    def __len__(self) -> int:
        return len(self.confidence)

"""The vectors of an area's pixels: what boundaries and pixel maps are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from affine import Affine

from surco.adapters.errors import VectorsError

__all__ = ["PixelVectors"]


@dataclass(frozen=True, slots=True, eq=False)
class PixelVectors:
    """One vector a pixel of an area, checked once.

    Attributes:
        vectors: (H, W, D) float32, unit length; zeros where a pixel was not seen.
        valid: (H, W) bool, True = seen.
        transform: from columns and rows to `crs`; square pixels, no rotation.
        crs: projected, for example `EPSG:32719`.
        model_id: the encoder they come from.

    Raises:
        VectorsError: other shapes or types, no pixels, NaN or infinity where `valid` says seen.
    """

    vectors: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    transform: Affine
    crs: str
    model_id: str

    def __post_init__(self) -> None:
        vectors, valid = self.vectors, self.valid
        if vectors.ndim != 3 or vectors.dtype != np.float32 or 0 in vectors.shape:
            raise VectorsError(
                f"expected float32 pixel vectors of shape (height, width, dimension); got {vectors.dtype} of shape "
                f"{vectors.shape}: pass the vectors of one rectangle of pixels"
            )
        if valid.shape != vectors.shape[:2] or valid.dtype != np.bool_:
            raise VectorsError(
                f"expected one truth value a pixel, shape {vectors.shape[:2]}; got {valid.dtype} of shape "
                f"{valid.shape}: say for every pixel whether it was seen"
            )
        unknown = valid & ~np.isfinite(vectors).all(axis=2)
        if unknown.any():
            raise VectorsError(
                f"expected finite vectors of all pixels that were seen; got NaN or infinity in {int(unknown.sum())} "
                f"of {int(valid.sum())}: mark them as not valid"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.valid.shape
        return int(height), int(width)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[2])

"""One square of the grid with its season of composites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine

from surco.encoder.channels import CHANNELS
from surco.encoder.errors import EncoderError
from surco.encoder.protocol import Bools, Dates, Floats

__all__ = ["Tile", "TileError"]


class TileError(EncoderError):
    """Arrays that do not make a tile."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A season of composites over one rectangle of a projected grid; checked once, read-only afterwards.

    Attributes:
        values: (T, 14, H, W) float32 in the order and units of `channels.CHANNELS`; finite where valid.
        valid: (T, 14, H, W) bool, True = usable.
        dates: (T,) datetime64[D].
        transform: from pixel to `crs`.
        crs: for example `EPSG:32719`.
        static: (2, H, W) float32 elevation in m and slope in degrees, NaN where unknown.

    Raises:
        TileError: shapes or types that do not fit together, or a valid value that is not finite.
    """

    values: Floats
    valid: Bools
    dates: Dates
    transform: Affine
    crs: str
    static: Floats

    def __post_init__(self) -> None:
        shape = self.values.shape
        if self.values.dtype != np.float32 or len(shape) != 4 or shape[1] != len(CHANNELS):
            raise _wrong("values", f"float32 (T, {len(CHANNELS)}, H, W)", self.values)
        if self.valid.dtype != np.bool_ or self.valid.shape != shape:
            raise _wrong("valid", f"bool {shape}", self.valid)
        if self.dates.dtype != np.dtype("datetime64[D]") or self.dates.shape != shape[:1]:
            raise _wrong("dates", f"datetime64[D] {shape[:1]}", self.dates)
        if self.static.dtype != np.float32 or self.static.shape != (2, *shape[2:]):
            raise _wrong("static", f"float32 {(2, *shape[2:])}", self.static)
        if not np.isfinite(self.values, where=self.valid, out=np.ones(shape, np.bool_)).all():
            raise TileError(
                "Expected finite values wherever valid is True; got NaN or infinity. "
                "Mark what was not measured as not valid."
            )
        for array in (self.values, self.valid, self.dates, self.static):
            array.setflags(write=False)


def _wrong(name: str, expected: str, array: np.ndarray) -> TileError:
    return TileError(
        f"Expected {name} of a tile as {expected}; got {array.dtype} {array.shape}. Build it with these axes."
    )

"""From pixels to cells and parcels: sums that add up exactly, whatever way the land was cut into tiles.

Vectors are summed as whole numbers (2**20 a unit), so that the order of tiles and blocks changes no bit; one step is
a thousand times finer than the int8 of the tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from h3ronpy.vector import coordinates_to_cells

from surco.encoder.channels import INDEX
from surco.encoder.composite import Composite
from surco.encoder.protocol import Floats

__all__ = ["Pixels", "Sums", "coarser", "locate_cells", "merge", "ndvi_of", "pool", "select"]

Whole = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

UNIT = 1 << 20
"""Whole steps in 1.0. Squares then have 2**40 steps, and int64 holds the sum of eight million pixels: a cell of
resolution 5 has two and a half million."""


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums over the pixels of K cells or parcels, sorted by key, each key once.

    Attributes:
        key: (K,) H3 index, or row number of the parcel.
        total: (K,) pixels inside.
        pixels: (K,) those of them with a vector; the sums below run over these.
        vector, square: (K, D) sums of the vector and of its square, in steps of 1 / `UNIT` and 1 / `UNIT`**2.
        ndvi, ndvi_pixels: (K, 12) sum of NDVI in steps of 1 / `UNIT`, and pixels that had one in the month.
        optical, radar: (K,) sums of the clear optical and of the radar observations.
    """

    key: Keys
    total: Whole
    pixels: Whole
    vector: Whole
    square: Whole
    ndvi: Whole
    ndvi_pixels: Whole
    optical: Whole
    radar: Whole


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """P pixels of a tile: what is summed.

    Attributes:
        vector: (P, D) float32, NaN rows where nothing was seen.
        ndvi: (P, 12) float32, NaN where a month had none.
        optical, radar: (P,) observations.
    """

    vector: Floats
    ndvi: Floats
    optical: npt.NDArray[np.uint16]
    radar: npt.NDArray[np.uint16]


def locate_cells(lonlat: npt.NDArray[np.float64], resolution: int) -> Keys:
    """The H3 cell of each position: (N, 2) degrees to (N,) uint64."""
    longitude, latitude = np.ascontiguousarray(lonlat[:, 0]), np.ascontiguousarray(lonlat[:, 1])
    return _keys(coordinates_to_cells(latitude, longitude, resolution))


def ndvi_of(composite: Composite) -> Floats:
    """NDVI = (nir - red) / (nir + red) of every month and pixel, (12, H, W) float32, NaN where one is not valid."""
    values, valid = composite.tile.values, composite.tile.valid
    nir, red = values[:, INDEX["nir"]], values[:, INDEX["red"]]
    both = valid[:, INDEX["nir"]] & valid[:, INDEX["red"]] & (nir + red > 0)
    out: Floats = np.full(nir.shape, np.nan, np.float32)
    np.divide(nir - red, nir + red, out=out, where=both)
    return out


def pool(keys: Keys, pixels: Pixels, rows: npt.NDArray[np.intp] | None = None) -> Sums:
    """Sum pixels by key.

    Args:
        keys: (M,) the cell or parcel of each pixel.
        pixels: what is summed.
        rows: (M,) which of the pixels each key belongs to; None means pixel by pixel.
    """
    order = np.argsort(keys, kind="stable")
    taken = order if rows is None else rows[order]
    unique, starts = np.unique(keys[order], return_index=True)
    vector = _whole(pixels.vector)[taken]
    ndvi = pixels.ndvi[taken]
    seen = np.asarray(np.isfinite(pixels.vector[taken]).all(axis=1))
    ndvi_seen = np.isfinite(ndvi) & seen[:, None]
    vector[~seen] = 0
    return Sums(
        key=unique,
        total=np.diff(np.append(starts, len(keys))).astype(np.int64),
        pixels=_add(seen.astype(np.int64), starts),
        vector=_add(vector, starts),
        square=_add(vector * vector, starts),
        ndvi=_add(np.where(ndvi_seen, _whole(ndvi), 0), starts),
        ndvi_pixels=_add(ndvi_seen.astype(np.int64), starts),
        optical=_add(np.where(seen, pixels.optical[taken], 0).astype(np.int64), starts),
        radar=_add(np.where(seen, pixels.radar[taken], 0).astype(np.int64), starts),
    )


def merge(parts: Sequence[Sums]) -> Sums:
    """Add up sums of several tiles; the result does not depend on their order or on where the tiles were cut."""
    columns = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Sums)}
    key = columns.pop("key")
    order = np.argsort(key, kind="stable")
    unique, starts = np.unique(key[order], return_index=True)
    return Sums(key=unique, **{name: _add(column[order], starts) for name, column in columns.items()})


def select(sums: Sums, rows: npt.NDArray[np.bool_]) -> Sums:
    """The rows where a mask is True."""
    return Sums(**{f.name: getattr(sums, f.name)[rows] for f in fields(Sums)})


def coarser(cells: Sums, resolution: int) -> Sums:
    """The same sums by the parents of the cells at a coarser H3 resolution."""
    columns = {f.name: getattr(cells, f.name) for f in fields(Sums)}
    columns["key"] = _keys(h3ronpy.change_resolution(pa.array(cells.key), resolution))
    return merge([Sums(**columns)])


def _add(values: Whole, starts: npt.NDArray[np.intp]) -> Whole:
    if not len(starts):
        return np.zeros((0, *values.shape[1:]), np.int64)
    total: Whole = np.add.reduceat(values, starts, axis=0)
    return total


def _whole(values: Floats) -> Whole:
    """Steps of 1 / UNIT, nearest; what is not finite becomes 0 and is counted out by the caller."""
    steps = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64) * UNIT
    return np.rint(steps, out=steps).astype(np.int64)


def _keys(cells: Any) -> Keys:
    found: Keys = pa.array(cells).to_numpy(zero_copy_only=False).astype(np.uint64)
    return found

"""From pixels to cells and parcels: sums that add up exactly, whatever way the land was cut into tiles.

Vectors, their squares and the shares of pixels are whole numbers (`UNIT`, `SQUARE` and `SHARE` steps in 1.0), so that
the order of tiles and blocks changes no bit; one step of a vector is a thousand times finer than the int8 of the
tables. A cell takes whole pixels, those whose centre it holds. A parcel takes each pixel with the share of its area
that lies in the parcel.
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
from scipy.sparse import csr_array

from surco.encoder.channels import INDEX
from surco.encoder.composite import Composite
from surco.encoder.protocol import Floats

__all__ = [
    "SHARE",
    "SQUARE",
    "UNIT",
    "Pixels",
    "Sums",
    "coarser",
    "locate_cells",
    "merge",
    "ndvi_of",
    "pool",
    "select",
]

Whole = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

UNIT, SQUARE, SHARE = 1 << 20, 1 << 22, 1 << 12
"""Whole steps in 1.0 of a vector's value, of its square, and of a pixel's area. int64 then holds the squares of 2**29
pixels of 10 m, 53,000 km² in one cell or parcel; a share is exact to 0.02 % of a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums over the pixels of K cells or parcels, sorted by key, each key once.

    Every sum runs over pixels times their shares in steps of 1 / `SHARE`: a whole pixel weighs `SHARE`.

    Attributes:
        key: (K,) H3 index, or row number of the parcel.
        total: (K,) shares of the pixels inside.
        pixels: (K,) shares of those of them with a vector; the sums below run over these.
        vector, square: (K, D) sums of the vector in steps of 1 / `UNIT`, and of its square in steps of 1 / `SQUARE`.
        ndvi, ndvi_pixels: (K, 12) sum of NDVI in steps of 1 / `UNIT`, and shares of pixels that had one in the month.
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


def pool(
    keys: Keys, pixels: Pixels, rows: npt.NDArray[np.intp] | None = None, shares: Whole | None = None
) -> Sums:
    """Sum pixels by key.

    Args:
        keys: (M,) the cell or parcel of each pixel.
        pixels: what is summed.
        rows: (M,) which of the pixels each key belongs to; None means pixel by pixel.
        shares: (M,) of the pixel's area that counts, in steps of 1 / `SHARE`; None takes whole pixels.
    """
    order = np.argsort(keys, kind="stable")
    unique, starts = np.unique(keys[order], return_index=True)
    weight = np.full(len(keys), SHARE, np.int64) if shares is None else shares[order]
    taken = order if rows is None else rows[order]
    shape = (len(unique), len(pixels.vector))
    by_key = csr_array((weight, taken, np.append(starts, len(keys))), shape=shape)
    seen = np.asarray(np.isfinite(pixels.vector).all(axis=1))
    ndvi_seen = np.isfinite(pixels.ndvi) & seen[:, None]
    vector = _whole(pixels.vector, seen[:, None])
    return Sums(
        key=unique,
        total=_add(weight, starts),
        pixels=by_key @ seen.astype(np.int64),
        vector=by_key @ vector,
        square=by_key @ _squares(vector),
        ndvi=by_key @ _whole(pixels.ndvi, ndvi_seen),
        ndvi_pixels=by_key @ ndvi_seen.astype(np.int64),
        optical=by_key @ np.where(seen, pixels.optical, 0).astype(np.int64),
        radar=by_key @ np.where(seen, pixels.radar, 0).astype(np.int64),
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


def _whole(values: Floats, seen: npt.NDArray[np.bool_]) -> Whole:
    """Nearest steps of 1 / `UNIT`; 0 where not seen."""
    steps = np.where(seen, values, 0).astype(np.float64) * UNIT
    return np.rint(steps, out=steps).astype(np.int64)


def _squares(steps: Whole) -> Whole:
    """Squares of steps of 1 / `UNIT`, to the nearest step of 1 / `SQUARE`."""
    shift = (UNIT**2 // SQUARE).bit_length() - 1
    squares: Whole = (steps * steps + (1 << (shift - 1))) >> shift
    return squares


def _keys(cells: Any) -> Keys:
    found: Keys = pa.array(cells).to_numpy(zero_copy_only=False).astype(np.uint64)
    return found

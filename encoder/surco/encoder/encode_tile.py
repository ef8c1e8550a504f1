"""One tile's pixels: encoded in blocks, then summed by cell and by parcel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import shapely

from surco.encoder.channels import OPTICAL, RADAR
from surco.encoder.composite import Composite
from surco.encoder.errors import ModelError
from surco.encoder.grid import Window
from surco.encoder.parcels import ParcelIndex
from surco.encoder.pool import Pixels, Sums, locate_cells, ndvi_of, pool
from surco.encoder.protocol import Encoder, Floats
from surco.encoder.staging import TileSums

__all__ = ["encode_pixels", "encode_tile"]

BLOCK_PIXELS = 8192
"""A block's series take 5 MB, and an encoder's attention over them some hundred."""

_LENGTH_TOLERANCE = 1e-3


def encode_tile(
    composite: Composite,
    window: Window,
    encoder: Encoder,
    *,
    area: shapely.Geometry,
    resolution: int,
    parcels: ParcelIndex | None,
) -> TileSums:
    """Encode a tile and sum its pixels.

    Args:
        composite: of the window.
        window: of the grid.
        encoder: turns series into vectors.
        area: in the grid's CRS; pixels with their centre outside do not exist.
        resolution: of the H3 cells to sum by.
        parcels: to sum by as well.

    Raises:
        ModelError: the encoder returns anything but unit vectors of its dimension.
    """
    inside = window.inside(area).ravel()
    lonlat = window.lonlat()
    pixels = Pixels(
        encode_pixels(encoder, composite, lonlat, inside),
        ndvi_of(composite).reshape(12, -1).T,
        composite.n_optical.ravel(),
        composite.n_radar.ravel(),
    )
    rows = np.flatnonzero(inside)
    return TileSums(
        pool(locate_cells(lonlat[rows], resolution), pixels, rows),
        _pool_parcels(parcels, window, pixels, inside),
        len(rows),
        _pixels_by_month(composite, OPTICAL, inside),
        _pixels_by_month(composite, RADAR, inside),
    )


def _pool_parcels(
    index: ParcelIndex | None, window: Window, pixels: Pixels, inside: npt.NDArray[np.bool_]
) -> Sums:
    if index is None:
        return pool(np.empty(0, np.uint64), pixels)
    keys, rows, shares = index.locate(window)
    within = inside[rows]
    return pool(keys[within], pixels, rows[within], shares[within])


def _pixels_by_month(
    composite: Composite, channels: tuple[int, ...], inside: npt.NDArray[np.bool_]
) -> tuple[int, ...]:
    """How many pixels of the area have any of the channels in each month."""
    valid = composite.tile.valid[:, channels].any(axis=1).reshape(12, -1)
    return tuple(valid[:, inside].sum(axis=1).tolist())


def encode_pixels(
    encoder: Encoder, composite: Composite, lonlat: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_]
) -> Floats:
    """Vectors of a tile's pixels, (H * W, D) float32, NaN outside the area and where nothing was seen.

    Args:
        encoder: turns series into vectors.
        composite: of the tile.
        lonlat: (H * W, 2) degrees of the pixel centres, row by row.
        inside: (H * W,) whether a pixel is in the area.

    Raises:
        ModelError: the encoder returns anything but unit vectors of its dimension.
    """
    tile = composite.tile
    values = tile.values.reshape(*tile.values.shape[:2], -1)
    valid = tile.valid.reshape(values.shape)
    static, place = tile.static.reshape(2, -1), lonlat.astype(np.float32)
    out = np.full((values.shape[2], encoder.dimension), np.nan, np.float32)
    for rows in _blocks(np.flatnonzero(valid.any(axis=(0, 1)) & inside)):
        series = np.ascontiguousarray(values[:, :, rows].transpose(2, 0, 1))
        usable = np.ascontiguousarray(valid[:, :, rows].transpose(2, 0, 1))
        vectors = encoder.encode(series, usable, tile.dates, place[rows], static[:, rows].T)
        _check_vectors(vectors, (len(rows), encoder.dimension), encoder.model_id)
        out[rows] = vectors
    return out


def _blocks(rows: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.intp]]:
    for start in range(0, len(rows), BLOCK_PIXELS):
        yield rows[start : start + BLOCK_PIXELS]


def _check_vectors(vectors: Floats, shape: tuple[int, int], model_id: str) -> None:
    """The sums of `pool` hold unit vectors only, and a table of anything else could not be searched."""
    if vectors.shape != shape:
        raise ModelError(
            f"Expected vectors {shape} from {model_id}; got {vectors.shape}. Correct the encoder."
        )
    length = np.linalg.norm(vectors, axis=1)
    wrong = np.abs(length - 1) > _LENGTH_TOLERANCE
    if wrong.any():
        raise ModelError(
            f"Expected unit vectors from {model_id}; got one of length {length[wrong][0]:g}. "
            "Correct the encoder."
        )

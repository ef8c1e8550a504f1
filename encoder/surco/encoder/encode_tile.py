"""A window's pixels: gathered as series, encoded in blocks that may hold those of several windows, then summed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from surco.encoder.channels import OPTICAL, RADAR
from surco.encoder.composite import Composite
from surco.encoder.errors import ModelError
from surco.encoder.grid import Window
from surco.encoder.parcel_index import ParcelIndex
from surco.encoder.pool import Pixels, Sums, locate_cells, ndvi_of, pool
from surco.encoder.protocol import Bools, Dates, Encoder, Floats
from surco.encoder.staging import TileSums

__all__ = ["Gathered", "encode_gathered", "encode_pixels", "gather", "sum_pixels"]

BLOCK_PIXELS = 8192
"""A block's series take 5 MB, and an encoder's attention over them some hundred."""

_LENGTH_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """A window of P pixels as it was read: N of them, inside and seen, as series for an encoder, and what is counted.

    Attributes:
        rows: (N,) numbers of these pixels, row by row.
        values, valid: (N, 12, 14) series of them.
        dates: (12,) datetime64[D].
        place: (N, 2) float32 longitude and latitude.
        static: (N, 2) float32 elevation and slope.
        inside: (P,) which pixels exist.
        ndvi: (P, 12) float32, NaN where a month had none.
        n_optical, n_radar: (P,) observations.
        optical, radar: 12 counts of pixels inside with a clear optical, or a radar, observation in the month.
    """

    rows: npt.NDArray[np.int64]
    values: Floats
    valid: Bools
    dates: Dates
    place: Floats
    static: Floats
    inside: Bools
    ndvi: Floats
    n_optical: npt.NDArray[np.uint16]
    n_radar: npt.NDArray[np.uint16]
    optical: npt.NDArray[np.int64]
    radar: npt.NDArray[np.int64]


def gather(composite: Composite, lonlat: npt.NDArray[np.float64], inside: Bools) -> Gathered:
    """Take from a composite what encoding and summing need.

    Args:
        composite: of a window of P pixels.
        lonlat: (P, 2) degrees of the pixel centres, row by row.
        inside: (P,) which pixels exist.
    """
    tile = composite.tile
    values = tile.values.reshape(*tile.values.shape[:2], -1)
    valid = tile.valid.reshape(values.shape)
    rows = np.flatnonzero(valid.any(axis=(0, 1)) & inside)
    return Gathered(
        rows,
        np.ascontiguousarray(values[:, :, rows].transpose(2, 0, 1)),
        np.ascontiguousarray(valid[:, :, rows].transpose(2, 0, 1)),
        tile.dates,
        lonlat[rows].astype(np.float32),
        tile.static.reshape(2, -1)[:, rows].T,
        inside,
        ndvi_of(composite).reshape(12, -1).T,
        composite.n_optical.ravel(),
        composite.n_radar.ravel(),
        _pixels_by_month(valid, OPTICAL, inside),
        _pixels_by_month(valid, RADAR, inside),
    )


def encode_gathered(encoder: Encoder, windows: Sequence[Gathered]) -> list[Floats]:
    """Vectors of the pixels of each window, (P, D) float32, NaN outside and where nothing was seen.

    Blocks are filled across windows, so that an encoder always has as many series at once as it likes (its
    `at_once`, where it says so).

    Raises:
        ModelError: the encoder returns anything but unit vectors of its dimension.
    """
    blocks = _blocks([len(w.rows) for w in windows], getattr(encoder, "at_once", BLOCK_PIXELS))
    found = [_encode_block(encoder, windows, block) for block in blocks]
    vectors = np.concatenate([np.empty((0, encoder.dimension), np.float32), *found])
    ends = np.cumsum([len(window.rows) for window in windows])
    return [_spread(w, part) for w, part in zip(windows, np.split(vectors, ends[:-1]), strict=True)]


def sum_pixels(
    window: Window, gathered: Gathered, vectors: Floats, *, resolution: int, parcels: ParcelIndex | None
) -> TileSums:
    """Sum a window's pixels by cell and by parcel.

    Args:
        window: of the grid.
        gathered: of the window.
        vectors: (P, D) of its pixels.
        resolution: of the H3 cells to sum by.
        parcels: to sum by as well.
    """
    pixels = Pixels(vectors, gathered.ndvi, gathered.n_optical, gathered.n_radar)
    rows = np.flatnonzero(gathered.inside)
    return TileSums(
        pool(locate_cells(window.lonlat()[rows], resolution), pixels, rows),
        _pool_parcels(parcels, window, pixels, gathered.inside),
        len(rows),
        tuple(gathered.optical.tolist()),
        tuple(gathered.radar.tolist()),
    )


def encode_pixels(
    encoder: Encoder, composite: Composite, lonlat: npt.NDArray[np.float64], inside: Bools
) -> Floats:
    """Vectors of a window's pixels, (P, D) float32, NaN outside the area and where nothing was seen.

    Arguments as of `gather`, errors as of `encode_gathered`.
    """
    (vectors,) = encode_gathered(encoder, [gather(composite, lonlat, inside)])
    return vectors


def _blocks(counts: Sequence[int], size: int) -> Iterator[list[tuple[int, slice]]]:
    """Blocks of `size` series, the last one shorter: which rows of which windows."""
    block: list[tuple[int, slice]] = []
    room = size
    for number, count in enumerate(counts):
        start = 0
        while start < count:
            stop = min(start + room, count)
            block.append((number, slice(start, stop)))
            room -= stop - start
            start = stop
            if not room:
                yield block
                block, room = [], size
    if block:
        yield block


def _encode_block(
    encoder: Encoder, windows: Sequence[Gathered], block: Sequence[tuple[int, slice]]
) -> Floats:
    parts = [(windows[number], rows) for number, rows in block]
    dates = [np.broadcast_to(w.dates, (rows.stop - rows.start, len(w.dates))) for w, rows in parts]
    series = [np.concatenate([getattr(w, name)[rows] for w, rows in parts]) for name in ("values", "valid")]
    place, static = (np.concatenate([getattr(w, n)[rows] for w, rows in parts]) for n in ("place", "static"))
    vectors = encoder.encode(series[0], series[1], np.concatenate(dates), place, static)
    _check_vectors(vectors, (len(place), encoder.dimension), encoder.model_id)
    return vectors


def _spread(window: Gathered, vectors: Floats) -> Floats:
    """Vectors of the seen pixels at the places of all, (P, D)."""
    out: Floats = np.full((len(window.inside), vectors.shape[1]), np.nan, np.float32)
    out[window.rows] = vectors
    return out


def _pool_parcels(index: ParcelIndex | None, window: Window, pixels: Pixels, inside: Bools) -> Sums:
    if index is None:
        return pool(np.empty(0, np.uint64), pixels)
    keys, rows, shares = index.locate(window)
    within = inside[rows]
    return pool(keys[within], pixels, rows[within], shares[within])


def _pixels_by_month(valid: Bools, channels: tuple[int, ...], inside: Bools) -> npt.NDArray[np.int64]:
    """How many pixels of the area have any of the channels in each month."""
    seen = np.asarray(valid[:, channels].any(axis=1))
    found: npt.NDArray[np.int64] = seen[:, inside].sum(axis=1)
    return found


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

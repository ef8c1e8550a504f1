"""Sums as rows of the store's tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from h3ronpy.vector import cells_to_wkb_points

from surco.embedstore import cells_schema, comuna_at, comuna_of, parcels_schema, quantize
from surco.encoder.parcels import Parcels
from surco.encoder.pool import SHARE, SQUARE, UNIT, Sums

__all__ = ["cell_batches", "cell_columns", "parcel_batches", "parcel_columns"]

_ROWS = 65_536
_MOST = np.iinfo(np.uint16).max
_LEAST_VARIANCE = 0.501 / SQUARE
"""What rounding makes of equal pixels: half a step of the square, and a little for float64."""


def cell_batches(sums: Sums) -> Iterator[pa.RecordBatch]:
    """Rows of `cells_schema`, in the order of the cells; a cell of which nothing was seen has none.

    A cell's comuna is that of its centre.
    """
    seen = np.flatnonzero(sums.pixels)
    schema = cells_schema(sums.vector.shape[1])
    for start in range(0, len(seen), _ROWS):
        rows = seen[start : start + _ROWS]
        yield _batch({**cell_columns(sums.key[rows]), **_embedding_columns(sums, rows)}, schema)


def parcel_batches(sums: Sums, parcels: Parcels) -> Iterator[pa.RecordBatch]:
    """Rows of `parcels_schema`; a parcel without a pixel that was seen has none.

    A parcel's comuna is that of a point inside it.
    """
    seen = np.flatnonzero(sums.pixels)
    schema = parcels_schema(sums.vector.shape[1])
    for start in range(0, len(seen), _ROWS):
        rows = seen[start : start + _ROWS]
        columns = parcel_columns(parcels, sums.key[rows].astype(np.intp))
        yield _batch({**columns, **_embedding_columns(sums, rows)}, schema)


def cell_columns(cells: npt.NDArray[np.uint64]) -> dict[str, pa.Array[Any]]:
    """The columns of `cells_schema` that say which cell a row is."""
    keys = pa.array(cells)
    return {
        "h3": keys,
        "geometry": pa.array(cells_to_wkb_points(keys)).cast(pa.binary()),
        "comuna": comuna_of(cells),
    }


def parcel_columns(parcels: Parcels, which: npt.NDArray[np.intp]) -> dict[str, pa.Array[Any]]:
    """The columns of `parcels_schema` that say which parcel a row is, and what grows there, of some parcels."""
    geometry = parcels.geometry[which]
    sides = np.asarray(shapely.bounds(geometry), np.float32)
    inside = shapely.get_coordinates(shapely.point_on_surface(geometry))
    box = list(parcels_schema(1).field("bbox").type)
    return {
        "id": pa.array(parcels.id[which].tolist(), pa.string()),
        "geometry": pa.array(shapely.to_wkb(geometry).tolist(), pa.binary()),
        "bbox": pa.StructArray.from_arrays([pa.array(sides[:, side]) for side in range(4)], fields=box),
        "metrics:area": pa.array(parcels.area[which].astype(np.float32)),
        "metrics:perimeter": pa.array(parcels.perimeter[which].astype(np.float32)),
        "crop:name": pa.array(parcels.crop[which].tolist(), pa.string()),
        "comuna": comuna_at(inside[:, 0], inside[:, 1]),
    }


def _batch(columns: dict[str, pa.Array[Any]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.record_batch([columns[name] for name in schema.names], schema=schema)


def _embedding_columns(sums: Sums, rows: npt.NDArray[np.intp]) -> dict[str, pa.Array[Any]]:
    pixels = sums.pixels[rows]
    mean, deviation = _moments(sums.vector[rows], sums.square[rows], pixels)
    embedding, scale = quantize(mean)
    spread, spread_scale = quantize(deviation)
    return {
        "embedding": _lists(embedding),
        "embedding_scale": pa.array(scale),
        "spread": _lists(spread),
        "spread_scale": pa.array(spread_scale),
        "ndvi": _ndvi(sums.ndvi[rows], sums.ndvi_pixels[rows]),
        "n_pixels": _pixels(pixels),
        "valid_fraction": pa.array((pixels / sums.total[rows]).astype(np.float32)),
        "n_optical": _mean_count(sums.optical[rows], pixels),
        "n_radar": _mean_count(sums.radar[rows], pixels),
    }


def _moments(
    vector: npt.NDArray[np.int64], square: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Mean and standard deviation (divided by n, not n - 1), (K, D) float32 each, pixels weighted by their shares.

    Squares are rounded to steps, so a variance of less than half a step cannot be told from none and is 0: equal
    pixels have no spread.
    """
    count = pixels[:, None]
    mean = vector / count / UNIT
    variance = square / count / SQUARE - mean * mean
    variance[variance <= _LEAST_VARIANCE] = 0.0
    return mean.astype(np.float32), np.sqrt(variance).astype(np.float32)


def _pixels(shares: npt.NDArray[np.int64]) -> pa.Array[Any]:
    """What was seen as an area in pixels, rounded; a parcel of less than half a pixel has one."""
    return pa.array(np.maximum(np.rint(shares / SHARE), 1).astype(np.uint32))


def _ndvi(total: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64]) -> pa.Array[Any]:
    """Mean NDVI times 100, rounded, as int8 lists with null for a month without any."""
    hundredths = np.rint(100 * np.divide(total, pixels * UNIT, out=np.zeros(total.shape), where=pixels > 0))
    flat = pa.array(hundredths.astype(np.int8).ravel(), mask=(pixels == 0).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, total.shape[1])


def _mean_count(total: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64]) -> pa.Array[Any]:
    return pa.array(np.minimum(np.rint(total / pixels), _MOST).astype(np.uint16))


def _lists(values: npt.NDArray[np.int8]) -> pa.Array[Any]:
    flat = pa.array(np.ascontiguousarray(values).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])

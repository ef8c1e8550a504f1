"""The output: one GeoParquet 1.1 file that follows Vecorel and fiboa, in Hilbert order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore.geoparquet import geo_metadata, vecorel_metadata, write_parquet
from surco.embedstore.hilbert import hilbert_distance
from surco.encoder.parcel_import.shelf import Sorted

__all__ = ["write_parcels"]

_TAKE = 16_384
_FIBOA = "https://fiboa.org/specification/v0.3.0/schema.yaml"


def write_parcels(
    path: Path,
    schema: pa.Schema,
    found: Sorted,
    types: set[str],
    collection: str,
    origin: Mapping[str, Any],
) -> int:
    """Write all rows but those that are there twice, and return how many.

    Args:
        path: a name that nobody reads yet.
        schema: of the file.
        found: the rows.
        types: names of the geometry types that occur.
        collection: Vecorel's name of the data set.
        origin: where it came from, for the key `surco`.
    """
    rows = np.setdiff1d(
        np.arange(len(found.bounds)), np.fromiter(found.repeated, np.int64, len(found.repeated))
    )
    centre = found.bounds[rows].reshape(-1, 2, 2).mean(axis=1)
    rows = rows[np.argsort(hilbert_distance(centre[:, 0], centre[:, 1]), kind="stable")]
    west, south = found.bounds[rows, :2].min(axis=0).tolist()
    east, north = found.bounds[rows, 2:].max(axis=0).tolist()
    said = vecorel_metadata(collection)
    said["schemas"][collection].append(_FIBOA)
    keys = {
        "geo": geo_metadata(sorted(types), (west, south, east, north), covering=True),
        "collection": said,
        "surco": {"imported": dict(origin)},
    }
    return write_parquet(path, schema, _parts(found, rows, schema), keys)


def _parts(found: Sorted, rows: npt.NDArray[np.int64], schema: pa.Schema) -> Iterator[pa.Table]:
    for start in range(0, len(rows), _TAKE):
        some = rows[start : start + _TAKE]
        part = found.take(some).select(schema.names)
        yield part.set_column(0, schema.field("id"), pa.array(found.ids(some), pa.string()))

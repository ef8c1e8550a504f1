"""Parcels that were found in imagery as fiboa GeoParquet: what `surco parcels import` and `surco encode` read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.adapters.boundaries.parcel_ids import Lineage
from surco.api.refusals import ExportError
from surco.api.whole_file import whole_file
from surco.embedstore import Sentence, comuna_at
from surco.embedstore.geoparquet import geo_metadata, vecorel_metadata, write_parquet
from surco.embedstore.hilbert import hilbert_distance
from surco.encoder.parcel_import.rows import box_column
from surco.encoder.parcels import measure

__all__ = ["METHOD", "FoundParcels", "checked_parcel_file", "write_found_parcels"]

FIBOA = "https://fiboa.org/specification/v0.3.0/schema.yaml"
METHOD = "auto-imagery"
"""fiboa's word for outlines that a machine drew from imagery."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundParcels:
    """n parcels of one season.

    Attributes:
        geometry: (n,) valid polygons in degrees, OGC:CRS84.
        confidence: (n,) float32, 0 to 1.
        lineage: their ids, and whence.
        observed: day of the last scene they were seen in.
        details: how they were found, in a sentence.
        origin: JSON values for the file's key `surco`.
        methods: how each outline came about, in fiboa's words; None where a machine drew all.
        crops: (n,) what grows there, None where nobody said; None where nobody said of any.
    """

    geometry: npt.NDArray[np.object_]
    confidence: npt.NDArray[np.float32]
    lineage: Lineage
    observed: date
    details: str
    origin: Mapping[str, object]
    methods: tuple[str, ...] | None = None
    crops: tuple[str | None, ...] | None = None


def checked_parcel_file(out: Path) -> Path:
    """The file to write, refused before the work rather than after it; raises ExportError."""
    if out.suffix.lower() not in (".parquet", ".geoparquet") or out.is_dir() or not out.parent.is_dir():
        raise ExportError(
            f"Expected to write a .parquet file in a folder that is there; got {out}. "
            "Name it as parcels.parquet, and make the folder first."
        )
    return out


def write_found_parcels(found: FoundParcels, out: Path) -> npt.NDArray[np.float64]:
    """Write parcels in Hilbert order; a file of that name is replaced only when the new one is complete.

    Columns are fiboa's and Vecorel's where they have one (`metrics:area` in m² and `metrics:perimeter` in m on the
    ellipsoid, `determination:method`, `determination:datetime`, `determination:details`), then `comuna`, `confidence`,
    which neither specification has a name for, and `parents`, the earlier ids that a new parcel's ground had.

    Returns:
        (n,) m² of the parcels, in the order they came in.

    Raises:
        ExportError: no parcels, or a disk or folder that refuses.
    """
    if not len(found.geometry):
        raise ExportError(
            Sentence(
                f"Expected fields to write to {out}; got none. "
                "Look at the area, lower --min-area, or try the other --method.",
                "fields-none",
            )
        )
    area, perimeter = measure(found.geometry)
    table = _table(found, area, perimeter)
    centre = shapely.bounds(found.geometry).reshape(-1, 2, 2).mean(axis=1)
    order = np.argsort(hilbert_distance(centre[:, 0], centre[:, 1]), kind="stable")
    west, south, east, north = (float(side) for side in shapely.total_bounds(found.geometry))
    collection = vecorel_metadata(out.stem)
    collection["schemas"][out.stem].append(FIBOA)
    types = sorted({str(shape.geom_type) for shape in found.geometry})
    keys = {
        "geo": geo_metadata(types, (west, south, east, north), covering=True),
        "collection": collection,
        "surco": {"found": dict(found.origin)},
    }
    try:
        with whole_file(out) as draft:
            write_parquet(draft, table.schema, [table.take(order)], keys)
    except OSError as error:
        raise ExportError(
            f"Expected to be able to write {out}; got: {error}. Choose another place."
        ) from error
    return area


def _table(
    found: FoundParcels, area: npt.NDArray[np.float64], perimeter: npt.NDArray[np.float64]
) -> pa.Table:
    count = len(found.geometry)
    moment = datetime.combine(found.observed, time(), UTC)
    middle = shapely.point_on_surface(found.geometry)
    columns: list[tuple[str, pa.Array[Any], bool]] = [
        ("id", pa.array(found.lineage.id.tolist(), pa.string()), False),
        ("geometry", pa.array(shapely.to_wkb(found.geometry).tolist(), pa.binary()), False),
        ("bbox", box_column(found.geometry), True),
        ("metrics:area", pa.array(area.astype(np.float32)), True),
        ("metrics:perimeter", pa.array(perimeter.astype(np.float32)), True),
        ("determination:method", pa.array(found.methods or [METHOD] * count, pa.string()), True),
        ("determination:datetime", pa.array([moment] * count, pa.timestamp("ms", "UTC")), True),
        ("determination:details", pa.array([found.details] * count, pa.string()), True),
        ("comuna", comuna_at(shapely.get_x(middle), shapely.get_y(middle)), True),
        ("confidence", pa.array(found.confidence, pa.float32(), from_pandas=True), True),
        ("parents", pa.array([list(each) for each in found.lineage.parents], pa.list_(pa.string())), True),
    ]
    if found.crops is not None and any(found.crops):
        columns.append(("crop:name", pa.array(found.crops, pa.string()), True))
    schema = pa.schema([pa.field(name, column.type, nullable=empty) for name, column, empty in columns])
    return pa.table([column for _, column, _ in columns], schema=schema)

"""The rows of a store's table as the ground of a campaign, and the labelled ones among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.adapters.next_label import Ground, Visits
from surco.api.fitting import Unit
from surco.api.next_label_files import LabelFiles
from surco.api.refusals import UnknownError
from surco.embedstore import Examples, Store, TableInfo, fixed_size_matrix
from surco.embedstore.cells import parents_of
from surco.encoder.area import read_area

__all__ = ["PlaceTable", "place_table", "visits_of"]

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PlaceTable:
    """Rows of a table within an area: keys (h3 or id), places in degrees (N, 2), and what the arms need."""

    info: TableInfo
    key: npt.NDArray[Any]
    lonlat: Doubles
    ground: Ground

    def ids(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """Text of some keys."""
        if self.info.table == "parcels":
            return [str(key) for key in self.key[rows]]
        return [str(text) for text in pa.array(h3ronpy.cells_to_string(pa.array(self.key[rows]))).to_pylist()]


def place_table(
    store: Store, unit: Unit, season: str | None, model_id: str | None, aoi: str | None
) -> PlaceTable:
    """Read a table, or its rows whose centre (of parcels: a point within) lies in an area.

    Args:
        store: an open store.
        unit: "cells" or "parcels".
        season: its name; None is the latest.
        model_id: needed where the store holds several models.
        aoi: west,south,east,north in degrees, or a GeoJSON file.

    Raises:
        StoreError: no such table.
        AreaError: an area that is none.
        UnknownError: no row in the area.
    """
    name: Any = unit
    info = store.find(name, season=season, model_id=model_id)
    columns = ["h3"] if unit == "cells" else ["id", "geometry"]
    rows = store.read(
        name,
        season=info.season,
        resolution=info.resolution,
        model_id=info.model_id,
        columns=[*columns, "embedding", "embedding_scale", "comuna"],
    )
    lonlat = _places(rows, unit)
    if aoi is not None:
        area = read_area(aoi)
        shapely.prepare(area)
        inside = shapely.intersects_xy(area, lonlat[:, 0], lonlat[:, 1])
        if not inside.any():
            raise UnknownError(
                f"Expected an area with {unit} of season {info.season}, got {aoi!r}, which has none. "
                f"The table lies in {[round(side, 4) for side in info.bbox]} (west, south, east, north)."
            )
        rows, lonlat = rows.filter(pa.array(inside)), lonlat[inside]
    key: npt.NDArray[Any] = (
        _whole(rows["h3"]).to_numpy() if unit == "cells" else np.array(rows["id"].to_pylist(), np.str_)
    )
    ground = Ground.of(
        fixed_size_matrix(_whole(rows["embedding"])),
        rows["embedding_scale"].to_numpy(),
        regions=np.nan_to_num(rows["comuna"].to_numpy(zero_copy_only=False)).astype(np.int64),
        # The seven cells below one parent tell much the same.
        groups=parents_of(key, (info.resolution or 1) - 1) if unit == "cells" and info.resolution else None,
    )
    return PlaceTable(info, key, lonlat, ground)


def _places(rows: pa.Table, unit: Unit) -> Doubles:
    """(N, 2) longitude and latitude of cell centres, or of a point within each parcel."""
    if unit == "parcels":
        shapes = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
        return np.asarray(shapely.get_coordinates(shapely.point_on_surface(shapes)), np.float64)
    centres = pa.record_batch(h3ronpy.vector.cells_to_coordinates(_whole(rows["h3"])))
    return np.column_stack([centres.column("lng").to_numpy(), centres.column("lat").to_numpy()])


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def visits_of(table: PlaceTable, files: LabelFiles | None, examples: Examples | None) -> Visits:
    """The labelled rows of the table; -1 for those outside the area, which teach all the same."""
    if files is None or examples is None:
        return Visits.none(table.ground)
    order = np.argsort(table.key, kind="stable")
    ids = np.array(examples.ids, dtype=table.key.dtype)
    place = order[np.minimum(np.searchsorted(table.key, ids, sorter=order), len(order) - 1)]
    return Visits.of(
        table.ground,
        np.where(table.key[place] == ids, place, -1),
        examples.y,
        vectors=examples.X,
        arm=files.arm[examples.groups],
        round=files.round[examples.groups],
    )

"""A table's plain columns in the order of its rows, mapped from one file: what a page of items is cut from.

GeoParquet is the truth: a mirror lies beside the arrays of the search and has nothing that the table has not.
For 7.2 million cells it takes 330 MB on disk, some seconds to make, and memory only for what is looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.api.ogc.comuna_outlines import comuna_outlines
from surco.api.ogc.regions import Box, Region
from surco.api.ogc.zones import ZONE, Bounds, cell_bounds, cell_zones, rows_of_zones, shape_zones, touching
from surco.embedstore.cells import resolutions_of
from surco.embedstore.files import read_batches
from surco.embedstore.sidecar import drop_older, ensure_sidecar
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import KEYS

__all__ = ["Mirror", "comuna_mirror", "mirror_of"]

_SMALL = 50_000
_BATCH = 65_536
_KEPT_VERSIONS = 2
_CELLS = ("h3", "embedding_scale", "ndvi", "n_pixels", "valid_fraction", "n_optical", "n_radar", "comuna")
_PARCELS = (
    "id",
    "geometry",
    "metrics:area",
    "metrics:perimeter",
    "crop:name",
    *(name for name in _CELLS if name != "h3"),
)
# The centre of a cell in units of 1e-7 degrees, a centimetre, by which a box is searched without the hexagons.
_CENTRE = ("_lon", "_lat")
_UNITS = 1e7
# Byte order, type, number of rings and of corners, all of which H3 writes the same for each hexagon.
_WKB_HEXAGON = np.dtype([("head", "V13"), ("corners", "<f8", (7, 2))])
_MAKING = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Mirror:
    """N rows of cells, parcels or comunas.

    Attributes:
        rows: (N,) the columns.
        zones: bounds of every 128 rows.
        wide: bounds of every 128 zones.
        comunas: (P,) number of each zone << 16 | code, for the codes that it has (0 where unknown), ascending.
        key: column that names a row: `h3` (ascending numbers) or `id`.
        digest: of the version of the table; two mirrors of one digest have the same rows in the same order.
    """

    rows: pa.RecordBatch
    zones: Bounds
    wide: Bounds
    comunas: npt.NDArray[np.int64]
    key: str
    digest: str

    def __len__(self) -> int:
        return self.rows.num_rows

    def values(self, name: str, rows: npt.NDArray[np.int64]) -> pa.Array[Any]:
        """A column's values at (M,) rows."""
        column = self.rows.column(name)
        if pa.types.is_primitive(column.type) and column.null_count == 0:
            # Ten times as fast as Arrow's own for the few rows of a page.
            taken: pa.Array[Any] = pa.array(column.to_numpy()[rows])
        else:
            taken = column.take(rows)
        return taken

    def rings(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64] | None:
        """(M, 7, 2) corners of hexagons, the first again at the end; None where not all outlines are such."""
        if self.key != "h3" or not len(rows):
            return None
        wkb = pa.array(h3ronpy.vector.cells_to_wkb_polygons(self.values("h3", rows))).to_pylist()
        if {len(each) for each in wkb} != {_WKB_HEXAGON.itemsize}:
            return None
        return np.asarray(np.frombuffer(b"".join(wkb), _WKB_HEXAGON)["corners"], np.float64)

    def shapes(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
        """(M,) shapely polygons of rows: the hexagon of a cell, or the outline that is stored."""
        taken = self.values(self.key if self.key == "h3" else "geometry", rows)
        if self.key == "h3":
            taken = pa.array(h3ronpy.vector.cells_to_wkb_polygons(taken))
        return np.asarray(shapely.from_wkb(taken.to_numpy(zero_copy_only=False)), object)

    def meeting(self, rows: npt.NDArray[np.int64], region: Region) -> npt.NDArray[np.bool_]:
        """Which of (M,) rows have an outline that meets a region."""
        if self.key != "h3":
            return np.asarray(shapely.intersects(region.shape, self.shapes(rows)))
        places = np.stack([self.rows.column(name).to_numpy()[rows] for name in _CENTRE], axis=1) / _UNITS
        resolution = int(resolutions_of(self.rows.column("h3")[:1].to_numpy())[0])
        bounds = cell_bounds(places, resolution)
        meets = region.contains(places)
        # Outlines are made of those only that are near an edge.
        doubtful = np.flatnonzero(~meets & region.touches(bounds))
        if len(doubtful):
            meets[doubtful] = shapely.intersects(region.shape, self.shapes(rows[doubtful]))
        return meets

    def zones_touching(self, boxes: tuple[Box, ...]) -> npt.NDArray[np.bool_]:
        """Which zones touch any of the boxes: looked up in bounds of every 128 zones first."""
        near = rows_of_zones(np.flatnonzero(touching(self.wide, boxes)), len(self.zones))
        found = np.zeros(len(self.zones), np.bool_)
        found[near] = touching(self.zones[near], boxes)
        return found

    def zones_of(self, allowed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which zones have a row of one of the comunas that are allowed, (65536,) by code."""
        found = np.zeros(len(self.zones), np.bool_)
        found[self.comunas[allowed[self.comunas & 0xFFFF]] >> 16] = True
        return found

    def points(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
        """(M,) shapely points inside the rows: a cell's centre, or one within the outline."""
        if self.key != "h3":
            return np.asarray(shapely.point_on_surface(self.shapes(rows)), object)
        return np.asarray(shapely.points(_centres(self.rows.column("h3").take(rows))), object)

    def row_of(self, name: str) -> int | None:
        """Row of a feature id: H3 index in hexadecimal, or the row's id; None where there is none."""
        column = self.rows.column(self.key)
        if self.key != "h3":
            found = column.index(pa.scalar(name, column.type)).as_py()
            return found if found >= 0 else None
        try:
            number = int(name, 16)
        except ValueError:
            return None
        held = column.to_numpy()
        row = int(np.searchsorted(held, np.uint64(number))) if 0 < number < 2**64 else len(held)
        return row if row < len(held) and held[row] == number and f"{number:x}" == name else None


def mirror_of(source: Source) -> Mirror:
    """The mirror of a table: mapped from its file, which the first request makes; a small table's is kept in memory.

    Where the store cannot be written, or its disk is full, it is kept in memory.

    Raises:
        StoreError: a damaged file of the table.
    """
    with _MAKING:
        return _mirror_of(source)


@lru_cache(maxsize=1)
def comuna_mirror() -> Mirror:
    """The outlines of the comunas as a mirror."""
    table = comuna_outlines()
    bounds = shapely.bounds(shapely.from_wkb(table["geometry"].to_numpy()))
    rows, zones = table.combine_chunks().to_batches()[0], shape_zones(bounds)
    return Mirror(rows, zones, shape_zones(zones), _comunas(rows), "id", "comunas")


@lru_cache(maxsize=12)
def _mirror_of(source: Source) -> Mirror:
    if source.info.rows < _SMALL:
        return _made(source)
    folder = source.folder(f"columns-by-{ZONE}")
    try:
        if ensure_sidecar(folder, lambda draft: _write(source, draft)):
            drop_older(folder, f"columns of {source.name}", _KEPT_VERSIONS)
    except OSError:
        return _made(source)
    try:
        return _mapped(source, folder)
    except FileNotFoundError:
        # Another process has written two newer versions since, and removed this one's files.
        return _made(source)


def _mapped(source: Source, folder: Path) -> Mirror:
    with pa.memory_map(str(folder / "columns.arrow")) as file:
        rows = pa.ipc.open_file(file).get_batch(0)
    zones, codes = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("zones", "comunas"))
    return Mirror(rows, zones, shape_zones(zones), codes, KEYS[source.table], source.digest)


def _write(source: Source, draft: Path) -> dict[str, Any]:
    made = _made(source)
    np.save(draft / "zones.npy", made.zones, allow_pickle=False)
    np.save(draft / "comunas.npy", made.comunas, allow_pickle=False)
    with (
        pa.OSFile(str(draft / "columns.arrow"), "wb") as file,
        pa.ipc.new_file(file, made.rows.schema) as writer,
    ):
        writer.write_batch(made.rows)
    return {"table": f"columns of {source.name}"}


def _made(source: Source) -> Mirror:
    names = _CELLS if source.table == "cells" else _PARCELS
    table = pa.concat_tables(pa.Table.from_batches([batch]) for batch in _batches(source, names))
    if source.table == "cells":
        held = table["h3"].to_numpy()
        if not (held[1:] > held[:-1]).all():
            # Files that a merge carried over come first, whatever their cells.
            table = table.take(np.argsort(held, kind="stable"))
    batch = table.combine_chunks().to_batches()[0]
    if source.table == "cells":
        places = _centres(batch.column("h3"))
        zones = cell_zones(places, source.info.resolution or 0)
        for name, values in zip(_CENTRE, places.T, strict=True):
            batch = batch.append_column(name, pa.array(np.round(values * _UNITS).astype(np.int32)))
    else:
        zones = shape_zones(
            shapely.bounds(shapely.from_wkb(batch.column("geometry").to_numpy(zero_copy_only=False)))
        )
    return Mirror(batch, zones, shape_zones(zones), _comunas(batch), KEYS[source.table], source.digest)


def _comunas(rows: pa.RecordBatch) -> npt.NDArray[np.int64]:
    codes = rows.column("comuna").fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.unique((np.arange(len(codes)) // ZONE << 16) | codes)


def _centres(cells: pa.Array[Any]) -> npt.NDArray[np.float64]:
    """(N, 2) longitude and latitude."""
    places = pa.record_batch(h3ronpy.vector.cells_to_coordinates(cells))
    return np.stack([places["lng"].to_numpy(), places["lat"].to_numpy()], axis=1)


def _batches(source: Source, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    for file in source.info.files:
        for batch in read_batches(file, _BATCH, list(names)):
            if "geometry" not in names:
                yield batch
                continue
            place = batch.schema.get_field_index("geometry")
            # A national table of outlines is over two gigabytes, which 32-bit offsets cannot hold.
            yield batch.set_column(place, "geometry", batch.column("geometry").cast(pa.large_binary()))

"""Maps in formats that cannot be written from front to back: FlatGeobuf and cloud-optimised GeoTIFF."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h3ronpy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from surco.api.map_products.map_heads import ClassHead
from surco.api.map_products.map_rows import Geometry, RowsAsked, map_rows
from surco.api.map_products.maps_asked import OpenMap
from surco.api.maps import Places, Predicted
from surco.api.rasters import grid, write_cog
from surco.api.refusals import TooLargeError
from surco.api.value_rasters import write_value_cog

__all__ = ["WholeLimits", "flatgeobuf", "geotiff"]

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class WholeLimits:
    """What a format that cannot be streamed may hold: `rows` of the map, `pixels` of a raster."""

    rows: int = 1_000_000
    pixels: int = 100_000_000


def flatgeobuf(asked: OpenMap, rows: RowsAsked, limits: WholeLimits) -> Iterator[bytes]:
    """A map as FlatGeobuf with its spatial index, written by GDAL to a file that goes again.

    Raises:
        TooLargeError: more rows than the limit.
        StoreError: a file of the store that is damaged.
    """
    table = _gathered(asked, rows, limits)
    with tempfile.TemporaryDirectory(prefix="surco-export-") as folder:
        path = Path(folder) / f"{asked.name}.fgb"
        _write_features(table, path, asked.provenance())
        yield from _read(path)


def geotiff(asked: OpenMap, rows: RowsAsked, pixel: float, limits: WholeLimits) -> Iterator[bytes]:
    """A map as COG, as `surco map` writes it, in a file that goes again: class codes, or value, low and high.

    Args:
        asked: the map.
        rows: which part of it.
        pixel: edge of a pixel in metres.
        limits: of rows and pixels.

    Raises:
        TooLargeError: more rows or pixels than the limit.
        ExportError: a pixel size that is not positive, or more than 254 classes.
        StoreError: a file of the store that is damaged.
    """
    shape: Geometry = "none" if asked.unit == "cells" else "polygon"
    table = _gathered(asked, RowsAsked(rows.within, shape, ()), limits)
    places = _places(asked, table)
    _, _, width, height = grid(shapely.total_bounds(places.polygons()), pixel)
    if width * height > limits.pixels:
        raise TooLargeError(
            f"Expected at most {limits.pixels:,} pixels in one GeoTIFF, got {width:,} x {height:,} at {pixel:g} m. "
            "Choose a larger pixel or a smaller area, or ask for f=parquet, which has no limit."
        )
    with tempfile.TemporaryDirectory(prefix="surco-export-") as folder:
        path = Path(folder) / f"{asked.name}.tif"
        _write_raster(asked, places, table, path, pixel)
        yield from _read(path)


def _gathered(asked: OpenMap, rows: RowsAsked, limits: WholeLimits) -> pa.Table:
    held, count = [], 0
    for table in map_rows(asked, rows):
        held.append(table)
        count += table.num_rows
        if count > limits.rows:
            raise TooLargeError(
                f"Expected at most {limits.rows:,} {asked.unit} in a format that cannot be streamed, got more. Name a "
                "smaller bbox, comuna or region, or ask for f=parquet or f=geojson, which have no limit."
            )
    return pa.concat_tables(held).unify_dictionaries()


def _write_features(table: pa.Table, path: Path, provenance: dict[str, Any]) -> None:
    import pyogrio  # type: ignore[import-untyped]  # publishes no types

    shapes = table["geometry"].combine_chunks()
    columns = {name: _plain(table[name]) for name in table.column_names if name not in ("geometry", "h3")}
    if "h3" in table.column_names:
        columns = {
            "h3": pa.array(h3ronpy.cells_to_string(table["h3"].combine_chunks())).cast(pa.string())
        } | columns
    columns["geometry"] = shapes
    pyogrio.write_arrow(
        pa.table(columns),
        path,
        driver="FlatGeobuf",
        geometry_name="geometry",
        geometry_type=_kind(shapes),
        crs="OGC:CRS84",
        layer=path.stem,
        layer_options={"DESCRIPTION": json.dumps(provenance, ensure_ascii=False)},
    )


def _kind(shapes: pa.Array[Any]) -> str:
    kinds = np.unique(shapely.get_type_id(shapely.from_wkb(shapes.to_numpy(zero_copy_only=False)))).tolist()
    names = {0: "Point", 3: "Polygon", 6: "MultiPolygon"}
    return names[kinds[0]] if len(kinds) == 1 else "Unknown"


def _plain(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    """A column as GDAL takes it: text instead of dictionaries, signed instead of short unsigned numbers."""
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.string()).combine_chunks()
    if pa.types.is_unsigned_integer(column.type):
        return column.cast(pa.int32()).combine_chunks()
    return column.combine_chunks()


def _places(asked: OpenMap, table: pa.Table) -> Places:
    if asked.unit == "cells":
        names = pa.array(h3ronpy.cells_to_string(table["h3"].combine_chunks())).to_pylist()
    else:
        names = table["id"].to_pylist()
    info = asked.info
    nothing = np.zeros(table.num_rows)
    return Places(
        asked.unit,
        info.season,
        info.resolution,
        info.model_id,
        asked.version,
        table,
        np.array(names, object),
        nothing,
    )


def _write_raster(asked: OpenMap, places: Places, table: pa.Table, path: Path, pixel: float) -> None:
    if isinstance(asked.head, ClassHead):
        coded: Any = table["class"].combine_chunks()
        codes = pc.fill_null(coded.indices, -1).to_numpy().astype(np.int64)
        nothing = np.zeros((len(codes), 0), np.float32)
        predicted = Predicted(places, asked.asked.adapter, asked.head.classes, nothing, codes)
        write_cog(predicted, path, pixel, asked.provenance())
        return
    bands = {name: table[name].to_numpy().astype(np.float32) for name in ("value", "low", "high")}
    write_value_cog(places, bands, path, pixel, asked.provenance())


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk

"""Writing a map to a file: GeoParquet, GeoJSON or a cloud-optimised GeoTIFF, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from surco.api.rasters import write_cog
from surco.api.refusals import ExportError
from surco.api.whole_file import whole_file
from surco.embedstore.geoparquet import geo_metadata

if TYPE_CHECKING:
    from surco.api.maps import Predicted

__all__ = ["write_by_ending", "write_map"]

_Map = TypeVar("_Map", bound=Sized)
_OWN_COLUMNS = {"id", "h3", "geometry", "class", "probability", "area_ha"}


def write_map(predicted: Predicted, path: str | Path, *, pixel: float = 20.0) -> Path:
    """Write a map; the ending of the name says as what.

    Args:
        predicted: the map.
        path: `.parquet` (GeoParquet 1.1: polygons, `class`, `probability`, `area_ha` and a column of probabilities for
            each class), `.geojson` (the same without the columns of classes), `.tif` (COG of class codes 1..K, 0 where
            nothing is known, with a colour table and the classes' names among the tags).
        pixel: edge of a pixel in metres, for `.tif`.

    Returns:
        The path written. A file of that name is replaced only when the new one is complete.

    Raises:
        ExportError: another ending, no such folder, no rows, or more than 254 classes in a `.tif`.
    """
    return write_by_ending(predicted, Path(path), _WRITERS, pixel)


def write_by_ending(
    rows: _Map, target: Path, writers: Mapping[str, Callable[[_Map, Path, float], None]], pixel: float
) -> Path:
    """Write a map by the writer of its file's ending, whole or not at all.

    Args:
        rows: the map.
        target: where to.
        writers: by ending, each called with the map, the draft's path and `pixel`.
        pixel: edge of a pixel in metres.

    Raises:
        ExportError: another ending, no such folder, or no rows.
    """
    write = writers.get(target.suffix.lower())
    if write is None:
        raise ExportError(f"Expected a file ending in {', '.join(writers)}, got {target.name!r}. Rename it.")
    if not target.parent.is_dir():
        raise ExportError(
            f"Expected a folder to write {target.name} into, got {target.parent}. Make it first."
        )
    if len(rows) == 0:
        raise ExportError(
            f"Expected rows to write to {target}, got an empty map. Choose another season or unit."
        )
    with whole_file(target) as draft:
        write(rows, draft, pixel)
    return target


def _class_names(predicted: Predicted) -> list[str | None]:
    return [predicted.classes[i] if i >= 0 else None for i in predicted.class_index.tolist()]


def _write_parquet(predicted: Predicted, path: Path, pixel: float) -> None:
    shapes = predicted.places.polygons()
    columns: dict[str, pa.Array[Any]] = {"id": pa.array(predicted.places.id.tolist(), pa.string())}
    if predicted.unit == "cells":
        columns["h3"] = predicted.places.table["h3"].combine_chunks()
    columns["geometry"] = pa.array(shapely.to_wkb(shapes).tolist(), pa.binary())
    columns["class"] = pa.array(_class_names(predicted), pa.string())
    columns["probability"] = pa.array(predicted.probability, pa.float32(), from_pandas=True)
    columns["area_ha"] = pa.array(predicted.places.area_ha, pa.float64())
    for i, name in enumerate(predicted.classes):
        column = f"p:{name}" if name in _OWN_COLUMNS else name
        columns[column] = pa.array(predicted.probabilities[:, i], pa.float32(), from_pandas=True)
    west, south, east, north = (float(v) for v in shapely.total_bounds(shapes))
    geo = geo_metadata(sorted(set(_type_names(shapes))), (west, south, east, north), covering=False)
    metadata = {"geo": json.dumps(geo), "surco": json.dumps(_provenance(predicted))}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, compression="zstd")


def _type_names(shapes: Any) -> list[str]:
    names = {3: "Polygon", 6: "MultiPolygon"}
    return [names[int(number)] for number in np.unique(shapely.get_type_id(shapes))]


def _write_geojson(predicted: Predicted, path: Path, pixel: float) -> None:
    shapes = shapely.to_geojson(_tidy(predicted.places.polygons()))
    names, chances = _class_names(predicted), predicted.probability
    with path.open("w", encoding="utf-8") as file:
        head = {"type": "FeatureCollection", "surco": _provenance(predicted)}
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [\n')
        for row, shape in enumerate(shapes.tolist()):
            properties = {
                "class": names[row],
                "probability": None if names[row] is None else round(float(chances[row]), 4),
                "area_ha": round(float(predicted.places.area_ha[row]), 4),
            }
            feature = {"type": "Feature", "id": predicted.places.id[row], "properties": properties}
            words = json.dumps(feature, ensure_ascii=False)[:-1]
            file.write(f'{"," if row else " "}{words}, "geometry": {shape}}}\n')
        file.write("]}\n")


def _tidy(shapes: Any) -> Any:
    """Outer rings counterclockwise and seven decimals (about 1 cm), as RFC 7946 asks for."""
    return shapely.orient_polygons(shapely.transform(shapes, lambda xy: np.round(xy, 7)))


def _provenance(predicted: Predicted) -> dict[str, object]:
    places = predicted.places
    return {
        "adapter": predicted.adapter,
        "model": places.model_id,
        "season": places.season,
        "unit": places.unit,
        "resolution": places.resolution,
        "store_version": places.version,
        "classes": list(predicted.classes),
    }


def _write_tif(predicted: Predicted, path: Path, pixel: float) -> None:
    write_cog(predicted, path, pixel, _provenance(predicted))


_WRITERS: dict[str, Callable[[Predicted, Path, float], None]] = {
    ".parquet": _write_parquet,
    ".geojson": _write_geojson,
    ".tif": _write_tif,
}

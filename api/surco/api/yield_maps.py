"""From a store's table and a yield adapter to a map: value, low and high of every cell or parcel, and its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from surco.adapters import YieldAdapter, load_adapter
from surco.api.exports import write_by_ending
from surco.api.maps import Places, adapter_model, read_places
from surco.api.value_rasters import write_value_cog
from surco.embedstore import Store
from surco.embedstore.geoparquet import geo_metadata

__all__ = ["PlaceValues", "predict_values", "quantised", "value_lines", "write_values"]

Doubles = npt.NDArray[np.float64]
_BLOCK = 200_000


@dataclass(frozen=True, slots=True)
class PlaceValues:
    """Values of the cells or parcels of a table.

    Attributes:
        places: the cells or parcels.
        source: the adapter's name, or the totals they add up to.
        target_unit: such as "t/ha".
        coverage: of the intervals, 0..1.
        value, low, high: (N,) float64; NaN where nothing was ever observed, infinite where an interval is unbounded.
    """

    places: Places
    source: str
    target_unit: str
    coverage: float
    value: Doubles
    low: Doubles
    high: Doubles

    def __len__(self) -> int:
        return len(self.places.id)


def predict_values(
    store: Store,
    adapter_name: str,
    season: str | None = None,
    unit: str = "auto",
    resolution: int | None = None,
) -> PlaceValues:
    """Load a yield adapter, read a table, and predict each of its rows; arguments as for `maps.predict_table`.

    Raises:
        EmbedstoreError: no such adapter or table.
        AdapterError: an adapter of another task or model, or a damaged one.
    """
    places = read_places(store, season, unit, resolution, adapter_model(store, adapter_name))
    adapter: YieldAdapter = load_adapter(
        store.adapter_dir(adapter_name), model_id=places.model_id, task=YieldAdapter.task
    )
    found = np.full((len(places.id), 3), np.nan)
    for start in range(0, len(found), _BLOCK):
        embedding, scale = quantised(places.table.slice(start, _BLOCK))
        seen = np.flatnonzero(np.isfinite(scale) & (scale > 0))
        if len(seen):
            value, interval = adapter.predict_interval_int8(embedding[seen], scale[seen])
            found[start + seen] = np.column_stack([value, interval])
    return PlaceValues(places, adapter_name, adapter.unit, float(adapter.coverage), *found.T)


def quantised(table: pa.Table) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """The columns `embedding` (N, D) and `embedding_scale` (N,); a row without data has scale 0."""
    column = table["embedding"].combine_chunks()
    flat = pc.list_flatten(column).to_numpy(zero_copy_only=False)
    matrix = flat.reshape(table.num_rows, column.type.list_size)
    return np.asarray(matrix, np.int8), np.asarray(table["embedding_scale"].to_numpy(), np.float32)


def value_lines(predicted: PlaceValues, out: Path) -> Iterator[str]:
    """What a map of values holds, for people."""
    unit, known = predicted.target_unit, np.isfinite(predicted.value)
    yield f"{len(predicted):,} {predicted.places.unit} of season {predicted.places.season} -> {out}"
    if not known.any():
        yield "  nothing was observed in any of them"
        return
    weights = np.maximum(predicted.places.area_ha[known], 1e-9)
    mean = float(np.average(predicted.value[known], weights=weights))
    low, high = np.percentile(predicted.value[known], [5, 95])
    yield f"  value  mean {mean:.4g} {unit} by area, 5 % to 95 % of places {low:.4g} to {high:.4g}"
    bounded = known & np.isfinite(predicted.high)
    share = f"{100 * predicted.coverage:g} %"
    if not bounded.any():
        yield f"  {share} intervals are unbounded: labels of one block say nothing of others. Label places apart."
        return
    half = np.median(predicted.high[bounded] - predicted.low[bounded])
    yield f"  {share} intervals of single places are {half:.4g} {unit} wide in the median"
    yield "Mean over all places of the table: choose the crop's before calling it the crop's yield."


def write_values(predicted: PlaceValues, path: str | Path, *, pixel: float = 20.0) -> Path:
    """Write values; the ending of the name says as what.

    Args:
        predicted: the values.
        path: `.parquet` (GeoParquet 1.1: polygons, `value`, `low`, `high`, `area_ha`), `.geojson` (the same), `.tif`
            (COG of three float32 bands: value, low, high; NaN where nothing is known). What is unbounded is null.
        pixel: edge of a pixel in metres, for `.tif`.

    Returns:
        The path written. A file of that name is replaced only when the new one is complete.

    Raises:
        ExportError: another ending, no such folder, or no rows.
    """
    return write_by_ending(predicted, Path(path), _WRITERS, pixel)


def _columns(predicted: PlaceValues) -> dict[str, Doubles]:
    """Value, low and high (N,), NaN where there is none."""
    named = {"value": predicted.value, "low": predicted.low, "high": predicted.high}
    return {name: np.where(np.isfinite(v), v, np.nan) for name, v in named.items()}


def _write_parquet(predicted: PlaceValues, path: Path, pixel: float) -> None:
    shapes = predicted.places.polygons()
    columns: dict[str, pa.Array[Any]] = {"id": pa.array(predicted.places.id.tolist(), pa.string())}
    if predicted.places.unit == "cells":
        columns["h3"] = predicted.places.table["h3"].combine_chunks()
    columns["geometry"] = pa.array(shapely.to_wkb(shapes).tolist(), pa.binary())
    for name, values in _columns(predicted).items():
        columns[name] = pa.array(values, pa.float64(), from_pandas=True)
    columns["area_ha"] = pa.array(predicted.places.area_ha, pa.float64())
    west, south, east, north = (float(v) for v in shapely.total_bounds(shapes))
    kinds = sorted({str(shape.geom_type) for shape in shapes})
    geo = geo_metadata(kinds, (west, south, east, north), covering=False)
    metadata = {"geo": json.dumps(geo), "surco": json.dumps(_provenance(predicted), ensure_ascii=False)}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, compression="zstd")


def _write_geojson(predicted: PlaceValues, path: Path, pixel: float) -> None:
    # RFC 7946: outer rings counterclockwise; seven decimals are about 1 cm.
    shapes = shapely.transform(predicted.places.polygons(), lambda xy: np.round(xy, 7))
    columns = {name: values.tolist() for name, values in _columns(predicted).items()}
    features = [
        {
            "type": "Feature",
            "id": predicted.places.id[row],
            "properties": {name: _rounded(values[row]) for name, values in columns.items()}
            | {"area_ha": round(float(predicted.places.area_ha[row]), 4)},
            "geometry": json.loads(shape),
        }
        for row, shape in enumerate(shapely.to_geojson(shapely.orient_polygons(shapes)).tolist())
    ]
    collection = {"type": "FeatureCollection", "surco": _provenance(predicted), "features": features}
    path.write_text(json.dumps(collection, ensure_ascii=False), encoding="utf-8")


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _write_tif(predicted: PlaceValues, path: Path, pixel: float) -> None:
    bands = {name: values.astype(np.float32) for name, values in _columns(predicted).items()}
    write_value_cog(predicted.places, bands, path, pixel, _provenance(predicted))


def _provenance(predicted: PlaceValues) -> dict[str, object]:
    places = predicted.places
    return {
        "source": predicted.source,
        "target_unit": predicted.target_unit,
        "coverage": predicted.coverage,
        "model": places.model_id,
        "season": places.season,
        "unit": places.unit,
        "resolution": places.resolution,
        "store_version": places.version,
    }


_WRITERS: dict[str, Callable[[PlaceValues, Path, float], None]] = {
    ".parquet": _write_parquet,
    ".geojson": _write_geojson,
    ".tif": _write_tif,
}

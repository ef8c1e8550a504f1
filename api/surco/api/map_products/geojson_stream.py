"""A map as GeoJSON (RFC 7946), sent feature by feature while it is computed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import h3ronpy
import numpy as np
import pyarrow as pa
import shapely

__all__ = ["geojson_stream"]

_DIGITS = 5  # of a number that is measured; of degrees seven, about 1 cm


def geojson_stream(tables: Iterable[pa.Table], provenance: dict[str, Any]) -> Iterator[bytes]:
    """One FeatureCollection in chunks, each of the features of a table; nothing is sent before the first is there.

    Args:
        tables: of one schema, with `h3` or `id`; without `geometry` features have none (null).
        provenance: how the rows were made, for the member `surco`.
    """
    head = json.dumps({"type": "FeatureCollection", "surco": provenance}, ensure_ascii=False)
    separator = f'{head[:-1]}, "features": [\n'
    for table in tables:
        features = ",\n".join(_features(table))
        yield f"{separator}{features}".encode()
        separator = ",\n"
    yield b"\n]}\n"


def _features(table: pa.Table) -> Iterator[str]:
    names = [name for name in table.column_names if name not in ("h3", "id", "geometry")]
    columns = [_texts(table[name]) for name in names]
    labels = [f"{json.dumps(name, ensure_ascii=False)}:" for name in names]
    for place, shape, *values in zip(_ids(table), _shapes(table), *columns, strict=True):
        properties = ",".join(f"{label}{value}" for label, value in zip(labels, values, strict=True))
        yield f'{{"type":"Feature","id":{place},"properties":{{{properties}}},"geometry":{shape}}}'


def _ids(table: pa.Table) -> list[str]:
    if "h3" in table.column_names:
        texts = pa.array(h3ronpy.cells_to_string(table["h3"].combine_chunks())).to_pylist()
        return [f'"{text}"' for text in texts]
    return [json.dumps(text, ensure_ascii=False) for text in table["id"].to_pylist()]


def _shapes(table: pa.Table) -> list[str]:
    if "geometry" not in table.column_names:
        return ["null"] * table.num_rows
    shapes = shapely.from_wkb(table["geometry"].to_numpy())
    tidy = shapely.orient_polygons(shapely.transform(shapes, lambda xy: np.round(xy, 7)))
    return [str(text) for text in shapely.to_geojson(tidy).tolist()]


def _texts(column: pa.ChunkedArray[Any]) -> list[str]:
    """Values as JSON."""
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy().astype(np.float64)
        return [f"{v:.{_DIGITS}g}" if v == v else "null" for v in numbers.tolist()]
    if pa.types.is_dictionary(column.type):
        words: dict[Any, str] = {}
        return [words.setdefault(v, json.dumps(v, ensure_ascii=False)) for v in column.to_pylist()]
    return [json.dumps(v, ensure_ascii=False) for v in column.to_pylist()]

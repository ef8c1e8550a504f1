"""Neighbours as JSON, GeoJSON or Arrow; each says how they were found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import h3
import h3ronpy.vector
import msgspec
import numpy as np
import pyarrow as pa
import shapely

from surco.api.search.cell_ranges import centres_of
from surco.api.search.searching import Found
from surco.api.search.warm_sessions import WarmSessions
from surco.embedstore import comunas
from surco.embedstore.vectors import KEYS, table_vectors

__all__ = ["MEDIA_TYPES", "answer_body"]

MEDIA_TYPES = {
    "json": "application/json",
    "geojson": "application/geo+json",
    "arrow": "application/vnd.apache.arrow.stream",
}


def answer_body(found: Found, form: str, sessions: WarmSessions) -> bytes:
    """The body of an answer; `form` is a name of `MEDIA_TYPES`.

    Raises:
        TimedOutError: the outlines of parcels take too long.
    """
    # Cells have their places without outlines.
    shapes = _shapes(found, sessions) if form != "json" or found.source.table == "parcels" else None
    if form == "arrow":
        return _arrow(found, shapes)
    rows = _rows(found, shapes)
    if form == "json":
        return msgspec.json.encode({**_facts(found), "neighbours": rows})
    outlines = [msgspec.Raw(text.encode()) for text in shapely.to_geojson(shapes).tolist()]
    features = [
        {"type": "Feature", "id": row["id"], "geometry": outline, "properties": row}
        for row, outline in zip(rows, outlines, strict=True)
    ]
    return msgspec.json.encode({"type": "FeatureCollection", **_facts(found), "features": features})


def _facts(found: Found) -> dict[str, Any]:
    info = found.source.info
    return {
        "version": found.store.version,
        "table": info.table,
        "season": info.season,
        "res": info.resolution,
        "model": info.model_id,
        "exact": found.how.exact,
        "recall": found.how.recall,
        "compared": found.how.compared,
        "milliseconds": round(1000 * found.seconds, 2),
    }


def _rows(found: Found, shapes: Any) -> list[dict[str, Any]]:
    names = [name if isinstance(name, str) else h3.int_to_str(name) for name in found.keys.to_pylist()]
    codes = table_vectors(found.source).comuna[found.rows].tolist()
    columns = zip(names, found.similarity.tolist(), _places(found, shapes).tolist(), codes, strict=True)
    return [
        {"id": name, "similarity": round(alike, 6), "lon": lon, "lat": lat, "comuna": _names().get(code)}
        for name, alike, (lon, lat), code in columns
    ]


@cache
def _names() -> Mapping[int, str]:
    """Of comunas, by code."""
    return {row["cut"]: row["comuna"] for row in comunas().to_pylist()}


def _arrow(found: Found, shapes: Any) -> bytes:
    lon, lat = _places(found, shapes).T
    codes = table_vectors(found.source).comuna[found.rows]
    table = pa.table(
        {
            KEYS[found.source.table]: found.keys,
            "similarity": pa.array(found.similarity),
            "lon": lon,
            "lat": lat,
            "comuna": pa.array(codes, mask=codes == 0),
            "geometry": pa.array(shapely.to_wkb(shapes), pa.binary()),
        }
    ).replace_schema_metadata({"surco": json.dumps(_facts(found))})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _places(found: Found, shapes: Any) -> Any:
    """(K, 2) longitude and latitude: the cell's centre, or a point inside the parcel; to a tenth of a metre."""
    if found.source.table == "cells":
        return np.round(centres_of(found.keys.to_numpy()), 6)
    return np.round(shapely.get_coordinates(shapely.point_on_surface(shapes)).reshape(-1, 2), 6)


def _shapes(found: Found, sessions: WarmSessions) -> Any:
    """(K,) outlines of the hexagons or the parcels."""
    if found.source.table == "cells":
        outlines = pa.array(h3ronpy.vector.cells_to_wkb_polygons(found.keys))
        return shapely.from_wkb(outlines.to_numpy(zero_copy_only=False))
    held = sessions.columns(found.store, found.source, found.keys, "ST_AsWKB(geometry) AS geometry")
    by_id = dict(zip(held["id"].to_pylist(), held["geometry"].to_pylist(), strict=True))
    return shapely.from_wkb(np.array([by_id[name] for name in found.keys.to_pylist()], object))

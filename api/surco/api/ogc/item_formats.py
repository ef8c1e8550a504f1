"""A page of items in each of the formats that it is to be had in."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import shapely
from litestar import Response

from surco.api.arrow_geometry import marked
from surco.api.ogc.features import features
from surco.api.ogc.items import Page, next_address, page_document
from surco.api.ogc.reference_systems import CRS84
from surco.api.refusals import InvalidError
from surco.embedstore.geoparquet import geo_metadata

__all__ = ["FORMATS", "answer"]

FORMATS: Final[Mapping[str, str]] = {
    "json": "application/geo+json",
    "geojson": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
"""Names, and the media types by which clients ask for them; the first unless another is asked for."""


def answer(page: Page, form: str, name: str, base: str, given: Mapping[str, str]) -> Response[bytes]:
    """A page as a response.

    Formats other than GeoJSON have the next link in the header `Link` only (RFC 8288).

    Raises:
        InvalidError: a format that has no other than longitude and latitude, asked for in another system.
    """
    headers = {"content-crs": f"<{page.form.crs}>"}
    onward = next_address(page, name, base, given)
    if onward is not None:
        headers["link"] = f'<{onward}>; rel="next"'
    if form in ("json", "geojson"):
        body = msgspec.json.encode(page_document(page, name, base, given))
        return Response(body, media_type=FORMATS["json"], headers=headers)
    if page.form.crs != CRS84:
        raise InvalidError(
            f"Expected no crs but CRS84 with f={form}, got {page.form.crs}. Ask for f=json, or leave it out."
        )
    return Response(_WRITERS[form](_table(page)), media_type=FORMATS[form], headers=headers)


def _table(page: Page) -> pa.Table:
    """The page's ids, properties and, unless there is to be none, geometry as WKB."""
    if page.layer is None:
        return pa.table({"id": pa.array([], pa.string())})
    rows = page.rows.rows
    found = features(page.layer, rows, replace(page.form, geometry="none"))
    columns: dict[str, Any] = {"id": pa.array([each["id"] for each in found], pa.string())}
    for name in page.form.properties:
        if name != "id":
            columns[name] = pa.array([each["properties"][name] for each in found])
    if page.form.geometry != "none":
        draw = page.layer.mirror.points if page.form.geometry == "point" else page.layer.mirror.shapes
        columns["geometry"] = pa.array(shapely.to_wkb(draw(rows)).tolist(), pa.binary())
    return pa.table(columns)


def _csv(table: pa.Table) -> bytes:
    """Outlines as WKT, and lists as JSON."""
    for place, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if name == "geometry":
            shapes = shapely.from_wkb(column.to_numpy(zero_copy_only=False))
            text = pa.array(shapely.to_wkt(shapes, rounding_precision=7).tolist(), pa.string())
        elif pa.types.is_list(column.type):
            text = pa.array([json.dumps(value) for value in column.to_pylist()], pa.string())
        else:
            continue
        table = table.set_column(place, name, text)
    body = io.BytesIO()
    pacsv.write_csv(table, body)
    return body.getvalue()


def _parquet(table: pa.Table) -> bytes:
    if "geometry" in table.column_names and table.num_rows:
        shapes = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
        west, south, east, north = (float(side) for side in shapely.total_bounds(shapes))
        kinds = sorted({str(shape.geom_type) for shape in shapes})
        geo = geo_metadata(kinds, (west, south, east, north), covering=False)
        table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    body = io.BytesIO()
    pq.write_table(table, body, compression="zstd")
    return body.getvalue()


def _arrow(table: pa.Table) -> bytes:
    table, body = marked(table), io.BytesIO()
    with pa.ipc.new_stream(body, table.schema) as writer:
        writer.write_table(table)
    return body.getvalue()


_WRITERS: Final[Mapping[str, Callable[[pa.Table], bytes]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "arrow": _arrow,
}

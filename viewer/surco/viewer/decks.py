"""pydeck decks: one for the page to start from, and one for any Arrow table in a notebook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pydeck
import shapely

from surco.viewer.errors import TableError
from surco.viewer.palette import class_styles, principal_colours, rgb

__all__ = ["deck", "page_deck", "show"]

_GROUND = (120, 132, 118)
_PREFERRED = ("class", "crop:name", "embedding")


def page_deck() -> pydeck.Deck:
    """The deck the page starts from: a layer of each kind that its script makes more of, and its view."""
    layers = [
        pydeck.Layer("TileLayer", data=[], id="tiles"),
        pydeck.Layer("BitmapLayer", id="tile"),
        pydeck.Layer("GeoJsonLayer", data=[], id="shapes"),
        pydeck.Layer("TextLayer", data=[], id="names"),
    ]
    view = pydeck.View(type="MapView", controller=True)
    start = pydeck.ViewState(
        longitude=-71.0, latitude=-35.0, zoom=5, transition_interpolator={"@@type": "FlyToInterpolator"}
    )
    return _bare(layers, start, [view], tooltip=False)


def show(table: object, colour: str | None = None) -> pydeck.Deck:
    """Draw a table in a notebook: `show(store.read("cells"))` or `show("map.parquet")`. See `deck`."""
    return deck(table, colour=colour)


def deck(
    table: object, *, colour: str | None = None, opacity: float = 0.85, height: int = 560
) -> pydeck.Deck:
    """A pydeck.Deck of any Arrow table, stream or (Geo)Parquet file with H3 cells or polygons.

    Args:
        table: anything with `__arrow_c_stream__`, or the path of a Parquet file, that has a column `h3` (uint64, or
            hexadecimal text) or `geometry` (WKB polygons, longitude and latitude).
        colour: column to colour by: text gives class colours, numbers a ramp from their 2nd to their 98th percentile, a
            list of numbers (an embedding) its first three principal components. None takes the first of `class`,
            `crop:name` and `embedding` that is there.
        opacity: 0..1.
        height: of the notebook cell, in pixels.

    Raises:
        TableError: the file is not there or no Parquet file, neither `h3` nor `geometry` is there, the colour column is
            missing, or nothing can be drawn.
    """
    rows = _table(table)
    colours, words = _colours(rows, colour)
    layer, points = _layer(rows, colours, words, opacity)
    west, south, east, north = shapely.total_bounds(points)
    span = max(east - west, (north - south) * 1.2, 1e-4)
    view = pydeck.ViewState(
        longitude=(west + east) / 2,
        latitude=(south + north) / 2,
        zoom=float(np.clip(np.log2(360 / span), 1, 16)),
    )
    tooltip = {"text": "{label}"} if words is not None else True
    return _bare(
        [layer], view, [pydeck.View(type="MapView", controller=True)], tooltip=tooltip, height=height
    )


def _bare(
    layers: list[Any], view: Any, views: list[Any], *, tooltip: object, height: int = 500
) -> pydeck.Deck:
    return pydeck.Deck(
        layers=layers,
        views=views,
        initial_view_state=view,
        map_provider=None,
        map_style=None,
        tooltip=tooltip,
        height=height,
    )


def _table(table: object) -> pa.Table:
    if isinstance(table, (str, os.PathLike)):
        table = _file(Path(table))
    if not hasattr(table, "__arrow_c_stream__"):
        raise TableError(
            "an Arrow table or stream",
            f"a {type(table).__name__}",
            "Hand over a pyarrow.Table, a polars frame, a DuckDB relation or the path of a Parquet file.",
        )
    rows = pa.table(table)
    if rows.num_rows == 0:
        raise TableError("rows to draw", "an empty table", "Widen the filter that made it.")
    if not {"h3", "geometry"} & set(rows.column_names):
        raise TableError(
            "a column 'h3' or 'geometry'", ", ".join(rows.column_names), "Select one of them as well."
        )
    return rows


def _file(path: Path) -> pa.Table:
    """A Parquet file; a folder of them is one table."""
    try:
        return pq.read_table(path)
    except FileNotFoundError as error:
        raise TableError(
            "the path of a Parquet file", f"{path}, which is not there", "Look for a slip."
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise TableError("a Parquet file", f"{path.name} ({error})", "Export one: f=parquet.") from error


def _layer(
    rows: pa.Table, colours: npt.NDArray[np.uint8], words: list[str] | None, opacity: float
) -> tuple[pydeck.Layer, Any]:
    labels = words if words is not None else [""] * rows.num_rows
    if "h3" in rows.column_names:
        import h3

        cells = [c if isinstance(c, str) else f"{c:x}" for c in rows["h3"].to_pylist()]
        centres = np.array([h3.cell_to_latlng(c)[::-1] for c in cells])
        data: list[dict[str, object]] = [
            {"h3": c, "colour": k, "label": w}
            for c, k, w in zip(cells, colours.tolist(), labels, strict=True)
        ]
        return pydeck.Layer(
            "H3HexagonLayer",
            data,
            get_hexagon="h3",
            get_fill_color="colour",
            extruded=False,
            stroked=False,
            pickable=True,
            opacity=opacity,
        ), shapely.points(centres)
    shapes, index = shapely.get_parts(_polygons(rows), return_index=True)
    rings = [shapely.get_coordinates(s.exterior).tolist() for s in shapes]
    data = [
        {"ring": r, "colour": colours[i].tolist(), "label": labels[i]}
        for r, i in zip(rings, index, strict=True)
    ]
    return pydeck.Layer(
        "PolygonLayer",
        data,
        get_polygon="ring",
        get_fill_color="colour",
        get_line_color=[40, 44, 40, 160],
        line_width_min_pixels=1,
        pickable=True,
        opacity=opacity,
    ), shapes


def _polygons(rows: pa.Table) -> Any:
    shapes = shapely.from_wkb(rows["geometry"].to_numpy(zero_copy_only=False))
    if not np.isin(shapely.get_type_id(shapes), (3, 6)).all():
        raise TableError(
            "polygons in the column 'geometry'",
            "other shapes",
            "Select the column 'h3' of a cells table instead.",
        )
    return shapes


def _colours(rows: pa.Table, colour: str | None) -> tuple[npt.NDArray[np.uint8], list[str] | None]:
    name = colour or next((c for c in _PREFERRED if c in rows.column_names), None)
    if name is None:
        return np.tile(np.array(_GROUND, np.uint8), (rows.num_rows, 1)), None
    if name not in rows.column_names:
        raise TableError(
            f"a column {name!r} to colour by", ", ".join(rows.column_names), "Name one of these."
        )
    column = rows[name].combine_chunks()
    kind = column.type
    if pa.types.is_fixed_size_list(kind):
        flat = pc.list_flatten(column).to_numpy(zero_copy_only=False).astype(np.float32)
        return principal_colours(flat.reshape(rows.num_rows, kind.list_size)), None
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return _ramp(column.to_numpy(zero_copy_only=False).astype(np.float64)), [
            str(v) for v in column.to_pylist()
        ]
    words = ["" if v is None else str(v) for v in column.to_pylist()]
    table = {s.name: rgb(s.colour) for s in class_styles(sorted(set(words) - {""}))}
    return np.array([table.get(w, _GROUND) for w in words], np.uint8), words


def _ramp(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    stops = np.array([[240, 234, 214], [150, 184, 136], [60, 128, 106], [16, 62, 66]], np.float64)
    low, high = np.nanpercentile(values, [2, 98]) if np.isfinite(values).any() else (0.0, 1.0)
    unit = np.clip(np.nan_to_num((values - low) / (high - low if high > low else 1.0)), 0, 1) * (
        len(stops) - 1
    )
    return np.stack([np.interp(unit, range(len(stops)), stops[:, i]) for i in range(3)], axis=1).astype(
        np.uint8
    )

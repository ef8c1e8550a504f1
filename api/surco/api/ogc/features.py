"""Rows of a layer as GeoJSON features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.api.ogc.reference_systems import CRS84, turned
from surco.api.ogc.scanning import Layer
from surco.api.refusals import InvalidError
from surco.embedstore import comunas
from surco.embedstore.vectors import table_vectors

__all__ = ["EXTRA", "Form", "Geometry", "feature_ids", "features", "properties_of", "wanted_properties"]

Geometry = Literal["polygon", "point", "none"]
"""How a place is drawn: its outline, a point inside, or not at all."""

EXTRA = ("ndvi", "embedding", "embedding_scale")
"""Properties that a feature has only where they are asked for: they are long."""

_NAMES = ("comuna_name", "provincia", "region")
_CONSTANT = ("season", "model")
_DECIMALS = {"degrees": 7, "metres": 2}

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Form:
    """How features are to be written: which properties, in which reference system, and drawn as what."""

    properties: tuple[str, ...]
    crs: str = CRS84
    geometry: Geometry = "polygon"


def properties_of(layer: Layer) -> tuple[str, ...]:
    """Names of the properties that features have unless others are asked for."""
    held = [name for name in layer.mirror.rows.schema.names if not name.startswith("_")]
    predicted = tuple(layer.predictor.queryables) if layer.predictor is not None else ()
    own = tuple(name for name in held if name not in ("geometry", *EXTRA, *_NAMES) and name != "comuna")
    place = ("comuna", *_NAMES) if "comuna" in held else ()
    return (*own[:1], *predicted, *place, *own[1:], *(name for name in _CONSTANT if name in layer.constants))


def wanted_properties(layer: Layer, text: str | None) -> tuple[str, ...]:
    """The properties that a list of names, with commas between, means; None for those that features have anyway.

    Raises:
        InvalidError: a name that no feature has.
    """
    usual = properties_of(layer)
    if text is None:
        return usual
    extra = EXTRA if layer.source is not None else ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in (*usual, *extra)]
    if unknown:
        raise InvalidError(
            f"Expected properties of {', '.join((*usual, *extra))}, got {unknown[0][:80]!r}. "
            "Write properties=h3,comuna_name."
        )
    return names


def features(layer: Layer, rows: Rows, form: Form) -> list[dict[str, Any]]:
    """(M,) features, as `msgspec.json` encodes them."""
    names = feature_ids(layer, rows)
    shapes = _drawn(layer, rows, form)
    columns = [_values(layer, rows, name) for name in form.properties]
    predicted = layer.predicted(rows) if _needs_adapter(layer, form) else {}
    for place, name in enumerate(form.properties):
        if name in predicted:
            columns[place] = _plain(predicted[name])
    records = zip(*columns, strict=True) if columns else [()] * len(rows)
    return [
        {
            "type": "Feature",
            "id": name,
            "geometry": shape,
            "properties": dict(zip(form.properties, record, strict=True)),
        }
        for name, shape, record in zip(names, shapes, records, strict=True)
    ]


def feature_ids(layer: Layer, rows: Rows) -> list[str]:
    """The ids of rows: the H3 index in hexadecimal, or the parcel's or comuna's own."""
    values: list[Any] = layer.mirror.values(layer.mirror.key, rows).to_pylist()
    return [f"{value:x}" for value in values] if layer.mirror.key == "h3" else values


def _needs_adapter(layer: Layer, form: Form) -> bool:
    return layer.predictor is not None and bool(set(form.properties) & set(layer.predictor.queryables))


def _drawn(layer: Layer, rows: Rows, form: Form) -> list[Any]:
    if form.geometry == "none":
        return [None] * len(rows)
    if form.geometry == "polygon" and form.crs == CRS84:
        rings = layer.mirror.rings(rows)
        if rings is not None:
            rounded = np.round(rings, _DECIMALS["degrees"]).tolist()
            return [{"type": "Polygon", "coordinates": [ring]} for ring in rounded]
    shapes = layer.mirror.points(rows) if form.geometry == "point" else layer.mirror.shapes(rows)
    geographic = form.crs == CRS84 or form.crs.endswith(("/4326", "/5360"))
    moved = turned(shapes, form.crs, _DECIMALS["degrees" if geographic else "metres"])
    if form.crs == CRS84 and layer.mirror.key == "id":
        # RFC 7946 has outer rings counterclockwise; H3 gives its hexagons so.
        moved = shapely.orient_polygons(moved)
    return [msgspec.Raw(text.encode()) for text in shapely.to_geojson(moved).tolist()]


def _values(layer: Layer, rows: Rows, name: str) -> list[Any]:
    """Values of a property; nothing yet where an adapter predicts it."""
    if name in layer.constants:
        return [layer.constants[name]] * len(rows)
    if name == "embedding" and layer.source is not None:
        return list(table_vectors(layer.source).embedding[rows].tolist())
    if name == "h3":
        return feature_ids(layer, rows)
    held = layer.mirror.rows.schema.names
    if name in _NAMES and name not in held:
        known, place = _comuna_names(), _NAMES.index(name)
        codes = layer.mirror.values("comuna", rows).to_pylist()
        return [known[code][place] if code in known else None for code in codes]
    return _plain(layer.mirror.values(name, rows)) if name in held else [None] * len(rows)


def _plain(column: pa.Array[Any]) -> list[Any]:
    """Values as Python has them; single precision without the digits that it does not hold."""
    values = column.to_pylist()
    if not pa.types.is_float32(column.type):
        return values
    # The shortest text that is the same number in single precision: what a filter for equality takes.
    shortest = column.to_numpy(zero_copy_only=False).astype(np.float32).astype(str).tolist()
    return [None if value is None else float(text) for value, text in zip(values, shortest, strict=True)]


@lru_cache(maxsize=1)
def _comuna_names() -> dict[int, tuple[str, str, str]]:
    return {row["cut"]: (row["comuna"], row["provincia"], row["region"]) for row in comunas().to_pylist()}

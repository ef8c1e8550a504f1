"""Label files: GeoJSON points and polygons with a class, checked feature by feature."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surco.embedstore.errors import LabelError
from surco.embedstore.label_shapes import Geometries, geometries, to_degrees

__all__ = ["CLASS_COLUMNS", "Labels", "parse_labels", "read_label_column", "read_labels"]

CLASS_COLUMNS = (
    "label",
    "class",
    "crop",
    "crop:name",
    "crop_name",
    "crop_type",
    "crop:code",
    "crop_code",
    "class_name",
    "clase",
    "cultivo",
    "etiqueta",
)
"""Properties taken as the class where none is named, the first that a file has; upper or lower case."""

_LARGEST = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Labels:
    """Places whose class somebody knows.

    Attributes:
        geometry: (N,) shapely points and polygons, longitude and latitude.
        label: the class of each.
        id: each feature's id, or its number in the file, from 1.
        path: where they came from.
    """

    geometry: Geometries
    label: list[str]
    id: list[str]
    path: Path

    def __len__(self) -> int:
        return len(self.label)


def read_labels(path: str | Path, class_column: str | None = None) -> Labels:
    """Read a GeoJSON file of labels.

    Coordinates are longitude and latitude, or those of a `crs` member (GeoJSON 2008), which are transformed. Polygons
    that cross themselves are repaired.

    Args:
        path: a FeatureCollection of points or polygons, up to 256 MB.
        class_column: the property that holds the class; None takes the first of `CLASS_COLUMNS` that is there.

    Raises:
        LabelError: naming the file, the feature (from 1), the value, and what to do.
    """
    file = Path(path)
    return parse_labels(_parse(file), file, class_column)


def parse_labels(content: object, path: Path, class_column: str | None = None) -> Labels:
    """Labels of GeoJSON that was parsed before; see `read_labels`.

    Args:
        content: a FeatureCollection.
        path: what messages call it.
        class_column: as for `read_labels`.

    Raises:
        LabelError: as `read_labels`.
    """
    collection = _collection(content, path)
    features = _features(collection, path)
    column = _class_column(features, class_column, path)
    shapes = geometries(features, path)
    shapes = to_degrees(shapes, collection.get("crs"), path)
    labels = [_class_of(feature, column, number, path) for number, feature in _numbered(features)]
    ids = [_id_of(feature, number) for number, feature in _numbered(features)]
    return Labels(shapes, labels, ids, path)


def read_label_column(path: str | Path, column: str) -> list[str]:
    """Any property of a label file as text, one value a feature, in the order of `read_labels`; empty where missing.

    Raises:
        LabelError: as `read_labels`, or no feature has the property.
    """
    file = Path(path)
    features = _features(_parse(file), file)
    if not any(column in feature["properties"] for feature in features):
        columns = sorted({name for feature in features for name in feature["properties"]})
        raise LabelError(
            f"a column {column!r}",
            f"{file} with the columns {', '.join(columns) or '(none)'}",
            "Name one of them.",
        )
    values = [feature["properties"].get(column) for feature in features]
    return ["" if value is None else str(value).strip() for value in values]


def _parse(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise LabelError("a GeoJSON file of labels", f"{file}, which is no file", "Check the path.")
    size = file.stat().st_size
    if size > _LARGEST:
        raise LabelError(
            f"a label file of at most {_LARGEST // 2**20} MB", f"{file} of {size // 2**20} MB", "Split it."
        )
    try:
        content = json.loads(file.read_bytes(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise LabelError(
            "a GeoJSON file",
            f"{file}, which is no JSON ({error})",
            "Export the labels as GeoJSON (RFC 7946).",
        ) from error
    return _collection(content, file)


def _collection(content: object, file: Path) -> dict[str, Any]:
    if not isinstance(content, dict) or content.get("type") != "FeatureCollection":
        kind = content.get("type") if isinstance(content, dict) else type(content).__name__
        raise LabelError(
            "a GeoJSON FeatureCollection", f"{kind!r} in {file}", "Put the features into a FeatureCollection."
        )
    return content


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _features(content: Mapping[str, Any], file: Path) -> list[dict[str, Any]]:
    features = content.get("features")
    if not isinstance(features, list) or not features:
        raise LabelError("at least one feature", f"none in {file}", "Draw labels before fitting an adapter.")
    for number, feature in enumerate(features, 1):
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if (
            not isinstance(feature, dict)
            or feature.get("type") != "Feature"
            or not isinstance(properties, dict)
        ):
            raise LabelError(
                "features with properties",
                f"feature {number} of {file} without",
                "Give every feature its class.",
            )
    return features


def _numbered(features: Sequence[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(features, 1))


def _class_column(features: Sequence[dict[str, Any]], wanted: str | None, file: Path) -> str:
    columns: list[str] = sorted({name for feature in features for name in feature["properties"]})
    if wanted is not None and wanted in columns:
        return wanted
    by_lower = {name.lower(): name for name in reversed(columns)}
    found = [by_lower[name] for name in CLASS_COLUMNS if name in by_lower] if wanted is None else []
    if found:
        return found[0]
    raise LabelError(
        f"a class column {wanted!r}" if wanted else f"a class column (one of {', '.join(CLASS_COLUMNS)})",
        f"{file} with the columns {', '.join(columns) or '(none)'}",
        "Name the column that holds the class, or rename it to 'label'.",
    )


def _class_of(feature: Mapping[str, Any], column: str, number: int, file: Path) -> str:
    value = feature["properties"].get(column)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip() if isinstance(value, (str, int, float)) else ""
    # A printable text can be shown, written as UTF-8 and compared; a lone surrogate or a line break cannot.
    if not text or not text.isprintable():
        raise LabelError(
            f"a class in column {column!r} of every feature",
            f"{value!r} in feature {number} of {file}",
            "Fill it in, or remove the feature.",
        )
    return text


def _id_of(feature: Mapping[str, Any], number: int) -> str:
    found = feature.get("id", feature["properties"].get("id"))
    text = str(found) if isinstance(found, (str, int)) else ""
    return text if text and text.isprintable() else str(number)

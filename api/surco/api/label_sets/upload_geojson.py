"""GeoJSON, the label files of the TESSERA Embeddings Explorer (TEE), and the labelled data sets of GeoVibes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import shapely

from surco.api.label_sets.shapes import shape_of_geojson
from surco.api.label_sets.upload_columns import UploadWishes, names_places, recognise
from surco.api.label_sets.upload_crs import named_crs
from surco.api.label_sets.upload_rows import Feature, Uploaded
from surco.api.refusals import InvalidError

__all__ = ["geojson_upload"]

_QUEUE: Final = frozenset({"inclusion_probability", "arm", "stratum"})
_TEE_FEATURE: Final = frozenset({"label_name", "label_color"})
_TEE_MANUAL: Final = frozenset({"name", "color", "code", "type"})
_GEOVIBES_CLASSES: Final = {
    "geovibes_pos": True,
    "relabel_pos": True,
    "geovibes_neg": False,
    "relabel_neg": False,
}
_GEOVIBES_LABELS: Final = {"1": True, "0": False}
_WHOLE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def geojson_upload(path: Path, wishes: UploadWishes) -> Uploaded:
    """Open a JSON file of labels.

    Raises:
        InvalidError: no JSON, none of the three formats, no class column.
    """
    text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").lstrip()
    try:
        if text.startswith(b"["):
            return _tee(_LIST.decode(text), {}, wishes)
        whole = _WHOLE.decode(text)
        if "labels" in whole and "features" not in whole:
            return _tee(_LIST.decode(whole["labels"]), whole, wishes)
        return _collection(whole, wishes)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(
            f"Expected GeoJSON in {wishes.name}, got text that is no JSON of that form ({str(error)[:160]}). "
            "Export the labels as a FeatureCollection (RFC 7946), in UTF-8."
        ) from error


def _collection(whole: Mapping[str, msgspec.Raw], wishes: UploadWishes) -> Uploaded:
    kind = msgspec.json.decode(whole.get("type", msgspec.Raw(b"null")))
    if kind != "FeatureCollection" or "features" not in whole:
        raise InvalidError(
            f"Expected a FeatureCollection in {wishes.name}, got {str(kind)[:40]!r}. Put the features into one."
        )
    features = [_WHOLE.decode(each) for each in _LIST.decode(whole["features"])]
    properties = [_properties(each) for each in features]
    names = dict.fromkeys(name for each in properties for name in each)
    crs = named_crs(wishes.crs or _crs_name(whole.get("crs")))
    if any("id" in each for each in features):
        names["id"] = None
    shapes = [_shape(each) for each in features]
    values = [_values(each, own) for each, own in zip(features, properties, strict=True)]
    if _is_geovibes(names, whole):
        return _geovibes(shapes, values, names, wishes)
    if {"tile_id", "probability"} <= set(names) and "label" not in names and not _QUEUE & set(names):
        raise InvalidError(
            f"Expected labels in {wishes.name}, got detections of GeoVibes: what a classifier predicts, not what "
            "somebody saw. Review them in GeoVibes, and upload its augmented data set."
        )
    tee = set(names) >= _TEE_FEATURE or set(names) >= _TEE_MANUAL
    if tee:
        names["source"] = None
        values = [{"source": "TEE", **each} for each in values]
    columns = recognise(names, wishes, ("label_name", "name") if tee else ())
    rows = (Feature(shape, value, fault) for (shape, fault), value in zip(shapes, values, strict=True))
    by_place = names_places(names)
    return Uploaded("TEE GeoJSON" if tee else "GeoJSON", crs, columns, rows, (), by_place)


def _geovibes(
    shapes: Sequence[tuple[shapely.Geometry | None, str | None]],
    values: Sequence[dict[str, Any]],
    names: Mapping[str, None],
    wishes: UploadWishes,
) -> Uploaded:
    """`label` is 1 or 0; `class` says how it came to be, unless people have written a class of their own there."""
    yes = wishes.positive or "positive"
    no = f"not {wishes.positive}" if wishes.positive else "negative"

    def read() -> Iterator[Feature]:
        for (shape, fault), value in zip(shapes, values, strict=True):
            word = str(value.get("class") or "")
            sure = _GEOVIBES_CLASSES.get(word, _GEOVIBES_LABELS.get(str(value.get("label"))))
            if word and word not in _GEOVIBES_CLASSES:
                said: str | None = word
            else:
                said = None if sure is None else yes if sure else no
            source = f"GeoVibes {value.get('source') or ''}".strip()
            yield Feature(shape, {**value, "class": said, "source": source}, fault)

    known = [name for name in {**names, "class": None, "source": None} if name not in ("label", "embedding")]
    columns = recognise(known, wishes, ("class",))
    notes = (f"labels of GeoVibes: 1 became {yes!r}, 0 became {no!r}; embeddings were not read",)
    return Uploaded("GeoVibes", None, columns, read(), notes)


def _tee(
    labels: Sequence[msgspec.Raw], envelope: Mapping[str, msgspec.Raw], wishes: UploadWishes
) -> Uploaded:
    """TEE's own JSON (docs/label-format.md of github.com/ucam-eo/TEE): pins, similarity searches and polygons."""
    year = str(msgspec.json.decode(envelope.get("year", msgspec.Raw(b"null"))) or "")
    read = [_WHOLE.decode(each) for each in labels]
    if not read or not all("name" in each for each in read):
        raise InvalidError(
            f"Expected labels of TEE or a FeatureCollection in {wishes.name}, got a list of other things. "
            "Export the labels as GeoJSON."
        )
    features = (_tee_feature(each, year) for each in read)
    columns = recognise(["name", "code", "note", "source", "observed", "id"], wishes, ("name",))
    notes = ("of labels that TEE grew by similarity their own pixel was taken, not the area",)
    return Uploaded("TEE JSON", None, columns, features, notes)


def _tee_feature(label: Mapping[str, msgspec.Raw], year: str) -> Feature:
    said = {name: _scalar(label[name]) for name in ("id", "name", "code", "type") if name in label}
    values = {**said, "source": "TEE", "observed": year or None, "note": said.get("type")}
    pixel = _number_pair(label.get("source_pixel"), label)
    vertices = msgspec.json.decode(label.get("vertices", msgspec.Raw(b"null")))
    try:
        if vertices:
            return Feature(shapely.Polygon([(float(lon), float(lat)) for lat, lon in vertices]), values)
    except (TypeError, ValueError):
        return Feature(
            None, values, "Expected vertices as [lat, lon] pairs, got others. Export it from TEE again."
        )
    if pixel is None:
        return Feature(
            None,
            values,
            "Expected lat and lon, source_pixel or vertices, got none (locations hidden, or a cluster's pixels without "
            "their grid). Export it from TEE as GeoJSON.",
        )
    return Feature(shapely.Point(*pixel), values)


def _number_pair(pixel: msgspec.Raw | None, label: Mapping[str, msgspec.Raw]) -> tuple[float, float] | None:
    found = msgspec.json.decode(pixel) if pixel is not None else None
    if not isinstance(found, dict):
        found = {name: _scalar(label[name]) for name in ("lat", "lon") if name in label}
    lat, lon = found.get("lat"), found.get("lon")
    if isinstance(lat, int | float) and isinstance(lon, int | float):
        return float(lon), float(lat)
    return None


def _is_geovibes(names: Mapping[str, None], whole: Mapping[str, msgspec.Raw]) -> bool:
    about = whole.get("metadata")
    counted = b'"positive_points"' in bytes(about) if about is not None else False
    return "label" in names and ("embedding" in names or counted)


def _properties(feature: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    found = feature.get("properties")
    if found is None or bytes(found).strip() == b"null":
        return {}
    return _WHOLE.decode(found)


def _values(feature: Mapping[str, msgspec.Raw], own: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    values = {name: _scalar(raw) for name, raw in own.items()}
    if "id" in feature and values.get("id") is None:
        values["id"] = _scalar(feature["id"])
    return values


def _scalar(raw: msgspec.Raw) -> Any:
    """A text, number or truth; a list or an object is none of ours, and an embedding of it is never built."""
    return None if bytes(memoryview(raw)[:1]) in (b"[", b"{") else msgspec.json.decode(raw)


def _shape(feature: Mapping[str, msgspec.Raw]) -> tuple[shapely.Geometry | None, str | None]:
    raw = feature.get("geometry")
    if raw is None or bytes(raw).strip() == b"null":
        return None, "Expected a geometry, got none. Draw it, or remove the feature."
    try:
        return shape_of_geojson(bytes(raw)), None
    except InvalidError as error:
        return None, str(error)


def _crs_name(raw: msgspec.Raw | None) -> str | None:
    """The name in a `crs` member of GeoJSON 2008."""
    found = None if raw is None else msgspec.json.decode(raw)
    if not isinstance(found, dict):
        return None
    properties = found.get("properties")
    name = properties.get("name") if isinstance(properties, dict) else None
    return name if isinstance(name, str) else "(a crs member without a name)"

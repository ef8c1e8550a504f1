"""What clients send: sets, labels as GeoJSON features, changes of both. Unknown fields are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from surco.api.label_sets.contents import FIELDS, checked_id, checked_properties
from surco.api.label_sets.item_rows import NewLabel
from surco.api.label_sets.shapes import Placed, placed, shape_of_geojson
from surco.api.refusals import InvalidError, TooLargeError

__all__ = [
    "FeatureBody",
    "LabelChange",
    "LabelsBody",
    "NewSet",
    "SetChange",
    "ShareBody",
    "changed_fields",
    "new_label",
    "new_labels",
]

MOST_AT_ONCE = 10_000

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Words = Annotated[str, Meta(max_length=200)]
Chance = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class NewSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A label set to make."""

    name: Name
    kind: Literal["class", "value"] = "class"
    description: Annotated[str, Meta(max_length=2000)] = ""
    unit: Annotated[str, Meta(max_length=40)] | None = None
    season: Annotated[str, Meta(pattern=r"^\d{4}(-\d{2})?$")] | None = None
    public: bool = False
    contributions: Literal["named", "anyone"] = "named"


class SetChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change of a set."""

    name: Name | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=2000)] | UnsetType = UNSET
    unit: Annotated[str, Meta(max_length=40)] | UnsetType | None = UNSET
    season: Annotated[str, Meta(pattern=r"^\d{4}(-\d{2})?$")] | UnsetType | None = UNSET
    public: bool | UnsetType = UNSET
    contributions: Literal["named", "anyone"] | UnsetType = UNSET


class ShareBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key may do with a set."""

    may: Literal["read", "write"]


class Geometry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A GeoJSON point or polygon, longitude and latitude."""

    type: Literal["Point", "Polygon", "MultiPolygon"]
    coordinates: list[Any]


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"class_": "class"}):
    """What a label says. Fields that Surco writes itself (`revision` to `changed_at`) may be sent and are not read."""

    class_: Words | UnsetType | None = UNSET
    value: float | UnsetType | None = UNSET
    who: Words | UnsetType | None = UNSET
    observed: Annotated[str, Meta(max_length=40)] | UnsetType | None = UNSET
    source: Words | UnsetType | None = UNSET
    confidence: Chance | UnsetType | None = UNSET
    season: Annotated[str, Meta(max_length=20)] | UnsetType | None = UNSET
    note: Annotated[str, Meta(max_length=2000)] | UnsetType | None = UNSET
    place: Words | UnsetType | None = UNSET
    stratum: Words | UnsetType | None = UNSET
    inclusion_probability: Chance | UnsetType | None = UNSET
    arm: Annotated[str, Meta(max_length=40)] | UnsetType | None = UNSET
    round: Count | UnsetType | None = UNSET
    rank: Count | UnsetType | None = UNSET
    revision: int | UnsetType = UNSET
    made_by: str | UnsetType = UNSET
    made_at: str | UnsetType = UNSET
    changed_by: str | UnsetType = UNSET
    changed_at: str | UnsetType = UNSET


class FeatureBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One label as a GeoJSON feature."""

    type: Literal["Feature"]
    geometry: Geometry
    properties: Said
    id: Annotated[str, Meta(max_length=200)] | int | None = None


class LabelsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature, or a FeatureCollection of up to 10 000."""

    type: Literal["Feature", "FeatureCollection"]
    features: list[FeatureBody] | UnsetType = UNSET
    geometry: Geometry | UnsetType = UNSET
    properties: Said | UnsetType = UNSET
    id: Annotated[str, Meta(max_length=200)] | int | None = None


class LabelChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change of a label: its geometry, or some properties; null empties one."""

    type: Literal["Feature"] = "Feature"
    geometry: Geometry | UnsetType = UNSET
    properties: Said | UnsetType = UNSET
    id: Annotated[str, Meta(max_length=200)] | int | None = None


def new_labels(body: LabelsBody) -> list[NewLabel]:
    """The labels of a body, checked.

    Raises:
        InvalidError: names the feature (from 1) and what is wrong with it.
        TooLargeError: too many for one request.
    """
    features: Sequence[FeatureBody]
    if body.type == "FeatureCollection":
        if body.features is UNSET or body.geometry is not UNSET or body.properties is not UNSET:
            raise InvalidError(
                "Expected `features` and nothing beside in a FeatureCollection. Send RFC 7946."
            )
        features = body.features
    elif body.geometry is UNSET or body.properties is UNSET or body.features is not UNSET:
        raise InvalidError("Expected `geometry` and `properties` in a Feature. Send RFC 7946.")
    else:
        features = [FeatureBody("Feature", body.geometry, body.properties, body.id)]
    if not 1 <= len(features) <= MOST_AT_ONCE:
        raise TooLargeError(
            f"Expected 1 to {MOST_AT_ONCE:,} labels, got {len(features):,}. Send more as a file to /upload."
        )
    return [_numbered(feature, number) for number, feature in enumerate(features, 1)]


def new_label(feature: FeatureBody) -> NewLabel:
    """A label of a feature, checked.

    Raises:
        InvalidError: what is wrong with it.
    """
    said = checked_properties(_given(feature.properties))
    return NewLabel(checked_id(feature.id), _shape(feature.geometry), said)


def changed_fields(body: LabelChange) -> tuple[Placed | None, dict[str, Any]]:
    """The new shape (None keeps the old one), and the fields that change.

    Raises:
        InvalidError: what is wrong with them.
    """
    given = {} if body.properties is UNSET else _given(body.properties)
    checked = checked_properties(given)
    shape = None if body.geometry is UNSET else _shape(body.geometry)
    return shape, {name: checked[name] for name in given}


def _numbered(feature: FeatureBody, number: int) -> NewLabel:
    try:
        return new_label(feature)
    except InvalidError as error:
        raise InvalidError(f"Feature {number}: {error}") from error


def _given(said: Said) -> dict[str, Any]:
    """Fields that were sent, by their names in GeoJSON; those that only Surco writes are left out."""
    return {name: value for name, value in msgspec.to_builtins(said).items() if name in FIELDS}


def _shape(geometry: Geometry) -> Placed:
    return placed(shape_of_geojson(msgspec.json.encode(geometry)))

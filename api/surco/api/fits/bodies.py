"""What clients send: a wish for an adapter, rows to be predicted, a version to go back to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

__all__ = ["Asked", "NewAdapter", "Rollback"]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Degrees = Annotated[list[float], msgspec.Meta(min_length=2, max_length=2)]


class NewAdapter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An adapter to be fitted.

    Attributes:
        name: of the adapter: letters, digits, dot, dash, underscore. One of that name becomes an earlier version.
        labels: id of a label set, or a GeoJSON FeatureCollection of points and polygons.
        task: "crop-type" for classes, "yield" for measured values.
        column: property of a FeatureCollection that holds the class or the value; of classes the usual names are found.
        target: what is measured, for the card of a yield adapter.
        target_unit: its unit.
        season: name of the season whose vectors are learned from; None is the latest.
        unit: parcels, cells, or "auto" for parcels where at least half of the labels fall in one.
        model: id of the model, where the store holds several.
        legend: a shipped legend, by which labels of several levels are used as what they say.
        consensus: how several people's labels of one place of a set become one.
    """

    name: Name
    labels: str | dict[str, Any]
    task: Literal["crop-type", "yield"] = "crop-type"
    column: Text | None = None
    target: Text | None = None
    target_unit: Text | None = None
    season: Text | None = None
    unit: Literal["auto", "cells", "parcels"] = "auto"
    model: Text | None = None
    legend: Literal["hcat", "ine", "worldcereal"] | None = None
    consensus: Literal["none", "majority", "dawid-skene"] = "none"


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows that an adapter is asked about: one of `points`, `ids` and `vectors`.

    Attributes:
        points: longitude and latitude of each; the cell or parcel there is meant.
        ids: H3 cells in hexadecimal, or parcel ids.
        vectors: of the adapter's model, one list of numbers each.
        season: of points and ids; None is the one that the adapter learned from.
        unit: of points and ids; None is the one that the adapter learned from.
        coverage: of the sets of classes, or of the intervals of values.
    """

    points: Annotated[list[Degrees], msgspec.Meta(min_length=1)] | None = None
    ids: Annotated[list[Text], msgspec.Meta(min_length=1)] | None = None
    vectors: Annotated[list[list[float]], msgspec.Meta(min_length=1)] | None = None
    season: Text | None = None
    unit: Literal["cells", "parcels"] | None = None
    coverage: Annotated[float, msgspec.Meta(ge=0.5, le=0.99)] = 0.9


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of an adapter to go back to, as `/adapters/{id}/versions` lists them."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]

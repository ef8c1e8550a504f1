"""What a filter may name: the queryables of cells and parcels, each with its type and the SQL that computes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Kind", "Queryable", "cells_queryables", "parcels_queryables"]

Kind = Literal["text", "cell", "integer", "number", "float", "boolean", "date", "interval", "geometry"]
"""`cell` is an H3 index, shown as hexadecimal text and stored as a number; `float` a number of single precision;
`interval` has a first and a last day."""

_SCHEMA: Mapping[Kind, Mapping[str, Any]] = {
    "text": {"type": "string"},
    "cell": {"type": "string", "pattern": "^[0-9a-f]{15}$"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "float": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "interval": {
        "type": "array",
        "items": {"type": "string", "format": "date"},
        "minItems": 2,
        "maxItems": 2,
    },
}


@dataclass(frozen=True, slots=True)
class Queryable:
    """One name that filters may use.

    Attributes:
        kind: what values it has.
        sql: trusted SQL over the columns of the view `cells` or `parcels`; of an interval its first day.
        title: for people.
        end_sql: SQL of an interval's last day.
        values: all values that it can have, where they are few and known.
        geometry: of `kind` "geometry" the type, as JSON Schema's format.
    """

    kind: Kind
    sql: str
    title: str
    end_sql: str = ""
    values: tuple[str, ...] = ()
    geometry: str = "geometry-any"

    def schema(self) -> dict[str, Any]:
        """JSON Schema of its values (OGC API Features Part 3, queryables)."""
        if self.kind == "geometry":
            return {"title": self.title, "format": self.geometry, "x-ogc-role": "primary-geometry"}
        found = {"title": self.title, **_SCHEMA[self.kind]}
        return {**found, "enum": list(self.values)} if self.values else found


def cells_queryables(start_month: int = 5) -> Mapping[str, Queryable]:
    """Queryables of cells, over the columns of the view `cells` of `embedstore.connect`.

    Args:
        start_month: first month of the store's seasons.
    """
    return {
        "geometry": Queryable(
            "geometry", 'h3_boundary("h3")', "Outline of the hexagon", geometry="geometry-polygon"
        ),
        "h3": Queryable("cell", '"h3"', "H3 index"),
        **_shared(start_month),
    }


def parcels_queryables(start_month: int = 5) -> Mapping[str, Queryable]:
    """Queryables of parcels, over the columns of the view `parcels` of `embedstore.connect`.

    Args:
        start_month: first month of the store's seasons.
    """
    return {
        "geometry": Queryable("geometry", '"geometry"', "Outline of the parcel"),
        "id": Queryable("text", '"id"', "Id of the parcel"),
        "metrics:area": Queryable("float", '"metrics:area"', "Area in square metres"),
        "metrics:perimeter": Queryable("float", '"metrics:perimeter"', "Perimeter in metres"),
        "crop:name": Queryable("text", '"crop:name"', "Crop, where somebody named it"),
        **_shared(start_month),
    }


def _shared(start_month: int) -> Mapping[str, Queryable]:
    first, last = season_days(start_month)
    return {
        "comuna": Queryable("integer", '"comuna"', "Official code (CUT) of the comuna"),
        "comuna_name": _named("comuna_name", "Name of the comuna"),
        "provincia": _named("provincia", "Name of the province"),
        "region": _named("region", "Name of the region"),
        "n_pixels": Queryable("integer", '"n_pixels"', "Pixels pooled"),
        "valid_fraction": Queryable(
            "float", '"valid_fraction"', "Share of observations that were usable, 0 to 1"
        ),
        "n_optical": Queryable("integer", '"n_optical"', "Optical scenes seen"),
        "n_radar": Queryable("integer", '"n_radar"', "Radar scenes seen"),
        "season": Queryable("text", '"season"', "Name of the season, as 2024-25"),
        "datetime": Queryable("interval", first, "First and last day of the season", end_sql=last),
        "model": Queryable("text", '"model"', "Model that made the vector"),
    }


def season_days(start_month: int) -> tuple[str, str]:
    """SQL of the first and the last day of the season named in column `season`."""
    year = 'CAST(left("season", 4) AS INTEGER)'
    first = f"CAST(make_date({year}, {int(start_month)}, 1) AS TIMESTAMP)"
    last = f"(CAST(make_date({year} + 1, {int(start_month)}, 1) AS TIMESTAMP) - INTERVAL 1 DAY)"
    return first, last


def _named(column: str, title: str) -> Queryable:
    """The view's names are matched without case and accents; CQL2 has CASEI and ACCENTI for that."""
    return Queryable("text", f'("{column}" COLLATE "binary")', title)

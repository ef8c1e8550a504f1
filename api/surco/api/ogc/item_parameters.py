"""The query parameters of items, as the routes declare them and the description shows them."""

from __future__ import annotations

from typing import Annotated, Any

from litestar.params import QueryParameter

from surco.api.ogc.cql2_parsing import Language
from surco.api.ogc.features import Geometry
from surco.api.ogc.item_formats import FORMATS
from surco.api.ogc.items import LARGEST_PAGE

__all__ = [
    "Bbox",
    "BboxCrs",
    "Crs",
    "Datetime",
    "Drawn",
    "Filter",
    "FilterCrs",
    "FilterLang",
    "Format",
    "JsonOnly",
    "Limit",
    "Model",
    "Properties",
    "Res",
    "Season",
    "Token",
    "Unit",
]


# Its escapes may treble it, and the whole address must stay below the 64 KiB that HTTP servers read of one.
_LONGEST_FILTER = 16_000


def _about(text: str, **limits: Any) -> Any:
    return QueryParameter(description=text, **limits)


JsonOnly = Annotated[str | None, _about("Format of the answer: json, which is the only one.", max_length=20)]
Season = Annotated[str | None, _about("Name of a season, as 2024-25; the latest otherwise.", max_length=20)]
Res = Annotated[int | None, _about("H3 resolution of cells; the finest otherwise.", ge=0, le=15)]
Model = Annotated[str | None, _about("Model whose vectors are meant.", max_length=200)]
Unit = Annotated[str | None, _about("Of a map: cells or parcels.", max_length=20)]
Limit = Annotated[
    int, _about(f"Most features of a page, 1 to {LARGEST_PAGE}; more is taken as {LARGEST_PAGE}.", ge=1)
]
Bbox = Annotated[
    str | None,
    _about("west,south,east,north; a west above the east crosses the antimeridian.", max_length=400),
]
BboxCrs = Annotated[
    str | None, QueryParameter(name="bbox-crs", description="URI of the system of bbox.", max_length=200)
]
Crs = Annotated[str | None, _about("URI of the system of the answer's coordinates.", max_length=200)]
Datetime = Annotated[
    str | None,
    _about("A day, or two with a slash between: the latest season that has any of them.", max_length=100),
]
Filter = Annotated[
    str | None, _about("CQL2 over the queryables of the collection.", max_length=_LONGEST_FILTER)
]
FilterLang = Annotated[
    Language, QueryParameter(name="filter-lang", description="cql-text is what GDAL calls cql2-text.")
]
FilterCrs = Annotated[
    str | None,
    QueryParameter(
        name="filter-crs", description="URI of the system of geometries in filter.", max_length=200
    ),
]
Properties = Annotated[
    str | None,
    _about("Names of properties, with commas between; ndvi and embedding only here.", max_length=2000),
]
Drawn = Annotated[Geometry, _about("polygon for outlines, point for places inside, none.")]
Token = Annotated[str | None, _about("Of a next link; follow the link as it is.", max_length=100)]
Format = Annotated[str | None, _about(f"Format of the answer: {', '.join(FORMATS)}.", max_length=20)]

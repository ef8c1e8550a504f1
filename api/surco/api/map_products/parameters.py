"""Query parameters that several routes of maps share."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar.params import QueryParameter

__all__ = [
    "Abstain",
    "Bbox",
    "By",
    "Columns",
    "Comuna",
    "GeometryName",
    "LegendName",
    "Level",
    "Region",
    "Resolution",
    "UnitName",
]


Bbox = Annotated[
    str | None,
    QueryParameter(
        max_length=200, description="west,south,east,north in degrees; cells by centre, parcels by bounds."
    ),
]
Comuna = Annotated[
    str | None,
    QueryParameter(max_length=2_000, description="Names or official codes of comunas, between commas."),
]
Region = Annotated[
    str | None, QueryParameter(max_length=1_000, description="Names or numbers of regions, between commas.")
]
UnitName = Annotated[
    Literal["auto", "cells", "parcels"],
    QueryParameter(description="auto: parcels where the store has them of the adapter's model."),
]
Resolution = Annotated[
    int | None, QueryParameter(ge=0, le=15, description="H3 resolution of cells; the finest if left out.")
]
Level = Annotated[
    int | None,
    QueryParameter(ge=1, le=20, description="Level of the legend by which probabilities are summed, from 1."),
]
LegendName = Annotated[
    str | None, QueryParameter(max_length=100, description="A shipped legend; the adapter's own if left out.")
]
Abstain = Annotated[
    float | None,
    QueryParameter(description="Support, 0 to 1, below which a place gets no class; 0.05 is usual."),
]
GeometryName = Annotated[
    Literal["point", "polygon", "none"] | None,
    QueryParameter(
        description="Centre or outline of cells (point if left out), outline of parcels, or none."
    ),
]
Columns = Annotated[
    str | None,
    QueryParameter(
        max_length=200,
        description="More columns, between commas: comuna (the default), area_ha, probabilities (one a class).",
    ),
]
By = Annotated[
    Literal["none", "comuna", "province", "region"], QueryParameter(description="Domains beside the total.")
]

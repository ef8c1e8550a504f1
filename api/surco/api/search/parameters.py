"""Parameters of addresses that `/search` and `/embeddings` share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request
from litestar.params import QueryParameter

from surco.embedstore import Table

__all__ = ["Asking", "Box", "Filter", "Format", "Language", "Level", "TableName", "Text"]

Asking = Request[Any, Any, Any]
Text = Annotated[str | None, QueryParameter(max_length=200)]
Box = Annotated[str | None, QueryParameter(max_length=200, description="west,south,east,north in degrees")]
Filter = Annotated[
    str | None, QueryParameter(max_length=8_000, description="CQL2 over the table's queryables")
]
Language = Annotated[Literal["cql2-text", "cql2-json"] | None, QueryParameter(name="filter-lang")]
TableName = Annotated[
    Table | None, QueryParameter(description="cells where the store has them, else parcels")
]
Level = Annotated[
    int | None, QueryParameter(ge=0, le=15, description="H3 resolution; the finest if left out")
]
Format = Annotated[str | None, QueryParameter(max_length=40, description="instead of Accept")]

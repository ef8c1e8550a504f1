"""Which vectors a client asks for: of places, of ids, or of an area; and which columns beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from surco.api.refusals import InvalidError
from surco.embedstore import Table
from surco.embedstore.files import read_schema
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import KEYS

__all__ = ["EmbeddingsRequest", "Vectors", "wanted_columns"]

Vectors = Literal["int8", "float", "none"]
"""As stored with their scale, dequantised as float32, or left out."""

_QUALITY = ("n_pixels", "valid_fraction", "n_optical", "n_radar")
_VECTOR = ("embedding", "embedding_scale", "spread_scale")


class EmbeddingsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /embeddings` takes: points, or ids, or what describes an area (nothing is the whole table).

    Attributes:
        points: longitude and latitude in degrees, each; the answer has a row for each, in their order.
        ids: H3 cells in hexadecimal, or ids of parcels; the answer has a row for each, in their order.
        bbox: west, south, east, north in degrees.
        area: polygon or multipolygon in GeoJSON.
        comuna: code or name.
        region: code or name.
        filter: CQL2 text or JSON over the table's queryables.
        filter_lang: None tells by the filter's first character.
        table: None is cells, or parcels in a store without cells.
        season: None is the latest.
        res: H3 resolution of cells; None is the finest.
        model: needed where the store holds several.
        columns: names of the table's columns beside the vector, or "quality", or "all".
        vectors: "int8" as stored with `embedding_scale`, "float" dequantised, "none" left out.
        limit: rows of one page of an area.
        token: of the page, from the answer before.
    """

    points: list[tuple[float, float]] | None = None
    ids: list[str] | None = None
    bbox: list[float] | None = None
    area: dict[str, Any] | None = None
    comuna: int | str | None = None
    region: int | str | None = None
    filter: str | dict[str, Any] | None = None
    filter_lang: Literal["cql2-text", "cql2-json"] | None = msgspec.field(default=None, name="filter-lang")
    table: Table | None = None
    season: str | None = None
    res: int | None = None
    model: str | None = None
    columns: list[str] = []
    vectors: Vectors = "int8"
    limit: int | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        place = [
            name for name in ("bbox", "area", "comuna", "region", "filter") if getattr(self, name) is not None
        ]
        lists = [name for name in ("points", "ids") if getattr(self, name) is not None]
        if len(lists) > 1 or (lists and (place or self.limit is not None or self.token is not None)):
            raise InvalidError(
                f"Expected points, or ids, or an area with its filter, limit and token; got {', '.join(lists + place)} "
                "together. Ask for one of them at a time."
            )
        if self.limit is not None and self.limit < 1:
            raise InvalidError(f"Expected a limit of 1 or more, got {self.limit}. Ask for at least one row.")


def wanted_columns(source: Source, asked: Sequence[str], vectors: Vectors, *, located: bool) -> list[str]:
    """Columns of the table's files to read for an answer, in the files' order, the key first.

    Args:
        source: the table.
        asked: names, "quality", or "all".
        vectors: whether `embedding` and its scale are among them.
        located: whether `geometry` must be.

    Raises:
        InvalidError: a column that the table does not have.
    """
    held = read_schema(source.info.files[0]).names
    offered = [name for name in held if name not in (KEYS[source.table], *_VECTOR)]
    groups: Mapping[str, Sequence[str]] = {"quality": _QUALITY, "all": offered}
    names = {name for each in asked for name in groups.get(each, (each,))}
    unknown = sorted(names - set(offered))
    if unknown:
        raise InvalidError(
            f"Expected columns of {', '.join((*groups, *offered))}, got {unknown[0][:80]!r}. "
            "Vectors are chosen with vectors=int8, float or none."
        )
    names |= {"embedding", "embedding_scale"} if vectors != "none" else set()
    names |= {"spread_scale"} if "spread" in names else set()
    names |= {"geometry"} if located else set()
    return [KEYS[source.table], *(name for name in held if name in names)]

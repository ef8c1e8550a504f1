"""`POST /boundaries/edit` and `/boundaries/file`: found fields corrected by hand, and kept as a file of parcels."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, QueryParameter

from surco.api.map_products.field_edits import Field, joined, parted, redrawn
from surco.api.map_products.field_files import write_fields
from surco.api.refusals import InvalidError, TooLargeError
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server
from surco.embedstore import Sentence

__all__ = ["FieldEdit", "FieldsBody", "field_edit_routes"]

MOST_FIELDS = 20_000
"""Fields of one body."""
_FORMATS = {"parquet": "application/vnd.apache.parquet", "geojson": "application/geo+json"}

Format = Annotated[Literal["parquet", "geojson"] | None, QueryParameter(description="Accept counts without.")]
Place = tuple[float, float]
Features = Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]


class FieldEdit(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A correction of fields, GeoJSON features with ids.

    `do` "split" parts the first by `line`, "merge" makes one of all, "redraw" measures those whose outlines were moved.
    `taken` are ids that new fields may not have.
    """

    do: Literal["split", "merge", "redraw"]
    features: Features
    line: Annotated[list[Place], msgspec.Meta(max_length=1_000)] = []
    taken: Annotated[list[str], msgspec.Meta(max_length=MOST_FIELDS)] = []


class FieldsBody(msgspec.Struct, frozen=True):
    """Fields as a GeoJSON FeatureCollection, as `/boundaries` and `/boundaries/edit` give them."""

    type: Literal["FeatureCollection"]
    features: Features


def field_edit_routes(server: Server) -> list[Any]:
    """The routes of corrections; they keep nothing."""

    @post(
        "/boundaries/edit",
        operation_id="editBoundaries",
        summary="Found fields, corrected",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        status_code=200,
        responses={
            200: ResponseSpec(dict[str, Any], description="fiboa.", media_type="application/geo+json")
        },
    )
    def edit(data: JSONBody[FieldEdit]) -> Response[bytes]:
        """What a correction makes of some fields: parted, joined or redrawn, and measured again.

        Of a field that is parted the largest part keeps the id, and the others name it in `parents`, as do joined ones.
        """
        fields = _fields(data.features)
        if data.do == "split":
            made = parted(fields[0], data.line, {*data.taken, *(field.id for field in fields)})
        else:
            made = [joined(fields)] if data.do == "merge" else [redrawn(field) for field in fields]
        body = {"type": "FeatureCollection", "features": [field.geojson() for field in made]}
        return Response(msgspec.json.encode(body), media_type=_FORMATS["geojson"])

    @post(
        "/boundaries/file",
        operation_id="saveBoundaries",
        summary="Fields as a file of parcels",
        tags=["Maps"],
        guards=[needs("read")],
        sync_to_thread=True,
        status_code=200,
        responses={200: ResponseSpec(bytes, description="fiboa.", media_type=_FORMATS["parquet"])},
    )
    def keep(
        request: Request[Any, Any, Any], data: JSONBody[FieldsBody], f: Format = None
    ) -> Response[bytes]:
        """Fields as fiboa GeoParquet for `surco encode --parcels`, or as GeoJSON; checked and measured again."""
        kind = chosen(request, f, _FORMATS)
        fields = _fields(data.features)
        if kind == "geojson":
            made = {"type": "FeatureCollection", "features": [field.geojson() for field in fields]}
            body = msgspec.json.encode(made)
        else:
            with tempfile.TemporaryDirectory(prefix="surco-fields-") as folder:
                body = write_fields(fields, Path(folder) / "parcels.parquet").read_bytes()
        headers = {"content-disposition": f'attachment; filename="parcels.{kind}"'}
        return Response(body, media_type=_FORMATS[kind], headers=headers)

    return [edit, keep]


def _fields(features: list[dict[str, Any]]) -> list[Field]:
    if len(features) > MOST_FIELDS:
        raise TooLargeError(
            Sentence(
                f"Expected at most {MOST_FIELDS:,} fields, got {len(features):,}. Send them in parts.",
                "fields-most",
                most=MOST_FIELDS,
            )
        )
    fields = [Field.of_geojson(feature) for feature in features]
    if len({field.id for field in fields}) < len(fields):
        raise InvalidError(
            Sentence("Expected each id once, got one twice. Rename one of the fields.", "fields-twice")
        )
    return fields

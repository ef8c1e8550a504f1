"""`/embeddings` over HTTP: vectors of places, ids, or an area."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from litestar import get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example as Sample
from litestar.params import Body, QueryParameter
from litestar.response import Stream

from surco.api.search import embedding_formats
from surco.api.search.asking_by_url import code_or_name, listed, numbers, pairs, with_parameter
from surco.api.search.embedding_requests import EmbeddingsRequest, Vectors
from surco.api.search.embedding_rows import Embeddings, EmbeddingsFound
from surco.api.search.parameters import Asking, Box, Filter, Format, Language, Level, TableName, Text
from surco.api.search.warm_sessions import WarmSessions
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["embedding_routes"]

_Points = Annotated[
    list[str] | None, QueryParameter(max_items=1_000, description="longitude,latitude; may repeat")
]
_Ids = Annotated[
    list[str] | None, QueryParameter(max_items=1_000, description="H3 cell or parcel id; may repeat")
]
_Form = Annotated[Vectors, QueryParameter(description="as stored with a scale, dequantised, or left out")]
_Limit = Annotated[int | None, QueryParameter(ge=1, description="rows of a page of an area")]
_QUESTIONS = [
    Sample("Of places", value={"points": [[-71.25, -34.98], [-71.24, -34.99]], "columns": ["quality"]}),
    Sample(
        "Of an area, page by page",
        value={"bbox": [-71.3, -35.0, -71.2, -34.9], "limit": 1000, "vectors": "float"},
    ),
]


def embedding_routes(server: Server, sessions: WarmSessions) -> list[Any]:
    """Handlers of `/embeddings`."""
    limits = server.settings
    embeddings = Embeddings(sessions, limits.max_asked, limits.max_embeddings)
    answers = {
        200: ResponseSpec(
            dict[str, Any], generate_examples=False, media_type="application/json", description="Vectors"
        )
    }

    def answer(request: Asking, asked: EmbeddingsRequest, f: str | None) -> Stream:
        form = chosen(request, f, embedding_formats.MEDIA_TYPES)
        found = embeddings.find(server.store(), asked, located=form == "parquet")
        body = embedding_formats.pieces(found, form, asked.vectors)
        # The first piece is made now, so that what goes wrong at the start is an error and no broken answer.
        return Stream(
            _after(next(body), body),
            status_code=200,
            media_type=embedding_formats.MEDIA_TYPES[form],
            headers=_said(request, found),
        )

    @post(
        "/embeddings",
        status_code=200,
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Vectors of many places, ids, or an area",
        tags=["Embeddings"],
        operation_id="embeddingsOf",
        responses=answers,
    )
    def embeddings_of(
        request: Asking, data: Annotated[EmbeddingsRequest, Body(examples=_QUESTIONS)], f: Format = None
    ) -> Stream:
        """As `GET /embeddings`, with lists of points or ids, or an area in GeoJSON."""
        return answer(request, data, f)

    @get(
        "/embeddings",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Vectors of places, ids, or an area",
        tags=["Embeddings"],
        operation_id="embeddings",
        responses=answers,
    )
    def embeddings_at(
        request: Asking,
        point: _Points = None,
        id: _Ids = None,
        bbox: Box = None,
        comuna: Text = None,
        region: Text = None,
        filter: Filter = None,
        filter_lang: Language = None,
        table: TableName = None,
        season: Text = None,
        res: Level = None,
        model: Text = None,
        columns: Text = None,
        vectors: _Form = "int8",
        limit: _Limit = None,
        token: Text = None,
        f: Format = None,
    ) -> Stream:
        """Of points and ids the answer has a row for each, in their order, with `found` false where there is none.

        Of an area (bbox, comuna, region, filter; nothing is the whole table) it has the cells whose centre lies there,
        or the parcels that touch it, row group by row group. `columns` names others of the table, or `quality`, or
        `all`. Formats: json, arrow, parquet (GeoParquet with the keys `geo` and `emb`).
        """
        asked = EmbeddingsRequest(
            points=pairs(point), ids=id or None, bbox=numbers(bbox, "bbox"), comuna=code_or_name(comuna),
            region=code_or_name(region), filter=filter, filter_lang=filter_lang, table=table, season=season, res=res,
            model=model, columns=listed(columns), vectors=vectors, limit=limit, token=token,
        )  # fmt: skip
        return answer(request, asked, f)

    return [embeddings_of, embeddings_at]


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """All pieces; a refusal amid them breaks the answer off, for Litestar ends a stream at a ValueError as if whole."""
    yield first
    try:
        yield from rest
    except ValueError as error:
        raise RuntimeError(f"the answer was broken off: {error}") from error


def _said(request: Asking, found: EmbeddingsFound) -> dict[str, str]:
    """Where the next page of an answer to GET lies; formats that have no room for it are read like this."""
    if found.next_token is None or request.method != "GET":
        return {}
    return {"link": f'<{with_parameter(request, "token", found.next_token)}>; rel="next"'}

"""`/search` and `/embeddings` over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example as Sample
from litestar.params import Body, QueryParameter
from litestar.response import Stream

from surco.api.refusals import InvalidError
from surco.api.search import embedding_formats, search_answers
from surco.api.search.asking_by_url import code_or_name, listed, numbers, pairs, with_parameter
from surco.api.search.embedding_requests import EmbeddingsRequest, Vectors
from surco.api.search.embedding_rows import Embeddings, EmbeddingsFound
from surco.api.search.examples import Example
from surco.api.search.gate import Gate
from surco.api.search.searching import Searching, SearchRequest
from surco.api.search.warm_sessions import WarmSessions
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server
from surco.embedstore import Table

__all__ = ["search_routes"]

_Request = Request[Any, Any, Any]
_Text = Annotated[str | None, QueryParameter(max_length=200)]
_Box = Annotated[str | None, QueryParameter(max_length=200, description="west,south,east,north in degrees")]
_Filter = Annotated[
    str | None, QueryParameter(max_length=8_000, description="CQL2 over the table's queryables")
]
_Language = Annotated[Literal["cql2-text", "cql2-json"] | None, QueryParameter(name="filter-lang")]
_TableName = Annotated[
    Table | None, QueryParameter(description="cells where the store has them, else parcels")
]
_Level = Annotated[
    int | None, QueryParameter(ge=0, le=15, description="H3 resolution; the finest if left out")
]
_Format = Annotated[str | None, QueryParameter(max_length=40, description="instead of Accept")]
_Degrees = Annotated[float | None, QueryParameter(ge=-180, le=180)]
_Points = Annotated[
    list[str] | None, QueryParameter(max_items=1_000, description="longitude,latitude; may repeat")
]
_Ids = Annotated[
    list[str] | None, QueryParameter(max_items=1_000, description="H3 cell or parcel id; may repeat")
]
_Exact = Annotated[bool | None, QueryParameter(description="true compares all rows, false demands an index")]
_Form = Annotated[Vectors, QueryParameter(description="as stored with a scale, dequantised, or left out")]
_K = Annotated[int, QueryParameter(ge=1, description="how many neighbours")]
_Limit = Annotated[int | None, QueryParameter(ge=1, description="rows of a page of an area")]

_FIELD = {"place": [-71.25, -34.98]}
_SEARCHES = [
    Sample(
        "Like one field and unlike another",
        value={"like": [_FIELD], "unlike": [{"place": [-71.252, -34.985]}]},
    ),
    Sample(
        "Well seen, in a region",
        value={"like": [_FIELD], "region": "Maule", "filter": "n_optical > 10", "k": 50},
    ),
]
_QUESTIONS = [
    Sample("Of places", value={"points": [[-71.25, -34.98], [-71.24, -34.99]], "columns": ["quality"]}),
    Sample(
        "Of an area, page by page",
        value={"bbox": [-71.3, -35.0, -71.2, -34.9], "limit": 1000, "vectors": "float"},
    ),
]


class Neighbour(msgspec.Struct):
    """One place: its id, cosine similarity (-1 to 1), where it lies in degrees, and its comuna's name."""

    id: str
    similarity: float
    lon: float
    lat: float
    comuna: str | None


class Neighbours(msgspec.Struct):
    """Neighbours, most similar first, and how they were found."""

    version: int
    table: str
    season: str
    res: int | None
    model: str
    exact: bool
    recall: float
    compared: int
    milliseconds: float
    neighbours: list[Neighbour]


def search_routes(server: Server) -> list[Any]:
    """Handlers of `/search` and `/embeddings`."""
    sessions = WarmSessions()
    # Two methods of one address must be registered together: Litestar 2.25 wraps the first again with the second, and
    # then hands out the coroutine of a Response.
    handlers = [*_neighbour_routes(server, sessions), *_embedding_routes(server, sessions)]
    return [Router("/", route_handlers=handlers)]


def _neighbour_routes(server: Server, sessions: WarmSessions) -> list[Any]:
    searching = Searching(sessions, Gate("exact searches"), server.settings.max_similar)
    answers = {
        200: ResponseSpec(Neighbours, generate_examples=False, description="Neighbours, most similar first")
    }

    def answer(request: _Request, asked: SearchRequest, f: str | None) -> Response[bytes]:
        form = chosen(request, f, search_answers.MEDIA_TYPES)
        body = search_answers.answer_body(searching.search(server.store(), asked), form, sessions)
        return Response(body, status_code=200, media_type=search_answers.MEDIA_TYPES[form])

    @post(
        "/search",
        status_code=200,
        sync_to_thread=True,
        guards=[needs("read")],
        summary="The places most like examples",
        tags=["Search"],
        operation_id="search",
        responses=answers,
    )
    def search(
        request: _Request, data: Annotated[SearchRequest, Body(examples=_SEARCHES)], f: _Format = None
    ) -> Response[bytes]:
        """Nearest neighbours by cosine, among all places or those that a filter and a region let pass.

        Examples are ids, places or vectors. The answer says whether it is exact and, if an index found it, what share
        of the true neighbours that finds as measured. Formats: json, geojson, arrow.
        """
        return answer(request, data, f)

    @get(
        "/search",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="The places most like one",
        tags=["Search"],
        operation_id="searchByPlace",
        responses=answers,
    )
    def search_by_place(
        request: _Request,
        id: _Text = None,
        lon: _Degrees = None,
        lat: _Degrees = None,
        k: _K = 10,
        table: _TableName = None,
        season: _Text = None,
        res: _Level = None,
        model: _Text = None,
        filter: _Filter = None,
        filter_lang: _Language = None,
        bbox: _Box = None,
        comuna: _Text = None,
        region: _Text = None,
        exact: _Exact = None,
        f: _Format = None,
    ) -> Response[bytes]:
        """As `POST /search`, of one id, or of one place by `lon` and `lat`."""
        if (lon is None) != (lat is None):
            raise InvalidError("Expected lon and lat together, got one of them. Send both, or an id.")
        place = None if lon is None or lat is None else (lon, lat)
        asked = SearchRequest(
            like=[Example(id=id, place=place)], k=k, table=table, season=season, res=res, model=model, filter=filter,
            filter_lang=filter_lang, bbox=numbers(bbox, "bbox"), comuna=code_or_name(comuna),
            region=code_or_name(region), exact=exact,
        )  # fmt: skip
        return answer(request, asked, f)

    return [search, search_by_place]


def _embedding_routes(server: Server, sessions: WarmSessions) -> list[Any]:
    limits = server.settings
    embeddings = Embeddings(sessions, limits.max_asked, limits.max_embeddings)
    answers = {
        200: ResponseSpec(
            dict[str, Any], generate_examples=False, media_type="application/json", description="Vectors"
        )
    }

    def answer(request: _Request, asked: EmbeddingsRequest, f: str | None) -> Stream:
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
        request: _Request, data: Annotated[EmbeddingsRequest, Body(examples=_QUESTIONS)], f: _Format = None
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
        request: _Request,
        point: _Points = None,
        id: _Ids = None,
        bbox: _Box = None,
        comuna: _Text = None,
        region: _Text = None,
        filter: _Filter = None,
        filter_lang: _Language = None,
        table: _TableName = None,
        season: _Text = None,
        res: _Level = None,
        model: _Text = None,
        columns: _Text = None,
        vectors: _Form = "int8",
        limit: _Limit = None,
        token: _Text = None,
        f: _Format = None,
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


def _said(request: _Request, found: EmbeddingsFound) -> dict[str, str]:
    """Where the next page of an answer to GET lies; formats that have no room for it are read like this."""
    if found.next_token is None or request.method != "GET":
        return {}
    return {"link": f'<{with_parameter(request, "token", found.next_token)}>; rel="next"'}

"""`/search` over HTTP: the places most like examples."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example as Sample
from litestar.params import Body, QueryParameter

from surco.api.refusals import InvalidError
from surco.api.search import search_answers
from surco.api.search.asking_by_url import code_or_name, numbers
from surco.api.search.examples import Example
from surco.api.search.gate import Gate
from surco.api.search.parameters import Asking, Box, Filter, Format, Language, Level, TableName, Text
from surco.api.search.searching import Searching, SearchRequest
from surco.api.search.warm_sessions import WarmSessions
from surco.api.web.callers import needs
from surco.api.web.formats import chosen
from surco.api.web.server import Server

__all__ = ["neighbour_routes"]

_Degrees = Annotated[float | None, QueryParameter(ge=-180, le=180)]
_Exact = Annotated[bool | None, QueryParameter(description="true compares all rows, false demands an index")]
_K = Annotated[int, QueryParameter(ge=1, description="how many neighbours")]
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


def neighbour_routes(server: Server, sessions: WarmSessions) -> list[Any]:
    """Handlers of `/search`."""
    searching = Searching(sessions, Gate("exact searches"), server.settings.max_similar)
    answers = {
        200: ResponseSpec(Neighbours, generate_examples=False, description="Neighbours, most similar first")
    }

    def answer(request: Asking, asked: SearchRequest, f: str | None) -> Response[bytes]:
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
        request: Asking, data: Annotated[SearchRequest, Body(examples=_SEARCHES)], f: Format = None
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
        request: Asking,
        id: Text = None,
        lon: _Degrees = None,
        lat: _Degrees = None,
        k: _K = 10,
        table: TableName = None,
        season: Text = None,
        res: Level = None,
        model: Text = None,
        filter: Filter = None,
        filter_lang: Language = None,
        bbox: Box = None,
        comuna: Text = None,
        region: Text = None,
        exact: _Exact = None,
        f: Format = None,
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

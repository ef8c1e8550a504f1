"""Handlers that ask adapters: of places and vectors, beside another adapter, and where to label next."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, QueryParameter

from surco.api.fits.asking import answers_of
from surco.api.fits.bodies import Asked
from surco.api.fits.bundles import bundle_of
from surco.api.fits.comparing_pairs import differing_maps, scored_pair
from surco.api.fits.next_places import next_places
from surco.api.fits.registry import owners
from surco.api.fits.workshop import Workshop
from surco.api.label_sets.reading import campaign_of, labels_of
from surco.api.label_sets.sets import find_set
from surco.api.next_label_files import LabelFiles
from surco.api.refusals import InvalidError, TooLargeError, UnknownError
from surco.api.web.callers import Caller, needs

__all__ = ["asking_routes"]

_TAGS = ["Adapters"]
_QUESTIONS = [
    Example(summary="Two places", value={"points": [[-71.64, -35.44], [-71.63, -35.44]], "coverage": 0.9}),
    Example(
        summary="Parcels by name", value={"ids": ["p17", "p204"], "unit": "parcels", "season": "2024-25"}
    ),
]
Version = Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1, description="An earlier version of it.")]
Named = Annotated[str, QueryParameter(min_length=1, max_length=140, description="Name, or name@version.")]
SetId = Annotated[str | None, QueryParameter(min_length=1, max_length=100, description="Id of a label set.")]
Season = Annotated[str | None, QueryParameter(min_length=1, max_length=20, description="Such as 2024-25.")]
Count = Annotated[int, QueryParameter(ge=1, le=100, description="How many places.")]
Seed = Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="Of all draws.")]
Box = Annotated[
    str | None, QueryParameter(min_length=7, max_length=200, description="west,south,east,north in degrees.")
]


def asking_routes(shop: Workshop) -> list[Any]:
    """Handlers of `/adapters/compare`, `/adapters/{id}/next`, `/adapters/{id}/predict` and `/adapters/{id}/bundle`."""
    return [_compare(shop), _next(shop), _predict(shop), _bundle(shop)]


def _compare(shop: Workshop) -> Any:
    @get(
        "/adapters/compare",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Compare two adapters",
        tags=_TAGS,
        operation_id="compare_adapters",
    )
    def compare_adapters(
        request: Request[Caller, Any, Any], a: Named, b: Named, labels: SetId = None, season: Season = None
    ) -> dict[str, Any]:
        """On a label set of which neither has learned, with the paired difference; or where their maps differ."""
        store = shop.server.store()
        pair = shop.shelf.named(store, a), shop.shelf.named(store, b)
        if pair[0].folder == pair[1].folder:
            raise InvalidError(
                f"Expected two different adapters or versions, got {a!r} twice. Name another one."
            )
        about = {
            side: {"name": each.name, "version": each.version} for side, each in zip("ab", pair, strict=True)
        }
        if labels is None:
            return about | differing_maps(shop, store, pair, season)
        with shop.server.database.reading() as connection:
            _check_size(shop, find_set(connection, labels, request.user).labels)
            found = labels_of(connection, labels, request.user, season=season)
        return about | {"label_set": labels} | scored_pair(shop, store, pair, found, season)

    return compare_adapters


def _next(shop: Workshop) -> Any:
    @get(
        "/adapters/{name:str}/next",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Which places to label next",
        tags=_TAGS,
        operation_id="next_places",
        media_type="application/geo+json",
    )
    def next_to_label(
        request: Request[Caller, Any, Any],
        name: FromPath[str],
        count: Count = 10,
        bbox: Box = None,
        labels: SetId = None,
        season: Season = None,
        version: Version = None,
        seed: Seed = 0,
    ) -> dict[str, Any]:
        """Points whose labels would help the adapter most, each with the reason; a fifth of them is drawn by chance.

        Labels so far are those of the set `labels`, or of the set that the adapter learned from where the caller may
        read it; without either, the places that the adapter learned from count as visited. Large areas are chosen from
        by evenly spaced rows, which the answer says.
        """
        store = shop.server.store()
        shelved = shop.shelf.find(store, name, version)
        campaign = _campaign(shop, request.user, name, labels)
        area = _sides(bbox)
        with shop.choices.inside():
            return next_places(
                shop, store, shelved, count=count, bbox=area, season=season, labels=campaign, seed=seed
            )

    return next_to_label


def _predict(shop: Workshop) -> Any:
    @post(
        "/adapters/{name:str}/predict",
        status_code=200,
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Ask an adapter about places or vectors",
        tags=_TAGS,
        operation_id="ask_adapter",
    )
    def ask_adapter(
        name: FromPath[str], data: Annotated[Asked, Body(examples=_QUESTIONS)], version: Version = None
    ) -> dict[str, Any]:
        """Class, probabilities and the set of classes that holds the true one with `coverage`; or value and interval.

        Answers come in the order of the question, null where the table has no such place or nothing was observed.
        """
        store = shop.server.store()
        return answers_of(shop, store, shop.shelf.find(store, name, version), data)

    return ask_adapter


def _bundle(shop: Workshop) -> Any:
    @get(
        "/adapters/{name:str}/bundle",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Download an adapter",
        tags=_TAGS,
        operation_id="download_adapter",
        media_type="application/zip",
    )
    def download_adapter(name: FromPath[str], version: Version = None) -> Response[bytes]:
        """Its weights (safetensors) and its card (JSON) in a zip, as `surco.adapters.load_adapter` reads them."""
        shelved = shop.shelf.find(shop.server.store(), name, version)
        file = f'attachment; filename="{shelved.name}-{shelved.version}.zip"'
        return Response(
            bundle_of(shelved), media_type="application/zip", headers={"content-disposition": file}
        )

    return download_adapter


def _campaign(shop: Workshop, caller: Caller, name: str, labels: str | None) -> LabelFiles | None:
    """Labels so far: of the set named, or of the one that the adapter learned from, if the caller may read it."""
    with shop.server.database.reading() as connection:
        wanted = labels or owners(connection).get(name, (None, None))[1]
        if wanted is None:
            return None
        try:
            found = find_set(connection, wanted, caller)
        except UnknownError:
            if labels is not None:
                raise
            return None
        if found.kind != "class" or (not found.labels and labels is None):
            return None
        _check_size(shop, found.labels)
        return campaign_of(connection, wanted, caller)


def _check_size(shop: Workshop, count: int) -> None:
    most = shop.server.settings.max_fit_labels
    if count > most:
        raise TooLargeError(f"Expected a label set of at most {most:,} labels, got {count:,}. Split it.")


def _sides(bbox: str | None) -> list[float] | None:
    """The numbers of a bbox parameter; `box_shape` checks them."""
    if bbox is None:
        return None
    try:
        return [float(side) for side in bbox.split(",")]
    except ValueError as error:
        raise InvalidError(
            f"Expected a bbox of west,south,east,north in degrees, got {bbox[:60]!r}. Write -71.6,-35.5,-71.4,-35.3."
        ) from error

"""Routes of what labels tell together: agreement, consensus, and a look at them beside the store."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Response, get
from litestar.params import FromPath, FromQuery, QueryParameter

from surco.api.label_checking import inspected
from surco.api.label_sets.answers import geojson_answer
from surco.api.label_sets.judgements import NEAR_M
from surco.api.label_sets.parameters import Near, Text, User
from surco.api.label_sets.querying import LabelFilter
from surco.api.label_sets.reading import Consensus, all_labels, labels_of
from surco.api.label_sets.reports import Words, agreement_report, consensus_places, words_of
from surco.api.label_sets.sets import find_set
from surco.api.refusals import InvalidError
from surco.api.web.callers import needs
from surco.api.web.server import Server
from surco.embedstore import match_labels

__all__ = ["report_routes"]

_TAGS = ["Labels"]


def report_routes(server: Server) -> list[Any]:
    """Handlers of `/labels/{set}/agreement`, `/consensus` and `/check`."""
    return [_agreement(server), _consensus(server), _check(server)]


def _agreement(server: Server) -> Any:
    @get(
        "/labels/{set_id:str}/agreement",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="How far people agree",
        tags=_TAGS,
        operation_id="label_agreement",
    )
    def agreement(
        request: User,
        set_id: FromPath[str],
        season: Text = None,
        near_m: Near = NEAR_M,
        conflicts: Annotated[int, QueryParameter(ge=0, le=10_000)] = 100,
    ) -> dict[str, Any]:
        """Percent agreement, Krippendorff's alpha with its interval over places, Fleiss' and Cohen's kappa.

        Also by class and by person, and the places where people differ, the most divided first.
        """
        return agreement_report(_words(server, request, set_id, season, near_m), conflicts)

    return agreement


def _consensus(server: Server) -> Any:
    @get(
        "/labels/{set_id:str}/consensus",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="One answer a place",
        tags=_TAGS,
        operation_id="label_consensus",
    )
    def consensus(
        request: User,
        set_id: FromPath[str],
        method: FromQuery[Literal["majority", "dawid-skene"]] = "majority",
        season: Text = None,
        near_m: Near = NEAR_M,
        limit: Annotated[int, QueryParameter(ge=1, le=10_000)] = 1_000,
        start: Annotated[int, QueryParameter(ge=0, le=10_000_000)] = 0,
    ) -> Response[bytes]:
        """By majority, or weighing people by what they confuse (Dawid and Skene), with how sure it is, as GeoJSON.

        `class` is null where two classes are equally likely. Adapters can be fitted on it.
        """
        places = consensus_places(_words(server, request, set_id, season, near_m), method)
        shown = places[start : start + limit]
        onward = start + limit if start + limit < len(places) else None
        body = {"type": "FeatureCollection", "method": method, "numberMatched": len(places)}
        return geojson_answer({**body, "numberReturned": len(shown), "next": onward, "features": shown})

    return consensus


def _check(server: Server) -> Any:
    @get(
        "/labels/{set_id:str}/check",
        sync_to_thread=True,
        guards=[needs("read")],
        summary="Labels that may be wrong",
        tags=_TAGS,
        operation_id="check_label_set",
    )
    def check(
        request: User,
        set_id: FromPath[str],
        season: Text = None,
        unit: FromQuery[Literal["auto", "cells", "parcels"]] = "auto",
        model: Text = None,
        consensus: FromQuery[Consensus] = "none",
    ) -> dict[str, Any]:
        """Beside the store's vectors: doubles, contradictions, and labels by how probable it is that they are wrong."""
        with server.database.reading() as connection:
            present = find_set(connection, set_id, request.user)
            if present.kind != "class":
                raise InvalidError(
                    "Expected a set of classes, got one of values. GET /agreement tells of values."
                )
            labels = labels_of(connection, set_id, request.user, consensus=consensus)
        examples = match_labels(server.store(), labels, season=season, unit=unit, model_id=model)
        return inspected(labels, examples).as_dict()

    return check


def _words(server: Server, request: User, set_id: str, season: str | None, near_m: float) -> Words:
    with server.database.reading() as connection:
        present = find_set(connection, set_id, request.user)
        labels = all_labels(connection, present, LabelFilter(season=season))
    if not labels:
        raise InvalidError(f"Expected labels in the set {present.name!r}, got none. Add some first.")
    return words_of(present, labels, near_m)

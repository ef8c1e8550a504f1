"""What clients read of sets, as values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response

from surco.api.label_sets.labels import Label
from surco.api.label_sets.revisions import etag
from surco.api.label_sets.sets import LabelSet

__all__ = ["GEOJSON", "geojson_answer", "label_answer", "set_answer", "set_facts"]

GEOJSON = "application/geo+json"


def set_facts(present: LabelSet) -> dict[str, Any]:
    """A set without its labels."""
    return {
        "id": present.id,
        "name": present.name,
        "description": present.description,
        "kind": present.kind,
        "unit": present.unit,
        "season": present.season,
        "owner": present.owner,
        "public": present.public,
        "visibility": present.visibility,
        "contributions": present.contributions,
        "labels": present.labels,
        "revision": present.revision,
        "made_at": present.made_at.isoformat(),
        "changed_at": present.changed_at.isoformat(),
        "may": present.may,
    }


def set_answer(
    present: LabelSet, *, status: int = 200, more: Mapping[str, Any] | None = None
) -> Response[bytes]:
    """A set with its ETag."""
    body = msgspec.json.encode({**set_facts(present), **(more or {})})
    headers = {"etag": etag(present.revision)}
    if status == 201:
        headers["location"] = f"/labels/{present.id}"
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def label_answer(set_id: str, label: Label, *, status: int = 200) -> Response[bytes]:
    """A label as a GeoJSON feature, with its ETag."""
    headers = {"etag": etag(label.revision)}
    if status == 201:
        headers["location"] = f"/labels/{set_id}/items/{label.id}"
    return geojson_answer(label.feature(), status=status, headers=headers)


def geojson_answer(
    body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """GeoJSON."""
    return Response(
        msgspec.json.encode(body), status_code=status, media_type=GEOJSON, headers=dict(headers or {})
    )

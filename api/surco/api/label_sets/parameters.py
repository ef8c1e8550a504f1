"""Parameters that several routes of label sets share."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request
from litestar.params import HeaderParameter, QueryParameter

from surco.api.label_sets.querying import LabelFilter, parse_bbox, parse_since
from surco.api.web.callers import Caller

__all__ = ["Bbox", "ClassName", "IfMatch", "IfNoneMatch", "Near", "Since", "Text", "User", "wanted_labels"]

User = Request[Caller, Any, Any]
Text = Annotated[str | None, QueryParameter(max_length=200)]
ClassName = Annotated[str | None, QueryParameter(name="class", max_length=200)]
Bbox = Annotated[str | None, QueryParameter(max_length=200, description="west,south,east,north in degrees")]
Since = Annotated[str | None, QueryParameter(max_length=40, description="changed at or after, ISO 8601")]
Near = Annotated[
    float,
    QueryParameter(ge=0.1, le=200, description="metres within which points without `place` are of one place"),
]
IfMatch = Annotated[
    str | None, HeaderParameter(name="if-match", description="the ETag that you have seen, or *")
]
IfNoneMatch = Annotated[
    str | None, HeaderParameter(name="if-none-match", description="* makes a label only where there is none")
]


def wanted_labels(
    class_: str | None,
    who: str | None,
    season: str | None,
    place: str | None,
    bbox: str | None,
    since: str | None,
) -> LabelFilter:
    """The filter that query parameters ask for.

    Raises:
        InvalidError: a box or a moment that cannot be read.
    """
    return LabelFilter(class_, who, season, place, parse_bbox(bbox), parse_since(since))

"""Query parameters of the routes of areas."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar.params import JSONBody, QueryParameter

from surco.api.refusals import InvalidError

__all__ = [
    "AREA_FORMATS",
    "Allocated",
    "Confidence",
    "Drawn",
    "Expect",
    "Format",
    "Least",
    "Method",
    "SampleSet",
    "Seed",
    "Size",
    "Target",
    "Wanted",
    "attached",
    "expectations",
]

AREA_FORMATS = {"json": "application/json", "csv": "text/csv", "html": "text/html", "png": "image/png"}
"""Formats of an answer about areas by name, the default first."""

Format = Annotated[
    Literal["json", "csv", "html", "png"] | None, QueryParameter(description="Accept counts without.")
]
Method = Annotated[
    Literal["assisted", "stratified"],
    QueryParameter(
        description="With the map's probabilities, or from the sample and the map's classes alone."
    ),
]
Confidence = Annotated[float, QueryParameter(gt=0, lt=1, description="Of the intervals.")]
SampleSet = Annotated[
    str | None,
    QueryParameter(max_length=100, description="A label set of places drawn at random; without, a count."),
]
Size = Annotated[
    int | None, QueryParameter(ge=2, le=50_000, description="Places to draw, instead of standard_error.")
]
Wanted = Annotated[
    float, QueryParameter(gt=0, lt=1, description="Of overall accuracy, or of the class's area.")
]
Target = Annotated[
    str | None, QueryParameter(name="class", max_length=200, description="Whose area is aimed at.")
]
Allocated = Annotated[Literal["equal", "neyman", "proportional", "rare"], QueryParameter()]
Least = Annotated[
    int, QueryParameter(ge=2, le=10_000, description="Places of each stratum at least, for 'rare'.")
]
Expect = Annotated[
    str | None,
    QueryParameter(max_length=2_000, description="User's accuracies, such as wheat=0.85,maize=0.9."),
]
Seed = Annotated[int, QueryParameter(ge=0, description="Another seed draws other places.")]
Drawn = JSONBody[dict[str, Any]]


def expectations(text: str | None) -> dict[str, float]:
    """Accuracies by class of a text such as "wheat=0.85,maize=0.9"; raises InvalidError for another."""
    found = {}
    for part in (text or "").split(","):
        name, _, number = part.rpartition("=")
        try:
            if part.strip():
                found[name.strip()] = float(number)
        except ValueError as error:
            raise InvalidError(
                f"Expected CLASS=ACCURACY such as wheat=0.85 in expect, got {part[:60]!r}. Write it so."
            ) from error
    return found


def attached(name: str) -> dict[str, str]:
    """The header of an answer that is for keeping as a file of that name."""
    return {"content-disposition": f'attachment; filename="{name}"'}

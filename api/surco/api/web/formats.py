"""Which of the formats that an answer is to be had in the client takes: `?f=` first, then `Accept` (RFC 9110)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Request

from surco.api.refusals import InvalidError, NotAcceptableError

__all__ = ["chosen"]


def chosen(request: Request[Any, Any, Any], f: str | None, offers: Mapping[str, str]) -> str:
    """Name of the format to answer in.

    Args:
        request: whose `Accept` header counts where `f` is None.
        f: the query parameter: a name of the offers.
        offers: name → media type, the default first.

    Raises:
        InvalidError: `f` names no offer.
        NotAcceptableError: `Accept` takes none of them.
    """
    if f is not None:
        if f not in offers:
            raise InvalidError(f"Expected f to be one of {', '.join(offers)}, got {f!r}. Name one of them.")
        return f
    accept = request.headers.get("accept", "").strip()
    if not accept:
        return next(iter(offers))
    best = max(offers, key=lambda name: _weight(accept, offers[name]))  # the first of equals
    if _weight(accept, offers[best]) == 0:
        raise NotAcceptableError(
            f"Expected Accept to take one of {', '.join(offers.values())}, got {accept[:200]!r}. "
            f"Ask for one of them, or with ?f={'|'.join(offers)}."
        )
    return best


def _weight(accept: str, media_type: str) -> float:
    """How much `Accept` likes a media type: the weight of the most specific range that fits it."""
    plain = media_type.partition(";")[0].strip().lower()
    main = plain.partition("/")[0]
    fitting = {"*/*": 1, f"{main}/*": 2, plain: 3}
    found = (0, 0.0)
    for offer in accept.lower().split(","):
        name, _, rest = offer.partition(";")
        rank = fitting.get(name.strip())
        if rank is not None and rank > found[0]:
            found = (rank, _quality(rest))
    return found[1]


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0

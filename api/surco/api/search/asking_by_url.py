"""What stands in an address, as the values that a body would have; and the same address with another value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from litestar import Request

from surco.api.refusals import InvalidError

__all__ = ["code_or_name", "listed", "numbers", "pairs", "with_parameter"]


def numbers(text: str | None, what: str) -> list[float] | None:
    """Numbers between commas.

    Raises:
        InvalidError: something else; `what` names the parameter.
    """
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidError(
            f"Expected {what} as numbers between commas, got {text[:80]!r}. Write it like -71.6,-35.5,-71.4,-35.3."
        ) from error


def pairs(texts: Sequence[str] | None) -> list[tuple[float, float]] | None:
    """Longitude and latitude of each text.

    Raises:
        InvalidError: a text of anything but two numbers.
    """
    found: list[tuple[float, float]] = []
    for text in texts or ():
        place = numbers(text, "point") or []
        if len(place) != 2:
            raise InvalidError(
                f"Expected point as longitude,latitude, got {text[:80]!r}. Write point=-71.5,-35.4 for each."
            )
        found.append((place[0], place[1]))
    return found or None


def listed(text: str | None) -> list[str]:
    """Names between commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def code_or_name(text: str | None) -> int | str | None:
    """A number where it is one."""
    return int(text) if text is not None and text.isdecimal() and text.isascii() else text


def with_parameter(request: Request[Any, Any, Any], name: str, value: str) -> str:
    """The address of a request with one query parameter set."""
    asked = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    kept = [(key, given) for key, given in asked if key != name]
    return f"{str(request.base_url).rstrip('/')}{request.url.path}?{urlencode([*kept, (name, value)])}"

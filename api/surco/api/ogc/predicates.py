"""An SQL predicate whose values stay apart from its text, so that no value can become SQL."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from surco.api.refusals import InvalidError

__all__ = ["Bound", "Predicate", "bind", "joined", "raw"]

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Bound:
    """A value in its place in a predicate."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Predicate:
    """SQL of our own making, with values between its parts.

    Attributes:
        parts: text of ours, and values that came from outside.
    """

    parts: tuple[str | Bound, ...]

    @property
    def sql(self) -> str:
        """SQL with a `?` for each of `parameters`."""
        return "".join("?" if isinstance(part, Bound) else part for part in self.parts)

    @property
    def parameters(self) -> list[Scalar]:
        """The values in the order of their `?`."""
        return [part.value for part in self.parts if isinstance(part, Bound)]

    @property
    def inlined(self) -> str:
        """SQL with each value written as a literal, for `embedstore.nearest(where=...)`."""
        return "".join(_literal(part.value) if isinstance(part, Bound) else part for part in self.parts)


def raw(sql: str) -> Predicate:
    """SQL that we wrote ourselves; never pass it anything that came from outside."""
    return Predicate((sql,))


def bind(value: Scalar) -> Predicate:
    """A value from outside, which is a number that DuckDB can hold, a truth value, or text.

    Raises:
        InvalidError: a number that is not finite or too large, text with a NUL character.
    """
    if isinstance(value, int | float) and not (math.isfinite(value) and abs(value) <= 1e300):
        raise InvalidError(f"Expected finite numbers in the filter, got {value}. Use smaller ones.")
    if isinstance(value, str) and "\0" in value:
        raise InvalidError("Expected text without NUL characters in the filter, got one. Leave it out.")
    return Predicate((Bound(value),))


def joined(pieces: Iterable[Predicate | str]) -> Predicate:
    """One predicate of several pieces; strings are SQL of ours."""
    parts: list[str | Bound] = []
    for piece in pieces:
        parts.extend((piece,) if isinstance(piece, str) else piece.parts)
    return Predicate(tuple(parts))


def _literal(value: Scalar) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"CAST('{value!r}' AS DOUBLE)"
    # DuckDB's plain strings know one escape only, the doubled quote.
    return "'" + value.replace("'", "''") + "'"

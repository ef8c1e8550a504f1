"""CQL2 as text or JSON → its tree as JSON values, never deeper or longer than the parser can bear."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

import cql2

from surco.api.refusals import InvalidError

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_OPERATORS", "Language", "parse"]

Language = Literal["cql2-text", "cql2-json", "cql-text"]
"""`cql-text` is what GDAL calls CQL2's text: a draft's, with ILIKE."""

MAX_CHARACTERS = 65_536
"""Of a filter."""
MAX_DEPTH = 40
"""Of brackets within brackets: the parser recurses, and a process whose stack is used up ends."""
MAX_OPERATORS = 400
"""Words and signs outside of geometries and quotes."""

_NUMBERS = r"[-+0-9eE.,\s]*"
_RINGS = rf"\({_NUMBERS}(?:\({_NUMBERS}(?:\({_NUMBERS}\){_NUMBERS})*\){_NUMBERS})*\)"
_GEOMETRY = re.compile(
    rf"\b(?:MULTI)?(?:POINT|LINESTRING|POLYGON)\s*Z?\s*{_RINGS}|\bBBOX\s*\({_NUMBERS}\)", re.IGNORECASE
)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
_OPERATOR = re.compile(r"\b(?:and|or|not|like|between|in|is|div)\b|[-+*/%^<>=]", re.IGNORECASE)
_ILIKE = re.compile(r"([\w:.\-]+|\"[^\"]*\")\s+ILIKE\s+('(?:[^']|'')*')", re.IGNORECASE)
_POSITION = re.compile(r"-->\s*(\d+):(\d+)")


def parse(given: str | Mapping[str, Any], language: Language | None) -> Any:
    """Read a filter.

    Args:
        given: CQL2 text, CQL2 JSON as text, or CQL2 JSON that was decoded before.
        language: which of the two; None tells by the first character.

    Returns:
        The tree, of dictionaries, lists and scalars as in CQL2 JSON.

    Raises:
        InvalidError: a filter that is too long, too deep, or none; the message has the position of the fault.
    """
    text = given.strip() if isinstance(given, str) else _dumped(given)
    if not text:
        raise InvalidError(
            "Expected a filter in CQL2, got an empty one. Leave it out, or write n_pixels > 50."
        )
    if len(text) > MAX_CHARACTERS:
        raise InvalidError(
            f"Expected a filter of at most {MAX_CHARACTERS:,} characters, got {len(text):,}. Simplify its geometry."
        )
    as_json = not isinstance(given, str) or language == "cql2-json" or (language is None and text[0] == "{")
    if language == "cql-text":
        text = _ILIKE.sub(r"CASEI(\1) LIKE CASEI(\2)", text)
    return _parse_json(text) if as_json else _parse_text(text)


def _dumped(given: Mapping[str, Any]) -> str:
    try:
        return json.dumps(given)
    except (RecursionError, TypeError, ValueError) as error:
        raise InvalidError(f"Expected CQL2 JSON, got a value that is none ({error}). Correct it.") from error


def _parse_text(text: str) -> Any:
    _check_size(text)
    try:
        tree = cql2.parse_text(text).to_json()
    except cql2.ParseError as error:
        raise InvalidError(_where(text, str(error))) from error
    _check_depth(tree)
    return tree


def _parse_json(text: str) -> Any:
    try:
        # The standard library refuses what is deeper than Python's stack, and says where other faults are.
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidError(
            f"Expected a filter in CQL2 JSON, got a fault at line {error.lineno}, column {error.colno}: {error.msg}. "
            "Correct it there."
        ) from error
    except RecursionError as error:
        raise _too_deep() from error
    _check_depth(tree)
    try:
        return cql2.parse_json(text).to_json()
    except cql2.ParseError as error:
        raise InvalidError(
            f"Expected a filter in CQL2 JSON, as {{'op': '>', 'args': [{{'property': 'n_pixels'}}, 50]}}, got JSON of "
            f"another form ({error}). Compare it with the schema of OGC's CQL2."
        ) from error


def _check_size(text: str) -> None:
    plain = _GEOMETRY.sub("g", _QUOTED.sub("q", text))
    operators = len(_OPERATOR.findall(plain))
    if operators > MAX_OPERATORS:
        raise InvalidError(
            f"Expected a filter of at most {MAX_OPERATORS} operators, got {operators}. Use IN for a list of values."
        )
    depth = deepest = 0
    for sign in re.findall(r"[()]", plain):
        depth += 1 if sign == "(" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise _too_deep()


def _check_depth(tree: Any) -> None:
    """Level by level, so that this check itself needs no stack."""
    level = [tree]
    for _ in range(2 * MAX_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> InvalidError:
    return InvalidError(
        f"Expected a filter of at most {MAX_DEPTH} levels, got a deeper one. Flatten its AND and OR."
    )


def _where(text: str, said: str) -> str:
    """The parser's message in one line, with the position and what stands there."""
    found = _POSITION.search(said)
    expected = said.rpartition("= expected ")[2].strip()
    if found is None:
        return f"Expected a filter in CQL2 text, got {text[:200]!r}. The parser says: {said}"
    line, column = int(found[1]), int(found[2])
    rest = text.splitlines()[line - 1][column - 1 :][:30] if line <= len(text.splitlines()) else ""
    at = repr(rest) if rest else "the end"
    return (
        f"Expected a filter in CQL2 text, got a fault at line {line}, column {column}, at {at}. "
        f"There the parser takes: {expected}"
    )

"""What a label says: one table of its fields, and the rules that a value must keep whoever sends it."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from surco.api.refusals import InvalidError
from surco.embedstore import Sentence

__all__ = ["FIELDS", "LONGEST_CLASS", "checked_id", "checked_properties"]

LONGEST_CLASS: Final = 200
"""Characters of a class, and of any other name."""

_LONGEST_NOTE = 2_000
_MOST_ROUND = 1_000_000
_MAX_VALUE = 1e12
_SEASON = re.compile(r"\d{4}(-\d{2})?")
_PARTIAL = re.compile(r"\d{4}(-(0[1-9]|1[0-2]))?")
_CHILEAN = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})")


def checked_properties(given: Mapping[str, object]) -> dict[str, Any]:
    """Every field of `FIELDS`, checked and in one form; None where nothing is given.

    Args:
        given: values by field name, as JSON or a table has them; other names are not looked at.

    Raises:
        InvalidError: names the field, what it takes, and what came.
    """
    return {name: _checked(name, rule, given.get(name)) for name, rule in FIELDS.items()}


def checked_id(given: object) -> str | None:
    """An id as text; None where there is none.

    Raises:
        InvalidError: too long, or with characters that cannot be shown or stand in an address.
    """
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    text = _name(given, "id")
    if text is not None and set(text) & set("/?#%\\"):
        raise InvalidError(
            f"Expected an id without / ? # % and \\, got {text[:40]!r}. Rename it, or leave it out."
        )
    return text


def _checked(name: str, rule: Callable[[object, str], Any], value: object) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    return rule(value, name)


def _name(value: object, field: str) -> str | None:
    return _text(value, field, LONGEST_CLASS)


def _text(value: object, field: str, longest: int, breaks: str = "") -> str | None:
    """A text that can be shown, in Unicode's composed form, so that two ways of typing a class are one class."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InvalidError(f"Expected text in {field!r}, got {_shown(value)}. Write it as text.")
    text = unicodedata.normalize("NFC", str(value).strip())
    if len(text) > longest:
        raise InvalidError(
            f"Expected at most {longest} characters in {field!r}, got {len(text)}. Shorten it."
        )
    if not text.translate(dict.fromkeys(map(ord, breaks))).isprintable():
        raise InvalidError(f"Expected {field!r} without control characters, got {_shown(text)}. Remove them.")
    return text or None


def _class(value: object, field: str) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _name(value, field)


def _note(value: object, field: str) -> str | None:
    return _text(value, field, _LONGEST_NOTE, "\n\r\t")


def _number(value: object, field: str) -> float:
    if isinstance(value, str):
        # A decimal comma, as Chilean tables have it; thousands are not guessed at.
        value = value.strip()
        value = value.replace(",", ".") if value.count(",") == 1 and "." not in value else value
    try:
        number = float(value) if not isinstance(value, bool) else math.nan  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidError(
            Sentence(
                f"Expected a number in {field!r}, got {_shown(value)}. Correct it, or leave it out.",
                "upload-number",
                column=field,
                came=_shown(value),
            )
        )
    return number


def _value(value: object, field: str) -> float:
    number = _number(value, field)
    if abs(number) > _MAX_VALUE:
        raise InvalidError(f"Expected {field!r} within ±{_MAX_VALUE:g}, got {number:g}. Choose another unit.")
    return number


def _share(value: object, field: str) -> float:
    number = _number(value, field)
    if not 0.0 <= number <= 1.0:
        raise InvalidError(
            Sentence(
                f"Expected {field!r} from 0 to 1, got {number:g}. Divide percentages by 100.",
                "upload-share",
                column=field,
                came=number,
            )
        )
    return number


def _chance(value: object, field: str) -> float:
    number = _share(value, field)
    if number == 0.0:
        raise InvalidError(f"Expected {field!r} above 0, got 0. Leave it out of places not drawn by chance.")
    return number


def _count(value: object, field: str) -> int:
    number = _number(value, field)
    if not number.is_integer() or not 0 <= number <= _MOST_ROUND:
        raise InvalidError(
            f"Expected a whole number up to {_MOST_ROUND:,} in {field!r}, got {_shown(value)}. Correct it."
        )
    return int(number)


def _season(value: object, field: str) -> str:
    text = str(value).strip()
    if not _SEASON.fullmatch(text):
        raise InvalidError(
            Sentence(
                f"Expected a season such as 2024-25 or 2024 in {field!r}, got {_shown(value)}. Correct it.",
                "upload-season",
                column=field,
                came=_shown(value),
            )
        )
    return text


def _observed(value: object, field: str) -> str:
    """An ISO 8601 day, month, year or moment; a Chilean day (31-12-2024) becomes one."""
    text = value.isoformat() if isinstance(value, date) else str(value).strip()
    chilean = _CHILEAN.fullmatch(text)
    if chilean is not None:
        text = f"{chilean[3]}-{int(chilean[2]):02}-{int(chilean[1]):02}"
    try:
        if not _PARTIAL.fullmatch(text):
            datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidError(
            Sentence(
                f"Expected a day such as 2024-12-31 or a moment of ISO 8601 in {field!r}, got "
                f"{_shown(value)}. Correct it.",
                "upload-day",
                column=field,
                came=_shown(value),
            )
        ) from error
    return text[:40]


def _shown(value: object) -> str:
    return ascii(value)[:60]


FIELDS: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "class": _class,
    "value": _value,
    "who": _name,
    "observed": _observed,
    "source": _name,
    "confidence": _share,
    "season": _season,
    "note": _note,
    "place": _name,
    "stratum": _name,
    "inclusion_probability": _chance,
    "arm": lambda value, field: _text(value, field, 40),
    "round": _count,
    "rank": _count,
}
"""Fields of a label beside its geometry, and the rule of each: value, field name → the value as it is kept.

class or value: what is there; who says so, when it was `observed`, from what `source`, how sure (`confidence`, 0 to 1),
of which season; a note; the `place` it judges, where labels of several people are of one place. Of samples: `stratum`
and `inclusion_probability`; of the next-label queue: `arm`, `round` and `rank`.
"""

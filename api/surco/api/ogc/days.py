"""The query parameter `datetime`: a day or moment, or two with a slash between, either of them open."""

from __future__ import annotations

from datetime import UTC, date, datetime

from surco.api.refusals import InvalidError

__all__ = ["days_of"]


def days_of(text: str | None) -> tuple[date | None, date | None] | None:
    """First and last day meant, in UTC; None for an open end, and for no parameter.

    Raises:
        InvalidError: anything else, or an end before the start.
    """
    if text is None:
        return None
    parts = text.split("/")
    if len(parts) > 2 or not text.strip():
        raise _unreadable(text)
    days = [None if part in ("..", "") else _day(part, text) for part in parts]
    first, last = days if len(days) == 2 else days * 2
    if first is not None and last is not None and last < first:
        raise _unreadable(text)
    if len(parts) == 1 and first is None:
        raise _unreadable(text)
    return first, last


def _day(part: str, whole: str) -> date:
    try:
        if len(part) == 10:
            return date.fromisoformat(part)
        moment = datetime.fromisoformat(part)
        if "T" not in part.upper() or moment.tzinfo is None:
            raise ValueError("no time zone")
        return moment.astimezone(UTC).date()
    except (ValueError, OverflowError) as error:
        raise _unreadable(whole) from error


def _unreadable(text: str) -> InvalidError:
    return InvalidError(
        f"Expected datetime as 2024-07-01, 2024-07-01T00:00:00Z, 2024-05-01/2025-04-30 or ../2025-04-30, got "
        f"{text[:100]!r}. Correct it."
    )

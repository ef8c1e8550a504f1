"""Adapters and seasons that are not over: how far the season was seen that one learned from, and is asked of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from surco.adapters import read_card
from surco.embedstore import EmbedstoreError, Season, Sentence, Store, TableInfo

__all__ = ["note_beside", "season_note", "seen_until"]

_DAYS = 31
"""Seasons seen until days so far apart in the year are not the same thing."""
_WHOLE = "9999"
"""Behind every day: a whole season was seen farther than one that grows."""


def seen_until(info: TableInfo) -> str | None:
    """What a card keeps of the table that its adapter learned from: the last day seen; None of a whole season."""
    return None if info.as_of is None else info.as_of.isoformat()


def season_note(store: Store, adapter: str, season: str, unit: str) -> str | None:
    """`note_beside` of the table that sees least, among those of a season, a unit and an adapter's model.

    Args:
        store: with all of them.
        adapter: name of one of its adapters.
        season: of the tables asked.
        unit: "cells" or "parcels".
    """
    card = read_card(store.adapter_dir(adapter))
    asked = [
        info for info in store.tables()
        if (info.table, info.season, info.model_id) == (unit, season, card["model_id"])
    ]  # fmt: skip
    least = min(asked, key=lambda info: seen_until(info) or _WHOLE, default=None)
    return None if least is None else note_beside(card, adapter, least, store.start_month)


def note_beside(card: Mapping[str, Any], adapter: str, info: TableInfo, start_month: int) -> Sentence | None:
    """A sentence where an adapter learned from another part of the year than a table shows.

    None where both go as far, and of an adapter whose card does not say what it learned from.

    Args:
        card: the adapter's.
        adapter: its name.
        info: the table that it is asked about.
        start_month: in which the store's seasons start.
    """
    training: Mapping[str, Any] = card["training"]
    if "as_of" not in training:
        return None
    try:
        learned = _season(training["season"], training["as_of"], start_month)
        now = _season(info.season, seen_until(info), start_month)
    except (EmbedstoreError, ValueError, TypeError):
        return None  # a card that came from elsewhere
    if abs(_length(learned) - _length(now)) < _DAYS:
        return None
    return Sentence(
        f"{adapter} learned from {_words(learned)}, and these vectors are of {_words(now)}: those of half a season are "
        "not those of a whole one, and classes come out wrong. Fit on labels with vectors that go as far "
        "(docs/updating.md).",
        "season-half",
        adapter=adapter,
        learned=learned.name,
        learned_until=str(learned.last_day),
        season=now.name,
        until=str(now.last_day),
    )


def _season(name: Any, day: Any, start_month: int) -> Season:
    whole = Season.parse(str(name), start_month)
    return whole if day is None else Season(whole.year, start_month, date.fromisoformat(day))


def _length(season: Season) -> int:
    return (season.last_day - season.start).days


def _words(season: Season) -> str:
    return f"season {season.name}, seen until {season.last_day}"

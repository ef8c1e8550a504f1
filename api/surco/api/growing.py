"""Adapters and seasons that are not over: how far the season was seen that one learned from, and is asked of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from surco.adapters import read_card
from surco.embedstore import EmbedstoreError, Season, Store, TableInfo

__all__ = ["season_note", "seen_until"]

_DAYS = 31
"""Seasons seen until days so far apart in the year are not the same thing."""


def seen_until(info: TableInfo) -> str | None:
    """What a card keeps of the table that its adapter learned from: the last day seen; None of a whole season."""
    return None if info.as_of is None else info.as_of.isoformat()


def season_note(store: Store, adapter: str, season: str, unit: str) -> str | None:
    """A sentence where an adapter learned from another part of the year than the tables of a season show.

    None where both go as far, and of an adapter whose card does not say what it learned from.

    Args:
        store: with both.
        adapter: name of one of its adapters.
        season: of the tables asked.
        unit: "cells" or "parcels".
    """
    card = read_card(store.adapter_dir(adapter))
    training: Mapping[str, Any] = card["training"]
    if "as_of" not in training:
        return None
    asked = [
        info for info in store.tables()
        if (info.table, info.season, info.model_id) == (unit, season, card["model_id"])
    ]  # fmt: skip
    try:
        learned = _season(training["season"], training["as_of"], store.start_month)
        now = min(_season(info.season, seen_until(info), store.start_month) for info in asked)
    except (EmbedstoreError, ValueError, TypeError):
        return None  # a card that came from elsewhere, or no table of its vectors
    if abs(_length(learned) - _length(now)) < _DAYS:
        return None
    return (
        f"{adapter} learned from {_words(learned)}, and these vectors are of {_words(now)}: those of half a season are "
        "not those of a whole one, and classes come out wrong. Fit on labels with vectors that go as far "
        "(docs/updating.md)."
    )


def _season(name: Any, day: Any, start_month: int) -> Season:
    whole = Season.parse(str(name), start_month)
    return whole if day is None else Season(whole.year, start_month, date.fromisoformat(day))


def _length(season: Season) -> int:
    return (season.last_day - season.start).days


def _words(season: Season) -> str:
    return f"season {season.name}, seen until {season.last_day}"

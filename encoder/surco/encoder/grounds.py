"""How far a table's season has been seen, place by place: an area may be ahead of its neighbours.

Kept in a table's `meta` as `seen_until`: pairs of a day and the ground (WKT, degrees) whose rows were last encoded from
scenes until that day. No two grounds of a table overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import shapely

from surco.embedstore import Season, Store
from surco.encoder.errors import EncoderError

__all__ = ["OlderSeasonError", "Seen", "refuse_older", "seen_before"]

_SLACK = 0.0001
"""Degrees, 11 m: two drawings of one edge, of which one was projected and rounded, lie closer together."""
_DIGITS = 0.00001


class OlderSeasonError(EncoderError):
    """Vectors of an earlier day of a season than those that the store has of the same ground."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Grounds in degrees by the last day that was seen of them."""

    grounds: Mapping[date, shapely.Geometry]

    @property
    def until(self) -> date | None:
        """The last day that was seen everywhere; None of no ground."""
        return min(self.grounds, default=None)

    def later(self, area: shapely.Geometry, day: date) -> date | None:
        """The latest day after `day` that some of `area` was seen until; None where there is none."""
        inner = area.buffer(-_SLACK)
        return max((d for d, g in self.grounds.items() if d > day and g.intersects(inner)), default=None)

    def updated(self, area: shapely.Geometry, day: date) -> Seen:
        """As it is once `area` was encoded as of `day`: what lay in it has that day, all else stays."""
        wide = area.buffer(_SLACK)
        left = {d: _polygons(ground.difference(wide)) for d, ground in self.grounds.items()}
        kept = {d: ground for d, ground in left.items() if not ground.is_empty}
        kept[day] = shapely.union(kept[day], area) if day in kept else area
        return replace(self, grounds=kept)

    def to_json(self) -> list[list[str]]:
        """As it is kept in `meta`, the earliest day first."""
        return [
            [day.isoformat(), shapely.to_wkt(shapely.set_precision(ground, _DIGITS), rounding_precision=5)]
            for day, ground in sorted(self.grounds.items())
        ]


def seen_before(meta: Mapping[str, Any], last_day: date, bbox: Sequence[float]) -> Seen:
    """What is known of a table: as its `meta` says; where its writer did not say, the boxes of its runs, or its own."""
    known: Sequence[Sequence[str]] | None = meta.get("seen_until")
    if known is None:
        boxes = [note["bbox"] for note in meta.get("runs", [])] or [bbox]
        return Seen({last_day: shapely.union_all([shapely.box(*box) for box in boxes])})
    return Seen({date.fromisoformat(day): shapely.from_wkt(ground) for day, ground in known})


def refuse_older(
    store: Store, model_id: str, season: Season, tables: Sequence[tuple[str, int | None]], area: Any
) -> None:
    """Let nothing of a newer day be replaced by accident.

    Args:
        store: to be written to.
        model_id: whose vectors.
        season: with the day that is to be written.
        tables: name and resolution of each.
        area: the ground to write, in degrees.

    Raises:
        OlderSeasonError: a table has some of the area as of a later day of the season.
    """
    held = ((info.table, info.resolution, info) for info in store.tables() if info.model_id == model_id)
    for table, resolution, info in held:
        if info.season != season.name or (table, resolution) not in tables:
            continue
        seen = seen_before(info.meta, info.as_of or season.end, info.bbox)
        later = seen.later(area, season.last_day)
        if later is not None:
            raise OlderSeasonError(
                f"Expected scenes of {season.name} until {later} at least, as {table} of {store.path} show them here; "
                f"got a season that ends with {season.last_day}. Give a later --as-of, or --force to go back; "
                "`surco store rollback` brings an earlier version back as it was."
            )


def _polygons(geometry: shapely.Geometry) -> shapely.Geometry:
    """Its areas only, without slivers as thin as the slack."""
    parts = [p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon" and p.area > _SLACK**2]
    return shapely.union_all(parts) if parts else shapely.Polygon()

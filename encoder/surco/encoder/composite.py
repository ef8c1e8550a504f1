"""A tile's season: monthly composites of everything that was seen.

Optical: per channel and pixel the median of the month's clear observations. Radar: the mean in linear power, then
decibel. What nobody saw in a month is not valid in it; nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from typing import cast

import numpy as np
import numpy.typing as npt
import shapely

from surco.embedstore import Season
from surco.encoder.area import project
from surco.encoder.channels import CHANNELS, OPTICAL, RADAR
from surco.encoder.grid import Window
from surco.encoder.observations import read_optical, read_radar
from surco.encoder.protocol import Floats
from surco.encoder.reader import Reader, shared_reader
from surco.encoder.scenes import Scene, Sensor
from surco.encoder.terrain import read_terrain
from surco.encoder.tile import Tile

__all__ = ["Composite", "compose", "touching"]

Counts = npt.NDArray[np.uint16]
_Passes = Sequence[Sequence[Scene]]
_Month = tuple[_Passes, _Passes]
"""Overpasses of Sentinel-2 and of Sentinel-1, each the cuts of one, in order of time."""
_Parts = Iterator[Floats | None]
"""What was read of each scene, in the order of `_tasks`."""

SAME_PASS = timedelta(minutes=30)
"""Scenes of one sensor closer in time are cuts of one overpass: where they overlap they are one observation."""


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """A tile, and how often each of its pixels was clearly seen in the season: (H, W) uint16 each."""

    tile: Tile
    n_optical: Counts
    n_radar: Counts


def compose(
    scenes: Sequence[Scene], window: Window, season: Season, reader: Reader | None = None
) -> Composite:
    """Make the monthly composites of one window.

    Scenes are read many at a time; they are put together in order of time, so that no bit depends on which came first.

    Args:
        scenes: of the season, any order; those that do not touch the window are not read.
        window: of the grid.
        season: twelve months; nothing after `season.last_day` is read.
        reader: who reads; that of the process where None is given.

    Returns:
        A tile of T = 12 composites: a month's date is the mean of its acquisitions, its middle where there is none.

    Raises:
        SceneError: a scene that cannot be read or has no CRS.
    """
    reader = reader or shared_reader()
    near = touching(scenes, window)
    months = [_month(near, first, min(last, season.last_day)) for first, last in season.months()]
    elevations = [scene for scene in near if scene.sensor == "dem"]
    parts = reader.in_order(_tasks(months, elevations, window, reader))
    with closing(parts):
        static = cast(Floats, next(parts))
        return _composed(months, parts, static, window, season)


def _composed(
    months: Sequence[_Month], parts: _Parts, static: Floats, window: Window, season: Season
) -> Composite:
    shape = (12, len(CHANNELS), window.height, window.width)
    values, dates = np.full(shape, np.nan, np.float32), np.empty(12, "datetime64[D]")
    counts = np.zeros((2, *shape[2:]), np.uint16)
    for number, ((optical, radar), (first, last)) in enumerate(zip(months, season.months(), strict=True)):
        counts[0] += _optical_month(optical, parts, values[number])
        counts[1] += _radar_month(radar, parts, values[number])
        dates[number] = _mean_date([s.datetime for p in (*optical, *radar) for s in p], first, last)
    valid = np.isfinite(values)
    values[~valid] = 0.0
    tile = Tile(values, valid, dates, window.transform, window.crs, static)
    return Composite(tile, counts[0], counts[1])


def _month(scenes: Sequence[Scene], first: date, last: date) -> _Month:
    return _passes(scenes, "sentinel-2", first, last), _passes(scenes, "sentinel-1", first, last)


def _tasks(
    months: Sequence[_Month], elevations: Sequence[Scene], window: Window, reader: Reader
) -> Iterator[Callable[[], Floats | None]]:
    """What is to be read, in the order in which it is put together: terrain, then each month's scenes."""
    yield partial(read_terrain, elevations, window, reader)
    for optical, radar in months:
        for read, passes in ((read_optical, optical), (read_radar, radar)):
            for scene in (scene for scenes in passes for scene in scenes):
                yield partial(read, scene, window, reader)


def touching(scenes: Iterable[Scene], window: Window) -> list[Scene]:
    """Scenes whose footprint comes near the window; the margin allows for footprints drawn roughly."""
    outline = project(shapely.box(*window.bounds), window.crs, "OGC:CRS84").envelope.buffer(0.002)
    return [scene for scene in scenes if outline.intersects(scene.footprint)]


def _passes(scenes: Iterable[Scene], sensor: Sensor, first: date, last: date) -> list[list[Scene]]:
    """A month's scenes of one sensor, grouped by overpass, in order of time."""
    within = [s for s in scenes if s.sensor == sensor and first <= s.datetime.astimezone(UTC).date() <= last]
    passes: list[list[Scene]] = []
    for scene in sorted(within, key=lambda s: (s.datetime, s.id)):
        if passes and scene.datetime - passes[-1][-1].datetime < SAME_PASS:
            passes[-1].append(scene)
        else:
            passes.append([scene])
    return passes


def _optical_month(passes: _Passes, parts: _Parts, out: Floats) -> Counts:
    """Write the medians of the clear observations to `out` (14, H, W); return how many there were (H, W)."""
    seen = [whole for scenes in passes if (whole := _first_valid(scenes, parts)) is not None]
    if not seen:
        return np.zeros(out.shape[1:], np.uint16)
    out[list(OPTICAL)] = _median(seen)
    count = np.zeros(out.shape[1:], np.uint16)
    for one in seen:
        count += np.isfinite(one).any(axis=0)
    return count


def _radar_month(passes: _Passes, parts: _Parts, out: Floats) -> Counts:
    """Write the means in decibel to `out` (14, H, W); return how many observations there were (H, W)."""
    total = np.zeros((len(RADAR), *out.shape[1:]), np.float64)
    times, count = np.zeros(total.shape, np.uint16), np.zeros(out.shape[1:], np.uint16)
    for scenes in passes:
        power = _first_valid(scenes, parts)
        if power is None:
            continue
        valid = np.isfinite(power)
        total += np.where(valid, power, 0.0)
        times += valid
        count += valid.any(axis=0)
    known = times > 0
    decibel = 10.0 * np.log10(np.divide(total, times, out=np.ones_like(total), where=known))
    out[list(RADAR)] = np.where(known, decibel, np.nan)
    return count


def _first_valid(scenes: Sequence[Scene], parts: _Parts) -> Floats | None:
    """One overpass as (C, H, W), NaN where not valid: later cuts fill only what earlier ones left open."""
    whole: Floats | None = None
    for part in islice(parts, len(scenes)):
        if part is None:
            continue
        whole = part if whole is None else np.where(np.isfinite(whole).any(axis=0), whole, part)
    return whole


def _median(seen: Sequence[Floats]) -> Floats:
    """Median over (C, H, W) arrays, NaN left out, the mean of the middle two for an even number."""
    if len(seen) == 1:
        return seen[0]
    ordered = np.sort(np.stack(seen), axis=0)
    count = np.isfinite(ordered).sum(axis=0)[None]
    lower = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=0)[0]
    upper = np.take_along_axis(ordered, count // 2, axis=0)[0]
    middle: Floats = (lower + upper) / 2
    return middle


def _mean_date(moments: Sequence[datetime], first: date, last: date) -> np.datetime64:
    days = [moment.astimezone(UTC).date().toordinal() for moment in moments]
    mean = round(sum(days) / len(days)) if days else (first.toordinal() + last.toordinal()) // 2
    return np.datetime64(date.fromordinal(mean), "D")

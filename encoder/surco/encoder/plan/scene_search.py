"""The scenes of a plan's tiles, out of one or more catalogues."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import shapely

from surco.embedstore import Season
from surco.encoder.catalog import read_scenes
from surco.encoder.errors import CatalogError, NoScenesError
from surco.encoder.plan.tiles import LandTile
from surco.encoder.providers import find_provider
from surco.encoder.reading.addresses import bare, is_remote
from surco.encoder.scenes import Scene

__all__ = ["find_scenes"]

Progress = Callable[[int, int, str], None]

_ROWS_AT_ONCE = 30
"""Rows of tiles asked for together, 307 km: a box round all of Chile would be half full of its neighbours' scenes."""


def find_scenes(
    catalogues: Sequence[str], season: Season, tiles: Sequence[LandTile], progress: Progress | None = None
) -> tuple[Scene, ...]:
    """The scenes of a season, up to its last day, that may touch some tiles, in order of time.

    Args:
        catalogues: as `catalog.read_scenes` takes them; a scene that several have is taken from the first.
        season: of the plan.
        tiles: of the plan.
        progress: called as `progress(done, total, text)`.

    Raises:
        CatalogError: one that cannot be read, or none of them has a scene there.
        SceneError: a scene without the bands it needs.
    """
    areas = list(_areas(tiles))
    steps = [(catalogue, area) for catalogue in catalogues for area in _suited(catalogue, areas)]
    found: dict[tuple[str, str], Scene] = {}
    nothing: CatalogError | None = None
    for number, (catalogue, area) in enumerate(steps):
        if progress is not None:
            progress(number, len(steps), f"scenes of {bare(catalogue)}")
        try:
            scenes = read_scenes(catalogue, season.start, season.last_day, area)
        except NoScenesError as error:
            nothing = error
            continue
        for scene in scenes:
            found.setdefault((scene.sensor, scene.id), scene)
    if nothing is not None and not found:
        raise nothing
    return tuple(sorted(found.values(), key=lambda scene: (scene.datetime, scene.id)))


def _suited(catalogue: str, areas: list[shapely.Geometry]) -> list[shapely.Geometry]:
    """A folder is walked once for all areas; an API is asked for each."""
    asked = is_remote(catalogue) or find_provider(catalogue) is not None
    return areas if asked else [shapely.union_all(areas)]


def _areas(tiles: Sequence[LandTile]) -> Iterator[shapely.Geometry]:
    """The tiles of each zone and stretch from north to south, in degrees."""
    groups: dict[tuple[int, int], list[shapely.Geometry]] = defaultdict(list)
    for tile in tiles:
        groups[tile.zone, tile.row // _ROWS_AT_ONCE].append(shapely.box(*tile.bbox))
    for key in sorted(groups):
        yield shapely.union_all(groups[key])

"""Which tiles of the national grid hold land that counts, which of their windows, and how many pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely

from surco.embedstore import comuna_at
from surco.embedstore.place_regions import count_land_cells, land_cells
from surco.encoder.area import project
from surco.encoder.grid import PIXEL_M, TILE_PIXELS
from surco.encoder.plan.errors import PlanError
from surco.encoder.plan.ground import Ground
from surco.encoder.plan.land_tally import LandTally, region_of
from surco.encoder.plan.tiles import WINDOWS, LandTile

__all__ = ["SurveyedTile", "survey"]

Progress = Callable[[int, int, str], None]

_COUNT_STEP = 160
"""Metres between the pixels that are looked at to count those on cropland or in polygons: 256 a window."""
_COUNTED = round(TILE_PIXELS * PIXEL_M) // _COUNT_STEP
_FEW = 64
"""Of such pixels in a tile; where a polygon leaves fewer, all pixels are counted."""
_TILE_DEGREES = 0.25
"""No tile is wider, down to 60 degrees south."""
_MARGIN_M = 20.0
"""By which a polygon's outline may be off after it was cut and projected."""


@dataclass(frozen=True, slots=True)
class SurveyedTile:
    """A tile, the official code of the region with most of its land, and in about how many windows something counts."""

    tile: LandTile
    region: int
    windows: int


def survey(ground: Ground, *, step: int = 10, progress: Progress | None = None) -> list[SurveyedTile]:
    """List the tiles of a ground, zone by zone, from north to south.

    Windows are left out only where no land of the ground's comunas, or none of its polygon, can reach them. Of
    cropland every 160th metre is looked at: a tile without any there (less than some 7 ha of 10,486 ha) is left out.

    Args:
        ground: with comunas.
        step: of the tiles, see `LandTile`.
        progress: called as `progress(done, total, text)`.

    Raises:
        PlanError: a ground without comunas, or nothing of it is land that counts.
    """
    if ground.comunas is None:
        raise PlanError(
            "Expected a ground with comunas to list its tiles; got none. Give the region's codes."
        )
    tell = progress or _silent
    found = _land_tiles(ground, tell)
    if ground.polygon is not None:
        found = list(_within(found, ground.polygon))
    if ground.polygon is not None or ground.cropland is not None:
        found = list(_counted(found, ground, tell))
    if not found:
        what = "cropland" if ground.cropland is not None else "land of Chile"
        raise PlanError(f"Expected {what} in the region; got none. Choose another region or mask.")
    return [replace(one, tile=replace(one.tile, ground=ground, step=step)) for one in found]


def _land_tiles(ground: Ground, tell: Progress) -> list[SurveyedTile]:
    """Tiles that the cells of resolution 9 of some comunas reach, near a polygon if there is one."""
    tally, bounds = LandTally(), None
    if ground.polygon is not None:
        west, south, east, north = shapely.from_wkb(ground.polygon).bounds
        bounds = (west - _TILE_DEGREES, south - _TILE_DEGREES, east + _TILE_DEGREES, north + _TILE_DEGREES)
    wanted = ground.comunas or ()
    total = count_land_cells(wanted, bounds)
    for cells, codes in land_cells(wanted, bounds):
        tell(tally.cells, total, "land")
        tally.add(cells, codes)
    tiles = [SurveyedTile(tile, region, tile.occupied.bit_count()) for tile, region in tally.tiles()]
    sure = [one if one.tile.pixels else _looked_at(one.tile, Ground(wanted)) for one in tiles]
    return [one for one in sure if one is not None]


def _looked_at(tile: LandTile, ground: Ground) -> SurveyedTile | None:
    """A tile that holds no cell's centre, if a cell reaches over its edge."""
    looked = replace(tile, ground=ground)
    inside = [looked.lonlat(window)[looked.inside(window).ravel()] for window in looked.windows()]
    places = np.concatenate(inside)
    if not len(places):
        return None
    comuna = comuna_at(places[:1, 0], places[:1, 1])[0].as_py()
    region = int(region_of(np.array([comuna]))[0])
    return SurveyedTile(replace(tile, pixels=len(places)), region, sum(map(bool, map(len, inside))))


def _within(tiles: Iterable[SurveyedTile], polygon: bytes) -> Iterator[SurveyedTile]:
    """Tiles, and of each the windows, that a polygon reaches."""
    shape = shapely.from_wkb(polygon)
    shapely.prepare(shape)
    by_crs: dict[str, shapely.Geometry] = {}
    for one in tiles:
        if not shape.intersects(shapely.box(*one.tile.bbox).buffer(0.001)):
            continue
        crs = one.tile.crs
        if crs not in by_crs:
            by_crs[crs] = project(shape, "OGC:CRS84", crs).buffer(_MARGIN_M)
            shapely.prepare(by_crs[crs])
        occupied = 0
        for window in one.tile.windows():
            if by_crs[crs].intersects(shapely.box(*window.bounds)):
                occupied |= 1 << (WINDOWS * window.row + window.column)
        if occupied:
            yield replace(one, tile=replace(one.tile, occupied=occupied), windows=occupied.bit_count())


def _counted(tiles: list[SurveyedTile], ground: Ground, tell: Progress) -> Iterator[SurveyedTile]:
    """Tiles with the number of their pixels that count, without those that have none."""
    for number, one in enumerate(tiles):
        tell(number, len(tiles), "pixels")
        looked = replace(one.tile, ground=ground, step=_COUNT_STEP)
        inside = looked.inside(looked.whole()).reshape(WINDOWS, -1, WINDOWS, _COUNTED)
        hits = inside.sum(axis=(1, 3)).ravel() * (_COUNT_STEP // round(PIXEL_M)) ** 2
        if np.count_nonzero(inside) < _FEW and ground.polygon is not None:
            fine = replace(looked, step=round(PIXEL_M))
            hits = np.array([fine.inside(window).sum() for window in fine.windows()])
        if hits.any():
            counted = replace(one.tile, pixels=int(hits.sum()))
            yield replace(one, tile=counted, windows=int(np.count_nonzero(hits)))


def _silent(done: int, total: int, text: str) -> None:
    """Nobody asked."""

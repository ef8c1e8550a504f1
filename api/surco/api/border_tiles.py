"""Land and borders of Chile as the page draws them: tiles of GeoJSON, each as exact as its zoom can show.

Every edge comes once, however many comunas meet there; islets that would be a few pixels are left out. From the
country to a region borders are those of regions, nearer those of comunas.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from surco.api.kept import Kept
from surco.api.ogc.comuna_outlines import comuna_outlines
from surco.api.refusals import UnknownError
from surco.api.tiles.addresses import TileAddress
from surco.api.tiles.mercator import from_units

__all__ = ["DEEPEST_BORDERS", "border_tile", "warm_borders"]

DEEPEST_BORDERS = 9
"""The highest zoom of these tiles; nearer, a page goes on with those of this zoom."""

_OF_COMUNAS = 7  # the first zoom with their borders
_EXACT = 8  # the first zoom at which the outlines are as exact as the store knows them
_CORNER = 2  # pixels: a corner goes where the triangle that it adds is smaller than this squared
_ISLET = 4  # pixels a side
_TILE = 512
_MARGIN = 0.002  # of a tile's width: land of neighbours overlaps, so that no seam shows between them


@dataclass(frozen=True, slots=True)
class _Level:
    """Land as polygons and borders as lines, with trees to find those of a tile."""

    land: shapely.STRtree
    lines: shapely.STRtree


_LEVELS: Kept[_Level] = Kept(_EXACT + 1)


def border_tile(z: int, x: int, y: int) -> bytes:
    """`{"land": geometry, "lines": geometry}` of a tile in GeoJSON's terms; null where it has none.

    Raises:
        UnknownError: no such tile, or one deeper than `DEEPEST_BORDERS`.
    """
    if z > DEEPEST_BORDERS:
        raise UnknownError(f"Expected a zoom from 0 to {DEEPEST_BORDERS}, got {z}. Ask for one of them.")
    tile = TileAddress.checked(z, x, y)
    sides = np.array([[tile.west, tile.west + tile.size], [tile.north + tile.size, tile.north]], float)
    (west, east), (south, north) = from_units(*sides)
    margin = (east - west) * _MARGIN
    level = _level(min(z, _EXACT))
    parts = {
        "land": _within(level.land, west - margin, south - margin, east + margin, north + margin),
        "lines": _within(level.lines, west, south, east, north),
    }
    return json.dumps(parts, separators=(",", ":")).encode()


def warm_borders() -> None:
    """Make what the first tiles of a country need."""
    for z in range(4, _EXACT + 1):
        _level(z)


def _within(tree: shapely.STRtree, west: float, south: float, east: float, north: float) -> Any:
    box = shapely.box(west, south, east, north)
    found = shapely.clip_by_rect(tree.geometries[tree.query(box)], west, south, east, north)
    parts = shapely.get_parts(found[~shapely.is_empty(found)])
    if not len(parts):
        return None
    texts = shapely.to_geojson(shapely.transform(parts, lambda xy: np.round(xy, 5)))
    shapes = [json.loads(text) for text in texts]
    return {"type": f"Multi{shapes[0]['type']}", "coordinates": [shape["coordinates"] for shape in shapes]}


def _level(z: int) -> _Level:
    return _LEVELS.get(z, lambda: _made(z))


def _made(z: int) -> _Level:
    pixel = 360 / _TILE / 2**z
    table = comuna_outlines()
    shapes = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    if z < _EXACT:
        shapes = shapely.coverage_simplify(shapes, _CORNER * pixel)
    if z < _OF_COMUNAS:
        shapes = _joined(shapes, np.array(table["region"].to_pylist(), object).astype(str))
    parts = shapely.get_parts(shapes)
    parts = parts[shapely.area(parts) > (_ISLET * pixel) ** 2]
    borders = shapely.line_merge(shapely.union_all(shapely.boundary(parts)))
    land = shapely.get_parts(shapely.coverage_union_all(parts))
    return _Level(shapely.STRtree(land), shapely.STRtree(shapely.get_parts(borders)))


def _joined(shapes: npt.NDArray[Any], names: npt.NDArray[np.str_]) -> npt.NDArray[Any]:
    return np.array([shapely.coverage_union_all(shapes[names == name]) for name in np.unique(names)], object)

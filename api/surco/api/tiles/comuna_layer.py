"""The comunas as vector tiles: neighbours simplified together, so that they share their limits at every zoom."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from surco.api.ogc.comuna_outlines import comuna_outlines
from surco.api.refusals import UnknownError
from surco.api.tiles.addresses import TileAddress
from surco.api.tiles.columns import Column
from surco.api.tiles.mercator import to_units
from surco.api.tiles.shapes import Shapes
from surco.api.tiles.vector_tile import BUFFER, EXTENT, layer, mended, snapped

__all__ = ["ComunaLayer"]

_FINEST = 12
_MOVED = 4
_TEXTS = ("comuna_name", "provincia", "region")


class ComunaLayer:
    """The layer `comunas`, with the code, the name, the province and the region of each."""

    name = "comunas"
    title = "Comunas of Chile"
    fields: Mapping[str, str] = MappingProxyType(
        {"id": "String", "comuna": "Number", **dict.fromkeys(_TEXTS, "String")}
    )

    @property
    def digest(self) -> str:
        """Of all outlines."""
        return _digest()

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        west, south, east, north = shapely.total_bounds(_outlines()).tolist()
        return west, south, east, north

    def style_of(self, style: str | None) -> str:
        """Raises UnknownError: comunas have no pictures."""
        raise _no_pictures()

    def picture(self, tile: TileAddress, style: str | None, pixels: int) -> bytes:
        """Raises UnknownError: comunas have no pictures."""
        raise _no_pictures()

    def vector(self, tile: TileAddress) -> bytes:
        """A vector tile; nothing where no comuna is in it."""
        outlines = _at(min(tile.z, _FINEST))
        margin = tile.size * BUFFER // EXTENT
        corner = np.array([tile.west, tile.north])
        low, high = corner - margin, corner + tile.size + margin
        near = np.flatnonzero(_touching(shapely.bounds(outlines), low, high))
        cut = shapely.clip_by_rect(outlines[near], *low.tolist(), *high.tolist())
        shapes = Shapes.of_polygons(shapely.transform(cut, lambda xy: xy - corner))
        on_grid = mended(snapped(shapes, tile.size))
        if not len(on_grid.owner):
            return b""
        rows = comuna_outlines().take(near)
        every = np.arange(len(near))
        columns = [Column.texts(name, _words(rows[name]), every) for name in ("id", *_TEXTS)]
        columns.append(Column.counts("comuna", rows["comuna"].to_numpy()))
        return layer(self.name, on_grid, columns)


def _no_pictures() -> UnknownError:
    return UnknownError("Expected vector tiles of comunas, got a picture. Ask for f=mvt.")


def _words(column: Any) -> list[str]:
    return [str(word) for word in column.to_pylist()]


@lru_cache(maxsize=1)
def _outlines() -> npt.NDArray[Any]:
    wkb = comuna_outlines()["geometry"].to_numpy(zero_copy_only=False)
    return np.asarray(shapely.from_wkb(wkb), object)


@lru_cache(maxsize=1)
def _digest() -> str:
    return hashlib.sha256(b"".join(shapely.to_wkb(_outlines()).tolist())).hexdigest()[:32]


@lru_cache(maxsize=_FINEST + 1)
def _at(zoom: int) -> npt.NDArray[Any]:
    """The outlines in units, as simple as a zoom allows."""

    def units(lonlat: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.stack(to_units(*lonlat.T), axis=1).astype(np.float64)

    shapes = shapely.transform(_outlines(), units)
    return np.asarray(shapely.coverage_simplify(shapes, float(_MOVED << (20 - zoom))), object)


def _touching(bounds: npt.NDArray[np.float64], low: Any, high: Any) -> npt.NDArray[np.bool_]:
    return np.asarray(((bounds[:, :2] < high) & (bounds[:, 2:] >= low)).all(axis=1))

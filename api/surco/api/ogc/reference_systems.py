"""The coordinate reference systems that items and boxes are to be had in (OGC API Features Part 2)."""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from surco.api.ogc.cql2_values import Reproject
from surco.api.refusals import InvalidError

__all__ = ["CRS84", "CRS_URIS", "known_crs", "to_lonlat", "turned"]

CRS84: Final = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
"""Longitude and latitude: what is stored, and meant where nothing is named."""

_EPSG: Final = (4326, 3857, 32718, 32719, 5360, 5361, 5362)

CRS_URIS: Final = (CRS84, *(f"http://www.opengis.net/def/crs/EPSG/0/{code}" for code in _EPSG))
"""WGS 84 with latitude first, Web Mercator, UTM 18S and 19S, and Chile's SIRGAS: geographic, UTM 19S and 18S."""

_PER_THREAD = threading.local()
# A straight side of a box in one system is bent in another.
_POINTS_A_SIDE = 21
# Half the earth's circumference is 20 million metres.
_FARTHEST = 1e9


def known_crs(uri: str | None, parameter: str) -> str:
    """The URI of a reference system that is offered, CRS84 for None; `[EPSG:4326]` and `EPSG:4326` are taken, too.

    Raises:
        InvalidError: another one.
    """
    if uri is None:
        return CRS84
    name = uri.strip("[]")
    if name.upper().startswith("EPSG:"):
        name = f"http://www.opengis.net/def/crs/EPSG/0/{name[5:]}"
    if name.upper() == "OGC:CRS84":
        name = CRS84
    if name not in CRS_URIS:
        raise InvalidError(
            f"Expected {parameter} to be one of {', '.join(CRS_URIS)}, got {uri[:200]!r}. Name one of them."
        )
    return name


def turned(shapes: npt.NDArray[np.object_], uri: str, decimals: int) -> npt.NDArray[np.object_]:
    """Shapes in longitude and latitude → in another system, in the order of its axes, rounded."""
    transformer = None if uri == CRS84 else _transformer(CRS84, uri)

    def move(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        moved = places if transformer is None else np.stack(transformer.transform(*places.T), axis=1)
        return np.asarray(np.round(moved, decimals))

    return np.asarray(shapely.transform(shapes, move), object)


def to_lonlat(uri: str) -> Reproject | None:
    """From a system, in the order of its axes, to longitude and latitude; None where nothing has to be done."""
    if uri == CRS84:
        return None
    transformer = _transformer(uri, CRS84)

    def reproject(shape: Any) -> Any:
        west, south, east, north = shape.bounds
        if max(map(abs, shape.bounds)) > _FARTHEST:
            raise InvalidError(
                f"Expected coordinates of {uri} below {_FARTHEST:,.0f}, got {shape.bounds}. Correct them, or name the "
                "reference system that they are in."
            )
        longest = max(east - west, north - south)
        # What is a single place has no sides.
        dense = shapely.segmentize(shape, longest / _POINTS_A_SIDE) if longest > 0 else shape
        return shapely.transform(dense, lambda xy: np.stack(transformer.transform(*xy.T), axis=1))

    return reproject


def _transformer(one: str, other: str) -> pyproj.Transformer:
    """Kept for each thread: pyproj's are not to be shared."""
    held: dict[tuple[str, str], pyproj.Transformer] = _PER_THREAD.__dict__.setdefault("transformers", {})
    if (one, other) not in held:
        held[one, other] = pyproj.Transformer.from_crs(_name(one), _name(other))
    return held[one, other]


def _name(uri: str) -> str:
    return "OGC:CRS84" if uri == CRS84 else f"EPSG:{uri.rpartition('/')[2]}"

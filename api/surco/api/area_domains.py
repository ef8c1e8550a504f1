"""Which part of each place counts, and in which comuna, province or region it counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.api.maps import Places
from surco.embedstore import comunas

__all__ = ["Division", "Domains", "divide", "shares_within", "some_places"]

Division = Literal["none", "comuna", "province", "region"]
_COLUMNS = {
    "comuna": ("cut", "comuna", 1),
    "province": ("provincia_cut", "provincia", 100),
    "region": ("region_cut", "region", 1000),
}
_OUTSIDE = "no comuna known"
_LAST = 100_000  # above every code
_METRES_A_DEGREE = 110_574.0  # of latitude at the equator, where it is shortest


@dataclass(frozen=True, slots=True, eq=False)
class Domains:
    """Names of the domains, and (N,) the position in them of each place's."""

    names: tuple[str, ...]
    code: npt.NDArray[np.int64]


def divide(places: Places, by: Division) -> Domains:
    """The comuna, province or region of each place, in the order of the official codes; one domain for "none".

    Places abroad and those whose comuna the table does not know make up a last domain, so that domains add up.
    """
    if by == "none":
        return Domains(("total",), np.zeros(len(places.id), np.int64))
    code, name, divisor = _COLUMNS[by]
    facts = comunas()
    named = {
        int(cut): str(word) for cut, word in zip(facts[code].to_numpy(), facts[name].to_numpy(), strict=True)
    }
    comuna = places.table["comuna"].combine_chunks().fill_null(0)
    cut = np.asarray(comuna.to_numpy(zero_copy_only=False), np.int64) // divisor
    known = np.isin(cut, np.array(list(named), np.int64))
    present, position = np.unique(np.where(known, cut, _LAST), return_inverse=True)
    return Domains(tuple(named.get(each, _OUTSIDE) for each in present.tolist()), position.astype(np.int64))


def shares_within(places: Places, area: shapely.Geometry) -> npt.NDArray[np.float64]:
    """(N,) share 0..1 of each place that lies within an area, by exact intersection where its outline cuts the place.

    Args:
        places: cells or parcels.
        area: valid polygons, longitude and latitude.
    """
    shares = np.zeros(len(places.id))
    near = np.flatnonzero(_near(places, area))
    if not len(near):
        return shares
    shapes = some_places(places, near).polygons()
    broken = ~shapely.is_valid(shapes)
    shapes[broken] = shapely.make_valid(shapes[broken])
    shapely.prepare(area)
    whole = shapely.contains_properly(area, shapes)
    cut = shapely.intersects(area, shapes) & ~whole
    shares[near[whole]] = 1.0
    # Within one place degrees are as good as metres: both areas are scaled alike.
    part = shapely.area(shapely.intersection(shapes[cut], area)) / shapely.area(shapes[cut])
    shares[near[cut]] = np.clip(np.nan_to_num(part), 0.0, 1.0)
    return shares


def some_places(places: Places, rows: npt.NDArray[np.int64]) -> Places:
    """The places of some rows, in their order."""
    return replace(
        places,
        table=places.table.take(pa.array(rows, pa.int64())),
        id=places.id[rows],
        area_ha=places.area_ha[rows],
    )


def _near(places: Places, area: shapely.Geometry) -> npt.NDArray[np.bool_]:
    """(N,) whether a place's bounds may meet those of the area, without drawing cells that are far from it."""
    west, south, east, north = shapely.bounds(area)
    if places.unit == "parcels":
        shapes = shapely.from_wkb(places.table["geometry"].to_numpy(zero_copy_only=False))
        left, bottom, right, top = shapely.bounds(shapes).T
        return np.asarray((left <= east) & (right >= west) & (bottom <= north) & (top >= south))
    centres = pa.record_batch(h3ronpy.vector.cells_to_coordinates(places.table["h3"].combine_chunks()))
    lon, lat = centres.column("lng").to_numpy(), centres.column("lat").to_numpy()
    # A cell's corner is less than its area's root from its centre.
    high = float(np.sqrt(places.area_ha.max() * 10_000)) / _METRES_A_DEGREE
    wide = high / max(np.cos(np.radians(max(abs(south), abs(north)))), 0.05)
    return np.asarray(
        (lon >= west - wide) & (lon <= east + wide) & (lat >= south - high) & (lat <= north + high)
    )

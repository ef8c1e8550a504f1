"""Which part of a map is meant: a box, a drawn polygon, comunas, regions; and what need not be read for it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from surco.api.refusals import InvalidError
from surco.embedstore import comunas

__all__ = ["EVERYWHERE", "Within", "read_within"]

Bbox = tuple[float, float, float, float]
# Cells stick out of their ancestors' outlines by less than a fifth of these; a third is safe.
_STICKS_OUT = 1 / 3
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True)
class Within:
    """A part of a map: what lies in the box, in the drawn polygon, and in one of the comunas.

    Cells count where their centre lies in it, parcels where their bounds meet the box, or their outline the polygon.

    Attributes:
        bbox: west, south, east, north in degrees; None for everywhere. Of a polygon its bounds, or less.
        comunas: official codes; None for everywhere.
        drawn: a valid polygon or multipolygon in degrees; None for none.
    """

    bbox: Bbox | None = None
    comunas: frozenset[int] | None = None
    drawn: shapely.Geometry | None = None

    @property
    def everywhere(self) -> bool:
        """Whether nothing is left out."""
        return self.bbox is None and self.comunas is None

    @property
    def shape(self) -> shapely.Geometry | None:
        """What limits it on the ground; None for nothing."""
        return self.drawn if self.drawn is not None else self.bbox and shapely.box(*self.bbox)

    @property
    def name(self) -> str | None:
        """The box or the polygon in words, for answers; None for neither."""
        if self.drawn is not None:
            return f"a drawn polygon of {int(shapely.get_num_coordinates(self.drawn)):,} vertices"
        return ",".join(f"{side:g}" for side in self.bbox) if self.bbox else None

    def columns(self, unit: str) -> tuple[str, ...]:
        """Columns that `rows` needs beside the id."""
        return (
            *(("bbox",) if self.bbox and unit == "parcels" else ()),
            *(("geometry",) if self.drawn is not None and unit == "parcels" else ()),
            *(("comuna",) if self.comunas else ()),
        )

    def may_hold(self, file: Path) -> bool:
        """Whether a file may have rows of the part, by the H3 cell that it is named by."""
        if self.bbox is None:
            return True
        bounds = _parent_bounds(file.stem)
        if bounds is None:
            return True
        west, south, east, north = self.bbox
        return bounds[0] <= east and bounds[2] >= west and bounds[1] <= north and bounds[3] >= south

    def group_may_hold(self, group: Any) -> bool:
        """Whether a row group (`pyarrow.parquet.RowGroupMetaData`) may have rows of the part, by its statistics."""
        known = {}
        for number in range(group.num_columns if not self.everywhere else 0):
            column = group.column(number)
            if column.statistics is not None and column.statistics.has_min_max:
                known[column.path_in_schema] = (column.statistics.min, column.statistics.max)
        low, high = known.get("comuna", (0, math.inf))
        if self.comunas is not None and not any(low <= code <= high for code in self.comunas):
            return False
        if self.bbox is None or not all(f"bbox.{side}" in known for side in _SIDES):
            return True
        west, south, east, north = self.bbox
        return bool(
            known["bbox.xmin"][0] <= east
            and known["bbox.xmax"][1] >= west
            and known["bbox.ymin"][0] <= north
            and known["bbox.ymax"][1] >= south
        )

    def rows(self, table: pa.Table, unit: str) -> npt.NDArray[np.bool_] | None:
        """(N,) which rows of a table belong to the part; None for all."""
        masks = []
        if self.comunas is not None:
            codes = pa.array(sorted(self.comunas), pa.uint16())
            masks.append(pc.is_in(table["comuna"], value_set=codes).to_numpy())
        if self.bbox is not None:
            masks.append(_in_box(table, unit, self.bbox))
        if self.drawn is not None:
            masks.append(_in_polygon(table, unit, self.drawn))
        return np.logical_and.reduce(masks) if masks else None


EVERYWHERE = Within()
"""All of a map."""


def read_within(
    bbox: str | None, comuna: str | None, region: str | None, drawn: shapely.Geometry | None = None
) -> Within:
    """The part that query parameters and a polygon name.

    Args:
        bbox: "west,south,east,north" in degrees.
        comuna: names or official codes, between commas; case and accents do not matter.
        region: the same of regions.
        drawn: a valid polygon in degrees.

    Raises:
        InvalidError: no box, a comuna or region that there is not, a polygon beside the box.
    """
    facts: list[dict[str, Any]] = comunas().to_pylist()
    codes: set[int] | None = None
    if comuna is not None:
        codes = _codes(comuna, "comuna", {each["comuna"]: each["cut"] for each in facts})
    if region is not None:
        wanted = _codes(region, "region", {each["region"]: each["region_cut"] for each in facts})
        inside = {each["cut"] for each in facts if each["region_cut"] in wanted}
        codes = inside if codes is None else codes & inside
        if not codes:
            raise InvalidError(
                f"Expected comunas of region {region!r}, got {comuna!r}, which lies elsewhere. Leave one of them out."
            )
    box = None if bbox is None else _box(bbox)
    if drawn is not None:
        drawn, box = _cut(drawn, box)
    return Within(box, None if codes is None else frozenset(codes), drawn)


def _cut(drawn: shapely.Geometry, box: Bbox | None) -> tuple[shapely.Geometry, Bbox]:
    """What of a polygon lies in a box, and its bounds."""
    if box is not None:
        parts = shapely.get_parts(shapely.intersection(drawn, shapely.box(*box)))
        drawn = shapely.union_all(parts[shapely.area(parts) > 0])
        if drawn.is_empty:
            raise InvalidError("Expected a polygon that meets bbox, got one beside it. Leave bbox out.")
    west, south, east, north = shapely.bounds(drawn).tolist()
    return drawn, (west, south, east, north)


def _box(text: str) -> Bbox:
    parts = text.split(",")
    try:
        west, south, east, north = (float(part) for part in parts)
    except ValueError:
        west = south = east = north = math.nan
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise InvalidError(
            f"Expected bbox=west,south,east,north in degrees, west below east and south below north, got "
            f"{text[:80]!r}. Write for example bbox=-71.8,-35.6,-71.4,-35.3."
        )
    return west, south, east, north


def _codes(text: str, what: str, named: Mapping[str, int]) -> set[int]:
    known = {_plain(name): code for name, code in named.items()}
    known |= {str(code): code for code in named.values()}
    found = set()
    for part in text.split(","):
        code = known.get(_plain(part).lstrip("0"))
        if code is None:
            near = get_close_matches(_plain(part), [_plain(name) for name in named], 1, 0.7)
            hint = next((f" Did you mean {n}?" for n in named if near and _plain(n) == near[0]), "")
            raise InvalidError(
                f"Expected {what} to be the name or official code of a {what} of Chile, got {part.strip()[:60]!r}."
                f"{hint} Names need no accents."
            )
        found.add(code)
    return found


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFD", name.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@cache
def _parent_bounds(stem: str) -> Bbox | None:
    """Bounds of all cells below the H3 cell that a file is named by; None where it is named otherwise."""
    try:
        cell = int(stem, 16)
        wkb = pa.array(h3ronpy.vector.cells_to_wkb_polygons(pa.array([cell], pa.uint64())))
    except (ValueError, OverflowError):
        return None
    west, south, east, north = (float(v) for v in shapely.bounds(shapely.from_wkb(wkb[0].as_py())))
    wide, high = (east - west) * _STICKS_OUT, (north - south) * _STICKS_OUT
    return west - wide, south - high, east + wide, north + high


def _in_box(table: pa.Table, unit: str, bbox: Bbox) -> npt.NDArray[np.bool_]:
    west, south, east, north = bbox
    if unit == "parcels":
        left, bottom, right, top = (pc.struct_field(table["bbox"], side).to_numpy() for side in _SIDES)
        return np.asarray((left <= east) & (right >= west) & (bottom <= north) & (top >= south))
    lon, lat = _centres(table)
    return np.asarray((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))


def _in_polygon(table: pa.Table, unit: str, drawn: shapely.Geometry) -> npt.NDArray[np.bool_]:
    shapely.prepare(drawn)
    if unit == "parcels":
        shapes = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
        return np.asarray(shapely.intersects(drawn, shapes))
    return np.asarray(shapely.intersects_xy(drawn, *_centres(table)))


def _centres(table: pa.Table) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Longitude and latitude of the centres of cells."""
    centres = pa.record_batch(h3ronpy.vector.cells_to_coordinates(table["h3"].combine_chunks()))
    return centres.column("lng").to_numpy(), centres.column("lat").to_numpy()

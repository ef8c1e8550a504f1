"""Ground that a table should have and has not, as after a tile that failed: named by the comunas that it lies in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import h3
import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from surco.api.quality.land import land_below
from surco.api.search.cell_ranges import centres_of
from surco.embedstore import comuna_of, comunas
from surco.embedstore.cells import parents_of
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import table_vectors

__all__ = ["found_holes"]

_FINEST = 7
"""Holes are made of cells of 5 km² at least, somewhat less than a tile of the encoder."""
_ABOVE = 2
_BLOCK = 1 << 20
_LISTED = 200
_MOST = 3_000_000

Json = dict[str, Any]
Cells = npt.NDArray[np.uint64]


class _Area(NamedTuple):
    """A box in degrees, and codes of the comunas that count in it; None for all ground."""

    bbox: Sequence[float]
    comunas: Sequence[int] | None


def found_holes(source: Source) -> Json:
    """Coarse cells within the encoded areas that hold land and no row, joined where they touch.

    An area is the box of a run that the table remembers, and in it the comunas that a plan's run was over; else the
    table's own box. Of a run over another area that is no box the corners may show as holes. A run over cropland or a
    polygon only expects nothing. Where the table has rows in no comuna of Chile, all ground counts as land.

    Returns:
        `resolution` of the coarse cells, how many were `expected`, how many are `empty` and how many `half_seen` (under
        half of their land), and `holes`, the largest 200: number of coarse `cells`, `km2`, `lon`, `lat`, `bbox`,
        `comunas` that they lie in; `runs` says whether areas of runs were known.
    """
    level = source.info.resolution or 0
    coarse = min(_FINEST, max(0, level - _ABOVE))
    notes = [note for note in source.info.meta.get("runs", []) if "bbox" in note]
    areas = [_Area(note["bbox"], note.get("comunas")) for note in notes if not note.get("partly")]
    if not notes:
        areas = [_Area(source.info.bbox, None)]
    expected, land = _expected(source, areas, coarse, level)
    seen = _rows_below(source, expected, coarse)
    empty = expected[seen == 0]
    return {
        "resolution": coarse,
        "runs": bool(notes),
        "expected": len(expected),
        "empty": len(empty),
        "half_seen": int(((seen > 0) & (seen < land / 2)).sum()),
        "holes": _joined(empty),
    }


def _expected(
    source: Source, areas: Sequence[_Area], coarse: int, level: int
) -> tuple[Cells, npt.NDArray[np.float64]]:
    """Coarse cells wholly within an area, and how many cells of land each should hold."""
    whole = 7.0 ** (level - coarse)
    if table_vectors(source).comuna.any():
        cells, land = land_below(coarse, level)
        kept = land >= whole / 2
        cells, land = cells[kept], land[kept]
    else:
        cells = _covering(areas, coarse)
        land = np.full(len(cells), whole)
    inside = _within(cells, areas)
    return cells[inside], land[inside]


def _covering(areas: Sequence[_Area], coarse: int) -> Cells:
    found = [
        pa.array(
            h3ronpy.vector.wkb_to_cells(pa.array([shapely.to_wkb(box)]), coarse, flatten=True)
        ).to_numpy()
        for box in (shapely.box(*area.bbox) for area in areas)
        if box.area * 12_400 / h3.average_hexagon_area(coarse, unit="km^2") < _MOST
    ]
    return np.unique(np.concatenate([np.empty(0, np.uint64), *found]))


def _within(cells: Cells, areas: Sequence[_Area]) -> npt.NDArray[np.bool_]:
    """Which cells lie in one of the areas with their whole outline; centres are looked at first."""
    places, inside = centres_of(cells), np.zeros(len(cells), np.bool_)
    x, y = places.T
    codes = np.asarray(comuna_of(cells).fill_null(0).to_numpy(zero_copy_only=False))
    for (west, south, east, north), wanted in areas:
        near = np.flatnonzero((x >= west) & (x <= east) & (y >= south) & (y <= north))
        if wanted is not None:
            near = near[np.isin(codes[near], wanted)]
        outlines = shapely.from_wkb(_outlines(cells[near]))
        left, bottom, right, top = shapely.bounds(outlines).reshape(-1, 4).T
        inside[near[(left >= west) & (right <= east) & (bottom >= south) & (top <= north)]] = True
    return inside


def _rows_below(source: Source, coarse_cells: Cells, coarse: int) -> npt.NDArray[np.int64]:
    """(N,) rows of the table below each of (N,) coarse cells, ascending; some rows at a time."""
    cells = table_vectors(source).keys.to_numpy()
    found = np.zeros(len(coarse_cells), np.int64)
    for start in range(0, len(cells) if len(coarse_cells) else 0, _BLOCK):
        parents, counts = np.unique(parents_of(cells[start : start + _BLOCK], coarse), return_counts=True)
        place = np.minimum(np.searchsorted(coarse_cells, parents), len(coarse_cells) - 1)
        held = coarse_cells[place] == parents
        found[place[held]] += counts[held]
    return found


def _joined(empty: Cells) -> list[Json]:
    """Holes of cells that touch, the largest first."""
    if not len(empty):
        return []
    disks = pa.array(h3ronpy.grid_disk(pa.array(empty), 1))
    others = np.asarray(disks.flatten().to_numpy(zero_copy_only=False), np.uint64)
    first = np.repeat(np.arange(len(empty)), np.diff(np.asarray(disks.offsets)))
    second = np.minimum(np.searchsorted(empty, others), len(empty) - 1)
    held = empty[second] == others
    links = coo_array((np.ones(int(held.sum())), (first[held], second[held])), (len(empty), len(empty)))
    count, part = connected_components(links, directed=False)
    order = np.argsort(part, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(part, minlength=count))[:-1])
    groups.sort(key=len, reverse=True)
    return sorted((_hole(empty[group]) for group in groups[:_LISTED]), key=lambda hole: -float(hole["km2"]))


def _hole(cells: Cells) -> Json:
    places = centres_of(cells)
    bounds = shapely.total_bounds(shapely.from_wkb(_outlines(cells)))
    middle = places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]
    return {
        "cells": len(cells),
        "km2": round(sum(h3.cell_area(h3.int_to_str(int(cell)), unit="km^2") for cell in cells.tolist()), 1),
        "lon": round(float(middle[0]), 5),
        "lat": round(float(middle[1]), 5),
        "bbox": [round(side, 5) for side in bounds.tolist()],
        "comunas": _comunas(cells),
    }


def _comunas(cells: Cells) -> list[str]:
    """Names of the comunas that hold most of the cells' centres, five at most."""
    codes = comuna_of(cells).drop_null().to_numpy()
    held, counts = np.unique(codes, return_counts=True)
    names = {row["cut"]: row["comuna"] for row in comunas().to_pylist()}
    return [names[code] for code in held[np.argsort(-counts, kind="stable")][:5].tolist()]


def _outlines(cells: Cells) -> Any:
    return pa.array(h3ronpy.vector.cells_to_wkb_polygons(pa.array(cells))).to_numpy(zero_copy_only=False)

"""The rows of one page: found block by block from where the last page ended, and no further than needed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.api.ogc.filters import EVERYTHING, RowFilter
from surco.api.ogc.mirrors import Mirror
from surco.api.ogc.predictors import Predictor
from surco.api.ogc.regions import Region
from surco.api.ogc.row_filters import passing, passing_comunas
from surco.api.ogc.zones import ZONE, rows_of_zones
from surco.embedstore.vector_sources import Source

__all__ = ["ENOUGH_S", "MOST_S", "Layer", "PageRows", "page_rows"]

ENOUGH_S = 1.0
"""Seconds after which a page that has a feature is not filled further; it is short then, and leads on."""

MOST_S = 8.0
"""Seconds after which a page that has none is given up: it is empty then, and leads on."""

_LARGEST_BLOCK = 1 << 19
# A block that took longer than this is the largest.
_LONG_S = 0.2

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What a page is cut from.

    Attributes:
        mirror: the rows.
        constants: columns with one value, as season and model.
        predictor: of a map.
        source: of a map, the table whose vectors it reads.
    """

    mirror: Mirror
    constants: Mapping[str, str]
    predictor: Predictor | None = None
    source: Source | None = None

    def predicted(self, rows: Rows) -> dict[str, Any]:
        """Columns that the adapter computes for rows; none where the layer is no map."""
        if self.predictor is None or self.source is None:
            return {}
        return self.predictor.columns(self.mirror, self.source, rows)


@dataclass(frozen=True, slots=True, eq=False)
class PageRows:
    """Rows of a page, ascending, and the row from which the next one looks on; None at the end of the table."""

    rows: Rows
    after: int | None


def page_rows(
    layer: Layer,
    start: int,
    limit: int,
    region: Region | None = None,
    where: RowFilter = EVERYTHING,
    *,
    enough_s: float = ENOUGH_S,
    most_s: float = MOST_S,
) -> PageRows:
    """Find the rows of a page.

    Args:
        layer: what is asked.
        start: row to look from.
        limit: most rows.
        region: what a row's outline must meet; None for everywhere.
        where: what its columns must fulfil.
        enough_s: seconds after which a page that has something is short rather than late.
        most_s: seconds after which a page that has nothing is empty rather than late.

    Raises:
        InvalidError: a filter that cannot be computed for some row.
    """
    allowed = None if where.places is None else passing_comunas(where.places)
    found: list[Rows] = [np.empty(0, np.int64)]
    count, began = 0, time.monotonic()
    for block in _blocks(layer.mirror, start, limit, region, where, allowed):
        rows = _kept(layer, block, region, where, allowed)
        found.append(rows)
        count += len(rows)
        if count > limit:
            whole = np.concatenate(found)
            return PageRows(whole[:limit], int(whole[limit]))
        if time.monotonic() - began > (enough_s if count else most_s):
            after = int(block[-1]) + 1
            return PageRows(np.concatenate(found), after if after < len(layer.mirror) else None)
    return PageRows(np.concatenate(found), None)


def _blocks(
    mirror: Mirror,
    start: int,
    limit: int,
    region: Region | None,
    where: RowFilter,
    allowed: npt.NDArray[np.bool_] | None,
) -> Iterator[Rows]:
    """Rows that may pass, in blocks that grow as long as little is found."""
    first = start // ZONE
    touched = np.ones(len(mirror.zones) - first, np.bool_)
    for boxes in (*where.grounds, *([] if region is None else [region.boxes])):
        touched &= mirror.zones_touching(boxes)[first:]
    if allowed is not None:
        touched &= mirror.zones_of(allowed)[first:]
    zones = np.flatnonzero(touched) + first
    size, at = max(2, limit // ZONE + 1), 0
    while at < len(zones):
        rows = rows_of_zones(zones[at : at + size], len(mirror))
        began = time.monotonic()
        yield rows[rows >= start]
        at += size
        if time.monotonic() - began < _LONG_S:
            size = min(size * 4, _LARGEST_BLOCK // ZONE)


def _kept(
    layer: Layer, rows: Rows, region: Region | None, where: RowFilter, allowed: npt.NDArray[np.bool_] | None
) -> Rows:
    """The rows that meet the region and pass the filter, the cheapest test first."""
    if allowed is not None:
        codes = _columns(layer.mirror, rows, ["comuna"])["comuna"].fill_null(0)
        rows = rows[allowed[codes.to_numpy(zero_copy_only=False)]]
    if region is not None and len(rows):
        rows = _meeting(layer.mirror, rows, region)
    if where.plain is not None and len(rows):
        names = [
            name
            for name in layer.mirror.rows.schema.names
            if name == "comuna" or f'"{name}"' in where.plain.sql
        ]
        rows = rows[passing(_columns(layer.mirror, rows, names), layer.constants, where.plain)]
    if where.predicted is None or not len(rows):
        return rows
    columns = {**_columns(layer.mirror, rows, layer.mirror.rows.schema.names), **layer.predicted(rows)}
    return rows[passing(columns, layer.constants, where.predicted)]


def _meeting(mirror: Mirror, rows: Rows, region: Region) -> Rows:
    """Rows whose outline meets the region; those of a zone that lies within it do without a look."""
    numbers, which = np.unique(rows // ZONE, return_inverse=True)
    meets = region.holds(mirror.zones[numbers])[which]
    edge = np.flatnonzero(~meets)
    if len(edge):
        meets[edge] = mirror.meeting(rows[edge], region)
    return rows[meets]


def _columns(mirror: Mirror, rows: Rows, names: list[str]) -> dict[str, Any]:
    names = names or [mirror.key]
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        block = mirror.rows.select(names).slice(int(rows[0]), len(rows))
    else:
        block = mirror.rows.select(names).take(rows)
    return dict(zip(names, block.columns, strict=True))

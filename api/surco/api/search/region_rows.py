"""The rows of a table that lie in a region and pass a filter, as row numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import shapely

from surco.api.kept import Kept
from surco.api.ogc.cql2_sql import cells_queryables, parcels_queryables, where_of
from surco.api.search.cell_ranges import rows_inside
from surco.api.search.regions import Region
from surco.api.search.warm_sessions import WarmSessions
from surco.embedstore import Store
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import TableVectors, table_vectors

__all__ = ["Looking"]

_MOST_SPANS = 24
_MARGIN = 0.01
"""Degrees around a table's places within which an area is cut off: more than a cell of it."""

Rows = npt.NDArray[np.int64]


class Looking:
    """Finds rows; `sessions` are asked what the mapped vectors cannot tell."""

    def __init__(self, sessions: WarmSessions) -> None:
        self._sessions = sessions
        self._of_comunas: Kept[Rows] = Kept(8)

    def rows(
        self,
        store: Store,
        source: Source,
        region: Region,
        condition: str | Mapping[str, Any] | None = None,
        language: Literal["cql2-text", "cql2-json"] | None = None,
    ) -> Rows:
        """(M,) rows, ascending: cells by their centre, parcels where they touch the area.

        Raises:
            InvalidError: a filter that cannot be read, or that names a column that is not there.
            TimedOutError: a filter that takes too long.
            StoreError: a damaged file.
        """
        vectors = table_vectors(source)
        found: list[Rows] = []
        if region.comunas is not None:
            codes = region.comunas
            found.append(self._of_comunas.get((source, codes), lambda: _in_comunas(vectors, codes)))
        if region.shape is not None:
            found.append(self._inside(store, source, _cut(region.shape, source)))
        if not found and condition is None:
            return np.arange(len(vectors.inverse_length))
        if condition is not None:
            queryables = (cells_queryables if source.table == "cells" else parcels_queryables)(
                store.start_month
            )
            where = where_of(condition, queryables, language).inlined
            near = f"({_spans(source, _common(found))}) AND " if found and source.table == "cells" else ""
            found.append(self._sessions.passing(store, source, f"{near}({where})"))
        return _common(found)

    def _inside(self, store: Store, source: Source, shape: shapely.Geometry) -> Rows:
        if shape.is_empty or (source.table == "cells" and not shape.area):
            return np.empty(0, np.int64)
        if source.info.resolution is not None:
            return rows_inside(table_vectors(source).keys.to_numpy(), source.info.resolution, shape)
        return self._sessions.passing(store, source, _touching(shape))


def _in_comunas(vectors: TableVectors, codes: tuple[int, ...]) -> Rows:
    held = np.zeros(1 << 16, np.bool_)
    held[list(codes)] = True
    return np.asarray(np.flatnonzero(held[vectors.comuna]), np.int64)


def _common(found: list[Rows]) -> Rows:
    return reduce(lambda one, other: np.intersect1d(one, other, assume_unique=True), found)


def _spans(source: Source, rows: Rows) -> str:
    """SQL of ours that these cells fulfil and few others: whole files and row groups are left out by it."""
    if not len(rows):
        return "false"
    cells = table_vectors(source).keys.to_numpy()
    gaps = np.diff(rows)
    cuts = np.sort(np.argsort(gaps)[len(gaps) - min(len(gaps), _MOST_SPANS - 1) :])
    firsts, lasts = rows[np.r_[0, cuts + 1]], rows[np.r_[cuts, len(rows) - 1]]
    return " OR ".join(
        f"h3 BETWEEN {low} AND {high}"
        for low, high in zip(cells[firsts].tolist(), cells[lasts].tolist(), strict=True)
    )


def _cut(shape: shapely.Geometry, source: Source) -> shapely.Geometry:
    """The part of an area where the table has places; H3 cannot cover half of the globe."""
    west, south, east, north = source.info.bbox
    return shapely.intersection(
        shape, shapely.box(west - _MARGIN, south - _MARGIN, east + _MARGIN, north + _MARGIN)
    )


def _touching(shape: shapely.Geometry) -> str:
    """SQL of ours that parcels fulfil which touch an area; their bounds are asked first."""
    west, south, east, north = (repr(float(side)) for side in shape.bounds)
    return (
        f"bbox.xmin <= {east} AND bbox.xmax >= {west} AND bbox.ymin <= {north} AND bbox.ymax >= {south} "
        f"AND ST_Intersects(geometry, ST_GeomFromHEXWKB('{shapely.to_wkb(shape, hex=True)}'))"
    )

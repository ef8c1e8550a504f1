"""Outlines of Chile's comunas, dissolved from the H3 facts that the package ships with.

Cells of resolution 8 (0.7 km²) are joined and their common borders smoothed together, so that neighbours neither
overlap nor part. An outline is within a kilometre of the official limit: for maps and choosing, not for the law.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any

import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from surco.embedstore import comuna_of, comunas
from surco.embedstore.cells import parents_of, resolutions_of

__all__ = ["comuna_outlines"]

_RESOLUTION = 8
# Degrees: a corner goes where the triangle that it adds is smaller than this squared (Visvalingam and Whyatt 1993).
_SMOOTH = 0.005


@lru_cache(maxsize=1)
def comuna_outlines() -> pa.Table:
    """The comunas that have cells, by code: some two seconds the first time, then kept.

    Columns `id` (the code as text), `geometry` (WKB, longitude and latitude), `comuna` (uint16 code), `comuna_name`,
    `provincia` and `region`.
    """
    cells = _cells()
    codes = comuna_of(cells).fill_null(0).to_numpy(zero_copy_only=False)
    held = np.unique(codes[codes > 0])
    shapes = np.array([_dissolved(cells[codes == code]) for code in held], object)
    smooth = shapely.orient_polygons(shapely.coverage_simplify(shapes, _SMOOTH))
    names = comunas()
    rows = pc.index_in(
        pa.array(held.astype(np.int64)), value_set=names["cut"].combine_chunks().cast(pa.int64())
    )
    return pa.table(
        {
            "id": pa.array([str(code) for code in held.tolist()]),
            "geometry": pa.array(shapely.to_wkb(smooth).tolist(), pa.large_binary()),
            "comuna": pa.array(held, pa.uint16()),
            "comuna_name": names["comuna"].take(rows).combine_chunks(),
            "provincia": names["provincia"].take(rows).combine_chunks(),
            "region": names["region"].take(rows).combine_chunks(),
        }
    )


def _cells() -> npt.NDArray[np.uint64]:
    """The cells of Chile's land, of one resolution, each once."""
    with as_file(files("surco.embedstore") / "chile" / "comuna_cells.parquet") as path:
        facts = pq.read_table(path, columns=["h3"], partitioning=None)["h3"].to_numpy()
    fine = resolutions_of(facts) > _RESOLUTION
    coarse = pa.array(h3ronpy.change_resolution(pa.array(facts[~fine]), _RESOLUTION)).to_numpy()
    return np.unique(np.concatenate([coarse, parents_of(facts[fine], _RESOLUTION)]))


def _dissolved(cells: npt.NDArray[np.uint64]) -> Any:
    wkb = pa.array(h3ronpy.vector.cells_to_wkb_polygons(pa.array(cells), link_cells=True))
    parts = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))
    # The corners of neighbours come from different cells and differ in the last digits.
    rounded = shapely.transform(parts, lambda xy: np.round(xy, 7))
    return rounded[0] if len(rounded) == 1 else shapely.multipolygons(rounded)

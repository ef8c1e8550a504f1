"""A map's sums, and a few of its places one by one, as the frame that areas are estimated of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h3ronpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.adapters import AreaMap
from surco.api.area_frames import Frame
from surco.api.map_products.area_sums import MapSums, SeenRows, seen_rows
from surco.api.map_products.maps_asked import OpenMap
from surco.api.map_products.within import Within
from surco.api.maps import Places
from surco.embedstore.cells import parent_resolution, parents_of

__all__ = ["cell_texts", "picked_rows", "summed_frame"]


def summed_frame(asked: OpenMap, sums: MapSums, picked: list[SeenRows], observed: int) -> Frame:
    """The frame of a whole map: places of a comuna and class together, but for some that are rows of their own.

    Args:
        asked: the map.
        sums: of all of it.
        picked: places that stand alone; what the sums have of them is taken off.
        observed: places of the whole map that were ever observed.
    """
    places, hectares, expected = sums.places.copy(), sums.hectares.copy(), sums.expected.copy()
    for each in picked:
        rows = each.where(each.touching)
        at = np.searchsorted(sums.comuna, rows.comuna), rows.mapped
        np.subtract.at(places, at, 1)
        np.subtract.at(hectares, at, rows.hectares)
        np.subtract.at(expected, at, rows.hectares[:, None] * rows.probabilities)
    row, mapped = np.nonzero(places > 0)
    left = np.maximum(hectares[row, mapped], 0)
    shares = np.clip(expected[row, mapped], 0, None)
    # Where nothing has an area any probabilities will do: they weigh nothing.
    shares = np.where(left[:, None] > 0, shares, np.eye(len(sums.classes))[mapped])
    together = pa.array(sums.comuna[row].astype(np.uint16), mask=sums.comuna[row] == 0)
    alone = [pa.array(each.comuna.astype(np.uint16), mask=each.comuna == 0) for each in picked]
    area_map = AreaMap(
        sums.classes,
        np.concatenate([*(each.mapped for each in picked), mapped]),
        np.concatenate(
            [*(each.probabilities for each in picked), shares / shares.sum(axis=1, keepdims=True)]
        ),
        np.concatenate([*(each.hectares for each in picked), left]),
    )
    names = [name for each in picked for name in cell_texts(each.names)]
    info = asked.info
    held = Places(
        asked.unit, info.season, info.resolution, info.model_id, asked.version,
        pa.table({"comuna": pa.concat_arrays([*alone, together])}),
        np.array([*names, *[""] * len(row)], object), area_map.hectares,
    )  # fmt: skip
    share = np.concatenate([*(each.touching for each in picked), np.ones(len(row))]).astype(np.float64)
    population = (observed, int(sums.places.sum()))
    return Frame(held, area_map, share, sums.unseen, asked.card, population)


def picked_rows(asked: OpenMap, within: Within, ids: Iterable[str]) -> list[SeenRows]:
    """The observed places of some ids, wherever they lie; ids that the map does not have are left out.

    Args:
        asked: the map.
        within: the part within which hectares count.
        ids: H3 indices in hexadecimal, or parcel ids.
    """
    wanted = set(ids)
    if not wanted:
        return []
    if asked.unit == "parcels":
        files = frozenset(path.name for path in asked.info.files)
        found = (rows.where(_among(rows, wanted)) for rows in seen_rows(asked, within, files))
        return [rows for rows in found if len(rows)]
    cells = np.array([*_cells(wanted)], np.uint64)
    parents = np.unique(parents_of(cells, parent_resolution(asked.info.resolution or 0)))
    files = frozenset(f"{parent:x}.parquet" for parent in parents.tolist())
    found = (rows.where(np.isin(rows.names, cells)) for rows in seen_rows(asked, within, files))
    return [rows for rows in found if len(rows)]


def cell_texts(names: npt.NDArray[Any]) -> list[str]:
    """Names as people read them: cells in hexadecimal, parcels as they are."""
    if names.dtype != np.uint64:
        return [str(name) for name in names.tolist()]
    return [str(text) for text in pa.array(h3ronpy.cells_to_string(pa.array(names))).to_pylist()]


def _cells(texts: Iterable[str]) -> Iterable[int]:
    for text in texts:
        try:
            cell = int(text, 16)
        except ValueError:
            continue
        if 0 < cell < 1 << 63:
            yield cell


def _among(rows: SeenRows, wanted: set[str]) -> npt.NDArray[np.bool_]:
    return np.array([name in wanted for name in rows.names.tolist()], np.bool_)

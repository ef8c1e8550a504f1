"""Whether vectors break off at borders that the land does not have: UTM zones, squares of scenes, runs, files.

Neighbours across a border are compared with neighbours within it nearby. Where both differ equally the border cannot be
seen in the vectors; what one of them differs more is a seam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from surco.api.quality.pairs import Pairs, neighbour_pairs
from surco.api.search.cell_ranges import centres_of
from surco.embedstore.cells import parent_resolution, parents_of
from surco.embedstore.vector_sources import Source

__all__ = ["measured_seams", "seam"]

_MOST_CELLS = 200_000
_DRAWS = 400
_FEWEST = 30
_BLOCKS_ABOVE = 4
"""Blocks that are drawn together, and within which neighbours are compared, are so many resolutions coarser."""

Json = dict[str, Any]
Cells = npt.NDArray[np.uint64]
Labels = npt.NDArray[np.int64]
Label = Callable[[Cells], Labels]


def measured_seams(source: Source, most: int = _MOST_CELLS) -> Json:
    """Seams of a table of cells at each kind of border.

    Args:
        source: of cells.
        most: cells whose neighbours are compared, by chance where the table has more.

    Returns:
        `cells` and `pairs` that were compared, `sampled` of how many cells, and `borders` as `seam` gives them.
    """
    pairs = neighbour_pairs(source, most)
    blocks = parents_of(pairs.one, max(0, (source.info.resolution or 0) - _BLOCKS_ABOVE))
    borders = [
        {"border": name, "what": what, **seam(pairs, label(pairs.one) != label(pairs.other), blocks)}
        for name, what, label in _borders(source)
    ]
    return {"cells": pairs.cells, "of": source.info.rows, "pairs": len(pairs.one), "borders": borders}


def seam(pairs: Pairs, across: npt.NDArray[np.bool_], blocks: Cells, seed: int = 0) -> Json:
    """Mean distance of neighbours across a border and of those inside the same blocks, and their ratio.

    Args:
        pairs: N pairs.
        across: (N,) which of them a border parts.
        blocks: (N,) in which block of land each lies. Blocks without a border count for nothing, so that land near
            borders is compared with itself.
        seed: of the drawing.

    Returns:
        `pairs_across`, `pairs_inside`, `distance_across`, `distance_inside`, `ratio`, its `low` and `high` (95 %, of
        blocks drawn anew, as neighbours are alike), and `seen`: whether `low` is above one. Figures are None where
        fewer than 30 pairs, or two blocks, are across.
    """
    _, block = np.unique(blocks, return_inverse=True)
    near = np.bincount(block, weights=across)[block] > 0
    inside = near & ~across
    weights = (across * pairs.distance, across, inside * pairs.distance, inside)
    sums = np.array([np.bincount(block, weights=each) for each in weights], np.float64)
    sums = sums[:, sums[1] > 0]
    counts = {"pairs_across": int(across.sum()), "pairs_inside": int(inside.sum())}
    names = ("distance_across", "distance_inside", "ratio", "low", "high", "seen")
    if across.sum() < _FEWEST or sums.shape[1] < 2 or not sums[2].sum():
        return {**counts, **dict.fromkeys(names)}
    total = sums.sum(axis=1)
    low, high = np.quantile(_ratios(sums, seed), (0.025, 0.975)).tolist()
    figures = (total[0] / total[1], total[2] / total[3], _ratio(total), low, high)
    rounded = [round(float(each), 4) for each in figures]
    return {**counts, **dict(zip(names, [*rounded, low > 1.0], strict=True))}


def _ratio(sums: npt.NDArray[np.float64]) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return (sums[0] / sums[1]) / (sums[2] / sums[3])


def _ratios(sums: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    """Of blocks drawn with replacement."""
    count = sums.shape[1]
    random = np.random.default_rng(seed)
    drawn = np.stack([sums[:, random.integers(0, count, count)].sum(axis=1) for _ in range(_DRAWS)], axis=1)
    found = _ratio(drawn)
    return np.asarray(found[np.isfinite(found)])


def _borders(source: Source) -> Iterator[tuple[str, str, Label]]:
    coarse = parent_resolution(source.info.resolution or 0)
    yield (
        "utm_zone",
        "meridians between UTM zones, in which scenes are gridded",
        lambda cells: _zones(centres_of(cells)),
    )
    yield (
        "mgrs_square",
        "squares of 100 km, as Sentinel-2 scenes are cut",
        lambda cells: _squares(centres_of(cells)),
    )
    yield (
        "file",
        "the table's files (a control: nothing is computed by file)",
        lambda cells: _named(parents_of(cells, coarse)),
    )
    boxes = [note["bbox"] for note in source.info.meta.get("runs", []) if "bbox" in note]
    if boxes:
        yield (
            "run",
            "areas that were encoded by different runs",
            lambda cells: _runs(centres_of(cells), boxes),
        )


def _zones(places: npt.NDArray[np.float64]) -> Labels:
    return np.asarray(np.floor((places[:, 0] + 180) / 6), np.int64)


def _squares(places: npt.NDArray[np.float64]) -> Labels:
    """Zone, and the easting and northing in it in hundreds of kilometres, as one number."""
    zones, found = _zones(places), np.zeros(len(places), np.int64)
    for zone in np.unique(zones).tolist():
        inside = zones == zone
        to_metres = Transformer.from_crs("OGC:CRS84", f"EPSG:{32701 + zone}", always_xy=True)
        east, north = to_metres.transform(places[inside, 0], places[inside, 1])
        square = np.floor(np.stack([east, north]) / 100_000).astype(np.int64)
        found[inside] = zone * 1_000_000 + square[0] * 1_000 + square[1]
    return found


def _named(cells: Cells) -> Labels:
    return cells.astype(np.int64)


def _runs(places: npt.NDArray[np.float64], boxes: Sequence[Sequence[float]]) -> Labels:
    """Number of the run whose area holds each place; -1 of none."""
    found = np.full(len(places), -1, np.int64)
    for number, (west, south, east, north) in enumerate(boxes):
        x, y = places.T
        found[(x >= west) & (x <= east) & (y >= south) & (y <= north)] = number
    return found

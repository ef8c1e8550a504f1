"""What a run will take: scenes, bytes, pixels, hours, storage and cost, for each region and in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.encoder.grid import PIXEL_M, TILE_PIXELS
from surco.encoder.plan.rates import Rates
from surco.encoder.plan.tiles import TILE_M, LandTile

__all__ = ["Estimate", "SceneCounts", "Share", "estimate"]

Floats = npt.NDArray[np.float64]

_CELL_M2 = 97_460.0
"""Of a cell of resolution 9 in Chile, the mean of its 7.7 million."""
_FINER = 7
_PIXEL_BYTES = 64
_WINDOW = TILE_PIXELS**2


@dataclass(frozen=True, slots=True, eq=False)
class SceneCounts:
    """What there is to read for each of N tiles.

    Attributes:
        optical, radar: (N,) scenes that touch its windows.
        optical_cover, radar_cover: (N,) how often they cover these, on average over their area.
        optical_bytes, radar_bytes: (N,) bytes of a pixel of 10 m of all bands, where files say so; NaN elsewhere.
        source: `catalogue`, `orbits`, or `synthetic` where nothing is read and the orbits say what there would be.
        uncertain: share by which the counts of optical and of radar scenes may be wrong.
    """

    optical: Floats
    radar: Floats
    optical_cover: Floats
    radar_cover: Floats
    optical_bytes: Floats
    radar_bytes: Floats
    source: str
    uncertain: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Share:
    """What a part of the tiles takes; sums unless said otherwise.

    Attributes:
        name: of the region.
        tiles, windows, pixels: to encode.
        optical, radar: scenes that touch a tile, mean over tiles.
        reads: scene pixels of 10 m to read.
        gigabytes: of the archive, each byte once; `gigabytes_blocks` with what blocks across tiles are read again.
        read_hours, encode_hours, pool_hours: of one core, the encoder on a core.
        gpu_hours: of one GPU instead of `encode_hours`; None where its rate is not known.
        rows: of the cells' table by resolution, at least: a cell counts with a single pixel.
        table_gigabytes: of these.
        pixel_gigabytes: of vectors of all pixels, one byte a number, which are not kept unless asked.
    """

    name: str
    tiles: int
    windows: int
    pixels: int
    optical: float
    radar: float
    reads: float
    gigabytes: float
    gigabytes_blocks: float
    read_hours: float
    encode_hours: float
    pool_hours: float
    gpu_hours: float | None
    rows: dict[int, int]
    table_gigabytes: float
    pixel_gigabytes: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run takes, by region and in all, by some rates.

    `cost` is in the currency of the rates' prices: core and GPU hours (the GPU where its rate is known, else cores),
    reading, and a month of the tables.
    """

    total: Share
    regions: tuple[Share, ...]
    cost: dict[str, float]
    rates: Rates
    source: str
    uncertain: tuple[float, float]

    def document(self) -> dict[str, Any]:
        """As JSON, whose names are text: those of the resolutions too."""
        whole = asdict(self)
        for share in (whole["total"], *whole["regions"]):
            share["rows"] = {str(level): rows for level, rows in share["rows"].items()}
        return {**whole, "regions": list(whole["regions"]), "uncertain": list(self.uncertain)}


def estimate(
    tiles: Sequence[LandTile],
    regions: Sequence[str],
    windows: Sequence[int],
    counts: SceneCounts,
    resolutions: Sequence[int],
    rates: Rates,
) -> Estimate:
    """Estimate a run.

    Args:
        tiles: of the plan.
        regions: the name of each tile's region; shares come in the order in which names first occur.
        windows: in about how many windows of each tile something counts: the others are not read.
        counts: of scenes, tile by tile.
        resolutions: of the cells.
        rates: of the machine, sizes, prices.
    """
    facts = _Facts.of(tiles, windows, counts, rates)
    names = np.array(regions)
    parts = tuple(
        _share(name, np.flatnonzero(names == name), facts, resolutions, rates)
        for name in dict.fromkeys(regions)
    )
    total = _share("all", np.arange(len(tiles)), facts, resolutions, rates)
    return Estimate(total, parts, _cost(total, rates), rates, counts.source, counts.uncertain)


@dataclass(frozen=True, slots=True, eq=False)
class _Facts:
    """Of N tiles, (N,) each."""

    windows: Floats
    pixels: Floats
    land_pixels: Floats
    optical: Floats
    radar: Floats
    reads: Floats
    bytes_once: Floats
    bytes_blocks: Floats

    @classmethod
    def of(cls, tiles: Sequence[LandTile], read: Sequence[int], counts: SceneCounts, rates: Rates) -> _Facts:
        windows = np.array(read, np.float64)
        thinned = np.array([(tile.step / PIXEL_M) ** 2 for tile in tiles])
        area = windows * _WINDOW / thinned
        optical, radar = area * counts.optical_cover, area * counts.radar_cover
        sizes = [
            np.where(np.isfinite(known), known, given)
            for known, given in (
                (counts.optical_bytes, rates.optical_bytes),
                (counts.radar_bytes, rates.radar_bytes),
            )
        ]
        once = optical * sizes[0] + radar * sizes[1]
        land = np.array([tile.pixels for tile in tiles], np.float64)
        return cls(
            windows,
            land / thinned,
            land,
            counts.optical,
            counts.radar,
            optical + radar,
            once,
            once * _again(rates),
        )


def _again(rates: Rates) -> float:
    """How many times a byte is read on average where blocks are read whole for each tile that they reach into."""
    fine = (1.0 + rates.block_pixels * PIXEL_M / TILE_M) ** 2
    coarse = (1.0 + rates.block_pixels * 2 * PIXEL_M / TILE_M) ** 2
    # Of a scene's bytes some two thirds are in the bands of 10 m.
    return (2 * fine + coarse) / 3


def _share(
    name: str, rows: npt.NDArray[np.intp], facts: _Facts, resolutions: Sequence[int], rates: Rates
) -> Share:
    sums = {f.name: float(getattr(facts, f.name)[rows].sum()) for f in fields(_Facts)}
    pixels = sums["pixels"]
    area = sums["land_pixels"] * PIXEL_M**2
    # Of land looked at sparsely, not every cell holds a pixel.
    cells = {
        level: round(min(area / _CELL_M2 * float(_FINER) ** (level - 9), pixels)) for level in resolutions
    }
    return Share(
        name=name, tiles=len(rows), windows=round(sums["windows"]), pixels=round(pixels),
        optical=sums["optical"] / len(rows), radar=sums["radar"] / len(rows), reads=sums["reads"],
        gigabytes=sums["bytes_once"] / 1e9, gigabytes_blocks=sums["bytes_blocks"] / 1e9,
        read_hours=sums["reads"] / rates.read / 3600, encode_hours=pixels / rates.encode / 3600,
        pool_hours=pixels / rates.pool / 3600, gpu_hours=pixels / rates.gpu / 3600 if rates.gpu else None,
        rows=cells, table_gigabytes=sum(cells.values()) * rates.row_bytes / 1e9,
        pixel_gigabytes=pixels * _PIXEL_BYTES / 1e9,
    )  # fmt: skip


def _cost(total: Share, rates: Rates) -> dict[str, float]:
    prices = rates.prices
    encode = total.encode_hours if total.gpu_hours is None else 0.0
    parts = {
        "cores": (total.read_hours + total.pool_hours + encode) * prices.core_hour,
        "gpus": (total.gpu_hours or 0.0) * prices.gpu_hour,
        "reading": total.gigabytes_blocks * prices.gb_read,
        "storage a month": total.table_gigabytes * prices.gb_month,
    }
    return {**parts, "all": sum(parts.values())}

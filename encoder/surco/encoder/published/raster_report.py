"""What pooling published rasters did, from what the tables keep of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["RasterReport", "raster_report"]


@dataclass(frozen=True, slots=True)
class RasterReport:
    """What `pool_rasters` did.

    Attributes:
        key: of the run; the same inputs give the same.
        rasters, pixels: read; `pixels_seen` of them have a vector.
        resumed: windows taken over from a run that was stopped.
        cells: rows by H3 resolution.
        parcels: rows; None where no parcels were given.
        dimension: numbers in a vector.
        seconds: this run took.
        already: True where the store had everything and nothing was pooled.
    """

    key: str
    rasters: int
    pixels: int
    pixels_seen: int
    resumed: int
    cells: Mapping[int, int]
    parcels: int | None
    dimension: int
    seconds: float
    already: bool


def raster_report(
    note: Mapping[str, Any], levels: Sequence[int], resumed: int, seconds: float, *, already: bool
) -> RasterReport:
    """The report of a run of these resolutions, from its note."""
    return RasterReport(
        key=note["run"],
        rasters=note["rasters"],
        pixels=note["pixels"],
        pixels_seen=note["pixels_seen"],
        resumed=resumed,
        cells={level: note["cells"][str(level)] for level in levels},
        parcels=note["parcels"],
        dimension=note["dimension"],
        seconds=seconds,
        already=already,
    )

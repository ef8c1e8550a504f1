"""How many scenes each tile of a plan has: from the scenes themselves, or from the orbits where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from surco.embedstore import Season
from surco.encoder.assets import Band
from surco.encoder.grid import PIXEL_M
from surco.encoder.plan.estimates import SceneCounts
from surco.encoder.plan.orbits import UNCERTAIN, expected_passes
from surco.encoder.plan.tiles import LandTile
from surco.encoder.reading.addresses import is_remote
from surco.encoder.scenes import Scene

__all__ = ["counts_by_orbits", "counts_of_scenes"]

Floats = npt.NDArray[np.float64]


def counts_by_orbits(tiles: Sequence[LandTile], season: Season, synthetic: bool = False) -> SceneCounts:
    """What the orbits of Sentinel-2 and Sentinel-1 give each tile in a season; of `synthetic` scenes none is read."""
    boxes = np.array([tile.bbox for tile in tiles])
    passes = expected_passes(boxes[:, 1::2].mean(axis=1), season)
    unknown, read = np.full(len(tiles), np.nan), 0.0 if synthetic else 1.0
    return SceneCounts(
        passes.optical_scenes, passes.radar_scenes, passes.optical * passes.overlap * read, passes.radar * read,
        unknown, unknown, "synthetic" if synthetic else "orbits", (UNCERTAIN["optical"], UNCERTAIN["radar"]),
    )  # fmt: skip


def counts_of_scenes(tiles: Sequence[LandTile], scenes: Sequence[Scene]) -> SceneCounts:
    """What the scenes of a catalogue give each tile; sizes are those of files on this machine, or as stated."""
    outlines = np.array([tile.reach for tile in tiles], object)
    found = {sensor: _of_sensor(outlines, scenes, sensor) for sensor in ("sentinel-2", "sentinel-1")}
    (optical, optical_cover, optical_bytes), (radar, radar_cover, radar_bytes) = found.values()
    return SceneCounts(
        optical, radar, optical_cover, radar_cover, optical_bytes, radar_bytes, "catalogue", (0.0, 0.0)
    )


def _of_sensor(
    boxes: npt.NDArray[np.object_], scenes: Sequence[Scene], sensor: str
) -> tuple[Floats, Floats, Floats]:
    """Scenes that touch each box, how often they cover it, and their bytes a pixel where known."""
    chosen = [scene for scene in scenes if scene.sensor == sensor]
    count, cover = np.zeros(len(boxes)), np.zeros(len(boxes))
    size = np.full(len(boxes), np.nan)
    if not chosen:
        return count, cover, size
    footprints = np.array([scene.footprint for scene in chosen], object)
    box, scene = shapely.STRtree(footprints).query(boxes, predicate="intersects")
    shares = shapely.area(shapely.intersection(boxes[box], footprints[scene])) / shapely.area(boxes)[box]
    sizes = np.array([_bytes_a_pixel(one) for one in chosen])[scene]
    np.add.at(count, box, 1.0)
    np.add.at(cover, box, shares)
    known = np.isfinite(sizes)
    if known.any():
        weighed, weight = np.zeros(len(boxes)), np.zeros(len(boxes))
        np.add.at(weighed, box[known], (shares * sizes)[known])
        np.add.at(weight, box[known], shares[known])
        size = np.divide(weighed, weight, out=size, where=weight > 0)
    return count, cover, size


def _bytes_a_pixel(scene: Scene) -> float:
    """Bytes of all bands over the scene's pixels of 10 m; NaN where nobody says them."""
    if scene.extent is None:
        return np.nan
    left, bottom, right, top = scene.extent
    pixels = (right - left) * (top - bottom) / PIXEL_M**2
    sizes = [_size(band) for band in scene.bands.values()]
    if pixels <= 0 or None in sizes:
        return np.nan
    return sum(size for size in sizes if size is not None) / pixels


def _size(band: Band) -> int | None:
    """Bytes of a file: of one on this machine what it has, else what the catalogue states."""
    path = Path(band.href.removeprefix("file://"))
    return path.stat().st_size if not is_remote(band.href) and path.is_file() else band.size

"""The scenes of a plan: searched where its tiles are, counted by tile, with their bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from range_server import RangeServer, StacApi
from stac_catalogs import item_json, optical, radar, write_catalog

from surco.embedstore import Season, find_region
from surco.encoder import CatalogError
from surco.encoder.plan import Ground, LandTile
from surco.encoder.plan.scene_counts import counts_of_scenes
from surco.encoder.plan.scene_search import find_scenes

SEASON = Season(2024)
LAND = Ground(find_region("Maule").comunas)
TILE = LandTile(19, 29, 593, LAND)
"""It holds the corner at which `stac_catalogs` draws: 300000, 6080000."""
FAR = LandTile(19, 29, 493, LAND)


def listed(name: str, day: str, size: int = 1000, **more: Any) -> dict[str, Any]:
    """An item of an API, with the size of each file."""
    item = optical(name, day, **more)
    side = next(iter(item.rasters.values())).shape
    grid = {"proj:shape": list(side), "proj:transform": [10.0, 0.0, item.left, 0.0, -10.0, item.top]}
    assets = {
        key: {"href": f"https://x.org/{name}/{key}.tif", "type": "image/tiff", "file:size": size, **grid}
        for key in item.rasters
    }
    return item_json(item, assets)


def test_an_api_is_asked_stretch_by_stretch(tmp_path: Path) -> None:
    """Of tiles far apart each stretch is searched, no box round both; a scene that two searches give comes once."""
    with RangeServer(tmp_path) as served:
        served.api = StacApi({"sentinel-2-l2a": [listed("b", "2024-07-01"), listed("a", "2024-06-01")]})
        scenes = find_scenes([f"{served.address}/stac"], SEASON, [TILE, FAR])
        boxes = [shapely.box(*asked["bbox"]) for asked in served.api.searches]
    assert [scene.id for scene in scenes] == ["a", "b"]
    assert len(boxes) == 2
    for tile in (TILE, FAR):
        assert any(box.covers(shapely.box(*tile.bbox)) for box in boxes)
    assert max(box.area for box in boxes) < 0.1


def test_catalogues_are_put_together(tmp_path: Path) -> None:
    """What one lacks comes from the next, what both have from the first; one without scenes there is no error."""
    same = optical("same", "2024-06-01", pixels=64)
    first = write_catalog(tmp_path / "a", [same, optical("one", "2024-06-06", pixels=64)])
    second = write_catalog(tmp_path / "b", [same, radar("two", "2024-06-03", 0.1, 0.02)])
    other = write_catalog(tmp_path / "c", [optical("years ago", "2019-06-01")])
    scenes = find_scenes([str(other), str(first), str(second)], SEASON, [TILE])
    assert [scene.id for scene in scenes] == ["same", "two", "one"]
    assert all("/a/" in band.href for band in scenes[0].bands.values())


def test_no_scene_anywhere_is_an_error_and_so_is_no_catalogue(tmp_path: Path) -> None:
    """The message is that of the catalogue: which days it has, or that it is not there."""
    old = write_catalog(tmp_path / "c", [optical("years ago", "2019-06-01")])
    with pytest.raises(CatalogError, match="2019-06-01"):
        find_scenes([str(old)], SEASON, [TILE])
    with pytest.raises(CatalogError, match="no such file"):
        find_scenes([str(old), str(tmp_path / "none")], SEASON, [TILE])


def test_a_tile_counts_what_touches_and_covers_it(tmp_path: Path) -> None:
    """A scene over half a tile touches it once and covers it half; files on this machine say their bytes."""
    place = {"left": TILE.left, "top": TILE.top}
    # 20 m bands need even sizes; 512 pixels are half of the tile's width.
    half = optical("half", "2024-06-01", pixels=1024, wide=512, **place)
    whole = optical("whole", "2024-06-06", pixels=1024, **place)
    both = radar("radar", "2024-06-03", 0.1, 0.02, pixels=1024, **place)
    catalog = write_catalog(tmp_path / "stac", [half, whole, both])
    scenes = find_scenes([str(catalog)], SEASON, [TILE])
    counts = counts_of_scenes([TILE, FAR], scenes)
    assert counts.optical.tolist() == [2, 0] and counts.radar.tolist() == [1, 0]
    assert counts.optical_cover[0] == pytest.approx(1.5, rel=0.02)
    assert counts.radar_cover[0] == pytest.approx(1.0, rel=0.02)
    files = {
        scene.id: sum(Path(band.href).stat().st_size for band in scene.bands.values()) for scene in scenes
    }
    pixels = 1024 * 1024
    expected = (0.5 * files["half"] / (pixels / 2) + files["whole"] / pixels) / 1.5
    assert counts.optical_bytes[0] == pytest.approx(expected, rel=0.02)
    assert np.isnan(counts.optical_bytes[1])
    east = counts_of_scenes([replace(TILE, occupied=0b1000)], scenes)
    assert east.optical.tolist() == [1] and east.optical_cover[0] == pytest.approx(1, rel=0.02)


def test_sizes_that_a_catalogue_states_are_used(tmp_path: Path) -> None:
    """Of an archive elsewhere nobody can look at the files; `file:size` says what they weigh."""
    with RangeServer(tmp_path) as served:
        served.api = StacApi({"sentinel-2-l2a": [listed("a", "2024-06-01", 3000, pixels=64)]})
        scenes = find_scenes([f"{served.address}/stac"], SEASON, [TILE])
    bands = len(scenes[0].bands)
    assert {band.size for band in scenes[0].bands.values()} == {3000}
    assert counts_of_scenes([TILE], scenes).optical_bytes[0] == pytest.approx(3000 * bands / 64**2)

"""Scenes of a synthetic valley."""

import json
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from pyproj import Geod

from surco.encoder.channels import CHANNELS, OPTICAL
from surco.encoder.errors import SimulationError
from surco.encoder.simulate import SimulatedArea, simulate_scenes

FLANDERS = Path(__file__).resolve().parents[2] / "shared/data/stac/flanders_2019"
S2, S1 = "sentinel-2-l2a", "sentinel-1-rtc"
Draw = Callable[..., SimulatedArea]


def draw(out: Path, **changes: object) -> SimulatedArea:
    """Two summer months of a small valley."""
    arguments = {
        "start": date(2024, 12, 1), "end": date(2025, 1, 31), "center": (-71.6, -35.4), "size_m": (800, 600), "seed": 3,
    }  # fmt: skip
    return simulate_scenes(out, **(arguments | changes))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SimulatedArea:
    """One small valley, for the tests that only read."""
    return draw(tmp_path_factory.mktemp("valley") / "scenes")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> SimulatedArea:
    """The demo's 4 x 4 km, for ten weeks of winter rain."""
    return draw(
        tmp_path_factory.mktemp("large") / "scenes",
        size_m=(4000, 4000),
        start=date(2024, 6, 1),
        end=date(2024, 8, 12),
    )


def items(area: SimulatedArea, collection: str) -> list[pystac.Item]:
    """Items of a collection, by date, as pystac reads them."""
    catalog = pystac.Catalog.from_file(str(area.catalog))
    found = catalog.get_child(collection).get_items()
    return sorted(found, key=lambda item: item.datetime)


def pixels(item: pystac.Item, asset: str) -> np.ndarray:
    """Digital numbers of an asset."""
    with rasterio.open(item.assets[asset].get_absolute_href()) as raster:
        return raster.read(1)


def digests(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in files}


def test_catalogue_reads_as_stac(small: SimulatedArea):
    """Every link resolves, every asset exists, and a pass comes every eight to ten days, radar every twelve."""
    s2, s1 = items(small, S2), items(small, S1)
    assert (len(s2), len(s1)) == (small.optical, small.radar)
    gaps = np.diff([item.datetime for item in s2])
    assert all(8 <= gap.days <= 10 for gap in gaps)
    assert all(gap.days == 12 for gap in np.diff([item.datetime for item in s1]))
    for item in [*s2, *s1]:
        assert all(Path(asset.get_absolute_href()).is_file() for asset in item.assets.values())
        assert date(2024, 12, 1) <= item.datetime.date() <= date(2025, 1, 31)


@pytest.mark.skipif(not FLANDERS.exists(), reason=f"the real catalogue is not in {FLANDERS}")
@pytest.mark.parametrize("collection", [S2, S1])
def test_layout_is_that_of_the_real_catalogue(small: SimulatedArea, collection: str):
    """Items have the assets, the asset fields and the raster conventions of the real Flanders scenes."""
    real = json.loads(next(FLANDERS.glob(f"{collection}/*/*.json")).read_text())
    ours = json.loads(next(small.path.glob(f"{collection}/*/*.json")).read_text())
    assert set(ours) >= set(real)
    assert set(ours["properties"]) >= set(real["properties"])
    assert set(ours["assets"]) == set(real["assets"])
    for key, asset in real["assets"].items():
        assert set(ours["assets"][key]) >= set(asset)
        band, said = ours["assets"][key]["raster:bands"][0], asset["raster:bands"][0]
        assert {name: band[name] for name in said} == said


def test_rasters_share_an_aligned_grid(small: SimulatedArea):
    """10 m and 20 m bands cover the same ground, aligned to 20 m, in the UTM zone of the place."""
    item = items(small, S2)[0]
    bounds = set()
    for name in (*(CHANNELS[i] for i in OPTICAL), "scl"):
        with rasterio.open(item.assets[name].get_absolute_href()) as raster:
            bounds.add(tuple(raster.bounds))
            assert raster.crs.to_epsg() == small.epsg == 32719
            assert raster.nodata == 0
            assert raster.profile["tiled"]
            assert raster.read(1).min() > 0
    assert len(bounds) == 1
    left, bottom, right, top = bounds.pop()
    assert (right - left, top - bottom) == (800, 600)
    assert left % 20 == 0
    assert top % 20 == 0


def test_radar_is_linear_power(small: SimulatedArea):
    """VV and VH are positive, VH the weaker, at the level of real land."""
    item = items(small, S1)[0]
    vv, vh = (10 * np.log10(pixels(item, k)) for k in ("vv", "vh"))
    assert pixels(item, "vv").dtype == np.float32
    assert -17 < np.median(vv) < -6
    assert 4 < np.median(vv) - np.median(vh) < 12


def test_same_arguments_same_bytes(small: SimulatedArea, tmp_path: Path):
    """Two runs of the same arguments write the same files, byte by byte; another seed does not."""
    again, other = draw(tmp_path / "a"), draw(tmp_path / "b", seed=4)
    assert digests(again.path) == digests(small.path)
    assert digests(other.path) != digests(small.path)


def test_second_call_returns_at_once(tmp_path: Path):
    """A finished folder is found again and not touched."""
    seen: list[str] = []
    draw(tmp_path / "a", progress=lambda done, total, text: seen.append(f"{done}/{total}"))
    before = digests(tmp_path / "a")
    draw(tmp_path / "a", progress=lambda done, total, text: pytest.fail("it was drawn again"))
    assert digests(tmp_path / "a") == before
    assert seen[-1] == f"{len(seen)}/{len(seen)}"


def test_killed_run_leaves_nothing(tmp_path: Path):
    """A run that stops half-way leaves no folder, and the next one draws it whole."""

    def stop(done: int, total: int, text: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path / "a", progress=stop)
    assert list(tmp_path.iterdir()) == []
    assert draw(tmp_path / "a").catalog.is_file()


def test_folder_of_something_else_is_kept(tmp_path: Path):
    """A folder with other files or of other arguments is refused and left as it is."""
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(SimulationError, match=r"got .* with other files; choose another folder"):
        draw(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"
    made = draw(tmp_path / "a")
    with pytest.raises(SimulationError, match=r"with one made with .*'seed': 3"):
        draw(made.path, seed=9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"climate": "tropic"}, "expected a climate among"),
        ({"classes": ["banana"]}, r"got \['banana'\]"),
        ({"center": (-35.4, 71.6)}, "south of the equator"),
        ({"size_m": (50, 600)}, "width and height of 200 to 20000 m"),
        ({"end": date(2024, 1, 1)}, "ends after it starts"),
    ],
)
def test_bad_requests_say_what_to_do(tmp_path: Path, changes: dict[str, object], message: str):
    """What cannot be drawn is refused before anything is written."""
    with pytest.raises(SimulationError, match=message):
        draw(tmp_path / "a", **changes)
    assert list(tmp_path.iterdir()) == []


def test_the_demo_valley_is_big_enough(large: SimulatedArea):
    """4 x 4 km hold 250 to 450 parcels, eight to twelve crops of at least twelve parcels, and land without crops."""
    classes = json.loads(large.truth.read_text())["classes"]
    wild = {"water", "town", "matorral", "pine", "eucalyptus", "native_evergreen_forest"}
    crops = {name: about for name, about in classes.items() if name not in wild}
    assert 250 <= sum(about["parcels"] for about in classes.values()) <= 450
    assert 8 <= len(crops) <= 12
    assert min(about["parcels"] for about in crops.values()) >= 12
    assert wild <= set(classes)


def test_parcels_have_true_areas_and_do_not_overlap(large: SimulatedArea):
    """Parcels are valid, apart from each other, inside the scenes, and as large on the ellipsoid as they say."""
    features = json.loads(large.parcels.read_text())["features"]
    shapes = [shapely.geometry.shape(f["geometry"]) for f in features]
    assert all(shape.is_valid and shape.geom_type == "Polygon" for shape in shapes)
    assert len({f["properties"]["id"] for f in features}) == len(features)
    area = np.array([abs(Geod(ellps="WGS84").geometry_area_perimeter(s)[0]) for s in shapes])
    said = np.array([f["properties"]["area_m2"] for f in features])
    np.testing.assert_allclose(said, area, rtol=0.02)
    assert shapely.union_all(shapes).area == pytest.approx(sum(s.area for s in shapes), rel=1e-3)
    assert shapely.box(*large.bbox).buffer(1e-4).contains(shapely.union_all(shapes))
    by_class: dict[str, float] = {}
    for feature in features:
        name = feature["properties"]["crop"]
        by_class[name] = by_class.get(name, 0) + feature["properties"]["area_m2"] / 1e4
    assert by_class == pytest.approx(large.hectares, abs=0.05)


def test_parcels_lie_where_the_pixels_are(large: SimulatedArea):
    """Water and forest parcels are dark and green in a clear scene: truth and rasters share one place."""
    scenes = items(large, S2)
    clear = min(scenes, key=lambda item: item.properties["eo:cloud_cover"])
    with rasterio.open(clear.assets["nir"].get_absolute_href()) as raster:
        nir = raster.read(1) / 1e4
        features = json.loads(large.parcels.read_text())["features"]
        level: dict[str, list[float]] = {}
        for feature in features:
            point = shapely.geometry.shape(feature["geometry"]).representative_point()
            x, y = rasterio.warp.transform("EPSG:4326", raster.crs, [point.x], [point.y])
            level.setdefault(feature["properties"]["crop"], []).append(nir[raster.index(x[0], y[0])])
    assert np.median(level["water"]) < 0.1 < np.median(level["native_evergreen_forest"])


def test_clouds_are_seen_and_classified(large: SimulatedArea):
    """Winter scenes have cloud, shadow and clear ground in SCL, and what is classified as cloud is bright."""
    cloudy = [i for i in items(large, S2) if 10 < i.properties["eo:cloud_cover"] < 90]
    assert cloudy
    codes = np.concatenate([pixels(i, "scl").ravel() for i in cloudy])
    assert {3, 4, 5, 9} <= set(np.unique(codes))
    assert set(np.unique(codes)) <= {3, 4, 5, 6, 8, 9, 11}
    swir = np.concatenate([pixels(i, "rededge1").ravel() for i in cloudy])
    assert np.median(swir[codes == 9]) > 3 * np.median(swir[codes == 4])


def test_neighbours_in_a_parcel_are_alike(large: SimulatedArea):
    """Within a scene neighbouring pixels differ much less than pixels far apart: variation is spatial."""
    clear = min(items(large, S2), key=lambda item: item.properties["eo:cloud_cover"])
    nir = pixels(clear, "nir").astype(float)
    beside = np.abs(nir[:, 1:] - nir[:, :-1]).mean()
    apart = np.abs(nir[:, 100:] - nir[:, :-100]).mean()
    assert beside < 0.5 * apart

"""Listing the tiles of a region, and what a run over them takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from surco.embedstore import Season, find_region
from surco.encoder.plan import Cropland, Ground, LandTile, PlanError
from surco.encoder.plan.estimates import SceneCounts, estimate
from surco.encoder.plan.orbits import expected_passes
from surco.encoder.plan.rates import Prices, Rates, read_rates, write_rates
from surco.encoder.plan.scene_counts import counts_by_orbits
from surco.encoder.plan.survey import survey

COAST = Ground(find_region("Cauquenes").comunas)
"""A province with coast, on the 72nd meridian: parts of it are in each of two zones."""
RATES = Rates(read=1e6, encode=1e3, pool=1e5, optical_bytes=10, radar_bytes=4, row_bytes=150)


def test_a_survey_misses_no_pixel_and_counts_them_right() -> None:
    """Looked at every 160 m, each window that holds a pixel of the region is listed; counts agree within a percent."""
    tiles = {one.tile.name: one.tile for one in survey(COAST)}
    assert {tile.zone for tile in tiles.values()} == {18, 19}
    looked = 0
    for zone in (18, 19):
        columns = [tile.column for tile in tiles.values() if tile.zone == zone]
        rows = [tile.row for tile in tiles.values() if tile.zone == zone]
        for column in range(min(columns) - 1, max(columns) + 2):
            for row in range(min(rows) - 1, max(rows) + 2):
                tile = LandTile(zone, column, row, COAST, 160)
                listed = tiles[tile.name].occupied if tile.name in tiles else 0
                for place, window in enumerate(tile.windows()):
                    inside = int(tile.inside(window).sum())
                    assert not inside or listed >> place & 1, (tile.name, place)
                    looked += inside * 256
    assert sum(tile.pixels for tile in tiles.values()) == pytest.approx(looked, rel=0.01)


def test_tiles_come_in_order_with_their_region() -> None:
    """Zone by zone from north to south, each tile once, with the region that has most of its land."""
    found = survey(Ground(find_region("Talca").comunas), step=640)
    places = [(one.tile.zone, -one.tile.row, one.tile.column) for one in found]
    assert places == sorted(set(places))
    assert {one.region for one in found} == {7}
    assert {one.tile.step for one in found} == {640}


def test_a_polygon_lists_only_what_it_reaches() -> None:
    """A field of four hectares is one tile, one window or two, and its pixels are counted exactly."""
    field = shapely.box(-71.4030, -35.4040, -71.4008, -35.4022)
    found = survey(Ground(find_region("chile").comunas, field.wkb))
    assert len(found) == 1
    assert found[0].tile.occupied.bit_count() <= 2
    assert found[0].tile.pixels == sum(int(found[0].tile.inside(w).sum()) for w in found[0].tile.windows())
    assert 380 < found[0].tile.pixels < 420


def test_cropland_leaves_tiles_out(tmp_path: Path) -> None:
    """Of a province only the tiles with fields are listed, with the pixels of these."""
    farmed = h3.geo_to_cells(shapely.box(-72.25, -35.98, -72.15, -35.90).__geo_interface__, 9)
    path = tmp_path / "crops.parquet"
    pq.write_table(pa.table({"h3": pa.array([int(cell, 16) for cell in farmed], pa.uint64())}), path)
    found = survey(replace(COAST, cropland=Cropland.read(path)))
    assert 1 <= len(found) <= 6
    hectares = sum(one.tile.pixels for one in found) / 100
    assert sum(one.windows for one in found) < sum(one.tile.occupied.bit_count() for one in found)
    assert hectares == pytest.approx(sum(h3.cell_area(cell, "m^2") for cell in farmed) / 1e4, rel=0.02)


@pytest.mark.parametrize(
    ("ground", "word"),
    [
        (Ground(), "comunas"),
        (Ground(COAST.comunas, shapely.box(-68.9, -33.0, -68.8, -32.9).wkb), "land of Chile"),
    ],
)
def test_nothing_to_do_is_refused(ground: Ground, word: str) -> None:
    """A ground without comunas, and a polygon in Mendoza, make no plan."""
    with pytest.raises(PlanError, match=word):
        survey(ground)


def test_orbits_give_the_passes_that_archives_have() -> None:
    """A place in Maule is passed some 90 times a year by Sentinel-2: 73 of its own track, and neighbours' edges."""
    whole = expected_passes(np.array([-18.5, -35.4, -53.0]), Season(2024))
    assert np.all(np.diff(whole.optical) > 0) and np.all(np.diff(whole.radar) > 0)
    assert 80 < whole.optical[1] < 105
    assert 60 < whole.radar[1] < 90
    half = expected_passes(np.array([-35.4]), Season.from_dates("2024-05/2024-10"))
    assert half.optical[0] == pytest.approx(whole.optical[1] * 184 / 365, rel=1e-6)


def test_an_estimate_is_sums_and_quotients() -> None:
    """Two tiles, known counts and round rates: every figure can be worked out by hand."""
    tiles = [
        LandTile(19, 24, 596, COAST, occupied=0xFFFF, pixels=1_000_000),
        LandTile(19, 24, 597, COAST, occupied=1, pixels=500),
    ]
    nan = np.full(2, np.nan)
    counts = SceneCounts(np.array([100.0, 50]), np.array([60.0, 60]), np.array([80.0, 40]), np.array([50.0, 50]),
                         nan, np.array([np.nan, 8.0]), "orbits", (0.1, 0.5))  # fmt: skip
    prices = Prices(core_hour=2.0, gpu_hour=3.0, gb_read=0.5, gb_month=1.0)
    made = estimate(tiles, ["A", "B"], [16, 1], counts, (11, 9), replace(RATES, gpu=1e5, prices=prices))
    first, second = made.regions
    assert (first.name, first.tiles, first.windows, first.pixels) == ("A", 1, 16, 1_000_000)
    assert first.reads == (80 + 50) * 16 * 65_536
    assert first.gigabytes == pytest.approx((80 * 10 + 50 * 4) * 16 * 65_536 / 1e9)
    assert second.gigabytes == pytest.approx((40 * 10 + 50 * 8) * 65_536 / 1e9)
    assert first.read_hours == pytest.approx(first.reads / 1e6 / 3600)
    assert first.encode_hours == pytest.approx(1000 / 3600) and first.gpu_hours == pytest.approx(10 / 3600)
    assert first.rows[9] == round(1e8 / 97_460) and first.rows[11] == pytest.approx(
        49 * first.rows[9], rel=1e-3
    )
    assert made.total.pixels == 1_000_500 and made.total.optical == 75
    assert made.total.gigabytes == pytest.approx(first.gigabytes + second.gigabytes)
    hours = made.total.read_hours + made.total.pool_hours
    assert made.cost["cores"] == pytest.approx(2 * hours)
    assert made.cost["gpus"] == pytest.approx(3 * made.total.gpu_hours)
    assert made.cost["all"] == pytest.approx(sum(value for name, value in made.cost.items() if name != "all"))


def test_without_a_gpu_rate_the_cores_encode() -> None:
    """What was not measured is not guessed: no GPU hours, and the cores' cost includes the encoder."""
    tiles = [one.tile for one in survey(COAST)]
    counts = counts_by_orbits(tiles, Season(2024))
    made = estimate(tiles, ["A"] * len(tiles), [16] * len(tiles), counts, (9,), RATES)
    assert made.total.gpu_hours is None
    hours = made.total.read_hours + made.total.pool_hours + made.total.encode_hours
    assert made.cost["cores"] == pytest.approx(RATES.prices.core_hour * hours)
    assert made.document()["regions"][0]["rows"].keys() == {"9"}


def test_a_synthetic_plan_reads_nothing() -> None:
    """The orbits are told for the picture; bytes and hours of reading are none."""
    tiles = [one.tile for one in survey(COAST, step=640)]
    counts = counts_by_orbits(tiles, Season(2024), synthetic=True)
    made = estimate(tiles, ["A"] * len(tiles), [16] * len(tiles), counts, (9,), RATES)
    assert made.total.gigabytes == made.total.read_hours == 0 and made.total.optical > 80
    assert made.total.pixels == pytest.approx(sum(tile.pixels for tile in tiles) / 4096, rel=0.01)
    assert made.total.rows[9] <= made.total.pixels


def test_rates_come_back_as_they_were(tmp_path: Path) -> None:
    """What was measured is kept with its prices; a file of some rates leaves the others at their defaults."""
    path = tmp_path / "rates.json"
    rates = replace(RATES, machine="here", gpu=2e6, prices=Prices(gpu_hour=2.5, currency="CLP"))
    write_rates(rates, path)
    assert read_rates(path) == rates
    path.write_text('{"surco_rates": 1, "gpu": 5, "prices": {"gb_read": 0.09}}')
    assert read_rates(path) == replace(Rates(), gpu=5, prices=Prices(gb_read=0.09))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("nonsense", "no JSON"),
        ("{}", "format 1"),
        ('{"surco_rates": 1, "speed": 3}', "speed"),
        ('{"surco_rates": 1, "read": 0}', "above 0"),
        ('{"surco_rates": 1, "read": "fast"}', "fast"),
        ('{"surco_rates": 1, "prices": {"gpu_hour": -1}}', "negative"),
        ('{"surco_rates": 1, "prices": 3}', "object"),
    ],
)
def test_bad_rates_are_refused(text: str, word: str, tmp_path: Path) -> None:
    """A name that nobody knows, a rate of nothing, another kind of file."""
    path = tmp_path / "rates.json"
    path.write_text(text)
    with pytest.raises(PlanError, match=word):
        read_rates(path)

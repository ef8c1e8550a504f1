"""Yields of the synthetic country."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from surco.encoder.simulate import CROPS, YIELDS, simulate_scenes
from surco.encoder.simulate.climate import CLIMATES, Weather, draw_weather
from surco.encoder.simulate.management import Parcels, draw_parcels
from surco.encoder.simulate.yields import draw_yields

START = date(2024, 5, 1)


def grown(crop: str, n: int = 40, seed: int = 0) -> tuple[Parcels, Weather]:
    """Parcels of one class in one central zone."""
    rng = np.random.default_rng(seed)
    parcels = draw_parcels(
        [CLIMATES["central"]], np.zeros(n, np.int64), np.array([crop] * n), rng, likeness=0.0
    )
    return parcels, draw_weather([CLIMATES["central"]], rng)


def tonnes(parcels: Parcels, weather: Weather, seed: int = 1) -> np.ndarray:
    """t/ha (N,), with the same noise for the same seed."""
    return np.asarray(draw_yields(parcels, weather, -35.3, START, np.random.default_rng(seed)).tonnes)


def changed(parcels: Parcels, name: str, factor: float) -> Parcels:
    """The parcels with one trait multiplied."""
    return replace(parcels, traits={**parcels.traits, name: parcels.traits[name] * factor})


@pytest.mark.parametrize(
    ("crop", "low", "high"),
    [
        ("winter_wheat", 3, 8), ("maize", 8, 17), ("beans", 1, 4), ("rice", 4, 9), ("potato", 18, 45),
        ("tomato", 55, 130), ("sugar_beet", 65, 130), ("cherry", 5, 14), ("apple", 25, 70), ("walnut", 1.5, 6),
        ("table_grape", 12, 35), ("avocado", 4, 14), ("alfalfa", 8, 22),
    ],
)  # fmt: skip
def test_means_have_the_size_of_farms(crop: str, low: float, high: float) -> None:
    """The mean of eight zones and years lies in the range of farms in central Chile."""
    mean = np.mean([tonnes(*grown(crop, seed=s), seed=s).mean() for s in range(8)])
    assert low < mean < high


def test_more_leaves_more_yield() -> None:
    """With the same chance draws more leaf area gives more, and no leaves give nothing."""
    parcels, weather = grown("maize")
    usual = tonnes(parcels, weather)
    assert np.all(tonnes(changed(parcels, "lai", 1.3), weather) > usual)
    bare = replace(changed(parcels, "lai", 0.0), forage_lai=0 * parcels.forage_lai)
    assert tonnes(bare, weather).tolist() == [0.0] * len(bare)


def test_drought_hurts_only_what_is_not_irrigated() -> None:
    """A year whose soil is dry halves wheat nearly, and hardly touches irrigated maize."""
    loss = {}
    for crop in ("winter_wheat", "maize"):
        parcels, weather = grown(crop)
        dry = replace(weather, rainfed=0 * weather.rainfed)
        loss[crop] = 1 - tonnes(parcels, dry).mean() / tonnes(parcels, weather).mean()
    assert loss["winter_wheat"] > 0.25
    assert loss["maize"] < 0.05


def test_noise_floor_is_the_one_stated() -> None:
    """Over parcels of equal canopies the coefficient of variation is that of management."""
    for crop in ("winter_wheat", "cherry"):
        parcels, weather = grown(crop, 2)
        many = parcels.take(np.zeros(4000, np.int64))
        drawn = tonnes(many, weather)
        assert drawn.std() / drawn.mean() == pytest.approx(YIELDS[crop].spread, rel=0.08)


def test_only_classes_with_a_product_have_one() -> None:
    """Forest, town, water and pasture have no yield; every class of the table is known."""
    parcels, weather = grown("pine")
    assert np.isnan(tonnes(parcels, weather)).all()
    assert set(YIELDS) <= set(CROPS)
    assert {"pasture", "water", "town", "pine"}.isdisjoint(YIELDS)


def test_parcels_and_truth_say_the_same(tmp_path: Path) -> None:
    """The area-weighted mean of parcels.geojson is the mean in truth.json, and null where a class has none."""
    area = simulate_scenes(
        tmp_path / "a", start=date(2024, 12, 1), end=date(2024, 12, 12), center=(-71.6, -35.4), size_m=(1600, 1600),
        seed=3,
    )  # fmt: skip
    rows = [f["properties"] for f in json.loads(area.parcels.read_text())["features"]]
    classes = json.loads(area.truth.read_text())["classes"]
    assert any(row["yield_t_ha"] is None for row in rows) and any(row["yield_t_ha"] for row in rows)
    for name, about in classes.items():
        mine = [row for row in rows if row["crop"] == name]
        if name not in YIELDS:
            assert about["yield"] is None and all(row["yield_t_ha"] is None for row in mine)
            continue
        weight = [row["area_m2"] for row in mine]
        mean = np.average([row["yield_t_ha"] for row in mine], weights=weight)
        assert about["yield"]["mean_t_ha"] == pytest.approx(mean, rel=1e-3)
        assert about["yield"]["management_cv"] == YIELDS[name].spread

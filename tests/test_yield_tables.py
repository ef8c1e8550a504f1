"""Labelled tables of yields: the synthetic country says what its generator says, real ones are what we read them as."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from shared_data import shared

from surco.adapters import disaggregate
from surco.encoder.channels import CHANNELS, INDEX
from surco.encoder.protocol import BandMeanEncoder

SCRIPTS = str(Path(__file__).resolve().parents[1] / "scripts")


@pytest.fixture(autouse=True, scope="module")
def scripts_on_path() -> Iterator[None]:
    """The scripts import each other by their plain names."""
    sys.path.insert(0, SCRIPTS)
    yield
    sys.path.remove(SCRIPTS)


def reflectance(table: object, channel: str) -> np.ndarray:
    """Valid values of a channel."""
    values = table.values[..., INDEX[channel]]  # type: ignore[attr-defined]
    return values[table.valid[..., INDEX[channel]]]  # type: ignore[attr-defined]


def test_synthetic_yields_are_their_truth_and_luck() -> None:
    """Yields scatter about what could be known by the season and management, seasons alike in all regions."""
    from yield_tables import synthetic_country

    table = synthetic_country("winter_wheat", seasons=2, parcels=60, regions=("central", "south"))
    assert table.values.shape == (240, 12, len(CHANNELS))
    assert sorted(set(table.season)) == ["2016-17", "2017-18"]
    luck = np.log(table.target / table.expected)
    for season in set(table.season):
        by_region = [luck[(table.season == season) & (table.region == r)].mean() for r in set(table.region)]
        assert abs(by_region[0] - by_region[1]) < 4 * 0.15 / np.sqrt(60) * np.sqrt(2)
    assert 0.1 < luck.std() < 0.3
    again = synthetic_country("winter_wheat", seasons=2, parcels=60, regions=("central", "south"))
    np.testing.assert_array_equal(table.target, again.target)


def test_totals_of_the_synthetic_country_come_down_to_its_parcels() -> None:
    """From a season's totals parcels of alfalfa are nearer the truth than their comuna's mean, and add up to it."""
    from yield_tables import encoded, synthetic_country

    table = synthetic_country("alfalfa", seasons=1, parcels=20, seed=1, regions=["central"] * 20)
    X, hectares = encoded(table, BandMeanEncoder()), np.ones(len(table))
    totals = {r: float(table.target[table.region == r].mean()) for r in np.unique(table.region)}
    found = disaggregate(X, hectares, table.region, totals, least=0)
    mean = np.array([totals[r] for r in table.region])
    error, plain = (np.sqrt(np.mean((p - table.target) ** 2)) for p in (found.value, mean))
    assert error < 0.95 * plain
    for region, total in totals.items():
        assert found.value[table.region == region].mean() == pytest.approx(total, rel=1e-9)


def test_rice_reads_as_reflectance() -> None:
    """Green rice is what the bands are: near infrared highest, short-wave infrared half of it, no offset left."""
    from yield_tables import vietnam_rice

    table = vietnam_rice(shared("yield/vietnam_rice"))
    assert len(table) == 557 and set(table.season) == {"SA", "WS"} and len(set(table.region)) == 3
    assert table.target.min() > 5 and table.target.max() < 9
    medians = {c: np.median(reflectance(table, c)) for c in ("blue", "green", "red", "nir", "swir16")}
    assert medians["blue"] < medians["green"] < 0.12 and medians["red"] < 0.1
    assert medians["nir"] > 2.5 * medians["green"]
    assert 0.35 < medians["swir16"] / medians["nir"] < 0.75
    late = table.dates >= np.datetime64("2022-01-25")
    blue = table.values[..., INDEX["blue"]]
    assert abs(np.nanmedian(blue[late]) - np.nanmedian(blue[~late])) < 0.03


def test_fuel_moisture_reads_as_its_sensors() -> None:
    """Bands rise from red over the red edge, water vapour is left out, weather has its units, sites their split."""
    from yield_tables import fuel_moisture

    table = fuel_moisture(shared("yield/us_fuel_moisture"))
    assert len(table) == 2313 and (table.season == "test").sum() == 735
    assert not set(table.block[table.season == "test"]) & set(table.block[table.season == "train"])
    edge = [np.median(reflectance(table, c)) for c in ("red", "rededge1", "rededge2", "rededge3", "nir08")]
    assert edge == sorted(edge)
    assert 270 < np.median(reflectance(table, "temperature")) < 300
    assert 5 < np.median(reflectance(table, "precipitation")) < 100
    assert (np.diff(table.dates, axis=1).astype(int) > 0).all()
    assert 20 < np.median(table.static[:, 0]) < 3000 and np.median(table.static[:, 1]) < 30
    assert table.target.min() > 30

"""The synthetic central valley beside real series of Maule."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT.parent / "shared/data/samples"
pytestmark = pytest.mark.skipif(
    not (SAMPLES / "chile_maule_2020.parquet").exists(), reason=f"the real samples are not in {SAMPLES}"
)


@pytest.fixture(scope="module")
def envelopes():
    """The script that draws the comparison, and both sides of it."""
    spec = importlib.util.spec_from_file_location("envelopes", ROOT / "scripts/plot_simulated_envelopes.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script.PAIRS, script.read_maule(SAMPLES), script.simulated(6000, 4)


def difference(envelopes, ine: str, k: int) -> np.ndarray:
    """Simulated minus real median by month, June left out: the real June was under cloud."""
    pairs, real, model = envelopes
    ours = np.nanmedian(model[k][np.isin(model[0], pairs[ine])], axis=0)
    return np.delete(ours - np.nanmedian(real[k][real[0] == ine], axis=0), 1)


@pytest.mark.parametrize(
    "ine", ["Winter_crops", "Spring_crops", "Deciduous_fruit_tree", "Perennial_fruit_tree", "Annual_pasture",
            "Perennial_pasture", "Mature_plantation", "Deciduous_forest", "Shrublands", "Bare_soils"],
)  # fmt: skip
def test_monthly_medians_are_near_the_real_ones(envelopes, ine: str):
    """NDVI is within 0.13 and SWIR16 within 0.045 of the real class median, averaged over the months."""
    assert np.abs(difference(envelopes, ine, 1)).mean() < 0.13
    assert np.abs(difference(envelopes, ine, 2)).mean() < 0.045


def test_land_is_not_too_bright(envelopes):
    """Over all classes SWIR16 is within a tenth of the real one: an earlier generator was 35 to 45 % too bright."""
    pairs, real, _ = envelopes
    names = [n for n in pairs if n != "Water_bodies"]
    level = np.mean([np.nanmedian(real[2][real[0] == n]) for n in names])
    assert abs(np.mean([difference(envelopes, n, 2).mean() for n in names])) < 0.1 * level

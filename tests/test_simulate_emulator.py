"""The fitted stand-in for PROSAIL."""

import json
from importlib.resources import files

import numpy as np
import pytest

from surco.encoder.channels import INDEX
from surco.encoder.simulate.emulator import INPUTS, load_emulator

LEAF = {
    "N": 1.5, "Cab": 45, "Car": 9, "Cbrown": 0.05, "Cw": 0.015, "Cm": 0.006, "LAI": 3.0, "ALA": 55, "hotspot": 0.06,
    "sun_zenith": 35, "view": 0,
}  # fmt: skip
SOIL = np.linspace(0.08, 0.3, 10, dtype=np.float32)[None]


def canopy(**changes: float) -> np.ndarray:
    """Reflectance (10,) of one canopy over `SOIL`."""
    values = LEAF | changes
    return load_emulator().terms(np.array([[values[n] for n in INPUTS]], np.float32)).over(SOIL)[0]


def ndvi(spectrum: np.ndarray) -> float:
    """Of one spectrum."""
    red, nir = spectrum[INDEX["red"]], spectrum[INDEX["nir"]]
    return float((nir - red) / (nir + red))


def card() -> dict[str, object]:
    """What stands beside the weights."""
    return json.loads(files("surco.encoder.simulate").joinpath("prosail_emulator.json").read_text())


def test_numpy_gives_what_prosail_gave():
    """On rows of PROSAIL itself that were not fitted, the mean error stays below 0.003 reflectance."""
    rows = card()["prosail"]
    inputs, soil, truth = (
        np.array([row[k] for row in rows], np.float32) for k in ("inputs", "background", "reflectance")
    )
    error = np.abs(load_emulator().terms(inputs).over(soil) - truth)
    assert len(rows) >= 40
    assert error.mean() < 0.003
    assert error.max() < 0.05


def test_card_states_the_error():
    """The card's held-out error is the one that was asked for."""
    assert card()["held_out"]["mean_absolute_error"] <= 0.003


def test_no_leaves_leave_the_ground():
    """With a leaf area of zero the ground is seen as it is."""
    np.testing.assert_allclose(canopy(LAI=0.0), SOIL[0], atol=1e-6)


def test_more_leaves_are_greener():
    """NDVI rises with leaf area, to that of a closed canopy."""
    curve = [ndvi(canopy(LAI=x)) for x in (0, 0.3, 1, 2, 4, 7)]
    assert np.all(np.diff(curve) > 0)
    assert curve[-1] > 0.85


@pytest.mark.parametrize(
    ("change", "channel", "sign"),
    [({"Cw": 0.03}, "swir16", -1), ({"Cab": 15}, "rededge1", 1), ({"Cm": 0.015}, "nir", -1)],
)
def test_leaf_traits_move_their_bands(change: dict[str, float], channel: str, sign: int):
    """Water darkens the short-wave infrared, chlorophyll the red edge, dry matter the near infrared."""
    moved = canopy(**change)[INDEX[channel]] - canopy()[INDEX[channel]]
    assert sign * moved > 0.01


def test_outside_the_fit_is_its_edge():
    """Inputs beyond the fitted ranges count as the nearest fitted ones."""
    np.testing.assert_array_equal(canopy(LAI=40.0), canopy(LAI=9.0))

"""Places of Chile, and what the survey of orchards makes of the fields there."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from surco.encoder.errors import SimulationError
from surco.encoder.simulate import CROPS, YIELDS, orchard_hectares, place_at, simulate_scenes


@pytest.mark.parametrize(
    ("town", "longitude", "latitude", "region", "climate"),
    [
        ("Arica", -70.28, -18.48, "Arica y Parinacota", "north"),
        ("Copiapo", -70.33, -27.37, "Atacama", "north"),
        ("Vicuna", -70.71, -30.03, "Coquimbo", "north"),
        ("Quillota", -71.25, -32.88, "Valparaíso", "central"),
        ("Melipilla", -71.21, -33.69, "Metropolitana de Santiago", "central"),
        ("San Fernando", -70.99, -34.58, "O'Higgins", "central"),
        ("Talca", -71.66, -35.43, "Maule", "central"),
        ("Chillan", -72.10, -36.61, "Ñuble", "central"),
        ("Los Angeles", -72.35, -37.47, "Biobío", "south"),
        ("Temuco", -72.60, -38.74, "La Araucanía", "south"),
        ("Valdivia", -73.24, -39.81, "Los Ríos", "south"),
        ("Osorno", -73.13, -40.57, "Los Lagos", "south"),
        ("Coyhaique", -72.07, -45.57, "Aysén", "south"),
        ("Punta Arenas", -70.93, -53.16, "Magallanes", "south"),
    ],
)
def test_towns_are_in_their_regions(
    town: str, longitude: float, latitude: float, region: str, climate: str
) -> None:
    """A town of each region is found in it, with the climate of its part of the country."""
    place = place_at(longitude, latitude)
    assert (place.region, place.climate) == (region, climate), town


@pytest.mark.parametrize(
    ("longitude", "latitude"), [(-68.84, -32.89), (-58.4, -34.6), (-73.5, -33.0), (-71.5, 35.4), (0, 0)]
)
def test_elsewhere_is_refused(longitude: float, latitude: float) -> None:
    """Mendoza, Buenos Aires, the open sea and the northern hemisphere are not in Chile."""
    with pytest.raises(SimulationError, match=r"continental Chile; got .*; give degrees"):
        place_at(longitude, latitude)


def test_land_rises_to_the_andes() -> None:
    """Between the sea and the Andes the farmland rises."""
    heights = [place_at(longitude, -35.4).elevation for longitude in (-72.4, -71.6, -70.8)]
    assert heights == sorted(heights) and heights[0] < heights[2] - 100


def test_survey_names_classes_of_ours() -> None:
    """Every surveyed class is one of ours with a yield, and regions differ as they do: avocado in Valparaiso."""
    for code in range(1, 17):
        assert set(orchard_hectares(code)) <= set(YIELDS) <= set(CROPS)
    assert orchard_hectares(5)["avocado"] > 15_000
    assert "avocado" not in orchard_hectares(14)
    assert orchard_hectares(2) == {}


def hectares(path: Path) -> dict[str, float]:
    """By class, of a drawn valley."""
    classes = json.loads((path / "truth.json").read_text())["classes"]
    return {name: about["hectares"] for name, about in classes.items()}


def test_orchards_follow_the_survey(tmp_path: Path) -> None:
    """Of two orchards one with ten times the hectares of the other gets by far more ground."""
    area = simulate_scenes(
        tmp_path / "a", start=date(2024, 12, 1), end=date(2024, 12, 5), center=(-71.25, -35.3), size_m=(2400, 2400),
        seed=1, classes=["cherry", "olive", "maize"], orchards={"cherry": 10_000, "olive": 1_000},
    )  # fmt: skip
    drawn = hectares(area.path)
    assert drawn["cherry"] > 2 * drawn["olive"] > 0
    with pytest.raises(SimulationError, match=r"got \['banana'\]"):
        simulate_scenes(
            tmp_path / "b", start=date(2024, 12, 1), end=date(2024, 12, 5), center=(-71.25, -35.3), seed=1,
            orchards={"banana": 1.0},
        )  # fmt: skip

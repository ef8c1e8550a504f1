"""Parts of Chile by name, and the cells of their land."""

from __future__ import annotations

import h3
import h3ronpy
import h3ronpy.vector
import numpy as np
import pyarrow as pa
import pytest

from surco.embedstore import ISO_CODES, PlaceError, comuna_of, comunas, find_region, land_cells
from surco.embedstore.place_regions import count_land_cells

ROWS = comunas().to_pylist()


@pytest.mark.parametrize("text", ["chile", "Chile", "CL"])
def test_chile_is_all_comunas(text: str) -> None:
    """The country is the 346 comunas."""
    assert find_region(text).comunas == tuple(sorted(row["cut"] for row in ROWS))


@pytest.mark.parametrize("text", ["CL-ML", "cl-ml", "Maule", " maule ", "7"])
def test_a_region_goes_by_code_and_name(text: str) -> None:
    """ISO 3166-2, name and official code mean the same region, rather than the comuna of its name."""
    found = find_region(text)
    assert found.name == "Maule"
    assert found.comunas == tuple(sorted(row["cut"] for row in ROWS if row["region_cut"] == 7))


def test_every_region_has_its_iso_code() -> None:
    """Sixteen regions, sixteen codes, each for the region of its number."""
    assert set(ISO_CODES) == {row["region_cut"] for row in ROWS}
    for number, code in ISO_CODES.items():
        assert find_region(code).comunas == find_region(str(number)).comunas


@pytest.mark.parametrize(
    ("text", "comunas"),
    [("talca", 10), ("Río Claro", 1), ("rio claro", 1), ("7101", 1), ("Cauquenes", 3), ("nunoa", 1)],
)
def test_provinces_and_comunas_go_by_name(text: str, comunas: int) -> None:
    """A name of a province and its capital is the province; accents may be left out."""
    assert len(find_region(text).comunas) == comunas


@pytest.mark.parametrize("text", ["", "CL-XX", "Mendoza", "maule.geojson"])
def test_an_unknown_place_is_refused(text: str) -> None:
    """The message names what there is."""
    with pytest.raises(PlaceError, match="CL-ML Maule"):
        find_region(text)


def test_bounds_leave_out_only_what_is_far() -> None:
    """Asked for a box, all cells of the region in it come, and few others."""
    wanted = find_region("Curicó").comunas
    west, south, east, north = -71.2, -35.05, -71.1, -34.95
    cells, _ = (np.concatenate(column) for column in zip(*land_cells(wanted), strict=True))
    near, _ = (
        np.concatenate(column) for column in zip(*land_cells(wanted, (west, south, east, north)), strict=True)
    )
    places = pa.record_batch(h3ronpy.vector.cells_to_coordinates(pa.array(cells)))
    lon, lat = (places.column(name).to_numpy() for name in ("lng", "lat"))
    within = cells[(lon > west) & (lon < east) & (lat > south) & (lat < north)]
    assert count_land_cells(wanted, (west, south, east, north)) == len(near)
    assert len(within) > 500 and np.isin(within, near).all()
    assert np.isin(near, cells).all() and len(near) < 0.5 * len(cells)


def test_cells_of_a_region_are_all_its_cells() -> None:
    """Each cell of resolution 9 with its centre in the region comes once, with its comuna, and no other."""
    wanted = find_region("Curicó").comunas
    cells, codes = (np.concatenate(column) for column in zip(*land_cells(wanted), strict=True))
    assert len(np.unique(cells)) == len(cells)
    assert np.array_equal(comuna_of(cells).to_numpy(zero_copy_only=False), codes)
    assert set(codes.tolist()) == set(wanted)
    middle = h3.latlng_to_cell(-34.985, -71.24, 9)
    around = np.array([int(cell, 16) for cell in h3.grid_disk(middle, 40)], np.uint64)
    inside = np.isin(comuna_of(around).fill_null(0).to_numpy(zero_copy_only=False), wanted)
    assert np.array_equal(np.isin(around, cells), inside)
    area = float(pa.array(h3ronpy.cells_area_km2(pa.array(cells))).to_numpy().sum())
    assert abs(area / 7281 - 1) < 0.02  # the official figure

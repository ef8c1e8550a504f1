"""Means and totals of yields over HTTP: by area, of a crop's places, without an interval that nobody can give."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np
import pytest
from litestar.testing import TestClient
from map_stores import BEFORE, NOW, TALCA, map_store

from surco.api.app import create_app
from surco.api.maps import predict_table
from surco.api.settings import Settings
from surco.api.yield_maps import predict_values
from surco.embedstore import Store

VALUES = f"/maps/yields/{NOW.name}/values"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of `map_stores`."""
    return map_store(tmp_path_factory.mktemp("values") / "store")


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    """A client of a server over it."""
    with TestClient(create_app(Settings(store.path))) as client:
        yield client


@pytest.mark.parametrize("unit", ["cells", "parcels"])
def test_means_and_totals_are_weighted_by_area(client: TestClient, store: Store, unit: str) -> None:
    """The mean is that of the map's values by hectares, the total its product with them; comunas add up."""
    found = predict_values(store, "yields", NOW.name, unit)
    known = np.isfinite(found.value)
    hectares = found.places.area_ha[known]
    answer = client.get(f"{VALUES}?unit={unit}&by=comuna").json()
    total, *parts = answer["rows"]
    assert (total["domain"], total["places"]) == ("total", known.sum())
    assert total["mean"] == pytest.approx(np.average(found.value[known], weights=hectares))
    assert total["total"] == pytest.approx((found.value[known] * hectares).sum())
    assert total["mean_of_lows"] == pytest.approx(np.average(found.low[known], weights=hectares))
    assert sum(row["total"] for row in parts) == pytest.approx(total["total"])
    assert {row["domain"] for row in parts} >= {"Talca", "Curicó"}
    assert (answer["target_unit"], answer["coverage"]) == ("t/ha", found.coverage)


def test_no_interval_is_claimed_of_a_mean(client: TestClient) -> None:
    """The notes say that none can be given, and that a mean over every place is no crop's yield."""
    notes = " ".join(client.get(VALUES).json()["notes"])
    assert "no interval of a mean can be given" in notes and "name the crop's" in notes


def test_a_crops_places_only(client: TestClient, store: Store) -> None:
    """`crop` takes the places that a map of classes says are of it."""
    crops = predict_table(store, "crops", NOW.name, "cells")
    of_it = crops.class_index == crops.classes.index("wheat")
    found = predict_values(store, "yields", NOW.name, "cells")
    answer = client.get(f"{VALUES}?unit=cells&crop=crops:wheat").json()
    assert answer["rows"][0]["places"] == of_it.sum()
    mean = np.average(found.value[of_it], weights=crops.places.area_ha[of_it])
    assert answer["rows"][0]["mean"] == pytest.approx(mean)
    assert not any("name the crop's" in note for note in answer["notes"])


def test_a_drawn_polygon_holds_what_a_box_of_its_sides_holds(client: TestClient) -> None:
    """Mean, total and hectares of the polygon are those of the box, and its rows are the file's."""
    west, south, east, north = TALCA[0] - 0.02, TALCA[1] - 0.02, TALCA[0] + 0.003, TALCA[1] + 0.005
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    body = {"within": {"type": "Polygon", "coordinates": [ring]}}
    box = f"bbox={west},{south},{east},{north}"
    for unit in ("cells", "parcels"):
        got = client.post(f"{VALUES}?unit={unit}", json=body).json()["rows"][0]
        assert got == pytest.approx(client.get(f"{VALUES}?unit={unit}&{box}").json()["rows"][0])
        export = f"/maps/yields/{NOW.name}/export?f=geojson&unit={unit}"
        drawn = client.post(export, json=body).json()["features"]
        assert drawn == client.get(f"{export}&{box}").json()["features"] and drawn
    assert client.post(f"{VALUES}?f=csv", json=body).text.startswith("domain,places")


def test_as_csv_and_again(client: TestClient) -> None:
    """A row a domain; what a client has is not sent again; another season is another answer."""
    answer = client.get(f"{VALUES}?f=csv&by=region")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["domain"] for row in rows][:2] == ["total", "Maule"]
    tag = {"if-none-match": answer.headers["etag"]}
    assert client.get(f"{VALUES}?f=csv&by=region", headers=tag).status_code == 304
    other = client.get(f"/maps/yields/{BEFORE.name}/values?f=csv&by=region&unit=cells", headers=tag)
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        (f"/maps/crops/{NOW.name}/values", 400, "Expected a yield adapter, got 'crops'"),
        (f"/maps/yields/{NOW.name}/areas", 400, "Expected an adapter of classes, got 'yields'"),
        (f"{VALUES}?crop=wheat", 400, "Expected crop=adapter:class"),
        (f"{VALUES}?crop=crops:quinoa", 400, "Expected crop to name a class of 'crops'"),
        (f"{VALUES}?crop=yields:wheat", 400, "Expected an adapter of classes"),
        (f"{VALUES}?bbox=1,1,2,2", 404, "Expected observed parcels in the part asked for, got none"),
    ],
)
def test_bad_questions_are_sentences(client: TestClient, address: str, status: int, words: str) -> None:
    """Each has a problem document that says what was expected."""
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]

"""Two maps of the same places over HTTP: hectares from class to class, the places that differ, no claim of change."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np
import pyarrow.parquet as pq
import pytest
from litestar.testing import TestClient
from map_stores import BEFORE, NOW, UNSEEN, map_store

from surco.api.app import create_app
from surco.api.comparing import agreement
from surco.api.maps import Predicted, predict_table
from surco.api.settings import Settings
from surco.embedstore import Store

SEASONS = f"a=crops:{BEFORE.name}&b=crops:{NOW.name}&unit=cells"
ADAPTERS = f"a=crops:{NOW.name}&b=others:{NOW.name}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of `map_stores`."""
    return map_store(tmp_path_factory.mktemp("compare") / "store")


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    """A client of a server over it."""
    with TestClient(create_app(Settings(store.path, requests_per_minute=100_000))) as client:
        yield client


@pytest.fixture(scope="module")
def maps(store: Store) -> tuple[Predicted, Predicted]:
    """Both seasons' maps of cells, whose rows are the same cells."""
    one, two = (predict_table(store, "crops", season.name, "cells") for season in (BEFORE, NOW))
    assert one.places.id.tolist() == two.places.id.tolist()
    return one, two


def test_hectares_from_class_to_class(client: TestClient, maps: tuple[Predicted, Predicted]) -> None:
    """Every pair of classes has the hectares that both maps, made apart, give it; comunas add up to the total."""
    one, two = maps
    seen = (one.class_index >= 0) & (two.class_index >= 0)
    expected = np.zeros((4, 4))
    np.add.at(expected, (one.class_index[seen], two.class_index[seen]), one.places.area_ha[seen])
    table = client.get(f"/maps/compare?{SEASONS}&by=comuna").json()
    total = {(r["from"], r["to"]): r["hectares"] for r in table["rows"] if r["domain"] == "total"}
    for i, first in enumerate(one.classes):
        for j, second in enumerate(two.classes):
            assert total.get((first, second), 0) == pytest.approx(expected[i, j], rel=1e-6)
    assert table["places"] == seen.sum() == len(seen) - UNSEEN
    assert table["same_ha"] == pytest.approx(np.trace(expected)) and table["hectares"] == pytest.approx(
        expected.sum()
    )
    by_comuna = sum(r["hectares"] for r in table["rows"] if r["domain"] != "total")
    assert by_comuna == pytest.approx(expected.sum())
    assert "no estimate of change" in table["note"] and table["a"]["season"] == BEFORE.name


def test_places_that_differ(client: TestClient, maps: tuple[Predicted, Predicted]) -> None:
    """The list holds each place with two classes and no other, with what both maps say; `least` leaves doubts out."""
    one, two = maps
    names = np.array([*one.classes, None], object)
    differ = (one.class_index != two.class_index) & (one.class_index >= 0) & (two.class_index >= 0)
    answer = client.get(f"/maps/compare/changes?{SEASONS}&f=parquet")
    rows = pq.read_table(io.BytesIO(answer.content))
    assert rows["h3"].to_pylist() == one.places.table["h3"].to_numpy()[differ].tolist()
    assert rows["class_a"].to_pylist() == names[one.class_index[differ]].tolist()
    assert rows["class_b"].to_pylist() == names[two.class_index[differ]].tolist()
    np.testing.assert_allclose(rows["probability_b"].to_numpy(), two.probability[differ], rtol=2e-5)
    likely = 1 - (one.probabilities * two.probabilities).sum(axis=1)[differ]
    np.testing.assert_allclose(rows["change_probability"].to_numpy(), likely, atol=1e-5)
    assert b"geo" in pq.read_metadata(io.BytesIO(answer.content)).metadata
    sure = client.get(f"/maps/compare/changes?{SEASONS}&least=0.9").json()["features"]
    assert 0 < len(sure) == (likely >= 0.9).sum() < len(likely)
    assert sure[0]["geometry"]["type"] == "Point" and set(sure[0]["properties"]) >= {"class_a", "class_b"}
    tag = answer.headers["etag"]
    again = client.get(f"/maps/compare/changes?{SEASONS}&f=parquet", headers={"if-none-match": tag})
    assert again.status_code == 304


def test_two_adapters_of_parcels(client: TestClient, store: Store) -> None:
    """Two adapters in one season agree on the hectares that `surco adapters compare` tells."""
    found = agreement(store, "crops", "others", NOW.name, "parcels")
    table = client.get(f"/maps/compare?{ADAPTERS}").json()
    assert (
        table["unit"] == "parcels" and table["places"] == found.places and table["same_places"] == found.same
    )
    assert table["same_ha"] / table["hectares"] == pytest.approx(found.share)
    lines = list(csv.reader(io.StringIO(client.get(f"/maps/compare?{ADAPTERS}&f=csv").text)))
    assert lines[0] == ["domain", "from", "to", "hectares", "places"] and len(lines) == len(table["rows"]) + 1
    shapes = client.get(f"/maps/compare/changes?{ADAPTERS}").json()["features"]
    assert {f["geometry"]["type"] for f in shapes} == {"Polygon"}
    assert len(shapes) == found.places - found.same


def test_a_part_of_both_maps(client: TestClient, maps: tuple[Predicted, Predicted]) -> None:
    """Comunas and boxes limit both the table and the list."""
    table = client.get(f"/maps/compare?{SEASONS}&comuna=Talca&by=comuna").json()
    assert {row["domain"] for row in table["rows"]} == {"total", "Talca"}
    codes = maps[0].places.table["comuna"].to_pylist()
    assert table["places"] <= codes.count(7101)
    listed = client.get(f"/maps/compare/changes?{SEASONS}&comuna=Talca").json()["features"]
    assert {f["properties"]["comuna"] for f in listed} == {7101}
    assert len(listed) == table["places"] - table["same_places"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "a"),
        ("a=crops&b=others:2024-25", 400, "Expected a=adapter:season, got 'crops'"),
        ("a=crops:2024-25&b=crops:2024-25", 400, "twice"),
        ("a=crops:2024-25&b=yields:2024-25", 400, "tells values"),
        ("a=crops:2024-25&b=nope:2024-25", 404, "got 'nope'"),
        (f"a=crops:{BEFORE.name}&b=crops:{NOW.name}", 404, "Expected table parcels with season 2023-24"),
        (f"{SEASONS}&bbox=1,1,2,2", 404, "both have in the part asked for, got none"),
    ],
)
def test_bad_questions_are_sentences(client: TestClient, query: str, status: int, words: str) -> None:
    """Each has a problem document that says what was expected."""
    answer = client.get(f"/maps/compare?{query}")
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    if "bbox" not in query:
        assert client.get(f"/maps/compare/changes?{query}").status_code == status


def test_maps_that_agree_have_no_places_to_list(client: TestClient) -> None:
    """Where nothing differs as surely as asked for, the answer says so."""
    answer = client.get(f"/maps/compare/changes?{SEASONS}&least=1")
    assert answer.status_code == 404 and "say differently, got none" in answer.json()["detail"]

"""Adapters asked over HTTP: places, vectors, other adapters, where to label next; label sets and who may read them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from area_valley import CROPS, PARCELS, outlines, truth
from fit_builders import FEW, crops, key, served, yields
from label_builders import said, settings_of_set
from litestar.testing import TestClient
from test_server import problem

from surco.adapters import load_adapter
from surco.api.label_sets.items import add_labels
from surco.api.label_sets.sets import make_set
from surco.api.state.database import Database
from surco.api.web.callers import Caller
from surco.embedstore import Store

MIDDLE = shapely.get_coordinates(shapely.centroid(outlines()))


@pytest.fixture(scope="module")
def valley(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[TestClient[Any], Path, dict[str, str]]]:
    """A served valley with two adapters of classes and one of values, and the key that made them."""
    with served(tmp_path_factory.mktemp("asked") / "store") as (client, store):
        mine = key(store.path, "train", "label")
        for name, rows in (("first", FEW), ("second", range(4, 800, 8))):
            client.post("/adapters", json={"name": name, "labels": crops(rows)}, headers=mine)
        wish = {"name": "tons", "labels": yields(), "task": "yield", "column": "t_ha"}
        assert client.post("/adapters", json=wish, headers=mine).status_code == 201
        yield client, store.path, mine


def test_places_are_answered_in_the_order_of_the_question(valley) -> None:
    """By point and by id, with the set that holds the true class; null where there is nothing."""
    client, _, _ = valley
    points = [MIDDLE[700].tolist(), [4.0, 51.0], MIDDLE[3].tolist()]
    told = client.post("/adapters/first/predict", json={"points": points, "coverage": 0.8}).json()
    assert [each["id"] for each in told["answers"]] == ["p700", None, "p3"]
    assert told["answers"][1]["answer"] is None and told["unit"] == "parcels" and told["coverage"] == 0.8
    by_id = client.post(
        "/adapters/first/predict", json={"ids": ["p3", "nothing", "p700"], "coverage": 0.8}
    ).json()
    assert [each["answer"] for each in by_id["answers"]] == [told["answers"][i]["answer"] for i in (2, 1, 0)]
    answer = told["answers"][0]["answer"]
    assert answer["class"] in answer["set"] and sum(answer["probabilities"].values()) == pytest.approx(
        1, abs=1e-4
    )
    assert answer["probability"] == max(answer["probabilities"].values())
    every = client.post("/adapters/first/predict", json={"ids": [f"p{i}" for i in range(PARCELS)]}).json()
    right = np.mean(
        [CROPS[c] == each["answer"]["class"] for c, each in zip(truth(), every["answers"], strict=True)]
    )
    held = np.mean(
        [CROPS[c] in each["answer"]["set"] for c, each in zip(truth(), every["answers"], strict=True)]
    )
    assert right > 0.7 and held > 0.85


def test_cells_and_vectors_are_answered_too(valley) -> None:
    """Cells by their hexadecimal name or a point, vectors as they are; all as the adapter itself says."""
    client, path, _ = valley
    store = Store.open(path)
    cells = store.read("cells", columns=["h3", "embedding", "embedding_scale"]).slice(0, 3)
    names = [f"{cell:x}" for cell in cells["h3"].to_pylist()]
    told = client.post("/adapters/first/predict", json={"ids": names, "unit": "cells"}).json()
    vectors = [
        [value * scale for value in row]
        for row, scale in zip(
            cells["embedding"].to_pylist(), cells["embedding_scale"].to_pylist(), strict=True
        )
    ]
    plain = client.post("/adapters/first/predict", json={"vectors": vectors}).json()
    assert told["resolution"] == 9 and [each["id"] for each in plain["answers"]] == [None] * 3
    chances = load_adapter(store.adapter_dir("first")).predict_proba(np.array(vectors, np.float32))
    for each, other, row in zip(told["answers"], plain["answers"], chances, strict=True):
        assert each["answer"] == other["answer"]
        assert each["answer"]["probability"] == pytest.approx(row.max(), abs=1e-5)


def test_values_have_intervals_of_the_coverage_asked_for(valley) -> None:
    """A higher coverage is a wider interval, and neither goes below nothing."""
    client, _, _ = valley
    narrow, wide = (
        client.post("/adapters/tons/predict", json={"ids": ["p5", "p6"], "coverage": c}).json()["answers"]
        for c in (0.6, 0.95)
    )
    for a, b in zip(narrow, wide, strict=True):
        assert a["answer"]["value"] == b["answer"]["value"]
        assert 0 <= b["answer"]["low"] <= a["answer"]["low"] < a["answer"]["high"] < b["answer"]["high"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "one of points, ids and vectors"),
        ({"ids": ["p1"], "points": [[0, 0]]}, 400, "got 2 of them"),
        ({"ids": []}, 400, "ids"),
        ({"points": [[400, 0]]}, 400, "in degrees"),
        ({"points": [[1, 2, 3]]}, 400, "points"),
        ({"vectors": [[1.0, 2.0]]}, 400, "vectors of 64 numbers"),
        ({"vectors": [[1e300] * 64]}, 400, "finite"),
        ({"vectors": [[0.1] * 64], "season": "2024-25"}, 400, "beside points or ids only"),
        ({"ids": ["p1"], "season": "1999-00"}, 404, "1999-00"),
        ({"ids": ["nonsense"], "unit": "cells"}, 400, "hexadecimal"),
        ({"ids": ["p1"], "coverage": 0.3}, 400, "coverage"),
        ({"ids": ["p1"] * 10_001}, 413, "at most 10,000"),
    ],
)
def test_questions_that_cannot_be_answered_are_problems(
    valley, body: dict[str, Any], status: int, words: str
) -> None:
    """What was expected, what came, what to do."""
    client, _, _ = valley
    assert words in problem(client.post("/adapters/first/predict", json=body), status)


def test_next_places_lie_in_the_box_with_reasons(valley) -> None:
    """As many as asked for, none learned from, each with a reason in words; a fifth of them by chance."""
    client, _, _ = valley
    west, south, east, north = -71.65, -35.45, -71.6, -35.42
    asked = {"count": 20, "bbox": f"{west},{south},{east},{north}"}
    answer = client.get("/adapters/first/next", params=asked)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/geo+json")
    told = answer.json()
    assert len(told["features"]) == 20 and "evenly spaced" in told["surco"]["method"]
    assert 0 < told["surco"]["candidates"] < told["surco"]["places"] == 200
    shapes = outlines()
    for feature in told["features"]:
        lon, lat = feature["geometry"]["coordinates"]
        number = int(feature["id"][1:])
        assert (
            west <= lon <= east and south <= lat <= north and shapes[number].contains(shapely.Point(lon, lat))
        )
        assert number not in FEW and len(feature["properties"]["reason"].split()) > 3
        assert feature["properties"]["predicted"] in CROPS
    chance = [f for f in told["features"] if f["properties"]["arm"] == "probability sample"]
    assert len(chance) == 4 and all(0 < f["properties"]["inclusion_probability"] < 0.2 for f in chance)
    assert client.get("/adapters/first/next", params=asked).json() == told
    assert client.get("/adapters/first/next", params={**asked, "seed": 1}).json() != told


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"bbox": "4,51,5,52"}, 404, "which has none"),
        ({"bbox": "a,b,c,d"}, 400, "west,south,east,north"),
        ({"bbox": "1,2,3,nan"}, 400, "in degrees"),
        ({"bbox": "1,2,3,4,5"}, 400, "in degrees"),
        ({"count": 101}, 400, "count"),
        ({"count": 0}, 400, "count"),
        ({"labels": "nothing"}, 404, "nothing"),
        ({"season": "1999-00"}, 404, "1999-00"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_next_of_nonsense_is_a_problem(valley, params: dict[str, Any], status: int, words: str) -> None:
    """What was expected, what came, what to do."""
    client, _, _ = valley
    assert words in problem(client.get("/adapters/first/next", params=params), status)
    assert "task" in problem(client.get("/adapters/tons/next"), 409)


def test_maps_of_two_adapters_are_crossed(valley) -> None:
    """Hectares by both classes add up to the land; of the same adapter's versions, too."""
    client, _, mine = valley
    told = client.get("/adapters/compare", params={"a": "first", "b": "second"}).json()
    assert told["a"]["name"] == "first" and "who is right" in told["method"]
    total = sum(cell["hectares"] for cell in told["hectares"])
    same = sum(cell["hectares"] for cell in told["hectares"] if cell["a"] == cell["b"])
    assert total == pytest.approx(1_380, rel=0.02) and told["agreement"] == pytest.approx(
        same / total, abs=1e-3
    )
    version = client.get("/adapters/second").json()["version"]
    client.post("/adapters", json={"name": "second", "labels": crops(range(0, 800, 6))}, headers=mine)
    other = client.get("/adapters/compare", params={"a": "second", "b": f"second@{version}"}).json()
    assert other["b"]["version"] == version and 0.5 < other["agreement"] < 1
    for b, status in (("first", 400), ("none", 404), ("first@999", 404), ("first@x", 404)):
        problem(client.get("/adapters/compare", params={"a": "first", "b": b}), status)
    problem(client.get("/adapters/compare", params={"a": "first", "b": "tons"}), 409)


def labels_in_a_set(
    path: Path, headers: dict[str, str], client: TestClient[Any], rows: range, **more: Any
) -> str:
    """A set of the key's with the true crops of some parcels; gives its id."""
    who = client.get("/whoami", headers=headers).json()
    caller = Caller.of(who["key"], who["name"], frozenset({"label"}), "127.0.0.1")
    names = truth()
    database = Database.open(path)
    with database.writing() as connection:
        made = make_set(connection, caller, **settings_of_set(**more))
        found = [said(CROPS[names[i]], *MIDDLE[i].tolist(), id=f"l{i}") for i in rows]
        add_labels(connection, caller, made.id, found)
    database.close()
    return made.id


def test_a_label_set_is_fitted_compared_on_and_asked_what_is_next(valley) -> None:
    """The same adapter as from a collection of its labels; scores of two adapters on labels new to both."""
    client, path, mine = valley
    set_id = labels_in_a_set(path, mine, client, range(1, 800, 8))
    told = client.post("/adapters", json={"name": "by-set", "labels": set_id}, headers=mine).json()
    inline = client.post(
        "/adapters", json={"name": "inline", "labels": crops(range(1, 800, 8))}, headers=mine
    ).json()
    assert told["label_set"] == set_id and told["card"]["weights_sha256"] == inline["card"]["weights_sha256"]
    assert told["card"]["training"]["labels"] == f"label set {set_id}"
    scored = client.get(
        "/adapters/compare", params={"a": "first", "b": "second", "labels": set_id}, headers=mine
    ).json()
    assert scored["labels"] >= 80 and scored["groups"] > 5
    assert 0.5 < scored["scores"]["a"]["accuracy"]["value"] <= 1
    assert scored["difference"]["macro_f1"]["low"] <= scored["difference"]["macro_f1"]["high"]
    own = client.get(
        "/adapters/compare", params={"a": "by-set", "b": "inline", "labels": set_id}, headers=mine
    )
    assert "have not learned from" in problem(own, 400)
    following = client.get("/adapters/by-set/next", params={"count": 5}, headers=mine).json()
    assert not {int(f["id"][1:]) for f in following["features"]} & set(range(1, 800, 8))
    wrong = {"name": "wrong", "labels": set_id, "task": "yield"}
    assert "kind 'value'" in problem(client.post("/adapters", json=wrong, headers=mine), 400)
    column = {"name": "wrong", "labels": set_id, "column": "crop"}
    assert "a set knows its own" in problem(client.post("/adapters", json=column, headers=mine), 400)


def test_a_private_set_is_not_there_for_others(valley) -> None:
    """Neither a fit nor a comparison nor a campaign tells that it exists; a public one serves everybody."""
    client, path, mine = valley
    other = key(path, "train")
    set_id = labels_in_a_set(path, mine, client, range(2, 800, 8))
    client.post("/adapters", json={"name": "private", "labels": set_id}, headers=mine)
    missing = "0" * len(set_id)
    for known in (set_id, missing):
        refused = [
            client.post("/adapters", json={"name": "stolen", "labels": known}, headers=other),
            client.get(
                "/adapters/compare", params={"a": "first", "b": "second", "labels": known}, headers=other
            ),
            client.get("/adapters/first/next", params={"labels": known}, headers=other),
        ]
        said = [problem(answer, 404).replace(known, "ID") for answer in refused]
        assert len(set(said)) == 1, said
    assert client.get("/adapters/private/next", params={"count": 3}, headers=other).status_code == 200
    public = labels_in_a_set(path, mine, client, range(3, 800, 8), public=True)
    answer = client.post("/adapters", json={"name": "of-public", "labels": public}, headers=other)
    assert answer.status_code == 201


def test_a_bundle_is_the_adapter(valley) -> None:
    """A zip of safetensors and JSON that `load_adapter` reads, the same each time."""
    client, path, _ = valley
    answer = client.get("/adapters/first/bundle")
    assert (
        answer.headers["content-type"] == "application/zip"
        and "first-" in answer.headers["content-disposition"]
    )
    assert answer.content == client.get("/adapters/first/bundle").content
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    assert sorted(files) == ["adapter.safetensors", "card.json"]
    vectors = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
    stored = load_adapter(Store.open(path).adapter_dir("first"))
    np.testing.assert_array_equal(load_adapter(files).predict_proba(vectors), stored.predict_proba(vectors))
    assert json.loads(files["card.json"])["name"] == "first"


def test_every_adapter_is_listed_with_its_card(valley) -> None:
    """Also one that the command line fitted, which nobody owns."""
    client, path, _ = valley
    told = client.get("/adapters").json()
    found = {each["name"]: each for each in told["adapters"]}
    assert (
        set(found) == set(Store.open(path).adapters()) and told["store_version"] == Store.open(path).version
    )
    assert found["crops"]["owner"] is None and found["first"]["owner"].startswith("k_")
    assert found["tons"]["task"] == "yield" and found["first"]["classes"] == sorted(CROPS)
    assert all("ids" not in each["card"]["training"] for each in found.values())

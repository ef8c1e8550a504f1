"""Adapters over HTTP: fitted in one request, versions that keep their place, whose they are."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from area_valley import CROPS, truth
from fit_builders import FEW, collection, crops, feature, key, served, yields
from litestar.testing import TestClient
from test_server import problem

from surco.adapters import read_card
from surco.api.fits.publishing import Publisher
from surco.api.fitting import fit_adapter
from surco.api.problems import STATUS
from surco.api.state.audit import entries
from surco.api.state.database import Database
from surco.api.yield_fitting import fit_yield_adapter
from surco.embedstore import Store, StoreConflictError, Transaction, adapter_versions


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient[Any], Path]]:
    """A served valley."""
    with served(tmp_path_factory.mktemp("fits") / "store") as (client, store):
        yield client, store.path


@pytest.fixture(scope="module")
def train(valley: tuple[TestClient[Any], Path]) -> dict[str, str]:
    """Headers of a key that may train."""
    return key(valley[1], "train", name="Ana")


def test_one_request_fits_scores_and_says_what_is_wrong(valley, train: dict[str, str]) -> None:
    """Card, scores beside baselines with intervals and their split, calibration, areas, warnings: all at once."""
    client, path = valley
    labels = crops()
    labels["features"].append({**labels["features"][0], "id": "again"})
    labels["features"][-1] = {**labels["features"][-1], "properties": {"crop": "olive"}}
    answer = client.post("/adapters", json={"name": "valley", "labels": labels}, headers=train)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["task"] == "crop-type" and told["classes"] == sorted(set(CROPS))
    assert told["card"]["training"]["places"] == 99 and "ids" not in told["card"]["training"]
    scores = told["scores"]
    assert "folds of whole groups" in scores["split"] and scores["blocks"].startswith("hexagons of")
    assert set(scores["baselines"]) == {
        "majority class",
        "k-nearest neighbours",
        "prototypes",
        "logistic regression",
    }
    ours, floor = scores["scores"]["accuracy"], scores["baselines"]["majority class"]["accuracy"]
    assert ours["low"] < ours["value"] < ours["high"] and ours["value"] > floor["value"] + 0.2
    bins = told["calibration"]["bins"]
    assert sum(point["n"] for point in bins) == 99 and told["calibration"]["ece"] == scores["scores"]["ece"]
    areas = told["areas"]
    assert "not a survey estimate" in areas["method"] and areas["counted_on"] == "all rows"
    assert sum(each["hectares"] for each in areas["classes"]) == pytest.approx(1_380, rel=0.02)
    assert told["labels"]["conflicts"] == [
        {"id": "p0", "said": [CROPS[truth()[0]], "olive"], "labels": ["l0", "again"]}
    ]
    assert any(warning["kind"] == "contradiction: place" for warning in told["warnings"])
    assert told["suspects"]["judged"] == 99
    assert Store.open(path).adapters() == ["crops", "valley"]


def test_the_numbers_are_those_of_the_command(valley, train: dict[str, str], tmp_path: Path) -> None:
    """`surco adapters fit` and the server share one path: the same labels give the same card."""
    client, path = valley
    told = client.post(
        "/adapters?scores=full", json={"name": "same", "labels": crops()}, headers=train
    ).json()
    labels = tmp_path / "labels.geojson"
    labels.write_text(json.dumps(crops()))
    fit_adapter(path, labels, name="by-command")
    card = read_card(Store.open(path).adapter_dir("by-command"))
    assert len(told["scores"]["baselines"]) == 7
    for name in ("cross_validation", "areas", "season", "unit", "blocks"):
        assert told["card"]["training"][name] == json.loads(json.dumps(card["training"][name])), name
    assert told["card"]["weights_sha256"] == card["weights_sha256"]


def test_yields_have_intervals_and_their_coverage(valley, train: dict[str, str], tmp_path: Path) -> None:
    """The same for measured values, with the numbers of the command."""
    client, path = valley
    few = yields(range(0, 800, 20))
    body = {"name": "tons", "labels": few, "task": "yield", "column": "t_ha", "target": "wheat"}
    told = client.post("/adapters?scores=full", json=body, headers=train).json()
    assert told["task"] == "yield" and told["areas"] is None and told["classes"] == []
    assert set(told["scores"]["baselines"]) >= {"mean", "ridge", "random forest"}
    assert 0.7 < told["calibration"]["coverage"]["value"] <= 1 and told["calibration"]["width"]["value"] > 0
    assert told["labels"]["target_unit"] == "t/ha" and 3 < told["labels"]["mean"] < 14
    labels = tmp_path / "yields.geojson"
    labels.write_text(json.dumps(few))
    fit_yield_adapter(path, labels, name="tons-by-command", target_column="t_ha")
    card = read_card(Store.open(path).adapter_dir("tons-by-command"))
    assert told["card"]["training"]["cross_validation"] == json.loads(
        json.dumps(card["training"]["cross_validation"])
    )
    quick = client.post("/adapters", json=body, headers=train).json()
    assert set(quick["scores"]["baselines"]) == {"mean", "ridge", "k-nearest neighbours"}


def test_a_name_fitted_twice_is_two_versions(valley, train: dict[str, str]) -> None:
    """The earlier one keeps its place, can be shown, and be gone back to; deleting takes none of them."""
    client, path = valley
    first, second = (
        client.post("/adapters", json={"name": "twice", "labels": crops(rows)}, headers=train).json()
        for rows in (FEW, range(0, 800, 5))
    )
    assert second["version"] > first["version"]
    listed = client.get("/adapters/twice/versions").json()["versions"]
    assert [each["version"] for each in listed] == [first["version"], second["version"]]
    assert [each["present"] for each in listed] == [False, True]
    older = client.get("/adapters/twice", params={"version": first["version"]}).json()
    assert older["card"] == first["card"] and older["version"] == first["version"]
    assert "one of the versions" in problem(client.get("/adapters/twice?version=1"), 404)
    back = client.post("/adapters/twice/rollback", json={"version": first["version"]}, headers=train)
    assert back.status_code == 200 and back.json()["card"] == first["card"]
    assert back.json()["version"] > second["version"]
    again = client.post("/adapters/twice/rollback", json={"version": back.json()["version"]}, headers=train)
    assert "the present one" in problem(again, 409)
    gone = client.delete("/adapters/twice", headers=train)
    assert gone.status_code == 200 and gone.json()["versions_kept"] == [
        first["version"],
        second["version"],
        back.json()["version"],
    ]
    problem(client.get("/adapters/twice"), 404)
    assert len(adapter_versions(path, "twice")) == 3


def test_every_write_is_in_the_audit_log(valley, train: dict[str, str]) -> None:
    """Fit, rollback and delete each leave one entry, with the store's version."""
    client, path = valley
    fits = [
        client.post("/adapters", json={"name": "noted", "labels": crops()}, headers=train).json()["version"]
        for _ in range(2)
    ]
    client.post("/adapters/noted/rollback", json={"version": fits[0]}, headers=train)
    client.delete("/adapters/noted", headers=train)
    with Database.open(path).reading() as connection:
        noted = [each for each in entries(connection, limit=100) if each["target"] == "noted"]
    assert [each["action"] for each in noted] == ["adapter.delete", "adapter.rollback", *["adapter.fit"] * 2]
    assert [each["detail"]["store_version"] for each in noted][::-1][:2] == fits
    assert {each["caller"] for each in noted} == {"Ana"}


def test_only_the_owner_and_administrators_change_an_adapter(valley, train: dict[str, str]) -> None:
    """Others may read it, and take neither its name nor its place; what nobody owns is everybody's who may train."""
    client, path = valley
    other, admin, reader = key(path, "train"), key(path, "admin"), key(path, "read", "label")
    version = client.post("/adapters", json={"name": "mine", "labels": crops()}, headers=train).json()[
        "version"
    ]
    wish = {"name": "mine", "labels": crops(range(0, 800, 4))}
    assert "somebody else's" in problem(client.post("/adapters", json=wish, headers=other), 409)
    rollback = {"json": {"version": version}}
    for headers, status in ((other, 403), (reader, 403), ({}, 401)):
        problem(client.post("/adapters/mine/rollback", headers=headers, **rollback), status)
        problem(client.delete("/adapters/mine", headers=headers), status)
        problem(client.post("/adapters", json={**wish, "name": "new"}, headers=headers), status) if (
            headers is not other
        ) else None
        assert client.get("/adapters/mine").json()["owner"] is not None
    assert client.post("/adapters", json=wish, headers=admin).status_code == 201
    assert client.delete("/adapters/mine", headers=admin).status_code == 200
    assert client.post("/adapters", json={**wish, "name": "crops"}, headers=other).status_code == 201
    assert client.delete("/adapters/crops", headers=other).status_code == 200


def test_a_key_has_a_quota_of_adapters(tmp_path: Path) -> None:
    """A further name is refused until one is given back; another version of an old one is not."""
    with served(tmp_path / "s", adapters_per_key=2) as (client, store):
        mine = key(store.path, "train")
        for name in ("one", "two", "two"):
            answer = client.post("/adapters", json={"name": name, "labels": crops()}, headers=mine)
            assert answer.status_code == 201
        refused = client.post("/adapters", json={"name": "three", "labels": crops()}, headers=mine)
        assert "at most 2 adapters" in problem(refused, 429) and "retry-after" in refused.headers
        client.delete("/adapters/one", headers=mine)
        assert (
            client.post("/adapters", json={"name": "three", "labels": crops()}, headers=mine).status_code
            == 201
        )


def test_many_clients_at_once_each_have_their_version(valley, train: dict[str, str]) -> None:
    """Eight threads, two names, and another process's writes in between: every fit is a version, none is lost."""
    client, path = valley
    stop = threading.Event()

    def others() -> None:
        while not stop.is_set():
            try:
                with Store.open(path).transaction() as transaction:
                    transaction.put_model("other", {"title": "elsewhere"})
            except StoreConflictError:
                pass
            stop.wait(0.05)

    writer = threading.Thread(target=others)
    writer.start()

    def fit(number: int) -> dict[str, Any]:
        wish = {"name": f"crowd-{number % 2}", "labels": crops(range(number, 800, 9))}
        return client.post("/adapters", json=wish, headers=train).json()

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(fit, range(12)))
    stop.set()
    writer.join()
    for name in ("crowd-0", "crowd-1"):
        versions = sorted(each["version"] for each in told if each["name"] == name)
        assert len(set(versions)) == 6
        assert [each.version for each in adapter_versions(path, name)] == versions
        assert client.get(f"/adapters/{name}").json()["version"] == versions[-1]


class Overtaken(Store):
    """A store in which somebody else always finishes first."""

    def transaction(self) -> Transaction:
        """A write upon a version that is not the latest any more."""
        made = super().transaction()
        with Store.open(self.path).transaction() as other:
            other.put_model("other", {"title": "elsewhere"})
        return made


def test_a_writer_who_is_overtaken_tries_again(tmp_path: Path) -> None:
    """A few times; then it says that others wrote, and nothing of its is seen."""
    with served(tmp_path / "s") as (_, store):
        opened = iter([Overtaken.open, Overtaken.open, Store.open])
        publisher = Publisher(store.path, lambda path: next(opened)(path))
        files = {"card.json": b"{}", "adapter.safetensors": b""}
        assert publisher.put("late", files).version == store.version + 3
        with pytest.raises(StoreConflictError, match="another writer finished"):
            Publisher(store.path, Overtaken.open).put("never", files)
        assert "never" not in Store.open(store.path).adapters()
        assert STATUS[StoreConflictError] == 409


def test_two_who_want_one_new_name_are_told_apart(valley) -> None:
    """One of them has it, the others are refused; nobody's adapter is replaced by a stranger's."""
    client, path = valley
    keys = [key(path, "train", name=f"racer {number}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda headers: client.post(
                    "/adapters", json={"name": "race", "labels": crops()}, headers=headers
                ),
                keys,
            )
        )
    assert sorted(answer.status_code for answer in found) == [201, 409, 409, 409]
    (winner,) = [answer.json() for answer in found if answer.status_code == 201]
    assert client.get("/adapters/race").json()["owner"] == winner["owner"]


def test_a_bad_change_harms_no_other_that_waits(tmp_path: Path) -> None:
    """Changes that are written together fail alone."""
    with served(tmp_path / "s") as (_, store):
        publisher = Publisher(store.path)
        files = {"card.json": b"{}", "adapter.safetensors": b""}

        def change(number: int) -> str:
            try:
                if number % 3:
                    return str(publisher.put(f"n{number}", files).version)
                return str(publisher.remove(f"never-{number}").version)
            except ValueError as error:
                return f"{error}"

        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(change, range(24)))
        assert all(("one of the adapters" in text) == (number % 3 == 0) for number, text in enumerate(said))
        assert set(Store.open(store.path).adapters()) == {"crops"} | {f"n{i}" for i in range(24) if i % 3}
        with pytest.raises(ValueError, match="adapter name"):
            publisher.put("../up", files)


def square(west: float, south: float, side: float, **properties: Any) -> dict[str, Any]:
    """A labelled square."""
    ring = [
        [west, south],
        [west + side, south],
        [west + side, south + side],
        [west, south + side],
        [west, south],
    ]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties,
    }


BAD: list[tuple[str, dict[str, Any], int, str]] = [
    ("one class", {"labels": collection([*crops()["features"][:1]] * 3)}, 400, "two classes"),
    ("no labels", {"labels": collection([])}, 400, "at least one feature"),
    ("no collection", {"labels": {"type": "Feature"}}, 400, "FeatureCollection"),
    (
        "far away",
        {"labels": collection([feature(4, 51, i, crop="ab"[i]) for i in (0, 1)])},
        400,
        "within the store",
    ),
    ("no degrees", {"labels": collection([feature(400, 51, 0, crop="a")])}, 400, "longitude -180 to 180"),
    ("no class", {"labels": collection([feature(-71.6, -35.4, 0, colour="a")])}, 400, "class column"),
    ("another column", {"labels": crops(), "column": "colour"}, 400, "class column 'colour'"),
    ("no season", {"labels": crops(), "season": "1999-00"}, 404, "1999-00"),
    ("no model", {"labels": crops(), "model": "other"}, 409, "other"),
    ("a legend that is a file", {"labels": crops(), "legend": "/etc/passwd"}, 400, "legend"),
    ("a bad name", {"labels": crops(), "name": "../up"}, 404, "adapter name"),
    ("an address", {"labels": crops(), "name": "compare"}, 400, "an address here"),
    ("a name too long", {"labels": crops(), "name": "n" * 101}, 400, "name"),
    ("an unknown field", {"labels": crops(), "colour": "red"}, 400, "colour"),
    ("an unknown task", {"labels": crops(), "task": "boundary"}, 400, "task"),
    ("no set", {"labels": "nothing"}, 404, "nothing"),
    (
        "words for values",
        {"labels": crops(), "task": "yield", "column": "crop"},
        400,
        "a number in column 'crop'",
    ),
    ("a legend for values", {"labels": yields(), "task": "yield", "legend": "ine"}, 400, "no legend"),
    ("a target for classes", {"labels": crops(), "target": "wheat"}, 400, "'yield' only"),
    ("too many", {"labels": collection(crops()["features"][:1] * 20_001)}, 413, "at most 20,000 labels"),
]


@pytest.mark.parametrize(
    ("body", "status", "words"), [each[1:] for each in BAD], ids=[each[0] for each in BAD]
)
def test_bad_wishes_are_problems(
    valley, train: dict[str, str], body: dict[str, Any], status: int, words: str
) -> None:
    """Each says what was expected and leaves nothing behind: no adapter, no name that is taken."""
    client, path = valley
    before = Store.open(path).adapters()
    answer = client.post("/adapters", json={"name": "bad", **body}, headers=train)
    assert words in problem(answer, status)
    assert Store.open(path).adapters() == before


def test_polygons_of_a_country_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """Labels that name more cells than a fit takes cost no time and no memory."""
    with served(tmp_path / "s", max_fit_places=50) as (client, store):
        squares = [square(-71.7, -35.5, 0.2, crop="a"), square(-71.4, -35.4, 0.1, crop="b")]
        wish = {"name": "wide", "labels": collection(squares), "unit": "cells"}
        answer = client.post("/adapters", json=wish, headers=key(store.path, "train"))
        assert "at most 50 cells" in problem(answer, 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"name": NaN}',
        b'{"name": "a", "labels": NaN}',
        b'{"name": 1, "labels": []}',
        b"\xff",
    ],
)
def test_bodies_that_cannot_be_read_are_problems(valley, train: dict[str, str], body: bytes) -> None:
    """No stack trace, whatever comes."""
    client, _ = valley
    answer = client.post("/adapters", content=body, headers=train | {"content-type": "application/json"})
    problem(answer, 400)

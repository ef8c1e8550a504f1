"""Hectares over HTTP: what `surco areas` answers, from sums in bounded memory; no sample, no interval."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely
from area_valley import PLACES, area_valley, fill_in
from litestar.testing import TestClient
from map_stores import NOW, TALCA, map_store

from surco.api.app import create_app
from surco.api.area_frames import AreaQuestion
from surco.api.area_plans import PlanRequest, write_plan
from surco.api.area_tables import area_answer
from surco.api.settings import Settings

AREAS = "/maps/crops/2024-25/areas"


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """800 parcels whose true crops are known, seven of them never observed, and 300 cells."""
    return area_valley(tmp_path_factory.mktemp("areas") / "store", unseen=7).path


@pytest.fixture(scope="module")
def client(valley: Path) -> Iterator[TestClient]:
    """A client of a server over it."""
    with TestClient(
        create_app(Settings(valley, anonymous=("read", "label"), requests_per_minute=100_000))
    ) as client:
        yield client


@pytest.fixture(scope="module")
def sample(client: TestClient, valley: Path) -> dict:
    """A sample drawn over HTTP, with the true crops filled in."""
    answer = client.get(f"{AREAS}/plan?size=200&least=30&by=comuna")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/geo+json"
    (valley.parent / "plan.geojson").write_bytes(answer.content)
    return json.loads(fill_in(valley.parent / "plan.geojson", valley.parent / "filled.geojson").read_text())


def same(got: dict, expected: dict) -> None:
    """Two answers say the same, to the last digits."""
    domains = {row["domain"] for row in got["areas"]}
    there = [row for row in expected["areas"] if row["domain"] in domains]
    assert all(row["mapped_ha"] == 0 for row in expected["areas"] if row["domain"] not in domains)
    assert [(r["domain"], r["class"]) for r in got["areas"]] == [(r["domain"], r["class"]) for r in there]
    for mine, other in zip(got["areas"], there, strict=True):
        assert mine["note"] == other["note"] and mine["sampled"] == other["sampled"]
        for name in ("mapped_ha", "expected_ha", "area_ha", "standard_error_ha", "low_ha", "high_ha"):
            wanted = None if other[name] is None else pytest.approx(other[name], rel=2e-4, abs=1e-4)
            assert mine[name] == wanted, (name, mine)
    if expected["accuracy"]:
        overall = expected["accuracy"]["overall"]
        assert got["accuracy"]["overall"]["value"] == pytest.approx(overall["value"], rel=1e-4)


@pytest.mark.parametrize("by", ["none", "comuna", "region"])
@pytest.mark.parametrize("where", ["", f"{PLACES['Talca'][0]},{PLACES['Talca'][1]},-71.635,-35.42"])
def test_counts_say_that_they_are_none(client: TestClient, valley: Path, by: str, where: str) -> None:
    """Without a sample: the figures of `surco areas`, no interval anywhere, and a note that says why and what to do."""
    got = client.get(f"{AREAS}?by={by}" + (f"&bbox={where}" if where else "")).json()
    expected = area_answer(AreaQuestion(valley, "crops", aoi=where or None), by=by).as_dict()
    same(got, expected)
    assert all(row["area_ha"] is None and row["low_ha"] is None for row in got["areas"])
    assert "no interval can be given without a probability sample" in got["notes"][-1]
    assert f"GET {AREAS}/plan" in got["notes"][-1]
    assert "never observed" in got["notes"][0] or where
    assert str(valley) not in json.dumps(got)


@pytest.mark.parametrize("by", ["none", "comuna"])
@pytest.mark.parametrize("where", ["", f"{PLACES['Talca'][0]},{PLACES['Talca'][1]},-71.635,-35.42"])
def test_a_sample_gives_the_intervals_of_surco_areas(
    client: TestClient, valley: Path, sample: dict, by: str, where: str
) -> None:
    """Estimates, errors, intervals and accuracy are those of the command on the same sample, also of a part."""
    query = f"?by={by}" + (f"&bbox={where}" if where else "")
    for method in ("assisted", "stratified"):
        answer = client.post(f"{AREAS}{query}&method={method}", json=sample)
        assert answer.status_code == 200, answer.text
        question = AreaQuestion(valley, "crops", aoi=where or None)
        filled = valley.parent / "filled.geojson"
        same(answer.json(), area_answer(question, by=by, sample=filled, method=method).as_dict())
    if not where:
        assert any(row["low_ha"] is not None for row in answer.json()["areas"])


def _star() -> shapely.Polygon:
    """A polygon that cuts parcels, has a bay, and lies in Talca."""
    west, south = PLACES["Talca"]
    corners = [(0, 0), (0.02, 0), (0.02, 0.02), (0.011, 0.006), (0, 0.02)]
    return shapely.Polygon([(west + x, south + y) for x, y in corners])


def _within(shape: shapely.Geometry) -> dict:
    return {"within": json.loads(shapely.to_geojson(shape))}


def test_a_drawn_polygon_is_a_part_like_any_other(
    client: TestClient, valley: Path, sample: dict, tmp_path: Path
) -> None:
    """Counted, or estimated from a sample in the body or of a label set, as `surco areas --aoi` does with the file."""
    file = tmp_path / "drawn.geojson"
    file.write_text(shapely.to_geojson(_star()))
    question = AreaQuestion(valley, "crops", aoi=str(file))
    counted = client.post(AREAS, json=_within(_star()))
    assert counted.status_code == 200, counted.text
    same(counted.json(), area_answer(question).as_dict())
    assert all(row["low_ha"] is None for row in counted.json()["areas"])
    whole = client.get(AREAS).json()["areas"]
    assert 0 < sum(r["mapped_ha"] for r in counted.json()["areas"]) < sum(r["mapped_ha"] for r in whole)
    estimated = client.post(f"{AREAS}?by=comuna", json=sample | _within(_star()))
    assert estimated.status_code == 200, estimated.text
    expected = area_answer(question, by="comuna", sample=valley.parent / "filled.geojson")
    same(estimated.json(), expected.as_dict())


def test_a_sample_of_a_drawn_polygon_serves_it(client: TestClient) -> None:
    """It is drawn of the places that the polygon touches, and gives intervals there."""
    plan = client.post(f"{AREAS}/plan?size=60&least=10", json=_within(_star()))
    assert plan.status_code == 200, plan.text
    drawn = plan.json()
    features = drawn["features"]
    assert len(features) == 60
    assert all(shapely.from_geojson(json.dumps(f["geometry"])).intersects(_star()) for f in features)
    for at, feature in enumerate(features):
        feature["properties"]["class"] = features[at - at % 5 // 4]["properties"]["stratum"]
    found = client.post(AREAS, json=drawn | _within(_star()))
    assert found.status_code == 200, found.text
    assert any(row["low_ha"] is not None for row in found.json()["areas"])


def test_an_outline_that_crosses_itself_is_repaired(client: TestClient) -> None:
    """Both its halves count, as they look on the map."""
    west, south = PLACES["Talca"]
    crossed = [(0, 0), (0.01, 0.01), (0.01, 0), (0, 0.01)]
    corners = [crossed, [(0, 0), (0.005, 0.005), (0, 0.01)], [(0.01, 0), (0.01, 0.01), (0.005, 0.005)]]
    bow, *halves = (shapely.Polygon([(west + x, south + y) for x, y in each]) for each in corners)

    def hectares(shape: shapely.Geometry) -> float:
        return sum(row["mapped_ha"] for row in client.post(AREAS, json=_within(shape)).json()["areas"])

    assert hectares(bow) == pytest.approx(sum(hectares(half) for half in halves))


@pytest.mark.parametrize(
    ("within", "status", "words"),
    [
        ({"type": "Point", "coordinates": [-71.6, -35.4]}, 400, "Polygon or MultiPolygon, got 'Point'"),
        ("-71,-35,-70,-34", 400, "Polygon or MultiPolygon, got 'str'"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, 400, "Expected a point or a polygon"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [2, 2], [0, 0]]]}, 400, "collapses to a line"),
        ({"type": "Polygon", "coordinates": [[[400, 0], [1, 1], [2, 0], [400, 0]]]}, 400, "longitude -180"),
        ({"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 1]]]}, 404, "in the part asked for"),
        (json.loads(shapely.to_geojson(shapely.Point(-71, -35).buffer(1, quad_segs=4000))), 413, "at most 10,000"),
    ],
)  # fmt: skip
def test_bad_polygons_are_sentences(client: TestClient, within: object, status: int, words: str) -> None:
    """Each has a problem document that says what was expected."""
    answer = client.post(AREAS, json={"within": within})
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_the_plan_is_the_one_of_the_command(client: TestClient, valley: Path, tmp_path: Path) -> None:
    """The same places with the same chances in the same order, for every kind of plan."""
    asked = (
        ("size=120&allocation=proportional&seed=4", PlanRequest(size=120, allocation="proportional", seed=4)),
        ("standard_error=0.03&least=10", PlanRequest(standard_error=0.03, least=10)),
        ("class=wheat&size=90&by=comuna&least=5", PlanRequest(target="wheat", size=90, by="comuna", least=5)),
        ("size=90&expect=wheat=0.9,maize=0.7", PlanRequest(size=90, expected={"wheat": 0.9, "maize": 0.7})),
    )
    for query, request in asked:
        write_plan(AreaQuestion(valley, "crops"), request, tmp_path / "plan.geojson")
        expected = json.loads((tmp_path / "plan.geojson").read_text())
        got = client.get(f"{AREAS}/plan?{query}").json()
        assert [f["id"] for f in got["features"]] == [f["id"] for f in expected["features"]]
        for mine, other in zip(got["features"], expected["features"], strict=True):
            assert mine["properties"] == other["properties"] and mine["geometry"] == other["geometry"]
        strata = expected["surco_sample"]["strata"]
        assert {n: s["drawn"] for n, s in got["surco_sample"]["strata"].items()} == {
            n: s["drawn"] for n, s in strata.items()
        }


def test_cells_are_drawn_from_several_files(tmp_path: Path) -> None:
    """A sample of cells of two places is drawn from both, each cell of its stratum, and serves them."""
    store = map_store(tmp_path / "store")
    with TestClient(create_app(Settings(store.path))) as client:
        address = f"/maps/crops/{NOW.name}/areas"
        plan = client.get(f"{address}/plan?unit=cells&size=100&least=10").json()
        answer = client.get(f"{address}?unit=cells&by=comuna").json()
        same(answer, area_answer(AreaQuestion(store.path, "crops", unit="cells"), by="comuna").as_dict())
        assert len({f["id"] for f in plan["features"]}) == 100
        assert len({round(f["geometry"]["coordinates"][0][0][0], 1) for f in plan["features"]}) > 1
        for feature in plan["features"]:
            feature["properties"]["class"] = feature["properties"]["stratum"]
        found = client.post(address, json=plan).json()
        assert found["unit"] == "cells" and found["accuracy"]["overall"]["value"] == 1
        box = f"{TALCA[0] - 0.02},{TALCA[1] - 0.02},{TALCA[0]},{TALCA[1]}"
        got = client.get(f"{address}?unit=cells&bbox={box}").json()
        same(got, area_answer(AreaQuestion(store.path, "crops", unit="cells", aoi=box)).as_dict())
        inside = client.get(f"{address}?unit=cells&comuna=Talca").json()["areas"]
        of_talca = [row for row in answer["areas"] if row["domain"] == "Talca"]
        np.testing.assert_allclose([r["mapped_ha"] for r in inside], [r["mapped_ha"] for r in of_talca])
        level = client.get(f"{address}?unit=cells&level=1").json()["areas"]
        total = sum(r["mapped_ha"] for r in answer["areas"] if r["domain"] == "total")
        assert sum(r["mapped_ha"] for r in level) == pytest.approx(total)


def test_answers_as_files(client: TestClient, sample: dict) -> None:
    """CSV has a row a domain and class, the page is opened as a file, the picture is a PNG; ETags hold."""
    text = client.get(f"{AREAS}?by=comuna&f=csv")
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert {row["domain"] for row in rows} >= {"total", "Talca"} and rows[0]["low_ha"] == ""
    page = client.post(f"{AREAS}?f=html", json=sample)
    assert page.headers["content-disposition"].startswith("attachment") and "95 % interval" in page.text
    picture = client.get(AREAS, headers={"accept": "image/png"})
    assert picture.content.startswith(b"\x89PNG")
    tag = text.headers["etag"]
    assert client.get(f"{AREAS}?by=comuna&f=csv", headers={"if-none-match": tag}).status_code == 304
    plan = client.get(f"{AREAS}/plan?size=50&least=10")
    tag = plan.headers["etag"]
    again = client.get(f"{AREAS}/plan?size=50&least=10", headers={"if-none-match": tag})
    assert again.status_code == 304


def test_a_label_set_is_a_sample_where_its_places_were_drawn(client: TestClient, sample: dict) -> None:
    """Labels with place, chance and stratum estimate as the file does; labels without are refused, not believed."""
    made = client.post("/labels", json={"name": "visited", "kind": "class", "public": True})
    assert made.status_code in (200, 201), made.text
    name = made.json()["id"]
    features = [
        f | {"properties": f["properties"] | {"place": f["properties"]["id"]}} for f in sample["features"]
    ]
    for feature in features:
        del feature["properties"]["id"]
    body = {"type": "FeatureCollection", "features": features}
    added = client.post(f"/labels/{name}/items", json=body)
    assert added.status_code in (200, 201), added.text
    got = client.get(f"{AREAS}?sample={name}&by=comuna").json()
    same(
        got, client.post(f"{AREAS}?by=comuna", json={**sample, "surco_sample": sample["surco_sample"]}).json()
    )
    other = client.post("/labels", json={"name": "seen", "kind": "class", "public": True}).json()["id"]
    del features[0]["properties"]["inclusion_probability"]
    client.post(f"/labels/{other}/items", json={"type": "FeatureCollection", "features": features[:1]})
    answer = client.get(f"{AREAS}?sample={other}")
    assert (
        answer.status_code == 400
        and "Expected inclusion_probability of every label" in answer.json()["detail"]
    )
    assert client.get(f"{AREAS}?sample=nobody").status_code == 404


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("?by=street", 400, "by"),
        ("?confidence=2", 400, "confidence"),
        ("?bbox=1,1,2,2", 404, "Expected observed parcels of 2024-25 in the part asked for, got none"),
        ("?f=pdf", 400, "f"),
        ("/plan?class=quinoa", 409, "quinoa"),
        ("/plan?expect=wheat", 400, "Expected CLASS=ACCURACY"),
        ("/plan?expect=wheat=7", 409, "between 0 and 1"),
        ("/plan?size=1", 400, "size"),
        ("/plan?size=3&by=comuna", 409, "two"),
    ],
)
def test_bad_questions_are_sentences(client: TestClient, query: str, status: int, words: str) -> None:
    """Each has a problem document that says what was expected."""
    answer = client.get(f"{AREAS}{query}")
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_bad_samples_are_refused(client: TestClient, sample: dict) -> None:
    """What is no filled-in probability sample of this map is refused with a sentence that names no file of ours."""

    def refused(change: dict, status: int = 400) -> str:
        answer = client.post(AREAS, json={**sample, **change})
        assert answer.status_code == status, answer.text
        assert "/tmp" not in answer.text and "surco-sample-" not in answer.text  # noqa: S108 - must not occur
        return answer.json()["detail"]

    first, *rest = sample["features"]

    def with_first(**changes: object) -> dict:
        return {"features": [{**first, "properties": {**first["properties"], **changes}}, *rest]}

    assert "FeatureCollection" in refused({"type": "Feature"})
    assert "class" in refused(with_first(**{"class": ""}))
    assert "inclusion_probability" in refused(with_first(inclusion_probability=None))
    assert "got 1 others" in refused(with_first(id="p99999"))
    assert "add up to" in refused({"features": sample["features"][:50], "surco_sample": None})
    chance = {"inclusion_probability": 60 / 793, "stratum": None}
    fitted = [
        {**f, "properties": {**f["properties"], **chance, "id": f"p{i}"}}
        for i, f in enumerate(sample["features"][:60])
    ]
    assert "Labels allow no interval" in refused({"features": fitted, "surco_sample": None})

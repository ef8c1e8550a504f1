"""The routes of label sets: what clients send, are told and may do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_reader import Reader
from label_server import LAT, LON, LabelClient, as_key, collection, point, serving
from litestar.testing import TestClient

from surco.api.label_sets.contents import FIELDS
from surco.api.settings import Settings

Serving = tuple[TestClient, Settings]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server over an empty store."""
    with serving(tmp_path_factory.mktemp("labels"), labels_per_key=2_000) as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Serving) -> LabelClient:
    """A client with a key that may label."""
    return as_key(*server, "ana")


def test_a_set_from_its_making_to_its_end(client: LabelClient) -> None:
    """Made, found, changed with its ETag, removed with its ETag; then nobody knows it."""
    made = client.ask("POST", "/labels", 201, json={"name": "Maule", "season": "2024-25", "public": True})
    path = f"/labels/{made['id']}"
    assert (
        client.headers["location"] == path
        and made["visibility"] == "public"
        and made["owner"] == client.key_id
    )
    assert made["id"] in [one["id"] for one in client.ask("GET", "/labels", params={"mine": True})["sets"]]
    assert "got none" in client.ask("PATCH", path, 428, json={"name": "x"})["detail"]
    etag = client.headers.get("etag") or (client.ask("GET", path), client.headers["etag"])[1]
    changed = client.ask("PATCH", path, json={"description": "d", "season": None}, headers={"if-match": etag})
    assert (changed["description"], changed["season"], changed["revision"]) == ("d", None, 2)
    assert "Somebody changed" in client.ask("DELETE", path, 412, headers={"if-match": etag})["detail"]
    client.ask("DELETE", path, 204, headers={"if-match": client.headers.get("etag", '"r2"')})
    assert "label set" in client.ask("GET", path, 404)["detail"]


def test_a_label_from_its_making_to_its_end_and_back(client: LabelClient) -> None:
    """Added, read, changed in part, replaced whole, deleted, its past read, and restored."""
    path = f"/labels/{client.new_set()}/items"
    made = client.ask(
        "POST", path, 201, json=point("trigo", id="a", properties={"note": "n", "confidence": 0.9})
    )
    assert made == {"ids": ["a"], "added": 1, "replaced": 0}
    feature = client.ask("GET", f"{path}/a")
    assert feature["properties"]["who"] == "ana" and client.headers["etag"] == '"r1"'
    change = {"properties": {"class": "avena", "note": None}}
    changed = client.ask("PATCH", f"{path}/a", json=change, headers={"if-match": '"r1"'})["properties"]
    assert (changed["class"], changed["confidence"], "note" in changed) == ("avena", 0.9, False)
    # What was read can be sent back, with what Surco writes itself in it.
    whole = {**feature, "properties": {**feature["properties"], "class": "cebada"}}
    replaced = client.ask("PUT", f"{path}/a", json=whole, headers={"if-match": '"r2"'})["properties"]
    assert (replaced["class"], replaced["note"], replaced["revision"]) == ("cebada", "n", 3)
    client.ask("PUT", f"{path}/new", 201, json=point("vid"), headers={"if-none-match": "*"})
    client.ask("PUT", f"{path}/new", 409, json=point("vid"), headers={"if-none-match": "*"})
    client.ask("PUT", f"{path}/none", 404, json=point("vid"), headers={"if-match": "*"})
    assert "id of the address" in client.ask("PUT", f"{path}/a", 400, json=whole | {"id": "b"})["detail"]
    client.ask("DELETE", f"{path}/a", 204, headers={"if-match": '"r3"'})
    past = client.ask("GET", f"{path}/a/history")
    assert [one["label"]["properties"]["class"] for one in past["past"]] == ["trigo", "avena", "cebada"]
    assert client.ask("POST", f"{path}/a/restore", params={"revision": 2})["properties"]["class"] == "avena"
    assert client.ask("POST", f"{path}/a/restore", 428)["status"] == 428


REFUSED = {
    "an unknown field": (point("a") | {"colour": "red"}, "unknown field"),
    "an unknown property": (point("a", properties={"colour": "red"}), "unknown field"),
    "no type": ({"geometry": {}, "properties": {}}, "type"),
    "a line": (
        point("a") | {"geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}},
        "LineString",
    ),
    "no class": (point(None), "'class' of every label"),
    "a value in a set of classes": (point(None, properties={"value": 3}), "'class' of every label"),
    "no geometry": ({"type": "Feature", "properties": {"class": "a"}}, "geometry"),
    "a mixture": (
        {"type": "FeatureCollection", "features": [], "properties": {"class": "a"}},
        "nothing beside",
    ),
    "beyond the pole": (point("a", 0.0, 91.0), "latitude"),
    "a bad one among good ones": (json.loads(collection([point("a"), point("b", 0.0, 99.0)])), "Feature 2"),
    "a class of a novel": (point("x" * 201), "length"),
    "a null in a class": (point("a\x00b"), "control characters"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_odd_bodies_are_refused(client: LabelClient, name: str) -> None:
    """With 400 and what is wrong; nothing is stored."""
    body, words = REFUSED[name]
    set_id = client.new_set()
    assert words in client.ask("POST", f"/labels/{set_id}/items", 400, json=body)["detail"]
    assert client.said(set_id) == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"bbox": "1,2,3"}, "bbox=west"),
        ({"bbox": "-71,-35,-72,-36"}, "bbox=west"),
        ({"since": "ayer"}, "since="),
        ({"f": "gpx"}, "one of geojson, csv"),
        ({"colour": "red"}, "colour"),
        ({"limit": 0}, "limit"),
    ],
)
def test_odd_questions_are_refused(client: LabelClient, query: dict[str, object], words: str) -> None:
    """A filter that cannot be read is no filter that is forgotten."""
    set_id = client.new_set()
    assert words in client.ask("GET", f"/labels/{set_id}/items", 400, params=query)["detail"]


def test_pages_follow_their_links_to_the_end(client: LabelClient) -> None:
    """Every label once, with the filters kept, in both formats."""
    set_id = client.new_set()
    labels = [point("a" if n % 2 else "b", LON + n / 1e4, LAT, id=str(n)) for n in range(25)]
    client.ask("POST", f"/labels/{set_id}/items", 201, content=collection(labels))
    address, seen = f"/labels/{set_id}/items?class=a&limit=5", []
    while address:
        body = client.ask("GET", address)
        seen += [one["id"] for one in body["features"]]
        address = next((link["href"] for link in body["links"] if link["rel"] == "next"), None)
    assert seen == [str(n) for n in range(1, 25, 2)]
    text = client.ask("GET", f"/labels/{set_id}/items?limit=20&f=csv").decode()
    assert text.count("\r\n") == 21 and 'rel="next"' in client.headers["link"]


def test_sets_are_shared_with_keys(server: Serving, client: LabelClient) -> None:
    """A key reads or writes what is shared with it, by the id that it is told; others see nothing."""
    other, stranger = as_key(*server, "eva"), as_key(*server, "luis")
    set_id = client.new_set()
    client.ask("POST", f"/labels/{set_id}/items", 201, json=point("trigo", id="a"))
    you = other.ask("GET", "/labels")["you"]["key"]
    other.ask("GET", f"/labels/{set_id}", 404)
    client.ask("PUT", f"/labels/{set_id}/shares/{you}", json={"may": "read"})
    assert other.ask("GET", f"/labels/{set_id}")["visibility"] == "shared"
    assert "may read" in other.ask("POST", f"/labels/{set_id}/items", 403, json=point("x"))["detail"]
    client.ask("PUT", f"/labels/{set_id}/shares/{you}", json={"may": "write"})
    other.ask("POST", f"/labels/{set_id}/items", 201, json=point("maíz", id="b", properties={"who": "campo"}))
    other.ask("GET", f"/labels/{set_id}/shares", 403)
    assert client.ask("GET", f"/labels/{set_id}/shares")["shares"] == [
        {"key_id": you, "name": "eva", "may": "write"}
    ]
    stranger.ask("GET", f"/labels/{set_id}/items", 404)
    client.ask("DELETE", f"/labels/{set_id}/shares/{you}")
    client.ask("DELETE", f"/labels/{set_id}/shares/{you}", 404)
    other.ask("GET", f"/labels/{set_id}/items/b", 404)


ANONYMOUS = (
    ("GET", "/labels/{}", 200),
    ("GET", "/labels/{}/items", 200),
    ("GET", "/labels/{}/items/a/history", 200),
    ("GET", "/labels/{}/export", 200),
    ("GET", "/labels/{}/agreement", 200),
    ("GET", "/labels/{}/shares", 401),
    ("POST", "/labels/{}/items", 401),
    ("POST", "/labels/{}/upload", 401),
    ("PATCH", "/labels/{}", 401),
    ("DELETE", "/labels/{}", 401),
    ("PATCH", "/labels/{}/items/a", 401),
    ("DELETE", "/labels/{}/items/a", 401),
)


@pytest.mark.parametrize(("method", "path", "status"), ANONYMOUS)
def test_anonymous_callers_read_what_is_public(
    server: Serving, client: LabelClient, method: str, path: str, status: int
) -> None:
    """And write nothing, unless the server lets them."""
    set_id = client.new_set(public=True)
    client.ask("POST", f"/labels/{set_id}/items", 201, json=point("trigo", id="a"))
    more = {} if method in ("GET", "DELETE") else {"json": {}}
    LabelClient(server[0], None, None).ask(method, path.format(set_id), status, **more)


def test_where_anonymous_callers_may_label(tmp_path: Path) -> None:
    """They make public sets, and their address is told to nobody."""
    with serving(tmp_path, anonymous=("label",)) as (http, _):
        nobody = LabelClient(http, None, None)
        assert "API key" in nobody.ask("POST", "/labels", 403, json={"name": "x"})["detail"]
        set_id = nobody.new_set(public=True, contributions="anyone")
        nobody.ask("POST", f"/labels/{set_id}/items", 201, json=point("trigo", id="a"))
        nobody.ask("DELETE", f"/labels/{set_id}/items/a", 204, headers={"if-match": "*"})
        nobody.ask("POST", f"/labels/{set_id}/items/a/restore")
        for path in ("items", "items/a/history", "export?f=csv"):
            text = str(nobody.ask("GET", f"/labels/{set_id}/{path}"))
            assert "anonymous" in text and "address" not in text and "testclient" not in text


def test_the_quota_is_an_answer(server: Serving) -> None:
    """Over the quota: 429, when to come back, and nothing stored."""
    client = as_key(*server, "much")
    set_id = client.new_set()
    content = b"lat,lon,class\n" + b"-35.4,-71.5,a\n" * 1_500
    client.upload(set_id, content)
    assert "at most 2,000 labels" in client.upload(set_id, content, 429)["detail"]
    assert client.ask("GET", f"/labels/{set_id}")["labels"] == 1_500


def test_agreement_and_consensus_over_http(client: LabelClient) -> None:
    """Three people, two fields: figures, the conflict with who said what, the consensus with how sure it is."""
    set_id = client.new_set()
    words = {"uno": ("trigo", "trigo", "trigo"), "dos": ("maíz", "maíz", "papa")}
    labels = [
        point(word, LON + offset, LAT, properties={"who": who, "place": place})
        for offset, (place, said) in enumerate(words.items())
        for who, word in zip(("ana", "eva", "luis"), said, strict=True)
    ]
    client.ask("POST", f"/labels/{set_id}/items", 201, content=collection(labels))
    report = client.ask("GET", f"/labels/{set_id}/agreement")
    assert (report["places"], report["people"], report["conflict_count"]) == (2, 3, 1)
    assert report["agreement"] == pytest.approx(2 / 3, abs=1e-3)
    (conflict,) = report["conflicts"]["features"]
    assert {(vote["who"], vote["class"]) for vote in conflict["properties"]["votes"]} == {
        ("ana", "maíz"),
        ("eva", "maíz"),
        ("luis", "papa"),
    }
    for method in ("majority", "dawid-skene"):
        body = client.ask("GET", f"/labels/{set_id}/consensus", params={"method": method})
        found = {one["properties"]["place"]: one["properties"] for one in body["features"]}
        assert (found["uno"]["class"], found["dos"]["class"]) == ("trigo", "maíz")
        assert found["uno"]["probability"] > found["dos"]["probability"] > 0.5
    assert client.ask("GET", f"/labels/{set_id}/consensus", params={"limit": 1})["next"] == 1
    values = client.new_set(kind="value", unit="t/ha")
    measured = [point(None, properties={"value": v, "who": w}) for v, w in ((4.0, "ana"), (6.0, "eva"))]
    client.ask("POST", f"/labels/{values}/items", 201, content=collection(measured))
    assert client.ask("GET", f"/labels/{values}/agreement")["conflict_count"] == 1
    assert client.ask("GET", f"/labels/{values}/consensus")["features"][0]["properties"]["value"] == 5.0
    empty = client.new_set()
    assert "got none" in client.ask("GET", f"/labels/{empty}/agreement", 400)["detail"]


TEXT = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=30).filter(
    lambda text: text.strip() and text.isprintable()
)
LABELS = st.lists(
    st.fixed_dictionaries(
        {"class": TEXT},
        optional={
            "who": TEXT,
            "note": TEXT,
            "place": TEXT,
            "confidence": st.floats(0, 1, width=32),
            "observed": st.dates().map(str),
            "season": st.sampled_from(["2024-25", "2019"]),
            "round": st.integers(0, 99),
            "inclusion_probability": st.floats(1e-6, 1),
        },
    ),
    min_size=1,
    max_size=6,
)
PLACES = st.tuples(st.floats(-180, 180), st.floats(-89, 89), st.booleans())


@pytest.mark.parametrize("kind", ["geojson", "csv", "gpkg", "geoparquet"])
@settings(max_examples=10, deadline=None, suppress_health_check=[*HealthCheck])
@given(said=LABELS, places=st.lists(PLACES, min_size=6, max_size=6))
def test_what_is_exported_can_be_uploaded_again(
    client: LabelClient,
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    said: list[dict[str, object]],
    places: list[tuple[float, float, bool]],
) -> None:
    """Every format carries every field, formulas and all, and every coordinate, exactly."""
    set_id = client.new_set()
    features = [
        point(None, lon, lat, id=f"n{number}", properties=properties)
        if flat
        else {**_square(lon, lat), "id": f"n{number}", "properties": properties}
        for number, (properties, (lon, lat, flat)) in enumerate(zip(said, places, strict=False))
    ]
    client.ask("POST", f"/labels/{set_id}/items", 201, content=collection(features))
    file = client.ask("GET", f"/labels/{set_id}/export", params={"f": kind})
    content = file if isinstance(file, bytes) else json.dumps(file).encode()
    again = Reader(tmp_path_factory.mktemp("again")).taken(content)
    before = [_row(one) for one in client.said(set_id)]
    client.ask("DELETE", f"/labels/{set_id}", 204, headers={"if-match": "*"})
    assert before == again


@pytest.mark.parametrize("lat", [0.30736650059361637, -0.00063093621568648462, 1.2345678901234567e-5])
def test_a_csv_keeps_every_digit_of_an_outline(client: LabelClient, tmp_path: Path, lat: float) -> None:
    """Degrees that need seventeen digits come back as they were."""
    set_id = client.new_set()
    square = {**_square(lat, lat), "id": "n", "properties": {"class": "trigo"}}
    client.ask("POST", f"/labels/{set_id}/items", 201, content=collection([square]))
    content = client.ask("GET", f"/labels/{set_id}/export", params={"f": "csv"})
    (again,) = Reader(tmp_path).taken(content)
    assert (again["west"], again["south"]) == (lat, lat)


def _square(lon: float, lat: float) -> dict[str, object]:
    west = min(lon, 179.0)
    ring = [[west, lat], [west + 0.5, lat], [west + 0.5, lat + 0.5], [west, lat + 0.5], [west, lat]]
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}


def _row(feature: dict[str, Any]) -> dict[str, Any]:
    """A feature as the reader of uploads has it."""
    shape = shapely.from_geojson(json.dumps(feature["geometry"]))
    box = dict(zip(("west", "south", "east", "north"), shape.bounds, strict=True))
    fields = dict.fromkeys(FIELDS) | {k: v for k, v in feature["properties"].items() if k in FIELDS}
    return {"geometry": shape, "id": feature["id"], **box, **fields}


def test_exports_open_in_geopandas(client: LabelClient, tmp_path: Path) -> None:
    """GeoPackage, GeoParquet and GeoJSON are what their names say; an unchanged set is 304."""
    set_id = client.new_set()
    labels = [
        point("trigo", id="1", properties={"confidence": 0.5}),
        {**_square(LON, LAT), "id": "2", "properties": {"class": "vid"}},
    ]
    client.ask("POST", f"/labels/{set_id}/items", 201, content=collection(labels))
    for kind, read in (("gpkg", geopandas.read_file), ("geoparquet", geopandas.read_parquet)):
        path = tmp_path / f"labels.{kind}"
        path.write_bytes(client.ask("GET", f"/labels/{set_id}/export", params={"f": kind}))
        frame = read(path)
        assert list(frame["class"]) == ["trigo", "vid"] and list(frame.geometry.geom_type) == [
            "Point",
            "Polygon",
        ]
        assert frame.crs == "OGC:CRS84" or frame.crs.to_epsg() == 4326
    assert set_id in client.headers["content-disposition"]
    client.ask("GET", f"/labels/{set_id}/export", 304, headers={"if-none-match": client.headers["etag"]})


def test_a_formula_stays_text(client: LabelClient) -> None:
    """No cell of a CSV begins as a formula, in ids, classes, people and notes."""
    set_id = client.new_set()
    evil = '=HYPERLINK("http://x")'
    labels = [
        point(
            start + evil,
            id=f"{start}1" if start.strip() else "t",
            properties={"who": start + "cmd", "note": start + "x"},
        )
        for start in "=+-@"
    ]
    client.ask("POST", f"/labels/{set_id}/items", 201, content=collection(labels))
    text = client.ask("GET", f"/labels/{set_id}/export", params={"f": "csv"}).decode()
    cells = [cell.strip('"') for line in text.splitlines()[1:] for cell in line.split(",")]
    assert not [
        cell for cell in cells if cell[:1] in ("=", "+", "@") or (cell[:1] == "-" and not cell[1:2].isdigit())
    ]


def test_a_check_beside_the_store_needs_a_table(client: LabelClient) -> None:
    """Without tables the check says what is missing; of values it is refused."""
    set_id = client.new_set()
    client.ask("POST", f"/labels/{set_id}/items", 201, json=point("trigo"))
    assert client.ask("GET", f"/labels/{set_id}/check", 404)["detail"]
    values = client.new_set(kind="value")
    assert "set of classes" in client.ask("GET", f"/labels/{values}/check", 400)["detail"]

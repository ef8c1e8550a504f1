"""OGC API Features over a small store: documents, pages, filters, reference systems, refusals."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely
from area_valley import CELLS, PARCELS, area_valley
from geojson_schema import FEATURE_COLLECTION
from jsonschema import Draft202012Validator
from litestar.testing import TestClient
from ogc_server import ogc_app
from store_builders import MODEL, cell_ids, cells_batch, unit_vectors

from surco.api.maps import predict_table
from surco.api.ogc.cql2_sql import cells_queryables
from surco.api.ogc.filters import row_filter
from surco.api.ogc.mirrors import mirror_of
from surco.api.ogc.predictors import predictor_of
from surco.api.ogc.reference_systems import CRS84, CRS_URIS
from surco.api.ogc.scanning import Layer, page_rows
from surco.api.ogc.tokens import Place, written_token
from surco.embedstore import Season, Store
from surco.embedstore.vector_sources import source_of

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
BOX = "-71.56,-35.43,-71.54,-35.41"


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """800 parcels in two places, 300 cells, and the adapter `crops`."""
    path = tmp_path_factory.mktemp("ogc") / "store"
    area_valley(path, unseen=3)
    return path


@pytest.fixture(scope="module")
def client(valley: Path) -> Iterator[TestClient[Any]]:
    """The application over it."""
    with TestClient(ogc_app(valley)) as opened:
        yield opened


def items(client: TestClient[Any], collection: str, **parameters: Any) -> dict[str, Any]:
    """One page of a collection; `bbox_crs` and the like are written with hyphens."""
    named = {name.replace("_", "-"): value for name, value in parameters.items()}
    response = client.get(f"/collections/{collection}/items", params=named)
    assert response.status_code == 200, response.text
    return dict(response.json())


def all_pages(client: TestClient[Any], collection: str, **parameters: Any) -> list[dict[str, Any]]:
    """The features of all pages, by following the links."""
    page = items(client, collection, **parameters)
    found = list(page["features"])
    while (onward := link(page, "next")) is not None:
        page = client.get(onward).json()
        found += page["features"]
    return found


def link(document: dict[str, Any], rel: str) -> str | None:
    """Address of the first link of a relation."""
    return next((each["href"] for each in document["links"] if each["rel"] == rel), None)


def shapes(features: list[dict[str, Any]]) -> np.ndarray:
    """Shapely geometries of features."""
    return np.array([shapely.geometry.shape(each["geometry"]) for each in features], object)


def test_the_landing_page_leads_to_everything(client: TestClient[Any]) -> None:
    """From `/` a client finds the description, the conformance classes and the collections, each in its media type."""
    landing = client.get("/", headers={"accept": "application/json"}).json()
    assert landing["title"] and landing["links"] == client.get("/ogc").json()["links"]
    for each in landing["links"]:
        if each["rel"] in ("service-desc", "conformance", "data"):
            response = client.get(each["href"])
            assert response.status_code == 200
            assert response.headers["content-type"].startswith(each["type"].partition(";")[0])
    rels = {each["rel"] for each in landing["links"]}
    assert {"self", "service-desc", "service-doc", "conformance", "data"} <= rels
    assert client.get("/conformance").json()["conformsTo"]


def test_the_description_is_openapi_30(client: TestClient[Any]) -> None:
    """It is valid OpenAPI 3.0, and names each parameter of items as the server takes it."""
    validator = pytest.importorskip("openapi_spec_validator")
    document = client.get("/ogc/openapi.json").json()
    validator.validate(document)
    given = document["paths"]["/collections/{collectionId}/items"]["get"]["parameters"]
    named = {each["name"]: each for each in given}
    assert {"limit", "bbox", "bbox-crs", "crs", "datetime", "filter", "filter-lang", "filter-crs"} <= set(
        named
    )
    assert named["limit"]["schema"]["maximum"] == 10_000
    assert "cql2-text" in named["filter-lang"]["schema"]["enum"]


def test_every_collection_says_what_it_is(client: TestClient[Any]) -> None:
    """Cells, parcels, comunas and each adapter's map, with extent, reference systems and links that lead on."""
    collections = client.get("/collections").json()["collections"]
    assert {each["id"] for each in collections} == {"cells", "parcels", "comunas", "map-crops"}
    for each in collections:
        assert each["storageCrs"] in each["crs"] == list(CRS_URIS)
        west, south, east, north = each["extent"]["spatial"]["bbox"][0]
        features = items(client, each["id"], limit=1000)["features"]
        bounds = shapely.total_bounds(shapes(features))
        assert (bounds > np.array([west, south, west, south]) - 0.01).all()
        assert (bounds < np.array([east, north, east, north]) + 0.01).all()
        assert client.get(link(each, "self") or "").json() == each
        assert client.get(link(each, "items") or "").status_code == 200
    temporal = client.get("/collections/cells").json()["extent"]["temporal"]["interval"]
    assert temporal == [["2024-05-01T00:00:00Z", "2025-04-30T23:59:59Z"]]


@pytest.mark.parametrize("collection", ["cells", "parcels", "comunas", "map-crops"])
def test_queryables_are_the_schema_of_features(client: TestClient[Any], collection: str) -> None:
    """Queryables are a JSON Schema by which features' properties are valid, and each of them can be filtered by."""
    response = client.get(f"/collections/{collection}/queryables")
    assert response.headers["content-type"].startswith("application/schema+json")
    schema = response.json()
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["geometry"]["x-ogc-role"] == "primary-geometry"
    known = {
        name: each for name, each in schema["properties"].items() if name not in ("geometry", "datetime")
    }
    features = items(client, collection, limit=50)["features"]
    for name, of_name in known.items():
        validator = Draft202012Validator(of_name)
        values = [each["properties"][name] for each in features]
        for value in values:
            assert value is None or validator.is_valid(value), (name, value)
        # The first value that is there finds its own feature again.
        value = next((each for each in values if each is not None), None)
        if value is not None:
            text = {"op": "=", "args": [{"property": name}, value]}
            found = items(client, collection, filter=json.dumps(text), filter_lang="cql2-json", limit=1000)
            assert features[values.index(value)]["id"] in [each["id"] for each in found["features"]]


@pytest.mark.parametrize("collection", ["cells", "parcels", "comunas", "map-crops"])
def test_answers_are_valid_geojson(client: TestClient[Any], collection: str) -> None:
    """A page is a FeatureCollection by RFC 7946's schema, with outer rings counterclockwise."""
    response = client.get(f"/collections/{collection}/items", params={"limit": 20})
    assert response.headers["content-type"] == "application/geo+json"
    page = response.json()
    Draft202012Validator(FEATURE_COLLECTION).validate(page)
    assert page["numberReturned"] == len(page["features"]) == 20
    assert {"timeStamp", "links"} <= set(page)
    for shape in shapes(page["features"]):
        assert shape.is_valid
        assert all(part.exterior.is_ccw for part in shapely.get_parts(shape))


@pytest.mark.parametrize(
    ("collection", "count"),
    [("cells", CELLS), ("parcels", PARCELS), ("map-crops", PARCELS), ("comunas", 345)],
)
@pytest.mark.parametrize("limit", [7, 128, 10_000])
def test_all_pages_together_are_all_rows(
    client: TestClient[Any], valley: Path, collection: str, count: int, limit: int
) -> None:
    """Following `next` from the first page gives every row once, whatever the size of a page."""
    if limit == 7 and collection in ("parcels", "map-crops"):
        limit = 77
    found = [each["id"] for each in all_pages(client, collection, limit=limit, geometry="none")]
    assert len(found) == len(set(found)) == count
    assert items(client, collection, limit=1)["numberMatched"] == count
    store = Store.open(valley)
    if collection == "cells":
        assert found == [f"{cell:x}" for cell in sorted(store.read("cells")["h3"].to_pylist())]
    elif collection == "parcels":
        assert found == store.read("parcels")["id"].to_pylist()


def test_a_cell_is_its_hexagon_with_what_was_seen(client: TestClient[Any], valley: Path) -> None:
    """Geometry, H3 text, names and quality are those of the store; a point inside, no geometry or vectors if asked."""
    feature = items(client, "cells", limit=1)["features"][0]
    row = (
        Store.open(valley)
        .read("cells")
        .filter(pa.compute.equal(Store.open(valley).read("cells")["h3"], int(feature["id"], 16)))
    )
    corners = np.array([(lon, lat) for lat, lon in h3.cell_to_boundary(feature["id"])])
    assert np.allclose(shapely.get_coordinates(shapes([feature])[0])[:6], corners, atol=1e-6)
    assert feature["properties"]["h3"] == feature["id"]
    assert feature["properties"]["n_pixels"] == row["n_pixels"][0].as_py()
    assert "embedding" not in feature["properties"]
    asked = items(client, "cells", limit=1, properties="embedding,embedding_scale,ndvi", geometry="point")[
        "features"
    ][0]
    assert asked["properties"]["embedding"] == row["embedding"][0].as_py()
    assert asked["properties"]["ndvi"] == row["ndvi"][0].as_py()
    assert list(asked["properties"]) == ["embedding", "embedding_scale", "ndvi"]
    assert shapes([feature])[0].contains(shapes([asked])[0])
    one = client.get(f"/collections/cells/items/{feature['id']}").json()
    assert {name: one[name] for name in feature} == feature
    assert link(one, "collection") == "http://testserver.local/collections/cells"


@pytest.mark.parametrize("collection", ["cells", "parcels", "map-crops"])
@pytest.mark.parametrize(
    "box", [BOX, "-71.6503,-35.4503,-71.6203,-35.4203", "-71.55,-35.42,-71.55,-35.42", "-80,-56,-60,-17"]
)
def test_a_box_gives_what_meets_it(client: TestClient[Any], collection: str, box: str) -> None:
    """Exactly the features whose outlines meet the box, as shapely finds them among all."""
    everything = all_pages(client, collection, limit=1000)
    meets = shapely.intersects(shapes(everything), shapely.box(*map(float, box.split(","))))
    expected = [each["id"] for each, there in zip(everything, meets, strict=True) if there]
    assert [each["id"] for each in all_pages(client, collection, bbox=box, limit=50)] == expected


def test_a_box_may_cross_the_antimeridian_or_hold_nothing(client: TestClient[Any]) -> None:
    """West above east goes the other way round the earth; six numbers have heights; an empty sea is an empty page."""
    assert items(client, "cells", bbox="170,-40,-71,-30", limit=1000)["numberReturned"] == CELLS
    assert items(client, "cells", bbox="-71,-40,-170,-30")["numberReturned"] == 0
    assert items(client, "cells", bbox="-71.56,-35.43,0,-71.54,-35.41,100") | {
        "timeStamp": "",
        "links": [],
    } == items(client, "cells", bbox=BOX) | {"timeStamp": "", "links": []}
    page = items(client, "cells", bbox="0,0,1,1")
    assert (page["numberMatched"], page["features"], link(page, "next")) == (0, [], None)
    place = items(client, "cells", bbox="270465,6076000,270465,6076000", bbox_crs=EPSG + "32719")
    assert place["numberReturned"] == 1


@pytest.mark.parametrize("code", ["4326", "3857", "32718", "32719", "5360", "5361", "5362"])
def test_answers_and_boxes_come_in_other_systems(client: TestClient[Any], code: str) -> None:
    """Coordinates are pyproj's in the order of the system's axes, said in Content-Crs; a box in it finds the same."""
    response = client.get("/collections/cells/items", params={"limit": 5, "crs": EPSG + code})
    assert response.headers["content-crs"] == f"<{EPSG}{code}>"
    there = shapely.get_coordinates(shapes(response.json()["features"]))
    here = shapely.get_coordinates(shapes(items(client, "cells", limit=5)["features"]))
    turn = pyproj.Transformer.from_crs("OGC:CRS84", f"EPSG:{code}")
    metres = code not in ("4326", "5360")
    assert np.allclose(np.stack(turn.transform(*here.T), axis=1), there, atol=0.02 if metres else 1e-6)
    if not metres:
        assert (there[:, 0] < -35).all() and (there[:, 1] < -71).all()
    box = shapely.box(-71.56, -35.43, -71.54, -35.41)
    west, south, east, north = shapely.transform(
        box, lambda xy: np.stack(turn.transform(*xy.T), axis=1)
    ).bounds
    found = items(client, "cells", bbox=f"{west},{south},{east},{north}", bbox_crs=EPSG + code, limit=1000)
    inside = items(client, "cells", bbox=BOX, limit=1000)
    assert {each["id"] for each in inside["features"]} <= {each["id"] for each in found["features"]}
    assert found["numberReturned"] <= inside["numberReturned"] + 12


def test_longitude_comes_first_unless_another_system_is_named(client: TestClient[Any]) -> None:
    """Without crs, and with CRS84, coordinates are longitude and latitude."""
    plain = client.get("/collections/parcels/items", params={"limit": 3})
    named = client.get("/collections/parcels/items", params={"limit": 3, "crs": CRS84})
    assert plain.headers["content-crs"] == named.headers["content-crs"] == f"<{CRS84}>"
    assert plain.json()["features"] == named.json()["features"]
    assert shapely.get_coordinates(shapes(plain.json()["features"]))[0, 0] < -71


def test_filters_in_text_and_json_agree(client: TestClient[Any]) -> None:
    """CQL2 in both languages, with a box and with geometries in another system, over all pages."""
    text = "comuna_name = 'Talca' AND \"metrics:area\" > 20000"
    tree = {
        "op": "and",
        "args": [
            {"op": "=", "args": [{"property": "comuna_name"}, "Talca"]},
            {"op": ">", "args": [{"property": "metrics:area"}, 20000]},
        ],
    }
    by_text = all_pages(client, "parcels", filter=text, limit=20)
    by_json = all_pages(client, "parcels", filter=json.dumps(tree), filter_lang="cql2-json", limit=30)
    assert [each["id"] for each in by_text] == [each["id"] for each in by_json]
    assert 0 < len(by_text) < PARCELS / 2
    assert all(each["properties"]["metrics:area"] > 20000 for each in by_text)
    polygon = "POLYGON((-71.64 -35.44,-71.635 -35.44,-71.635 -35.42,-71.64 -35.42,-71.64 -35.44))"
    swapped = "POLYGON((-35.44 -71.64,-35.44 -71.635,-35.42 -71.635,-35.42 -71.64,-35.44 -71.64))"
    here = all_pages(client, "parcels", filter=f"S_WITHIN(geometry, {polygon})", limit=50)
    there = all_pages(
        client, "parcels", filter=f"S_WITHIN(geometry, {swapped})", filter_crs=EPSG + "4326", limit=50
    )
    assert [each["id"] for each in here] == [each["id"] for each in there]
    assert 0 < len(here) < PARCELS
    gdal = items(
        client, "comunas", filter="(comuna_name ILIKE 'talc%') AND (region = 'Maule')", filter_lang="cql-text"
    )
    assert [each["properties"]["comuna_name"] for each in gdal["features"]] == ["Talca"]


def test_a_map_is_what_the_adapter_says(client: TestClient[Any], valley: Path) -> None:
    """Class and probability are those of the command's map; uncertainty is one less probability; unseen is null."""
    predicted = predict_table(Store.open(valley), "crops")
    expected = dict(
        zip(predicted.places.id, zip(predicted.class_index, predicted.probability, strict=True), strict=True)
    )
    found = all_pages(client, "map-crops", limit=300, geometry="none")
    for each in found:
        index, probability = expected[each["id"]]
        values = each["properties"]
        if index < 0:
            assert values["class"] is values["probability"] is values["uncertainty"] is None
            continue
        assert values["class"] == predicted.classes[index]
        assert values["probability"] == pytest.approx(probability, abs=1e-5)
        assert values["uncertainty"] == pytest.approx(1 - probability, abs=1e-5)
    assert sum(each["properties"]["class"] is None for each in found) == 3
    cells = items(client, "map-crops", unit="cells", limit=1000)
    assert cells["numberReturned"] == CELLS
    assert "h3" in cells["features"][0]["properties"]


def test_a_map_is_filtered_by_what_the_adapter_says(client: TestClient[Any]) -> None:
    """Filters on class and probability, mixed with others, give the features of the whole map that pass."""
    whole = all_pages(client, "map-crops", limit=1000, geometry="none")
    expected = [
        each["id"]
        for each in whole
        if each["properties"]["class"] == "wheat"
        and each["properties"]["probability"] >= 0.5
        and each["properties"]["comuna_name"] == "Talca"
    ]
    text = "class = 'wheat' AND probability >= 0.5 AND comuna_name = 'Talca'"
    found = all_pages(client, "map-crops", filter=text, limit=40)
    assert [each["id"] for each in found] == expected
    assert 0 < len(expected) < len(whole) / 2
    unsure = all_pages(client, "map-crops", filter="uncertainty > 0.5 OR class IS NULL", limit=1000)
    assert {each["id"] for each in unsure} == {
        each["id"]
        for each in whole
        if each["properties"]["class"] is None or each["properties"]["uncertainty"] > 0.5
    }


def test_a_page_that_takes_long_is_short_and_leads_on(valley: Path) -> None:
    """Given no time, pages end after each block, empty ones too, and all of them together still have every row once."""
    store = Store.open(valley)
    source = source_of(store, "cells")
    layer = Layer(mirror_of(source), {"season": "2024-25"}, predictor_of(store, "crops"), source)
    queryables = {**cells_queryables(), **predictor_of(store, "crops").queryables}
    where = row_filter("class <> 'wheat' AND probability > 0.4", None, queryables, {"class", "probability"})
    whole = page_rows(layer, 0, 1000, where=where)
    assert whole.after is None and 0 < len(whole.rows) < CELLS
    found: list[int] = []
    start: int | None = 0
    pages = 0
    while start is not None:
        page = page_rows(layer, start, 250, where=where, enough_s=0, most_s=0)
        found += page.rows.tolist()
        start, pages = page.after, pages + 1
    assert pages == 2 and found == whole.rows.tolist()


def test_comunas_are_neighbours_without_gaps(client: TestClient[Any]) -> None:
    """The outlines neither overlap nor part, and hold the places that the H3 facts give them."""
    features = all_pages(client, "comunas", limit=1000)
    outlines = shapes(features)
    assert shapely.coverage_is_valid(outlines)
    by_name = {
        each["properties"]["comuna_name"]: shape for each, shape in zip(features, outlines, strict=True)
    }
    assert by_name["Talca"].contains(shapely.Point(-71.66, -35.43))
    assert by_name["Curicó"].contains(shapely.Point(-71.24, -34.98))
    maule = items(client, "comunas", filter="region = 'Maule'", limit=100)
    assert maule["numberMatched"] == 30


def test_days_choose_the_season(tmp_path: Path) -> None:
    """`datetime` means the latest season that has any of the days; `season` names one; a collection for each table."""
    store = Store.create(tmp_path / "store")
    with store.transaction() as tx:
        for year, count in ((2022, 10), (2023, 20), (2024, 30)):
            rows = cells_batch(cell_ids(count), unit_vectors(count))
            tx.put_cells([rows], model_id=MODEL, season=Season(year), resolution=9)
        tx.put_cells(
            [cells_batch(cell_ids(5, 8), unit_vectors(5))], model_id=MODEL, season=Season(2024), resolution=8
        )
    with TestClient(ogc_app(store.path)) as client:

        def matched(collection: str = "cells", **parameters: Any) -> int:
            return int(items(client, collection, **parameters)["numberMatched"])

        assert matched() == matched(season="2024-25") == matched(datetime="2025-04-30") == 30
        assert matched(season="2023-24") == matched(datetime="2024-04-30T23:00:00Z") == 20
        assert matched(datetime="2022-05-01/2023-05-01") == 20
        assert matched(datetime="../2023-04-30") == 10
        assert matched(datetime="2023-05-02/..") == 30
        assert matched(datetime="2026-01-01/..") == matched(season="2023-24", datetime="2022-07-01") == 0
        assert matched(res=8) == matched(f"cells-{MODEL}-2024-25-r8") == 5
        assert matched(f"cells-{MODEL}-2022-23-r9") == 10
        assert matched(f"cells-{MODEL}-2022-23-r9", datetime="2024-07-01") == 0
        intervals = client.get("/collections/cells").json()["extent"]["temporal"]["interval"]
        assert intervals == [["2022-05-01T00:00:00Z", "2025-04-30T23:59:59Z"]]


def test_pages_show_the_store_as_it_was(tmp_path: Path) -> None:
    """A write between two pages changes neither: links lead through the version of the first, as long as it is kept."""
    store = Store.create(tmp_path / "store")
    with store.transaction() as tx:
        tx.put_cells(
            [cells_batch(cell_ids(200), unit_vectors(200))], model_id=MODEL, season=Season(2024), resolution=9
        )
    expected = [f"{cell:x}" for cell in sorted(cell_ids(200))]
    with TestClient(ogc_app(store.path)) as client:
        first = items(client, "cells", limit=100)
        rows = cells_batch(cell_ids(50), unit_vectors(50, seed=5))
        with store.transaction() as tx:
            tx.put_cells([rows], model_id=MODEL, season=Season(2024), resolution=9)
        second = client.get(link(first, "next") or "").json()
        assert [each["id"] for each in first["features"] + second["features"]] == expected
        assert items(client, "cells", limit=1)["numberMatched"] == 50
        gone = client.get("/collections/cells/items", params={"token": written_token(Place(7, 0, "x"))})
        assert gone.status_code == 400
        assert "Start again at the first page" in gone.json()["detail"]


def test_pages_come_as_tables_too(client: TestClient[Any]) -> None:
    """CSV, GeoParquet and Arrow have the features of GeoJSON, and the next link in a header."""
    page = items(client, "map-crops", limit=5)
    ids = [each["id"] for each in page["features"]]
    answers = {
        form: client.get("/collections/map-crops/items", params={"limit": 5, "f": form})
        for form in ("csv", "parquet", "arrow")
    }
    for response in answers.values():
        assert link(page, "next").partition("token=")[2] in response.headers["link"]
    rows = list(csv.DictReader(io.StringIO(answers["csv"].text)))
    assert [row["id"] for row in rows] == ids
    assert shapely.from_wkt(rows[0]["geometry"]).equals_exact(shapes(page["features"][:1])[0], 1e-6)
    table = pq.read_table(io.BytesIO(answers["parquet"].content))
    assert table["id"].to_pylist() == ids and b"geo" in table.schema.metadata
    stream = pa.ipc.open_stream(answers["arrow"].content).read_all()
    assert stream["probability"].to_pylist() == [
        each["properties"]["probability"] for each in page["features"]
    ]


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("/collections/vineyards", 404, "one of the collections cells, parcels"),
        ("/collections/vineyards/items", 404, "one of the collections"),
        ("/collections/cells/items/89b2dd8349bffff0", 404, "the id of a feature"),
        ("/collections/cells/items/nothing", 404, "the id of a feature"),
        ("/collections/parcels/items/p9999", 404, "the id of a feature"),
        ("/collections/cells/items?season=1999-00", 404, "2024-25"),
        ("/collections/cells/items?res=3", 404, "r9"),
        ("/collections/cells/items?limit=0", 400, "limit"),
        ("/collections/cells/items?limit=-5", 400, "limit"),
        ("/collections/cells/items?limit=many", 400, "limit"),
        ("/collections/cells/items?bbox=1,2,3", 400, "west,south,east,north"),
        ("/collections/cells/items?bbox=a,b,c,d", 400, "west,south,east,north"),
        ("/collections/cells/items?bbox=1,2,3,inf", 400, "west,south,east,north"),
        ("/collections/cells/items?bbox=-71,-35,-70,-36", 400, "south below north"),
        ("/collections/cells/items?bbox=200,-36,210,-35", 400, "bbox-crs"),
        (
            f"/collections/cells/items?bbox=-1e308,-1e308,1e308,1e308&bbox-crs={EPSG}3857",
            400,
            "reference system",
        ),
        (f"/collections/cells/items?bbox=1e7,1e7,2e7,2e7&bbox-crs={EPSG}32719", 400, "bbox-crs"),
        ("/collections/cells/items?filter=comuna_name%20LIKE%20'%25%5C'", 400, "computed for every feature"),
        ("/collections/cells/items?bbox=1,2,3,4&bbox-crs=EPSG:9999", 400, "bbox-crs to be one of"),
        ("/collections/cells/items?crs=http://x/y", 400, "crs to be one of"),
        ("/collections/cells/items?datetime=yesterday", 400, "2024-05-01/2025-04-30"),
        ("/collections/cells/items?datetime=2024-05-01/2020-01-01", 400, "2024-05-01/2025-04-30"),
        ("/collections/cells/items?datetime=1/2/3", 400, "2024-05-01/2025-04-30"),
        ("/collections/cells/items?pixels=5", 400, "query parameters of"),
        ("/collections/cells/items?filter=n_pixels%20%3E", 400, "line 1, column 11"),
        ("/collections/cells/items?filter=pixels%3D1", 400, "queryables geometry, h3"),
        ("/collections/cells/items?filter=class%3D'wheat'", 400, "queryables geometry, h3"),
        ("/collections/cells/items?filter=TRUE&filter-lang=sql", 400, "filter"),
        ("/collections/cells/items?filter=TRUE&filter-crs=EPSG:1", 400, "filter-crs to be one of"),
        ("/collections/cells/items?filter-crs=EPSG:4326", 400, "Expected filter"),
        ("/collections/cells/items?properties=class", 400, "Expected properties of h3"),
        ("/collections/comunas/items?properties=embedding", 400, "Expected properties of id"),
        ("/collections/cells/items?geometry=circle", 400, "geometry"),
        ("/collections/cells/items?token=AAAA", 400, "token"),
        ("/collections/cells/items?token=%F0%9F%98%80", 400, "token"),
        ("/collections/cells/items?f=shp", 400, "Expected f to be one of"),
        ("/collections/cells/items?f=parquet&crs=" + EPSG + "32719", 400, "no crs but CRS84"),
        ("/collections?f=xml", 400, "Expected f"),
        ("/collections?limit=5", 400, "query parameters"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(
    client: TestClient[Any], address: str, status: int, message: str
) -> None:
    """Each refusal is a problem document with the status and what was expected."""
    response = client.get(address)
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    assert message in response.json()["detail"]


def test_a_token_of_another_collection_is_refused(client: TestClient[Any]) -> None:
    """A link's token leads on in its own table only."""
    token = (link(items(client, "cells", limit=1), "next") or "").partition("token=")[2]
    refused = client.get("/collections/parcels/items", params={"token": token})
    assert refused.status_code == 400
    assert "another's" in refused.json()["detail"]


def test_a_larger_limit_is_taken_as_the_largest(client: TestClient[Any]) -> None:
    """The standard has no error for it."""
    assert items(client, "parcels", limit=1_000_000, geometry="none")["numberReturned"] == PARCELS


def test_an_empty_store_has_comunas(tmp_path: Path) -> None:
    """Nothing was encoded yet: documents are there, and so are the comunas."""
    Store.create(tmp_path / "store")
    with TestClient(ogc_app(tmp_path / "store")) as client:
        collections = client.get("/collections").json()["collections"]
        assert [each["id"] for each in collections] == ["comunas"]
        assert (
            items(client, "comunas", bbox="-71.7,-35.5,-71.6,-35.4", geometry="none")["numberReturned"] >= 1
        )

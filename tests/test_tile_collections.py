"""OGC API Tiles: tile matrix sets, tile sets of every collection, and tiles whose row comes before the column."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from browser import build_valley
from litestar.testing import TestClient

from surco.api import Settings, create_app
from surco.api.tiles.collection_routes import TILES_CONFORMANCE
from surco.api.tiles.mercator import to_units

PLACE = (-71.2535, -34.9855)
QUAD = "WebMercatorQuad"
COLLECTIONS = ("cells", "parcels", "comunas", "map-crops")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    """A client of a server of a valley with cells, parcels and an adapter."""
    valley = build_valley(tmp_path_factory.mktemp("tiles") / "valley")
    with TestClient(create_app(Settings(valley.path))) as client:
        yield client


def at(zoom: int) -> tuple[int, int]:
    """Row and column of the valley's tile."""
    x, y = to_units(np.array(PLACE[:1]), np.array(PLACE[1:]))
    return int(y[0]) >> (32 - zoom), int(x[0]) >> (32 - zoom)


def layer(response: Any) -> tuple[str, list[dict[str, Any]]]:
    """Name and features of a vector tile's only layer."""
    found = mapbox_vector_tile.decode(response.content, default_options={"y_coord_down": True})
    ((name, content),) = found.items()
    return name, content["features"]


def linked(document: dict[str, Any], rel: str) -> str:
    """Path of a link."""
    (href,) = [link["href"] for link in document["links"] if link["rel"].endswith(rel)]
    return href.removeprefix("http://testserver.local")


def test_the_tile_matrix_set_is_the_registered_one(client: TestClient[Any]) -> None:
    """Scales, sizes and origin are those of OGC's registry (17-083r4, annex D.1), zooms 0 to 22."""
    (entry,) = client.get("/tileMatrixSets").json()["tileMatrixSets"]
    whole = client.get(linked(entry, "self")).json()
    assert whole["uri"] == "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
    matrices = whole["tileMatrices"]
    assert [matrix["id"] for matrix in matrices] == [str(zoom) for zoom in range(23)]
    known = {0: 559082264.028717, 1: 279541132.014358, 10: 545978.773465544, 22: 133.295599}
    for zoom, scale in known.items():
        assert matrices[zoom]["scaleDenominator"] == pytest.approx(scale, rel=1e-7)
        assert matrices[zoom]["matrixWidth"] == matrices[zoom]["matrixHeight"] == 2**zoom
        assert matrices[zoom]["pointOfOrigin"] == pytest.approx([-20037508.3427892, 20037508.3427892])
    assert client.get("/tileMatrixSets/WorldCRS84Quad").status_code == 404


@pytest.mark.parametrize("name", COLLECTIONS)
def test_a_client_finds_its_way_to_tiles(client: TestClient[Any], name: str) -> None:
    """From the list of tile sets over the tile set to a tile by links alone; the layer is as it was described."""
    (entry,) = client.get(f"/collections/{name}/tiles").json()["tilesets"]
    assert {"dataType", "crs", "links"} <= set(entry)
    described = client.get(linked(entry, "self")).json()
    assert client.get(linked(described, "tiling-scheme")).status_code == 200
    row, column = at(13)
    address = linked(described, "item").format(tileMatrix=13, tileRow=row, tileCol=column)
    response = client.get(address)
    assert response.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    shown, features = layer(response)
    (said,) = described["layers"]
    assert said["id"] == shown and features
    types = {"string": str, "number": (int, float), "boolean": bool}
    for key, value in features[0]["properties"].items():
        assert isinstance(value, types[said["propertiesSchema"]["properties"][key]["type"]])


@pytest.mark.parametrize("name", COLLECTIONS)
def test_limits_are_true(client: TestClient[Any], name: str) -> None:
    """The valley's tile is within the limits of every zoom, and just beyond them there is nothing."""
    for limit in client.get(f"/collections/{name}/tiles/{QUAD}").json()["tileMatrixSetLimits"]:
        zoom = int(limit["tileMatrix"])
        row, column = at(zoom)
        assert limit["minTileRow"] <= row <= limit["maxTileRow"]
        assert limit["minTileCol"] <= column <= limit["maxTileCol"]
        if zoom in (12, 16):
            far = client.get(f"/collections/{name}/tiles/{QUAD}/{zoom}/{limit['maxTileRow'] + 2}/{column}")
            assert far.status_code == 204


def test_season_and_resolution_choose_the_table(client: TestClient[Any]) -> None:
    """Collections take season, resolution and unit as their features do."""
    row, column = at(14)
    address = f"/collections/cells/tiles/{QUAD}/14/{row}/{column}"
    coarse, fine = (layer(client.get(f"{address}?res={res}"))[1] for res in (9, 11))
    assert {len(name["properties"]["h3"]) for name in coarse} == {15}
    assert {name["properties"]["h3"][1] for name in coarse} == {"9"}
    assert {name["properties"]["h3"][1] for name in fine} == {"b"}
    parcels = f"/collections/map-crops/tiles/{QUAD}/14/{row}/{column}?unit=parcels"
    assert layer(client.get(parcels))[0] == "parcels"
    assert client.get(f"{address}?season=1990-91").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/collections/nothing/tiles", 404),
        (f"/collections/nothing/tiles/{QUAD}/1/0/0", 404),
        ("/collections/cells/tiles/Other", 404),
        ("/collections/cells/tiles/Other/1/0/0", 404),
        (f"/collections/cells/tiles/{QUAD}/23/0/0", 404),
        (f"/collections/cells/tiles/{QUAD}/1/2/0", 404),
        (f"/collections/cells/tiles/{QUAD}/1/0/x", 400),
        (f"/collections/cells/tiles/{QUAD}/1/0/0.png", 400),
    ],
)
def test_what_there_is_not(client: TestClient[Any], path: str, status: int) -> None:
    """Unknown collections, matrix sets and tiles are problems that say what there is."""
    response = client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")


def test_tiles_of_neighbours_fit_together(client: TestClient[Any]) -> None:
    """A hexagon across a border has the same corners in both tiles, one tile's width apart."""
    row, column = at(15)

    def shapes(down: int, across: int) -> dict[int, Any]:
        response = client.get(f"/collections/cells/tiles/{QUAD}/15/{row + down}/{column + across}")
        found = layer(response)[1] if response.status_code == 200 else []
        return {feature["id"]: shapely.geometry.shape(feature["geometry"]) for feature in found}

    middle = shapes(0, 0)
    common = 0
    for down, across in product((-1, 0, 1), repeat=2):
        step = np.array([4096 * across, 4096 * down])
        for name, shape in shapes(down, across).items():
            if name in middle and (down, across) != (0, 0):
                assert middle[name].equals(shapely.transform(shape, lambda xy, step=step: xy + step))
                common += 1
    assert common > 20


def test_comunas_share_their_limits(client: TestClient[Any]) -> None:
    """At low zooms comunas neither overlap nor part, and each has its name, province and region."""
    row, column = at(7)
    name, features = layer(client.get(f"/collections/comunas/tiles/{QUAD}/7/{row}/{column}"))
    assert name == "comunas"
    shapes = np.array([shapely.geometry.shape(feature["geometry"]) for feature in features])
    assert shapely.is_valid(shapes).all()
    assert shapely.area(shapes).sum() == pytest.approx(shapely.union_all(shapes).area, rel=2e-3)
    said = {feature["properties"]["id"]: feature["properties"] for feature in features}
    assert (said["7301"]["comuna_name"], said["7301"]["region"]) == ("Curicó", "Maule")
    picture = client.get(
        f"/collections/comunas/tiles/{QUAD}/7/{row}/{column}", headers={"accept": "image/png"}
    )
    assert picture.headers["content-type"] == "application/vnd.mapbox-vector-tile"


def test_conformance_names_what_is_tested_here() -> None:
    """Each class is OGC's, and none of what is not there (pictures of collections, styles, other matrix sets)."""
    assert {uri.rpartition("/")[2] for uri in TILES_CONFORMANCE} == {
        "core", "tileset", "tilesets-list", "geodata-tilesets", "mvt", "tilematrixset", "json-tilematrixset",
    }  # fmt: skip

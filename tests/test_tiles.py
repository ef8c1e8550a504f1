"""Tiles of maps over HTTP: they say what the map says, in the viewer's colours, and are kept while they hold."""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from threading import Event
from typing import Any

import h3
import mapbox_vector_tile
import numpy as np
import pyogrio
import pytest
import shapely
from browser import CROPS, WILD, Valley, build_valley
from litestar.testing import TestClient
from PIL import Image
from store_builders import SEASON, cell_ids
from tile_stores import CLASSES, cell_store, class_adapter

from surco.adapters import YieldAdapter, save_adapter
from surco.api import Settings, create_app
from surco.api.maps import predict_table, vectors
from surco.api.tiles.mercator import from_units, to_units
from surco.api.tiles.tile_cache import TileCache
from surco.embedstore import Season, Store
from surco.viewer import class_styles, rgb

PLACE = (-71.2535, -34.9855)
MAP = "/maps/crops/2024-25"


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Valley:
    """Cells of resolutions 9 and 11, parcels, and the adapter `crops`."""
    return build_valley(tmp_path_factory.mktemp("tiles") / "valley")


@pytest.fixture(scope="module")
def client(valley: Valley) -> Iterator[TestClient[Any]]:
    """A client of a server of the valley."""
    with TestClient(create_app(Settings(valley.path))) as client:
        yield client


def tile(zoom: int, place: tuple[float, float] = PLACE) -> tuple[int, int, int]:
    """The tile of a place: zoom, column, row."""
    x, y = to_units(np.array(place[:1]), np.array(place[1:]))
    return zoom, int(x[0]) >> (32 - zoom), int(y[0]) >> (32 - zoom)


def path_of(zoom: int, ending: str = "", where: str = MAP) -> str:
    """The address of the valley's tile."""
    z, x, y = tile(zoom)
    return f"{where}/tiles/{z}/{x}/{y}{ending}"


def features(response: Any) -> list[dict[str, Any]]:
    """Of a vector tile's only layer."""
    layers = mapbox_vector_tile.decode(response.content, default_options={"y_coord_down": True})
    return next(iter(layers.values()))["features"]


def pixels(response: Any) -> np.ndarray:
    """(H, W, 4) of a picture."""
    assert response.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(response.content)).convert("RGBA"))


@pytest.mark.parametrize(("unit", "key"), [("cells", "h3"), ("parcels", "id")])
def test_classes_are_the_maps(valley: Valley, client: TestClient[Any], unit: str, key: str) -> None:
    """Every place of the map is in the tiles, with the class and the probability that the map gives it."""
    predicted = predict_table(valley.store, "crops", unit=unit, resolution=9 if unit == "cells" else None)
    at = {name: row for row, name in enumerate(predicted.places.id.tolist())}
    seen = set()
    z, x, y = tile(13)
    for i, j in product((-1, 0, 1), repeat=2):
        address = f"{MAP}/tiles/{z}/{x + i}/{y + j}.mvt?unit={unit}" + ("&res=9" if unit == "cells" else "")
        response = client.get(address)
        for feature in features(response) if response.status_code == 200 else []:
            said = feature["properties"]
            row = at[said[key]]
            seen.add(said[key])
            assert said["class"] == predicted.classes[predicted.class_index[row]]
            assert said["probability"] == pytest.approx(float(predicted.probability[row]), abs=0.0051)
            assert 0 <= said["uncertainty"] <= 1
            if unit == "cells":
                assert f"8{9:x}{feature['id']:013x}" == said["h3"]
    assert seen == set(at)


def test_gdal_reads_them(client: TestClient[Any], tmp_path: Path) -> None:
    """What QGIS reads tiles with finds the layer, valid outlines where the valley is, and the properties."""
    z, x, y = tile(14)
    file = tmp_path / str(z) / str(x) / f"{y}.mvt"
    file.parent.mkdir(parents=True)
    file.write_bytes(client.get(f"{MAP}/tiles/{z}/{x}/{y}.mvt?res=11").content)
    frame = pyogrio.read_dataframe(f"MVT:{file}", layer="cells")
    assert {"h3", "class", "probability", "uncertainty"} <= set(frame.columns)
    assert frame.is_valid.all() and frame["class"].isin([*CROPS, WILD]).all()
    west, south, east, north = frame.to_crs(4326).total_bounds
    assert west < PLACE[0] < east and south < PLACE[1] < north


def test_every_zoom_has_an_answer(client: TestClient[Any]) -> None:
    """From the world to a metre, as a vector tile and as a picture with something in it."""
    for zoom in range(23):
        assert features(client.get(path_of(zoom, ".mvt?unit=cells")))
        assert (pixels(client.get(path_of(zoom, ".png?unit=parcels&style=quality"))).shape) == (256, 256, 4)
        assert pixels(client.get(path_of(zoom, ".png")))[..., 3].any()


def test_low_zooms_show_classes_that_are_there(valley: Valley, client: TestClient[Any]) -> None:
    """A hexagon that stands for many has the commonest class of those drawn, says how many, and invents none."""
    predicted = predict_table(valley.store, "crops", unit="cells", resolution=11)
    kinds = {
        name: predicted.classes[number]
        for name, number in zip(predicted.places.id.tolist(), predicted.class_index.tolist(), strict=True)
    }
    for zoom in (0, 4, 8, 10, 12):
        for feature in features(client.get(path_of(zoom, ".mvt?unit=cells&res=11"))):
            said = feature["properties"]
            cells = h3.cell_to_children(said["h3"], 11) if zoom > 7 else kinds
            below = {kinds[cell] for cell in cells if cell in kinds}
            assert said["class"] in below
            assert 1 <= said["drawn"] <= said["n"]
            assert 1 / len(predicted.classes) <= said["fraction"] <= 1


@pytest.mark.parametrize("unit", ["cells", "parcels"])
def test_pictures_have_the_viewers_colours(valley: Valley, client: TestClient[Any], unit: str) -> None:
    """Each pixel has the colour of the class of the place at its middle, or is transparent."""
    predicted = predict_table(valley.store, "crops", unit=unit, resolution=9 if unit == "cells" else None)
    colours = [rgb(style.colour) for style in class_styles(predicted.classes)]
    res = "&res=9" if unit == "cells" else ""
    picture = pixels(client.get(path_of(15, f"@2x.png?unit={unit}{res}")))
    assert picture.shape == (512, 512, 4)
    z, x, y = tile(15)
    step = 1 << (32 - z - 9)
    shapes = predicted.places.polygons()
    tree = shapely.STRtree(shapes)
    wrong = 0
    for row, column in product(range(3, 512, 37), repeat=2):
        lon, lat = from_units(
            np.array([(x * 512 + column + 0.5) * step]), np.array([(y * 512 + row + 0.5) * step])
        )
        found = tree.query(shapely.Point(lon[0], lat[0]), predicate="within")
        expected = (*colours[predicted.class_index[found[0]]], 255) if len(found) else (0, 0, 0, 0)
        wrong += tuple(picture[row, column].tolist()) != expected
    assert wrong <= 2  # whose middle is on an edge


def test_classes_can_be_singled_out(client: TestClient[Any]) -> None:
    """The others step back into one grey that lets the ground through; a class that there is not is refused."""
    one, other = CROPS[:2]
    drawn = [
        pixels(client.get(path_of(14, ".png"), params={"unit": "parcels", "style": style}))
        for style in ("class", f"class:{one}", f"class:{one}~{other}")
    ]
    whole, single, both = drawn
    shown = whole[..., 3] > 0
    kept = (single == whole).all(axis=2) & shown
    back = (single[..., 3] == 60) & shown
    assert kept.any() and back.any() and (kept | back | ~shown).all()
    assert {tuple(c) for c in single[kept].tolist()} == {(*rgb(class_styles([one])[0].colour), 255)}
    assert (both[..., 3] == 255).sum() > kept.sum()
    refused = client.get(path_of(14, ".png"), params={"style": "class:none"})
    assert refused.status_code == 404 and "class:none" in refused.json()["detail"]


def test_styles_and_legends(client: TestClient[Any]) -> None:
    """Every style is drawn in colours of its legend, which is to be had as JSON and as a picture."""
    months = [f"ndvi:{number}" for number in (0, 11)] + ["ndvi:2024-10"]
    for style in ("class", "probability", "uncertainty", "quality", *months):
        said = client.get(f"{MAP}/legend", params={"style": style}).json()
        assert said["style"] == style and len(said["entries"]) > 5
        drawn = pixels(client.get(path_of(12, ".png"), params={"style": style}))
        shown = drawn[drawn[..., 3] > 0][:, :3]
        colours = np.array([rgb(entry["colour"]) for entry in said["entries"]])
        near = np.abs(shown[:, None].astype(int) - colours[None]).sum(axis=2).min(axis=1)
        assert near.max() <= (0 if said["kind"] == "classes" else 90)
        legend = client.get(f"{MAP}/legend", params={"style": style, "f": "png"})
        assert pixels(legend).shape[0] > 20 * len(said["entries"])
    unseen = pixels(client.get(path_of(12, ".png"), params={"style": "ndvi:2"}))
    assert not unseen[..., 3].any(), "the valley's third month was never seen"
    assert client.get(f"{MAP}/legend").json()["entries"][0]["es"] == "Alfalfa"


def test_embedding_tiles_need_no_adapter(tmp_path: Path, client: TestClient[Any]) -> None:
    """Principal colours tell classes apart, in pictures and in vector tiles alike, also where there is no adapter."""
    z, x, y = tile(13)
    where = f"/tiles/embedding/2024-25/{z}/{x}/{y}"
    said = [f["properties"] for f in features(client.get(path_of(13, ".mvt?res=11")))]
    bare = [f["properties"] for f in features(client.get(f"{where}.mvt?res=11&unit=cells"))]
    colours = {place["h3"]: rgb(place["colour"]) for place in bare}
    shown: dict[str, Any] = {crop: [] for crop in (*CROPS[:3], WILD)}
    for place in said:
        shown.get(place["class"], []).append(colours[place["h3"]])
    shown = {crop: np.array(found) for crop, found in shown.items() if found}
    middle = {crop: values.mean(axis=0) for crop, values in shown.items()}
    spread = max(values.std(axis=0).max() for values in shown.values())
    far = [np.abs(a - b).max() for one, a in middle.items() for other, b in middle.items() if one < other]
    assert len(far) >= 3 and min(far) > spread
    assert (pixels(client.get(f"{where}.png?unit=cells"))[..., 3] > 0).any()
    assert (
        client.get("/tiles/embedding/latest/tilejson").json()["vector_layers"][0]["fields"]["colour"]
        == "String"
    )


def test_what_was_not_observed_is_transparent(tmp_path: Path) -> None:
    """A cell of zeros has no colour in any style and no class in a vector tile, but is there."""
    cells = sorted(cell_ids(90))
    kinds = [-1 if number % 3 == 0 else number % 2 for number in range(90)]
    cell_store(tmp_path / "store", cells, kinds)
    z, x, y = tile(12, h3.cell_to_latlng(h3.int_to_str(cells[40]))[::-1])
    with TestClient(create_app(Settings(tmp_path / "store"))) as client:
        found = [f["properties"] for f in features(client.get(f"{MAP}/tiles/{z}/{x}/{y}.mvt"))]
        blank = {name["h3"] for name in found if "class" not in name}
        assert blank and blank <= {
            h3.int_to_str(cell) for cell, kind in zip(cells, kinds, strict=True) if kind < 0
        }
        assert all("probability" not in said for said in found if said["h3"] in blank)
        shown = {}
        for style in ("class", "probability", "uncertainty", "pca", "quality"):
            shown[style] = pixels(client.get(f"{MAP}/tiles/{z}/{x}/{y}.png?style={style}"))[..., 3] > 0
        assert all((each == shown["class"]).all() for each in shown.values())
        share = (
            shown["class"].sum()
            / (pixels(client.get(f"{MAP}/tiles/{z}/{x}/{y}.png?style=ndvi:0"))[..., 3] > 0).sum()
        )
        assert 0.5 < share < 0.8


def test_yield_adapters_say_values(valley: Valley, tmp_path: Path) -> None:
    """Value, low and high of every place, and pictures whose legend has the unit."""
    store = Store.open(build_valley(tmp_path / "valley", columns=4, rows=3).path)
    table = store.read("cells", resolution=9, columns=["embedding", "embedding_scale"])
    rows = vectors(table)
    fitted = YieldAdapter(unit="t/ha").fit(rows, 5 + 3 * rows[:, 0], np.arange(len(rows)) % 5)
    files = save_adapter(fitted, name="wheat", model_id="valley-1", task="yield", training={})
    with store.transaction() as write:
        write.put_adapter("wheat", files)
    with TestClient(create_app(Settings(store.path))) as client:
        found = [
            f["properties"] for f in features(client.get(path_of(13, ".mvt?res=9", "/maps/wheat/2024-25")))
        ]
        assert found and all(said["low"] <= said["value"] <= said["high"] for said in found)
        legend = client.get("/maps/wheat/2024-25/legend").json()
        assert (legend["style"], legend["unit"]) == ("value", "t/ha")
        assert (
            pixels(client.get(path_of(13, ".png?style=uncertainty", "/maps/wheat/2024-25")))[..., 3] > 0
        ).any()
        refused = client.get(path_of(13, ".png?style=class", "/maps/wheat/2024-25"))
        assert refused.status_code == 404 and "value, uncertainty" in refused.json()["detail"]


def test_comparisons(tmp_path: Path) -> None:
    """Two adapters and two seasons: what agrees, what changed, and what one of them does not have."""
    cells = sorted(cell_ids(60))
    store = cell_store(tmp_path / "store", cells, seasons=(Season(2023), SEASON))
    with store.transaction() as write:
        write.put_adapter("other", class_adapter(("maize", "vineyard", "oats"), "other"))
    z, x, y = tile(13, h3.cell_to_latlng(h3.int_to_str(cells[30]))[::-1])
    with TestClient(create_app(Settings(store.path))) as client:
        asked = {"a": "crops/2024-25", "b": "other/2024-25"}
        compared = client.get(f"/maps/compare/tiles/{z}/{x}/{y}", params=asked | {"f": "mvt"})
        found = [f["properties"] for f in features(compared)]
        assert {(said["a"], said["b"], said["changed"]) for said in found} == {
            ("maize", "maize", False), ("vineyard", "vineyard", False), ("wheat", "oats", True),
        }  # fmt: skip
        picture = pixels(client.get(f"/maps/compare/tiles/{z}/{x}/{y}.png", params=asked))
        legend = client.get("/maps/compare/legend", params=asked).json()["entries"]
        shown = {tuple(colour) for colour in picture[picture[..., 3] > 0][:, :3].tolist()}
        assert shown == {rgb(entry["colour"]) for entry in legend}
        seasons = {"a": "crops/2023-24", "b": "crops", "f": "mvt"}
        same = [
            f["properties"] for f in features(client.get(f"/maps/compare/tiles/{z}/{x}/{y}", params=seasons))
        ]
        assert same and not any(said["changed"] for said in same)
        low = [
            f["properties"]
            for f in features(client.get("/maps/compare/tiles/5/9/19", params=asked | {"f": "mvt"}))
        ]
        assert low[0]["fraction_changed"] == pytest.approx(1 / 3, abs=0.1)
        assert client.get("/maps/compare/tilejson", params=asked).json()["vector_layers"][0]["fields"][
            "changed"
        ]


def test_form_is_negotiated(client: TestClient[Any]) -> None:
    """By the path's ending, then by f, then by Accept; vector tiles by themselves."""
    plain = path_of(12)
    assert client.get(plain).headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert client.get(plain, headers={"accept": "image/png"}).headers["content-type"] == "image/png"
    assert client.get(f"{plain}?f=png", headers={"accept": "*/*"}).headers["content-type"] == "image/png"
    assert client.get(f"{plain}.pbf").content == client.get(f"{plain}.mvt").content
    refused = client.get(plain, headers={"accept": "text/html"})
    assert refused.status_code == 406
    zipped = client.get(f"{plain}.mvt", headers={"accept-encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    bare = client.get(f"{plain}.mvt", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in bare.headers and bare.content == zipped.content
    assert gzip.compress(bare.content, 1, mtime=0) != bare.content
    assert bare.headers["etag"] != zipped.headers["etag"]


def test_empty_tiles(client: TestClient[Any]) -> None:
    """A vector tile with nothing in it is 204, a picture transparent."""
    nothing = client.get(f"{MAP}/tiles/10/5/5.mvt")
    assert (nothing.status_code, nothing.content) == (204, b"")
    picture = client.get(f"{MAP}/tiles/10/5/5.png")
    assert picture.status_code == 200 and not pixels(picture)[..., 3].any()
    assert (
        client.get(f"{MAP}/tiles/10/5/5.mvt", headers={"if-none-match": nothing.headers["etag"]}).status_code
        == 304
    )


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/maps/crops/2024-25/tiles/23/0/0.mvt", 404, "zoom from 0 to 22"),
        ("/maps/crops/2024-25/tiles/3/8/0.mvt", 404, "from 0 to 7"),
        ("/maps/crops/2024-25/tiles/3/0/8.png", 404, "from 0 to 7"),
        ("/maps/crops/2024-25/tiles/3/-1/0", 400, "as numbers"),
        ("/maps/crops/2024-25/tiles/3/0/0.jpg", 400, ".mvt, .png"),
        ("/maps/crops/2024-25/tiles/3/0/0@2x.mvt", 400, "pictures only"),
        ("/maps/crops/2024-25/tiles/3/0/0@2x", 400, "pictures only"),
        ("/maps/crops/2024-25/tiles/999999999999/0/0", 400, "as numbers"),
        ("/maps/crops/2024-25/tiles/3/0/0.png?style=heat", 404, "class, probability, uncertainty"),
        ("/maps/crops/2024-25/tiles/3/0/0.png?style=ndvi:12", 404, "ndvi:0 to ndvi:11"),
        ("/maps/nobody/2024-25/tiles/3/0/0.mvt", 404, "adapters"),
        ("/maps/crops/1999-00/tiles/3/0/0.mvt", 404, "season"),
        ("/maps/crops/2024-25/tiles/3/0/0.mvt?unit=fields", 400, "unit"),
        ("/maps/crops/2024-25/tiles/3/0/0.mvt?res=3", 404, "resolution 3"),
        ("/maps/crops/2024-25/tiles/3/0/0.mvt?zoom=3", 400, "zoom"),
        ("/maps/crops/2024-25/tiles/3/0/0.mvt?v=0123", 404, "names the present content"),
        ("/maps/compare/tiles/3/0/0.mvt?a=crops", 400, "b"),
        ("/maps/compare/tiles/3/0/0.mvt?a=crops/&b=crops", 400, "ADAPTER/SEASON"),
    ],
)
def test_what_is_refused(client: TestClient[Any], address: str, status: int, words: str) -> None:
    """A problem document says what was expected."""
    response = client.get(address)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, words in response.json()["detail"]) == (status, True), response.text


def test_kept_by_clients(client: TestClient[Any]) -> None:
    """A short time under the open address, for ever under the pinned one; 304 for who has it."""
    response = client.get(path_of(12, ".mvt"))
    assert response.headers["cache-control"] == "public, max-age=60"
    again = client.get(path_of(12, ".mvt"), headers={"if-none-match": f'W/{response.headers["etag"]}, "x"'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", response.headers["etag"])
    document = client.get(f"{MAP}/tilejson").json()
    z, x, y = tile(12)
    address = document["tiles"][0].format(z=z, x=x, y=y)
    pinned = client.get(address)
    assert pinned.content == response.content
    assert pinned.headers["cache-control"] == "public, max-age=31536000, immutable"
    other = client.get(path_of(12, ".png?style=probability"))
    assert other.headers["etag"] != client.get(path_of(12, ".png")).headers["etag"]


def test_tilejson(client: TestClient[Any]) -> None:
    """It names the layer with its properties, the bounds, and addresses that work; of pictures with their style."""
    document = client.get(f"{MAP}/tilejson?unit=parcels").json()
    assert document["tilejson"] == "3.0.0" and (document["minzoom"], document["maxzoom"]) == (0, 22)
    west, south, east, north = document["bounds"]
    assert west < PLACE[0] < east and south < PLACE[1] < north
    (layer,) = document["vector_layers"]
    z, x, y = tile(14)
    said = features(client.get(document["tiles"][0].format(z=z, x=x, y=y)))[0]["properties"]
    assert layer["id"] == "parcels" and set(said) <= set(layer["fields"])
    picture = client.get(f"{MAP}/tilejson?f=png&style=probability").json()
    assert "vector_layers" not in picture and "style=probability" in picture["tiles"][0]


def test_a_new_version_is_seen_at_once(tmp_path: Path) -> None:
    """An adapter written anew changes tiles and ETags at once; a pin to the old one holds for a while."""
    cells = sorted(cell_ids(30))
    store = cell_store(tmp_path / "store", cells)
    z, x, y = tile(13, h3.cell_to_latlng(h3.int_to_str(cells[15]))[::-1])
    with TestClient(create_app(Settings(store.path))) as client:
        address = f"{MAP}/tiles/{z}/{x}/{y}.mvt"
        first = client.get(address)
        pinned = client.get(f"{MAP}/tilejson").json()["tiles"][0].format(z=z, x=x, y=y)
        with store.transaction() as write:
            write.put_adapter("unrelated", class_adapter(name="unrelated"))
        assert client.get(pinned).status_code == 200, "what the map stands on has not changed"
        with store.transaction() as write:
            write.put_adapter("crops", class_adapter(("a", "b", "c")))
        second = client.get(address, headers={"if-none-match": first.headers["etag"]})
        assert second.status_code == 200
        assert {f["properties"]["class"] for f in features(first)} == set(CLASSES)
        assert {f["properties"]["class"] for f in features(second)} == {"a", "b", "c"}
        held = client.get(pinned)
        assert {f["properties"]["class"] for f in features(held)} == set(CLASSES), (
            "what it was drawn from is held"
        )
        assert "immutable" in held.headers["cache-control"]
        with store.transaction() as write:
            write.put_adapter("crops", class_adapter())
            write.remove_adapter("unrelated")
        assert {f["properties"]["class"] for f in features(client.get(address))} == set(CLASSES)


def test_a_tile_is_drawn_once_for_all_who_wait() -> None:
    """Twenty who ask for one tile get the same bytes of one drawing, and a failure is not kept."""
    with ThreadPoolExecutor(4) as executor:
        cache, drawn, go = TileCache(executor, 10_000), [], Event()

        def draw() -> bytes:
            go.wait(10)
            drawn.append(1)
            return b"tile"

        waiting = [cache.get("key", draw) for _ in range(20)]
        assert cache.waiting == 1
        go.set()
        assert {future.result(10) for future in waiting} == {b"tile"} and drawn == [1]
        assert cache.kept("key") == b"tile"

        def fail() -> bytes:
            raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            cache.get("other", fail).result(10)
        assert cache.get("other", lambda: b"now").result(10) == b"now"


def test_the_cache_is_bounded_by_bytes() -> None:
    """The tiles asked for last stay; one that is too large alone is not kept."""
    with ThreadPoolExecutor(1) as executor:
        cache = TileCache(executor, 10_000)
        for number in range(50):
            cache.get(number, lambda: b"x" * 1_000).result(10)
            cache.kept(0)
        assert cache.held_bytes <= 10_000
        assert cache.kept(0) and cache.kept(49) and cache.kept(1) is None
        assert cache.get("large", lambda: b"x" * 20_000).result(10) and cache.kept("large") is None


def test_kept_and_cold_within_their_time(client: TestClient[Any]) -> None:
    """A new tile of a small store takes far less than a tenth of a second, a kept one hardly anything (medians)."""
    z, x, y = tile(16)
    client.get(f"{MAP}/tiles/{z}/{x}/{y}.mvt")
    times: dict[str, list[float]] = {"cold": [], "kept": []}
    for kind in times:
        for i, ending in product(range(6), ("mvt", "png")):
            began = time.perf_counter()
            client.get(f"{MAP}/tiles/{z}/{x + i - 3}/{y}.{ending}?style=probability")
            times[kind].append(time.perf_counter() - began)
    assert np.median(times["cold"]) < 0.1
    assert np.median(times["kept"]) < 0.03


def test_readers_need_the_scope(valley: Valley) -> None:
    """Where nobody may read without a key, tiles are refused."""
    with TestClient(create_app(Settings(valley.path, anonymous=()))) as client:
        assert client.get(path_of(12, ".mvt")).status_code == 401

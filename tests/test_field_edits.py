"""Found fields corrected over HTTP: parted, joined, redrawn, kept as a file; a search that is heard of and ended."""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from checkers import gpio_check, vec_errors
from field_scenes import CRS, field_catalog, field_numbers
from litestar.testing import TestClient
from map_stores import map_store
from stac_catalogs import LEFT, TOP

from surco.api.app import create_app
from surco.api.boundaries import BoundaryRequest, find_parcels
from surco.api.map_products.parcels_asked import ParcelsAsked, finding_parcels
from surco.api.pixel_areas import PixelRequest
from surco.api.settings import Settings
from surco.encoder.area import project
from surco.encoder.parcels import read_parcels

WEST, SOUTH, SIDE = -71.6, -35.4, 0.002


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A server over a store with pixel vectors of sixteen fields."""
    folder = tmp_path_factory.mktemp("edits")
    store = map_store(folder / "store", 200)
    (store.path / "pixels").mkdir()
    catalog = field_catalog(folder / "stac", field_numbers(96, 16))
    request = PixelRequest(str(catalog), "2024-25", "band-mean", keep=store.path / "pixels/valley.tif")
    find_parcels(BoundaryRequest(request, folder / "all.parquet", "gradient"))
    return Settings(store.path)


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of it."""
    with TestClient(create_app(settings)) as client:
        yield client


def field(name: str, column: int, row: int = 0, **said: Any) -> dict[str, Any]:
    """A square field of a chessboard; neighbours share an edge."""
    west, south = WEST + column * SIDE, SOUTH + row * SIDE
    ring = [
        [west, south],
        [west + SIDE, south],
        [west + SIDE, south + SIDE],
        [west, south + SIDE],
        [west, south],
    ]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "id": name, "geometry": geometry, "properties": {"confidence": 0.9, **said}}


def _edited(client: TestClient, do: str, *features: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    answer = client.post("/boundaries/edit", json={"do": do, "features": features, **more})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/geo+json"
    return answer.json()["features"]


def test_a_line_parts_a_field(client: TestClient) -> None:
    """The parts add up to it, the larger keeps its id, the other has a new one and names it as parent."""
    whole = _edited(client, "redraw", field("a", 0))[0]
    line = [[WEST - 0.001, SOUTH + 0.0005], [WEST + SIDE + 0.001, SOUTH + 0.0005]]
    large, small = _edited(client, "split", field("a", 0), line=line, taken=["a-2"])
    assert (large["id"], small["id"]) == ("a", "a-3") and small["properties"]["parents"] == ["a"]
    areas = [each["properties"]["metrics:area"] for each in (large, small)]
    assert sum(areas) == pytest.approx(whole["properties"]["metrics:area"], abs=1) and areas[0] / areas[
        1
    ] == pytest.approx(3, rel=0.01)
    assert "confidence" not in small["properties"] and small["properties"]["determination:method"] == "manual"


def test_neighbours_become_one(client: TestClient) -> None:
    """The union has the id of the largest and names the others; fields in a row, in any order."""
    wide = field("wide", 1)
    wide["geometry"]["coordinates"][0][1][0] = wide["geometry"]["coordinates"][0][2][0] = WEST + 2.5 * SIDE
    made = _edited(client, "merge", field("a", 0, parents=["old"]), wide)
    assert [(each["id"], each["properties"]["parents"]) for each in made] == [("wide", ["a"])]
    outline = shapely.from_geojson(json.dumps(made[0]["geometry"]))
    assert outline.area == pytest.approx(2.5 * SIDE**2, rel=1e-4) and outline.geom_type == "Polygon"


def test_a_redrawn_outline_is_measured_again(client: TestClient) -> None:
    """Its area is the ellipsoid's, and an outline that crosses itself is repaired."""
    moved = field("a", 0)
    moved["geometry"]["coordinates"][0][2] = [WEST + SIDE / 2, SOUTH + SIDE / 2]
    before = _edited(client, "redraw", field("a", 0))[0]["properties"]["metrics:area"]
    assert _edited(client, "redraw", moved)[0]["properties"]["metrics:area"] == pytest.approx(
        before / 2, rel=0.01
    )
    ring = moved["geometry"]["coordinates"][0]
    ring[1], ring[2] = ring[2], ring[1]
    assert shapely.from_geojson(json.dumps(_edited(client, "redraw", moved)[0]["geometry"])).is_valid


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"do": "split", "features": [field("a", 0)], "line": [[0, 0], [1, 1]]}, 400, "does not cross it"),
        ({"do": "split", "features": [field("a", 0)], "line": [[0, 0]]}, 400, "two places or more"),
        ({"do": "split", "features": [field("a", 0)], "line": [[WEST, 0], [WEST, 0]]}, 400, "does not cross it"),
        ({"do": "merge", "features": [field("a", 0)]}, 400, "share an edge"),
        ({"do": "merge", "features": [field("a", 0), field("b", 2)]}, 400, "share an edge"),
        ({"do": "merge", "features": [field("a", 0), field("b", 1, 1)]}, 400, "share an edge"),
        ({"do": "redraw", "features": [field("a", 0), field("a", 1)]}, 400, "each id once"),
        ({"do": "redraw", "features": [field("", 0)]}, 400, "Expected an id"),
        ({"do": "redraw", "features": [{"id": "a", "geometry": {"type": "Point"}}]}, 400, "polygon"),
        ({"do": "redraw", "features": [{"id": "a", "geometry": 7}]}, 400, "polygon"),
        ({"do": "redraw", "features": []}, 400, "features"),
        ({"do": "dance", "features": [field("a", 0)]}, 400, "do"),
    ],
)  # fmt: skip
def test_bad_corrections_are_sentences(client: TestClient, body: dict, status: int, words: str) -> None:
    """Each has a problem document that says what was expected."""
    answer = client.post("/boundaries/edit", json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_fields_are_kept_as_parcels(client: TestClient, tmp_path: Path) -> None:
    """The file is fiboa that `surco encode --parcels` reads, with ids, crops, parents and how outlines came about."""
    drawn = [field("a", 0, **{"crop:name": "trigo"}), field("b", 1, parents=["x"], colour="red")]
    drawn[1]["properties"]["determination:method"] = "manual"
    answer = client.post("/boundaries/file?f=parquet", json={"type": "FeatureCollection", "features": drawn})
    assert answer.status_code == 200, answer.text
    out = tmp_path / "parcels.parquet"
    out.write_bytes(answer.content)
    frame = geopandas.read_parquet(io.BytesIO(answer.content)).set_index("id")
    assert frame.loc["a", "crop:name"] == "trigo" and not isinstance(frame.loc["b", "crop:name"], str)
    assert frame["determination:method"].to_dict() == {"a": "auto-imagery", "b": "manual"}
    assert list(frame.loc["b", "parents"]) == ["x"] and "colour" not in frame.columns
    assert sorted(read_parcels(out).id.tolist()) == ["a", "b"]
    assert vec_errors(out, tmp_path) == [] and "0 failed" in gpio_check(out, tmp_path)
    shapes = client.post(
        "/boundaries/file?f=geojson", json={"type": "FeatureCollection", "features": drawn}
    ).json()
    assert [each["id"] for each in shapes["features"]] == ["a", "b"]


def _box() -> list[float]:
    square = shapely.box(LEFT + 200, TOP - 760, LEFT + 760, TOP - 200)
    return [round(side, 7) for side in shapely.bounds(project(square, CRS, "OGC:CRS84")).tolist()]


def test_a_search_says_how_far_it_is(client: TestClient) -> None:
    """Lines of JSON with its part and seconds, and last the fields; a refusal is the last line too, with its code."""
    with client.stream("POST", "/boundaries?f=steps", json={"bbox": _box(), "method": "gradient"}) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        *steps, last = [json.loads(line) for line in answer.iter_lines()]
    assert {"part", "done", "total", "seconds"} == steps[0].keys() and steps[-1]["part"] == "fields"
    assert last["type"] == "FeatureCollection" and len(last["features"]) > 1
    narrow = {"bbox": _box(), "method": "gradient", "min_area": 1e7}
    with client.stream("POST", "/boundaries?f=steps", json=narrow) as answer:
        *_, last = [json.loads(line) for line in answer.iter_lines()]
    assert (
        last["code"] == "fields-none"
        and "Expected fields" in last["refused"]
        and tempfile.gettempdir() not in last["refused"]
    )


def test_a_search_that_nobody_waits_for_is_ended(settings: Settings, tmp_path: Path) -> None:
    """Closing it kills its process at once."""
    before = _searches()
    asked = ParcelsAsked(tuple(_box()), method="gradient")  # type: ignore[arg-type]
    pixels = str(settings.store / "pixels/valley.tif")
    search = finding_parcels(asked, pixels, settings.store, tmp_path / "parcels.parquet", 60.0)
    next(search)
    assert len(_searches() - before) == 1
    began = time.monotonic()
    search.close()
    assert not _searches() - before and time.monotonic() - began < 5


def _searches() -> set[int]:
    """Processes of ours that look for fields."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in children if b"boundary_job" in Path(f"/proc/{pid}/cmdline").read_bytes()}

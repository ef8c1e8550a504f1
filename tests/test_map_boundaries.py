"""Parcels made on demand over HTTP: what `surco boundaries` finds, in a process that can be ended, under limits."""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

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
from surco.api.map_products.parcels_asked import ParcelsAsked, found_parcels
from surco.api.pixel_areas import PixelRequest
from surco.api.refusals import TimedOutError
from surco.api.settings import Settings
from surco.encoder.area import project

PIXELS, FIELDS = 96, 16
SEASON = "2024-25"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of sixteen fields."""
    return field_catalog(tmp_path_factory.mktemp("fields") / "stac", field_numbers(PIXELS, FIELDS))


@pytest.fixture(scope="module")
def settings(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A server over a store with a raster of their vectors beside its tables."""
    store = map_store(tmp_path_factory.mktemp("store") / "store", 200)
    folder = store.path / "pixels"
    folder.mkdir()
    request = PixelRequest(str(catalog), SEASON, "band-mean", keep=folder / "valley.tif")
    find_parcels(BoundaryRequest(request, store.path.parent / "all.parquet", "gradient"))
    return Settings(store.path)


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of it."""
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="module")
def box() -> list[float]:
    """The middle of the scenes: west, south, east, north in degrees."""
    square = shapely.box(LEFT + 200, TOP - 760, LEFT + 760, TOP - 200)
    return [round(side, 7) for side in shapely.bounds(project(square, CRS, "OGC:CRS84")).tolist()]


def test_parcels_are_those_of_the_command(client: TestClient, settings: Settings, box: list[float]) -> None:
    """The same outlines as `surco boundaries` finds in the same pixels, valid fiboa in both formats."""
    body = {"bbox": box, "method": "gradient", "min_area": 6000}
    answer = client.post("/boundaries?f=parquet", json=body)
    assert answer.status_code == 200, answer.text
    frame = geopandas.read_parquet(io.BytesIO(answer.content))
    request = PixelRequest(str(settings.store / "pixels/valley.tif"), aoi=",".join(str(side) for side in box))
    out = settings.store.parent / "part.parquet"
    find_parcels(BoundaryRequest(request, out, "gradient", min_area=6000))
    expected = geopandas.read_parquet(out)
    assert frame["id"].tolist() == expected["id"].tolist() and 1 < len(frame) <= FIELDS
    assert frame.geometry.geom_equals_exact(expected.geometry, 1e-9).all()
    shapes = client.post("/boundaries", json=body).json()
    assert [f["id"] for f in shapes["features"]] == frame["id"].tolist()
    assert shapes["features"][0]["properties"]["determination:method"] == "auto-imagery"
    assert shapes["schemas"] and shapes["surco"]["source"] == "valley.tif"
    assert str(settings.store).encode() not in answer.content


def test_vecorels_and_gpios_validators_pass(client: TestClient, box: list[float], tmp_path: Path) -> None:
    """Where the programs are installed."""
    got = tmp_path / "parcels.parquet"
    got.write_bytes(client.post("/boundaries?f=parquet", json={"bbox": box, "method": "gradient"}).content)
    assert vec_errors(got, tmp_path) == []
    assert "0 failed" in gpio_check(got, tmp_path)


def test_scenes_are_encoded_where_there_are_no_pixels(
    settings: Settings, catalog: Path, box: list[float], tmp_path: Path
) -> None:
    """Without a raster of the area the configured scenes are encoded first; nothing is left behind."""
    store = tmp_path / "store"
    shutil.copytree(settings.store, store, ignore=shutil.ignore_patterns("pixels"))
    with TestClient(create_app(replace(settings, store=store, scenes=str(catalog)))) as client:
        answer = client.post("/boundaries", json={"bbox": box, "season": SEASON, "method": "gradient"})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["features"]) > 1
        assert "surco-nano" in answer.json()["features"][0]["properties"]["determination:details"]
        nowhen = client.post("/boundaries", json={"bbox": box})
        assert nowhen.status_code == 400 and "Expected the season of the scenes" in nowhen.json()["detail"]
        large = client.post("/boundaries", json={"bbox": [-71.7, -35.5, -71.6, -35.4], "season": SEASON})
        assert large.status_code == 413 and "at most 25 km²" in large.json()["detail"]
    assert not [*Path(tempfile.gettempdir()).glob("surco-parcels-*")]


def test_a_search_that_takes_too_long_is_ended(settings: Settings, box: list[float], tmp_path: Path) -> None:
    """After its time the process is killed, and the answer is a sentence."""
    began = time.monotonic()
    asked = ParcelsAsked(tuple(box), method="gradient")  # type: ignore[arg-type]
    with pytest.raises(TimedOutError, match=r"Expected parcels within 0\.2 s, got none yet"):
        found_parcels(
            asked,
            str(settings.store / "pixels/valley.tif"),
            settings.store,
            tmp_path / "parcels.parquet",
            0.2,
        )
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (
            {"bbox": [-60.0, -35.4, -59.9, -35.3]},
            404,
            "Expected pixel vectors or scenes of the area, got none",
        ),
        ({"bbox": [1.0, 0.0, 0.0, 1.0]}, 400, "Expected bbox as [west, south, east, north]"),
        ({"bbox": [1.0, 0.0, 2.0]}, 400, "bbox"),
        ({"season": "2019-20"}, 404, "of season 2019-20"),
        ({"method": "magic"}, 400, "method"),
        ({"adapter": "nope"}, 404, "got 'nope'"),
        ({"adapter": "../../etc"}, 400, "adapter"),
        ({"adapter": "crops"}, 400, "expected an adapter for vectors of model 'band-mean-1'"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_bad_questions_are_sentences(
    client: TestClient, box: list[float], change: dict, status: int, words: str
) -> None:
    """Each has a problem document that says what was expected, and names no folder of ours."""
    answer = client.post("/boundaries", json={"bbox": box} | change)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"] and "/tmp" not in answer.text  # noqa: S108 - must not occur


def test_an_area_that_is_too_large_is_refused(client: TestClient, box: list[float]) -> None:
    """Before anything is read, with the limit and what to do."""
    answer = client.post("/boundaries", json={"bbox": [box[0], box[1], box[0] + 0.3, box[1] + 0.3]})
    assert answer.status_code == 413 and "at most 100 km²" in answer.json()["detail"]

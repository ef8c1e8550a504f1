"""A server over a store at an address answers as one over a folder, follows what others write, and writes there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore", reason="obstore is not installed (extra `cloud`)")
pytest.importorskip("moto", reason="moto's server is not installed (dependency group `dev`)")

from litestar.testing import TestClient
from map_stores import CURICO, TALCA, map_store
from s3_server import SECRETS, S3Server

from surco.api.app import create_app
from surco.api.settings import Settings
from surco.embedstore import Store, push
from surco.embedstore.working_copy import root_of

WEST, SOUTH = TALCA
BBOX = f"{WEST},{SOUTH},{WEST + 0.05},{SOUTH + 0.05}"
QUESTIONS = (
    "/collections",
    f"/collections/cells/items?limit=50&bbox={BBOX}",
    f"/collections/parcels/items?limit=20&bbox={BBOX}",
    "/collections/map-crops/items?limit=20",
    "/stac/search?limit=10",
    "/sql?q=SELECT season, res, count(*) AS n, sum(n_pixels) AS seen FROM cells GROUP BY ALL ORDER BY ALL",
    "/sql?q=SELECT id, round(similarity, 6) AS s FROM nearest('p3', 5, unit := 'parcels')",
    "/search?id=p3&table=parcels&k=5",
    f"/embeddings?bbox={BBOX}&vectors=int8&table=parcels",
    "/maps",
    "/maps/crops/2024-25/areas?by=comuna",
    "/adapters",
    "/adapters/crops",
    "/quality",
    "/api/overview",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An object store, and the environment that leads to it, with a cache of its own."""
    kept = dict(os.environ)
    with S3Server() as server:
        there = {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": server.endpoint}
        cache = {name: str(tmp_path_factory.mktemp(name)) for name in ("SURCO_CACHE", "XDG_DATA_HOME")}
        os.environ.update(SECRETS | there | cache)
        yield server
        os.environ.clear()
        os.environ.update(kept)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in a folder."""
    path = tmp_path_factory.mktemp("folder") / "valley"
    map_store(path, 600)
    return path


@pytest.fixture(scope="module")
def url(server: S3Server, folder: Path) -> str:
    """The same store at an address."""
    server.put("agency")
    push(Store.open(folder), "s3://agency/valley")
    return "s3://agency/valley"


@pytest.fixture(scope="module")
def clients(folder: Path, url: str) -> Iterator[tuple[TestClient[Any], TestClient[Any]]]:
    """A client of a server over the folder, and of one over the address."""
    there = Settings(root_of(url), follow_s=0.2, anonymous=("read", "label", "train"))
    with TestClient(create_app(Settings(folder))) as one, TestClient(create_app(there)) as other:
        yield one, other


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_are_equal_byte_for_byte(
    clients: tuple[TestClient[Any], TestClient[Any]], question: str
) -> None:
    """Items, SQL, similar places, vectors, maps, adapters and reports do not tell where the store lies."""
    one, other = (client.get(question) for client in clients)
    assert one.status_code == 200, one.text
    assert other.status_code == 200, other.text
    # The time that an answer took is no part of what it says.
    took = rb'"(?:seconds|milliseconds)":[0-9.]+'
    texts = [re.sub(took, b"", answer.content) for answer in (one, other)]
    assert texts[0] == texts[1]


def test_tiles_are_equal_byte_for_byte(clients: tuple[TestClient[Any], TestClient[Any]]) -> None:
    """Tiles of a map, as vectors and as pictures."""
    lon, lat = CURICO
    x, y = int((lon + 180) / 360 * 2**10), 622
    for ending in (f"10/{x}/{y}.mvt", f"10/{x}/{y}.png"):
        one, other = (client.get(f"/maps/crops/2024-25/tiles/{ending}") for client in clients)
        assert one.status_code == other.status_code and one.status_code in (200, 204), one.text
        assert one.content == other.content
    assert lat < 0


def test_the_servers_state_is_no_part_of_a_cache(
    clients: tuple[TestClient[Any], TestClient[Any]], url: str
) -> None:
    """Keys and labels of a store at an address outlast the removal of its working copy."""
    assert not list(root_of(url).rglob("*.sqlite"))
    assert list(Path(os.environ["XDG_DATA_HOME"]).rglob("state.sqlite"))


def test_answers_need_no_object_store(
    server: S3Server, clients: tuple[TestClient[Any], TestClient[Any]]
) -> None:
    """While the object store fails, the server answers as before, SQL too."""
    server.before = lambda request: ("503 Slow Down", b"")
    try:
        for question in QUESTIONS[1], QUESTIONS[5], QUESTIONS[7]:
            assert clients[1].get(question).status_code == 200
    finally:
        server.reset()


def test_a_version_that_another_writes_is_followed(
    clients: tuple[TestClient[Any], TestClient[Any]], url: str, tmp_path: Path
) -> None:
    """Within a moment the server answers from what another machine wrote, SQL too."""
    cache = os.environ["SURCO_CACHE"]
    os.environ["SURCO_CACHE"] = str(tmp_path / "elsewhere")
    with Store.open(url).transaction() as tx:
        tx.remove_adapter("few")
    os.environ["SURCO_CACHE"] = cache
    ended = time.monotonic() + 20
    while "few" in clients[1].get("/adapters").text and time.monotonic() < ended:
        time.sleep(0.1)
    assert "few" not in clients[1].get("/adapters").text
    named = clients[1].get("/sql?q=SELECT adapter FROM adapters ORDER BY 1")
    assert named.status_code == 200 and "few" not in named.text and "crops" in named.text


def test_an_adapter_fitted_over_http_is_written_there(
    clients: tuple[TestClient[Any], TestClient[Any]], url: str, tmp_path: Path
) -> None:
    """A fit writes to the address, and whoever opens it elsewhere finds the adapter."""
    places = [
        [TALCA[0] + 0.0005 + 0.001 * (n % 10), TALCA[1] + 0.0005 + 0.001 * (n // 10)] for n in range(40)
    ]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": place},
            "properties": {"class": "maize" if n % 2 else "wheat"},
        }
        for n, place in enumerate(places)
    ]
    body = {"name": "mine", "labels": {"type": "FeatureCollection", "features": features}}
    made = clients[1].post("/adapters", json=body)
    assert made.status_code == 201, made.text
    os.environ["SURCO_CACHE"], cache = str(tmp_path / "elsewhere"), os.environ["SURCO_CACHE"]
    assert "mine" in Store.open(url).adapters()
    os.environ["SURCO_CACHE"] = cache

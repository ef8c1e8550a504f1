"""The Python client and `surco at` against a real server: tables as Arrow, files whole, refusals as sentences."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
import uvicorn
from browser import MODEL, Valley, build_valley
from litestar.types import Message, Scope
from test_cli import refused, surco

from surco.api import Client, Settings, create_app
from surco.api.client.transport import ServerError
from surco.api.refusals import InvalidError, SettingsError
from surco.api.state.database import Database
from surco.api.state.keys import add_key

QUESTIONS = ("/sql", "/search", "/embeddings", "/predict")  # sent as POST, and change nothing


@dataclass(frozen=True)
class Served:
    """A store, the address of its server, and a key that may do everything."""

    valley: Valley
    url: str
    key: str
    writes: list[tuple[str, bool]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on loopback over a small valley."""
    valley = build_valley(tmp_path_factory.mktemp("client") / "valley")
    with Database.open(valley.path).writing() as connection:
        _, key = add_key(connection, "a test", ["admin"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = create_app(Settings(valley.path))
    writes: list[tuple[str, bool]] = []

    async def note(message: Message, scope: Scope) -> None:
        done = message["type"] == "http.response.start" and message["status"] < 300
        if done and scope["method"] != "GET" and not scope["path"].endswith(QUESTIONS):
            writes.append((f"{scope['method']} {scope['path']}", scope["user"].audited))

    app.before_send.append(note)
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield Served(valley, f"http://127.0.0.1:{port}", key, writes)
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """A client with the key."""
    with Client(served.url, served.key) as client:
        yield client


def inside(valley: Valley, row: int) -> tuple[float, float]:
    """A place within a parcel."""
    point = shapely.point_on_surface(valley.outlines[row])
    return point.x, point.y


def features(valley: Valley, rows: range) -> dict[str, object]:
    """Labels of some parcels as GeoJSON."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": inside(valley, row)},
                "properties": {"class": valley.crops[row]},
            }
            for row in rows
        ],
    }


def test_sql_and_search_answer_as_arrow(client: Client, served: Served) -> None:
    """The same rows that the store's own functions give."""
    found = client.sql("SELECT id, comuna FROM parcels ORDER BY id LIMIT 5")
    assert found["id"].to_pylist() == [f"P{row:03d}" for row in range(5)]
    assert len(client.sql("SELECT * FROM range(100)", limit=7)) == 7
    near = client.search([{"place": inside(served.valley, 3)}], k=3, table="parcels")
    assert len(near) == 3 and {"id", "similarity"} <= set(near.column_names)
    like, unlike = near["id"].to_pylist()[:2]
    assert like not in client.search([like], unlike=[unlike], k=5, table="parcels")["id"].to_pylist()


def test_embeddings_keep_the_order_of_what_was_asked(client: Client, served: Served) -> None:
    """A row for each point, null where nothing is."""
    found = client.embeddings(points=[inside(served.valley, 1), (0.0, 0.0)], table="parcels", vectors="float")
    assert len(found) == 2 and found["embedding"][1].as_py() is None
    vector = np.array(found["embedding"][0].as_py())
    assert vector.shape == (64,) and np.isfinite(vector).all()
    assert client.embeddings(ids=["P001"], table="parcels")["id"].to_pylist() == ["P001"]


def test_items_come_page_by_page_as_a_geodataframe(client: Client) -> None:
    """All rows, whatever the page; a filter counts."""
    assert "parcels" in {each["id"] for each in client.collections()}
    frame = geopandas.GeoDataFrame.from_arrow(client.items("parcels", page=7))
    assert len(frame) == 40 and frame.geometry.is_valid.all()
    assert len(client.items("parcels", filter="id = 'P003'")) == 1
    assert len(client.items("parcels", page=7, most=10)) == 10


def test_labels_become_an_adapter_a_map_and_areas(client: Client, served: Served, tmp_path: Path) -> None:
    """The whole way over HTTP, from a file of labels to hectares."""
    made = client.create_label_set("Visited", description="by foot")
    file = tmp_path / "labels.geojson"
    file.write_text(json.dumps(features(served.valley, range(30))))
    client.upload_labels(made["id"], file)
    client.add_labels(made["id"], features(served.valley, range(30, 36)))
    out = client.export_labels(made["id"], tmp_path / "labels.parquet")
    assert len(geopandas.read_parquet(out)) == 36
    assert made["id"] in {each["id"] for each in client.label_sets()}
    assert client.agreement(made["id"])
    card = client.fit("mine", made["id"], unit="parcels")
    assert set(served.valley.crops) >= set(card["classes"])
    assert "mine" in {each["name"] for each in client.adapters()}
    said = client.predict("mine", ids=["P039"])
    assert served.valley.crops[39] in json.dumps(said)
    asked = client.next_labels("mine", count=3)
    assert 1 <= len(asked["features"]) <= 3
    written = client.export_map("mine", "2024-25", tmp_path / "map.parquet", unit="parcels")
    assert pq.read_metadata(written).num_rows == 40
    assert client.areas("mine", "2024-25", unit="parcels")
    client.delete_adapter("mine")
    assert "mine" not in {each["name"] for each in client.adapters()}
    assert len(served.writes) >= 5 and all(audited for _, audited in served.writes), served.writes


def test_quality_is_answered(client: Client) -> None:
    """For a table of the store."""
    assert client.quality(table="parcels")


def test_refusals_are_the_servers_own_words(served: Served, tmp_path: Path) -> None:
    """With their status; nothing is written."""
    with Client(served.url) as stranger:
        with pytest.raises(ServerError, match="scope 'label'") as caught:
            stranger.create_label_set("x")
        assert caught.value.status == 401
        with pytest.raises(ServerError, match="Expected"):
            stranger.sql("SELECT * FROM read_csv('/etc/passwd')")
        with pytest.raises(ServerError):
            stranger.export_map("none", "2024-25", tmp_path / "map.parquet")
        assert not list(tmp_path.iterdir())
        with pytest.raises(InvalidError, match=r"ending in .parquet"):
            stranger.export_map("crops", "2024-25", tmp_path / "map.doc")
        with pytest.raises(InvalidError, match="file of labels"):
            stranger.upload_labels("x", tmp_path / "none.csv")


def test_a_key_is_never_sent_unencrypted_to_another_machine() -> None:
    """Nor is an address taken that is none."""
    with pytest.raises(SettingsError, match="https"):
        Client("http://surco.example.cl", "surco_x")
    for wrong in ("surco.example.cl", "ftp://x", "https://ana:geheim@x"):
        with pytest.raises(SettingsError):
            Client(wrong)


def test_an_answer_that_is_cut_off_is_an_error() -> None:
    """A stream that ends early is not taken for a short table."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.apache.arrow.stream\r\n"
            connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n4\r\n\xff\xff\xff\xff\r\n")
            connection.close()

        thread = threading.Thread(target=cut)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(address) as client, pytest.raises(ServerError, match="ended early"):
            client.sql("SELECT 1")
        thread.join()
    with Client("http://127.0.0.1:9") as nobody, pytest.raises(ServerError, match="surco serve"):
        nobody.whoami()


def test_the_command_asks_a_server(served: Served, tmp_path: Path) -> None:
    """`surco at URL` prints or writes what the server answers; what is wrong ends with 2."""
    assert "40" in surco("at", served.url, "sql", "SELECT count(*) AS n FROM parcels").output
    out = tmp_path / "near.csv"
    surco("at", served.url, "search", "--like", "P003", "-k", "4", "--table", "parcels", "--out", out)
    assert len(out.read_text().splitlines()) == 5
    where = ",".join(str(part) for part in inside(served.valley, 2))
    asked = surco("at", served.url, "embeddings", "--point", where, "--table", "parcels", "--vectors", "none")
    assert "P002" in asked.output
    assert "P001" in surco("at", served.url, "items", "parcels", "--filter", "id = 'P001'").output
    written = tmp_path / "map.geojson"
    surco("at", served.url, "map", "crops", "--season", "2024-25", "--out", written)
    assert json.loads(written.read_text())["features"]
    assert json.loads(surco("at", served.url, "areas", "crops", "--season", "2024-25").output)
    assert json.loads(surco("at", served.url, "quality").output)
    assert json.loads(surco("at", served.url, "adapters").output)[0]["name"] == "crops"
    assert "scope" in refused("at", served.url, "fit", "x", "--labels", "set")
    assert "longitude" in refused("at", served.url, "search", "--like", "1,2,3")


def test_the_command_teaches_a_server(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a key from the environment."""
    monkeypatch.setenv("SURCO_API_KEY", served.key)
    file = tmp_path / "labels.geojson"
    file.write_text(json.dumps(features(served.valley, range(36))))
    added = json.loads(surco("at", served.url, "labels", file, "--name", "By command").output)
    assert added["set"] in surco("at", served.url, "labels").output
    out = tmp_path / "labels.csv"
    surco("at", served.url, "labels", "--set", added["set"], "--out", out)
    assert len(out.read_text().splitlines()) == 37
    card = json.loads(surco("at", served.url, "fit", "second", "--labels", added["set"]).output)
    assert MODEL in json.dumps(card)
    surco("at", served.url, "next-label", "second", "-k", "2", "--out", tmp_path / "next.geojson")
    assert json.loads((tmp_path / "next.geojson").read_text())["features"]
    assert "second" not in surco("at", served.url, "adapters", "--delete", "second").output
    assert "--name" in refused("at", served.url, "labels", file)

"""Several processes over one store and one PostgreSQL: they agree, count together, and one may be killed."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from label_server import LAT, LON, point
from postgres_server import postgres_database
from process_servers import Server, answers, serving
from store_builders import cell_ids
from test_cli import refused
from tile_stores import cell_store

from surco.api.serving_processes import share_of
from surco.api.settings import Settings
from surco.api.state.database import Database
from surco.api.state.keys import add_key
from surco.embedstore import Store

pytestmark = pytest.mark.slow

WORKERS, WRITERS = 2, 6


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """An empty database of PostgreSQL."""
    with postgres_database() as url:
        yield url


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred cells with an adapter."""
    return cell_store(tmp_path_factory.mktemp("several") / "store", cell_ids(200)).path


@pytest.fixture(scope="module")
def several(store: Path, database: str) -> Iterator[tuple[Server, dict[str, str]]]:
    """Two processes that answer on one port, and a key for everything."""
    with serving(store, database, "--workers", str(WORKERS), *MANY) as server:
        yield server, admin_of(store, database)


MANY = ("--requests-per-minute", "1000000", "--writes-per-minute", "1000000")


def admin_of(store: Path, url: str) -> dict[str, str]:
    """Headers with a new key for everything."""
    database = Database.open(store, url)
    with database.writing() as connection:
        _, secret = add_key(connection, "admin", ("admin",))
    database.close()
    return {"authorization": f"Bearer {secret}"}


class Writer(threading.Thread):
    """Adds a label, changes it, and so on; each answer and each broken connection is noted."""

    def __init__(self, url: str, headers: dict[str, str], set_id: str, who: int) -> None:
        super().__init__(daemon=True)
        self._url, self._headers, self._path, self._who = url, headers, f"/labels/{set_id}/items", who
        self.kept: dict[str, str] = {}
        self.statuses: list[int] = []
        self.broken = 0
        self.enough = threading.Event()

    def run(self) -> None:
        """Write until it is enough."""
        number = 0
        while not self.enough.is_set():
            try:
                with httpx.Client(base_url=self._url, headers=self._headers, timeout=60) as client:
                    while not self.enough.is_set():
                        number += 1
                        self._write(client, f"w{self._who}-{number}")
            except httpx.TransportError:
                self.broken += 1

    def _write(self, client: httpx.Client, label_id: str) -> None:
        added = client.post(self._path, json=point("a", LON, LAT, id=label_id))
        self.statuses.append(added.status_code)
        if added.status_code == 201:
            self.kept[label_id] = "a"
        change = {"properties": {"class": "b"}}
        changed = client.patch(f"{self._path}/{label_id}", json=change, headers={"if-match": '"r1"'})
        self.statuses.append(changed.status_code)
        if changed.status_code == 200:
            self.kept[label_id] = "b"


def test_one_is_killed_under_load(several: tuple[Server, dict[str, str]]) -> None:
    """No acknowledged label is lost, nobody sees a fault, only its own connections break, and it is replaced."""
    server, headers = several
    workers = server.workers()
    assert len(workers) == WORKERS
    set_id = httpx.post(f"{server.url}/labels", json={"name": "x"}, headers=headers).json()["id"]
    writers = [Writer(server.url, headers, set_id, who) for who in range(WRITERS)]
    for writer in writers:
        writer.start()
    server.wait_for(lambda: sum(len(writer.kept) for writer in writers) >= 60)
    os.kill(workers[0], signal.SIGKILL)
    before = sum(len(writer.kept) for writer in writers)
    server.wait_for(lambda: sum(len(writer.kept) for writer in writers) >= before + 60)
    server.wait_for(lambda: len(server.workers()) == WORKERS and workers[0] not in server.workers())
    for writer in writers:
        writer.enough.set()
    for writer in writers:
        writer.join()
    assert {status for writer in writers for status in writer.statuses} == {200, 201}
    # Each has one connection, which may be broken once.
    assert all(writer.broken <= 1 for writer in writers)
    acknowledged = {name: word for writer in writers for name, word in writer.kept.items()}
    found = said(server, headers, set_id)
    # An answer that never came may stand for a write that took place.
    assert all(found[name] in (word, "b") for name, word in acknowledged.items())
    assert len(acknowledged) <= len(found) <= len(acknowledged) + WRITERS
    assert any("died" in line for line in server.said)


def said(server: Server, headers: dict[str, str], set_id: str) -> dict[str, str]:
    """The class of every label of a set, by id."""
    address: str | None = f"{server.url}/labels/{set_id}/items?limit=10000"
    found: dict[str, str] = {}
    while address:
        body = httpx.get(address, headers=headers).json()
        found |= {one["id"]: one["properties"]["class"] for one in body["features"]}
        address = next((link["href"] for link in body["links"] if link["rel"] == "next"), None)
    return found


def test_metrics_are_of_all_processes(several: tuple[Server, dict[str, str]]) -> None:
    """However connections fall on processes, the sum is what was asked; killed ones have nothing under way."""
    server, headers = several
    for _ in range(24):
        assert httpx.get(f"{server.url}/whoami", headers=headers).status_code == 200
    counts = [float(value) for value in re.findall(r'^surco_requests_total\{.*path="/whoami".*\} (.+)$',
              httpx.get(f"{server.url}/metrics").text, re.MULTILINE)]  # fmt: skip
    assert sum(counts) == 24
    # What a killed process had under way is forgotten when the one in its place starts.
    server.wait_for(lambda: under_way(server) <= 1)


def under_way(server: Server) -> float:
    """Requests that are being answered."""
    found = re.findall(
        r"^surco_requests_in_progress\{.*\} (.+)$", httpx.get(f"{server.url}/metrics").text, re.MULTILINE
    )
    return sum(map(float, found))


def test_two_machines_agree(several: tuple[Server, dict[str, str]], store: Path, database: str) -> None:
    """What one has written the other answers with at the next request; edits conflict; ETags are the same.

    And where a supervisor is killed, its processes end, so that the port is free for the next.
    """
    a, headers = several
    with serving(store, database, "--workers", "2", *MANY) as b:
        one, other = (httpx.Client(base_url=each.url, headers=headers, timeout=60) for each in (a, b))
        with one, other:
            _labels_conflict(one, other)
            _same_etags(one, other)
            for number, (writer, reader) in enumerate([(one, other), (other, one)]):
                _fit_is_seen(writer, reader, f"mine-{number}")
            _keys_end(one, other)
        workers = b.workers()
        b.process.kill()
        deadline = time.monotonic() + 40
        while answers(b.url) or any(_lives(pid) for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _lives(pid: int) -> bool:
    """Whether a process is there and not only waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _labels_conflict(one: httpx.Client, other: httpx.Client) -> None:
    set_id = one.post("/labels", json={"name": "x"}).json()["id"]
    assert one.post(f"/labels/{set_id}/items", json=point("a", id="l")).status_code == 201
    path = f"/labels/{set_id}/items/l"
    change = {"properties": {"class": "b"}}
    assert other.patch(path, json=change, headers={"if-match": '"r1"'}).status_code == 200
    assert one.patch(path, json=change, headers={"if-match": '"r1"'}).status_code == 412
    assert one.get(path).json()["properties"]["class"] == "b"


def _same_etags(one: httpx.Client, other: httpx.Client) -> None:
    for address in ("/maps/crops/2024-25/tiles/10/308/617.png", "/collections/cells/items?limit=5", "/"):
        first, second = one.get(address), other.get(address)
        assert first.status_code == second.status_code < 300, first.text
        assert first.headers.get("etag") == second.headers.get("etag"), address
    tag = one.get("/maps/crops/2024-25/tiles/10/308/617.png").headers["etag"]
    known = other.get("/maps/crops/2024-25/tiles/10/308/617.png", headers={"if-none-match": tag})
    assert known.status_code == 304


def _fit_is_seen(one: httpx.Client, other: httpx.Client, name: str) -> None:
    places = one.get("/collections/cells/items?limit=60").json()["features"]
    features = [
        {
            "type": "Feature",
            "id": f"l{number}",
            "geometry": {"type": "Point", "coordinates": place["geometry"]["coordinates"][0][0]}
            if place["geometry"]["type"] == "Polygon"
            else place["geometry"],
            "properties": {"crop": ("maize", "vineyard")[number % 2]},
        }
        for number, place in enumerate(places)
    ]
    made = one.post(
        "/adapters", json={"name": name, "labels": {"type": "FeatureCollection", "features": features}}
    )
    assert made.status_code == 201, made.text
    assert other.get(f"/adapters/{name}").status_code == 200
    assert other.get(f"/maps/{name}/2024-25/tiles/10/308/617.png").status_code == 200
    assert other.get("/health").json()["version"] == made.json().get(
        "version", one.get("/health").json()["version"]
    )
    assert other.delete(f"/adapters/{name}").status_code in (200, 204)
    assert one.get(f"/adapters/{name}").status_code == 404


def _keys_end(one: httpx.Client, other: httpx.Client) -> None:
    made = one.post("/keys", json={"name": "Ana", "scopes": ["read"]}).json()
    headers = {"authorization": f"Bearer {made['key']}"}
    assert other.get("/whoami", headers=headers).status_code == 200
    one.delete(f"/keys/{made['id']}")
    time.sleep(3.2)
    assert other.get("/whoami", headers=headers).status_code == 401


def test_a_new_version_is_seen_by_all(several: tuple[Server, dict[str, str]], store: Path) -> None:
    """What another program writes into the store is answered by every process at the next request."""
    server, _ = several
    opened = Store.open(store)
    with opened.transaction() as writing:
        writing.put_adapter("elsewhere", {"card.json": b"{}"})
    # A connection of its own each, so that they fall on all processes.
    assert {httpx.get(f"{server.url}/health").json()["version"] for _ in range(20)} == {opened.version}


def test_what_cannot_be_served_is_refused_before_any_starts(tmp_path: Path) -> None:
    """No store, no database: a sentence and exit code 2, as with one process."""
    assert "nowhere" in refused("serve", tmp_path / "nowhere", "--workers", "2")


def test_a_machine_is_shared() -> None:
    """Four processes draw, query and connect together about as much as one does, and each can still work."""
    each = share_of(Settings(Path("s"), sql_workers=2, sql_line=16, database_connections=30), 4)
    assert (each.sql_workers, each.sql_line, each.database_connections) == (1, 4, 7)
    assert each.tile_cache * 4 == Settings(Path("s")).tile_cache
    assert share_of(Settings(Path("s")), 16).database_connections == 5


def test_an_end_waits_for_answers(several: tuple[Server, dict[str, str]]) -> None:
    """SIGTERM: what is being answered is answered, all processes end, and the exit code is 0."""
    server, _ = several
    slow = "SELECT count(*) AS n FROM range(60000000) a WHERE a.range % 7 = 3"
    got: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: got.append(httpx.post(f"{server.url}/sql", json={"query": slow}, timeout=60))
    )
    asking.start()
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    asking.join()
    assert got[0].status_code == 200
    assert server.process.wait(40) == 0

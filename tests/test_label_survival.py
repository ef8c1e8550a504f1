"""A server that is killed while many write: whatever it acknowledged is there when it starts again."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from label_server import LAT, LON, point
from postgres_server import postgres_database

from surco.api.state.database import Database
from surco.api.state.keys import add_key
from surco.embedstore import Store

_SERVE = """
import sys, uvicorn
from pathlib import Path
from surco.api.app import create_app
from surco.api.settings import Settings
many = {"writes_per_minute": 1_000_000, "requests_per_minute": 1_000_000}
settings = Settings(Path(sys.argv[1]), database=sys.argv[3] or None, **many)
uvicorn.run(create_app(settings), host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
"""
WRITERS = 6


@contextmanager
def server(store: Path, database: str | None) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """A real server in a process of its own, and a client of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", _SERVE, str(store), str(port), database or ""])
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            for _ in range(600):
                try:
                    client.get("/health")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield client, process
    finally:
        process.kill()
        process.wait()


def hammer(
    client: httpx.Client, headers: dict[str, str], set_id: str, who: int, kept: dict[str, str]
) -> None:
    """Add a label, change it, and so on until the server is gone; what was acknowledged goes into `kept`."""
    for number in range(100_000):
        label_id = f"w{who}-{number}"
        path = f"/labels/{set_id}/items"
        try:
            answer = client.post(path, json=point("a", LON, LAT, id=label_id), headers=headers)
            if answer.status_code == 201:
                kept[label_id] = "a"
            change = {"properties": {"class": "b"}}
            answer = client.patch(f"{path}/{label_id}", json=change, headers=headers | {"if-match": '"r1"'})
            if answer.status_code == 200:
                kept[label_id] = "b"
        except httpx.TransportError:
            return


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_acknowledged_is_lost(kind: str, tmp_path: Path) -> None:
    """Six writers, kill -9, a new server: every acknowledged label with the class that was acknowledged last."""
    store = Store.create(tmp_path / "store").path
    if kind == "sqlite":
        _survive(store, None)
        return
    with postgres_database() as url:
        _survive(store, url)


def _survive(store: Path, database: str | None) -> None:
    opened = Database.open(store, database)
    with opened.writing() as connection:
        _, secret = add_key(connection, "ana", ("label",))
    opened.close()
    headers = {"authorization": f"Bearer {secret}"}
    kept: list[dict[str, str]] = [{} for _ in range(WRITERS)]
    with server(store, database) as (client, process):
        set_id = client.post("/labels", json={"name": "x"}, headers=headers).json()["id"]
        threads = [
            threading.Thread(target=hammer, args=(client, headers, set_id, who, kept[who]))
            for who in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while sum(map(len, kept)) < 120 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    acknowledged = {label_id: word for one in kept for label_id, word in one.items()}
    assert len(acknowledged) >= 30
    with server(store, database) as (client, _):
        found: dict[str, str] = {}
        address: str | None = f"/labels/{set_id}/items?limit=10000"
        while address:
            body = client.get(address, headers=headers).json()
            found |= {one["id"]: one["properties"]["class"] for one in body["features"]}
            address = next((link["href"] for link in body["links"] if link["rel"] == "next"), None)
        # An answer that never came may stand for a write that took place, so more may be there, never less.
        for label_id, word in acknowledged.items():
            assert found[label_id] in (word, "b"), label_id
        count = client.get(f"/labels/{set_id}", headers=headers).json()["labels"]
        assert count == len(found)

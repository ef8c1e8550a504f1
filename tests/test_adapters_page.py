"""docs/adapters-api.md: its examples run as they stand there, against a real server."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import httpx
import pytest
import uvicorn
from area_valley import area_valley
from fit_builders import crops, key

from surco.api.app import create_app
from surco.api.fits.bodies import Asked, NewAdapter
from surco.api.settings import Settings

PAGE = (Path(__file__).resolve().parents[1] / "docs/adapters-api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Address of a server over a valley, and a key that may train."""
    store = area_valley(tmp_path / "store")
    secret = key(store.path, "train")["authorization"].removeprefix("Bearer ")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(create_app(Settings(store.path)), host="127.0.0.1", port=port, log_level="error")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}", secret
    running.should_exit = True
    thread.join()


def test_every_example_runs(server: tuple[str, str], tmp_path: Path) -> None:
    """One after the other in one folder: curl succeeds, Python raises nothing, and files are what they are called."""
    address, secret = server
    (tmp_path / "labels.geojson").write_text(json.dumps(crops()))
    names: dict[str, object] = {"SURCO": address, "KEY": secret}
    assert len(BLOCKS) >= 7
    for kind, text in BLOCKS:
        if kind == "python":
            with chdir(tmp_path):
                exec(compile(text, "docs/adapters-api.md", "exec"), names)  # noqa: S102  # our own page
            continue
        script = text.replace("curl -s", "curl -sf")
        environment = {**os.environ, "SURCO": address, "KEY": secret}
        done = subprocess.run(
            ["bash", "-ec", script], cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, (text, done.stdout[-300:], done.stderr)
    visit = json.loads((tmp_path / "visit.geojson").read_text())
    assert len(visit["features"]) == 5 and (tmp_path / "crops.zip").read_bytes()[:2] == b"PK"
    client = names["client"]
    assert isinstance(client, httpx.Client)
    client.close()


def test_every_field_and_route_is_on_the_page() -> None:
    """Nothing that a client may send is left out."""
    for field in (*NewAdapter.__struct_fields__, *Asked.__struct_fields__):
        assert f"`{field}`" in PAGE, field
    for route in ("/adapters/crops", "/versions", "/rollback", "/bundle", "/predict", "/compare", "/next"):
        assert route in PAGE

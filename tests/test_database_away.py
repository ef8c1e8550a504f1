"""A server whose database goes away: what it says meanwhile, and that it goes on when the database is back."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from litestar.testing import TestClient
from postgres_server import running_cluster
from store_builders import small_store

from surco.api.app import create_app
from surco.api.settings import Settings

ROUTES = ("/health", "/labels")


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that a server of PostgreSQL, which is another user, can reach."""
    folder = Path(tempfile.mkdtemp(prefix="surco-away-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def assert_away(answer: Any) -> None:
    """The answer says that the database is away: a sentence with a code, without what the database itself said."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    body = answer.json()
    assert body["detail"].startswith("Expected the database of labels and keys to answer")
    assert body["code"] == "database-away"
    assert "postgres" not in answer.text.lower() and "sql" not in answer.text.lower()


def test_a_stopped_postgresql_is_503_until_it_is_back(tmp_path: Path, home: Path) -> None:
    """Connections that were open, and new ones, fail alike; with the database back the same server answers."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with running_cluster(home) as url:
        store = small_store(tmp_path / "store").path
        app = create_app(Settings(store, database=url))
        with TestClient(app) as client:
            assert all(client.get(path).status_code == 200 for path in ROUTES)
    with TestClient(app) as client:
        for path in (*ROUTES, *ROUTES):
            assert_away(client.get(path))
        with running_cluster(home, port=urlsplit(url).port):
            assert all(client.get(path).status_code == 200 for path in ROUTES)


def test_a_fault_in_our_sql_stays_a_fault(tmp_path: Path) -> None:
    """To SQLite a table that lacks is as operational an error as a file that lacks: it is 500, not "try again"."""
    settings = Settings(small_store(tmp_path / "store").path, database=f"sqlite:///{tmp_path}/state.sqlite")
    with TestClient(create_app(settings)) as client:
        with sqlite3.connect(tmp_path / "state.sqlite") as connection:
            connection.execute("ALTER TABLE label_sets RENAME TO elsewhere")
        assert client.get("/labels").status_code == 500

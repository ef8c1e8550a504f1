"""A server with label sets for tests, and files that people upload; not a fixture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from surco.api.app import create_app
from surco.api.settings import Settings
from surco.api.state.database import Database
from surco.api.state.keys import add_key
from surco.embedstore import Store

LON, LAT = -71.5, -35.4


class LabelClient:
    """A client with a key; its methods return what the server answers, checked for being no fault of the server."""

    def __init__(self, client: TestClient[Any], key: str | None, key_id: str | None) -> None:
        self.http, self.key_id = client, key_id
        self._headers = {} if key is None else {"authorization": f"Bearer {key}"}

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        """The body of an answer with that status: JSON where it is some, else bytes."""
        headers = {**self._headers, **more.pop("headers", {})}
        answer = self.http.request(method, path, headers=headers, **more)
        assert answer.status_code == status, (answer.status_code, answer.text[:2000])
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert "Traceback" not in answer.text
        self.headers = answer.headers
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.content

    def new_set(self, **more: Any) -> str:
        """Id of a new set of classes."""
        return str(self.ask("POST", "/labels", 201, json={"name": "valle", **more})["id"])

    def upload(self, set_id: str, content: bytes, status: int = 201, **query: Any) -> Any:
        """Upload a file as the body."""
        return self.ask("POST", f"/labels/{set_id}/upload", status, content=content, params=query)

    def said(self, set_id: str, **query: Any) -> list[dict[str, Any]]:
        """All labels as features."""
        return self.ask("GET", f"/labels/{set_id}/items", params={"limit": 10_000, **query})["features"]


@contextmanager
def serving(folder: Path, **more: Any) -> Iterator[tuple[TestClient[Any], Settings]]:
    """A server over an empty store."""
    store = Store.create(folder / "store").path
    settings = Settings(store, requests_per_minute=1_000_000, writes_per_minute=1_000_000, **more)
    with TestClient(create_app(settings)) as client:
        yield client, settings


def as_key(client: TestClient[Any], settings: Settings, name: str, *scopes: str) -> LabelClient:
    """A client with a new key."""
    database = Database.open(settings.store, settings.database)
    with database.writing() as connection:
        info, secret = add_key(connection, name, scopes or ("label",))
    database.close()
    return LabelClient(client, secret, info.id)


def point(word: str | None, lon: float = LON, lat: float = LAT, **more: Any) -> dict[str, Any]:
    """A feature."""
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": {"class": word} | more.pop("properties", {}),
    }
    return feature | more


def collection(features: Sequence[Mapping[str, Any]], **more: Any) -> bytes:
    """GeoJSON of features."""
    return json.dumps({"type": "FeatureCollection", "features": features, **more}).encode()

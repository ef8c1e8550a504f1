"""A served valley whose parcels' crops and yields are known, labels of it, and keys; not a fixture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from area_valley import CROPS, PARCELS, area_valley, outlines, truth
from litestar.testing import TestClient

from surco.api.app import create_app
from surco.api.settings import Settings
from surco.api.state.database import Database
from surco.api.state.keys import add_key
from surco.embedstore import Store

FEW = range(0, PARCELS, 8)


def key(store: Path, *scopes: str, name: str = "a test") -> dict[str, str]:
    """Headers with a new key."""
    database = Database.open(store)
    with database.writing() as connection:
        _, secret = add_key(connection, name, scopes)
    database.close()
    return {"authorization": f"Bearer {secret}"}


@contextmanager
def served(path: Path, **settings: Any) -> Iterator[tuple[TestClient[Any], Store]]:
    """A client of a server over a valley, without a key."""
    store = Store.open(path) if (path / "store.json").exists() else area_valley(path)
    app = create_app(Settings(store.path, **settings))
    with TestClient(app) as client:
        yield client, store


def feature(lon: float, lat: float, number: int, **properties: Any) -> dict[str, Any]:
    """A labelled point."""
    point = {"type": "Point", "coordinates": [lon, lat]}
    return {"type": "Feature", "id": f"l{number}", "geometry": point, "properties": properties}


def collection(features: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A FeatureCollection."""
    return {"type": "FeatureCollection", "features": list(features)}


def crops(rows: Sequence[int] = FEW) -> dict[str, Any]:
    """The true crop of some parcels, at their middle."""
    middle, said = shapely.get_coordinates(shapely.centroid(outlines())), truth()
    return collection([feature(*middle[i], i, crop=CROPS[said[i]]) for i in rows])


def yields(rows: Sequence[int] = FEW) -> dict[str, Any]:
    """What some parcels yielded, in t/ha: by crop, and some chance."""
    middle, said = shapely.get_coordinates(shapely.centroid(outlines())), truth()
    tons = 4 + 3 * said + np.random.default_rng(5).normal(0, 0.3, PARCELS)
    return collection([feature(*middle[i], i, t_ha=round(float(tons[i]), 3)) for i in rows])

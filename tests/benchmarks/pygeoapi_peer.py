"""pygeoapi at its best upon a Parquet file: bounds of each hexagon as columns, small row groups in the order of place.

Its Parquet provider has features only; vector tiles it draws from PostGIS.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.peer_servers import PeerServer, free_port, started
from benchmarks.postgis_peer import TILED

THREADS = 8


@contextmanager
def pygeoapi_server(
    provider: Mapping[str, Any], folder: Path, also: Sequence[int] = ()
) -> Iterator[PeerServer]:
    """Pygeoapi with gunicorn, one process of eight threads; `also` are processes that work for its provider."""
    port, programs = free_port(), folder / "pygeoapi" / "bin"
    settings, document = folder / "pygeoapi.json", folder / "pygeoapi-openapi.json"
    # JSON is YAML too.
    settings.write_text(json.dumps(_settings(provider, port)))
    environment = {"PYGEOAPI_CONFIG": str(settings), "PYGEOAPI_OPENAPI": str(document)}
    made = [str(programs / "pygeoapi"), "openapi", "generate", str(settings), "--format", "json"]
    document.write_bytes(
        subprocess.run(made, env=environment, check=True, capture_output=True, cwd=folder).stdout
    )
    command = [
        str(programs / "gunicorn"), "--workers", "1", "--threads", str(THREADS),
        "--timeout", "300", "--no-control-socket", "--bind", f"127.0.0.1:{port}", "pygeoapi.flask_app:APP",
    ]  # fmt: skip
    with started(command, port, environment, folder / "pygeoapi.log", also) as server:
        yield server


def items(box: str) -> str:
    """Address of a page of a hundred."""
    return f"/collections/cells/items?f=json&limit=100&bbox={box}"


def tile(z: int, x: int, y: int) -> str:
    """Address of a vector tile."""
    return f"/collections/cells/tiles/WebMercatorQuad/{z}/{y}/{x}?f=mvt"


def features(rows: Path) -> dict[str, Any]:
    """Provider of the pages of a file of `map_rows`."""
    return {
        "type": "feature",
        "name": "Parquet",
        "data": {"source": str(rows)},
        "id_field": "h3",
        "x_field": ["minx", "maxx"],
        "y_field": ["miny", "maxy"],
    }


def tiles(url: str) -> dict[str, Any]:
    """Provider of tiles from the table of a PostGIS that is in their system."""
    database = urlsplit(url)
    return {
        "type": "tile",
        "name": "MVT-postgresql",
        "data": {
            "host": database.hostname, "port": database.port, "dbname": database.path[1:],
            "user": database.username, "password": "", "search_path": ["public"],
        },
        "id_field": "h3",
        "table": TILED,
        "geom_field": "geometry",
        "storage_crs": "http://www.opengis.net/def/crs/EPSG/0/3857",
        "options": {"zoom": {"min": 0, "max": 16}},
        "format": {"name": "pbf", "mimetype": "application/vnd.mapbox-vector-tile"},
    }  # fmt: skip


def _settings(provider: Mapping[str, Any], port: int) -> dict[str, Any]:
    cells = {
        "type": "collection",
        "title": "cells",
        "description": "cells",
        "keywords": ["cells"],
        "links": [],
        "extents": {"spatial": {"bbox": [-110, -57, -66, -17], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}},
        "providers": [dict(provider)],
    }  # fmt: skip
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port},
            "url": f"http://127.0.0.1:{port}",
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "gzip": False,
            "languages": ["en-US"],
            "pretty_print": False,
            "limits": {"default_items": 100, "max_items": 10_000},
            "map": {"url": "https://tile.openstreetmap.org/{z}/{x}/{y}.png", "attribution": "none"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": "peer", "description": "peer", "keywords": ["peer"], "keywords_type": "theme",
                "terms_of_service": "none", "url": "http://127.0.0.1",
            },
            "license": {"name": "none", "url": "http://127.0.0.1"},
            "provider": {"name": "none", "url": "http://127.0.0.1"},
            "contact": {"name": "none"},
        },
        "resources": {"cells": cells},
    }  # fmt: skip

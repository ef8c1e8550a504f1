"""All routes of tiles, over one service."""

from __future__ import annotations

import threading
from typing import Any

from surco.api.tiles.collection_routes import collection_tile_routes
from surco.api.tiles.compare_routes import compare_tile_routes
from surco.api.tiles.embedding_routes import embedding_tile_routes
from surco.api.tiles.ground import ground_of
from surco.api.tiles.map_routes import map_tile_routes
from surco.api.tiles.tile_service import TileService
from surco.api.web.server import Server
from surco.embedstore import Table
from surco.embedstore.vector_sources import source_of

__all__ = ["TileService", "tile_routes", "warm_tiles"]


def tile_routes(server: Server) -> list[Any]:
    """Routes of tiles: below `/maps`, `/tiles`, `/tileMatrixSets` and `/collections/{id}/tiles`."""
    service = TileService(server)
    return [
        *map_tile_routes(service),
        *compare_tile_routes(service),
        *embedding_tile_routes(service),
        *collection_tile_routes(service),
    ]


def warm_tiles(server: Server) -> threading.Thread:
    """Make or open the tile index of every table of the latest season, in a thread of its own, which is returned.

    Without this the first who asks for a tile waits for it: twenty seconds of a country's millions of cells, once for
    each version of its table.
    """
    store = server.store()
    latest = store.seasons()[-1:]

    def work() -> None:
        for info in store.tables():
            if info.season in latest:
                table: Table = "parcels" if info.table == "parcels" else "cells"
                source = source_of(
                    store,
                    table,
                    season=info.season,
                    resolution=info.resolution,
                    model_id=info.model_id,
                )
                ground_of(source, store.start_month)

    thread = threading.Thread(target=work, name="tile-index", daemon=True)
    thread.start()
    return thread

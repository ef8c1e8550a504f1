"""Run as a process of its own: export a small map, then a large one, and print how memory grew as JSON."""

from __future__ import annotations

import json
import sys

from benchmarks.peak_memory import peak_mb

from surco.api.map_products.geojson_stream import geojson_stream
from surco.api.map_products.map_rows import map_rows, read_rows_asked
from surco.api.map_products.maps_asked import MapAsked, open_map
from surco.api.map_products.within import EVERYWHERE
from surco.embedstore import Store


def body_mb(store: Store, season: str) -> float:
    """MB of GeoJSON with hexagons, sent to nobody."""
    opened = open_map(store, MapAsked("crops", season, "cells"))
    rows = read_rows_asked(EVERYWHERE, "polygon", None, "cells")
    return sum(len(chunk) for chunk in geojson_stream(map_rows(opened, rows), opened.provenance())) / 1e6


def main(path: str, small: str, large: str) -> None:
    """Of the store at `path`, first the season with few cells, then the one with many."""
    store = Store.open(path)
    body_mb(store, small)
    before = peak_mb()
    print(json.dumps({"body": body_mb(store, large), "grown": peak_mb() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:4])

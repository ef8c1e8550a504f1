"""Label sets: a hundred thousand labels in and out, pages, and what many people's labels tell, on SQLite."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

from benchmarks.measure import print_table
from label_server import LON, LabelClient, as_key, serving

LABELS = 100_000
PEOPLE, PLACES = 20, 33_334


def places() -> bytes:
    """GeoJSON of labels by twenty people, three of each place."""
    draw = random.Random(1)  # noqa: S311
    classes = ("trigo", "maíz", "vid", "cerezo", "avena", "papa")
    features = []
    for number in range(LABELS):
        place = number % PLACES
        word = classes[place % 6] if draw.random() < 0.8 else draw.choice(classes)
        where = [round(LON + place % 500 / 1e3, 7), round(-35.4 + place // 500 / 1e3, 7)]
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": where},
                "properties": {"class": word, "who": f"p{draw.randrange(PEOPLE)}", "season": "2024-25"},
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def test_a_hundred_thousand_labels(tmp_path: Path) -> None:
    """Uploaded, paged, filtered, exported and weighed; every label is there."""
    with serving(tmp_path) as (http, settings):
        client, content = as_key(http, settings, "bench"), places()
        set_id = client.new_set()
        rows = "".join(f"{-35.4 + n / 1e6:.7f},-71.5,trigo,p{n % 9}\n" for n in range(LABELS))
        table = f"lat,lon,class,who\n{rows}"
        found = [
            _timed("upload of GeoJSON", LABELS, lambda: client.upload(set_id, content)),
            _timed("upload of CSV", LABELS, lambda: client.upload(client.new_set(), table.encode())),
            *(
                _timed(f"export of {kind}", LABELS, lambda kind=kind: _export(client, set_id, kind))
                for kind in ("geojson", "csv", "gpkg", "geoparquet")
            ),
            _timed("agreement", LABELS, lambda: client.ask("GET", f"/labels/{set_id}/agreement")),
            _timed(
                "Dawid and Skene",
                LABELS,
                lambda: client.ask("GET", f"/labels/{set_id}/consensus?method=dawid-skene&limit=1"),
            ),
        ]
        print_table("100 000 labels by twenty people", ["what", "seconds", "labels a second"], found)
        print_table("Pages of these", ["what", "p50 ms", "p95 ms"], _pages(client, set_id))
        assert client.ask("GET", f"/labels/{set_id}")["labels"] == LABELS


def _timed(name: str, labels: int, do: Callable[[], object]) -> list[str]:
    began = time.perf_counter()
    do()
    took = time.perf_counter() - began
    return [name, f"{took:.2f}", f"{labels / took:,.0f}"]


def _export(client: LabelClient, set_id: str, kind: str) -> None:
    assert len(client.ask("GET", f"/labels/{set_id}/export", params={"f": kind})) > 1


def _pages(client: LabelClient, set_id: str) -> list[list[str]]:
    asked = {
        "100 labels, the first": {"limit": 100},
        "100 labels, the last": {"limit": 100, "after": LABELS - 200},
        "100 labels of a box": {"limit": 100, "bbox": "-71.30,-35.37,-71.28,-35.36"},
        "100 labels of a class and person": {"limit": 100, "class": "vid", "who": "p3"},
    }
    found = []
    for name, query in asked.items():
        times = []
        for _ in range(30):
            began = time.perf_counter()
            client.ask("GET", f"/labels/{set_id}/items", params=query)
            times.append(1000 * (time.perf_counter() - began))
        cuts = quantiles(times, n=20)
        found.append([name, f"{cuts[9]:.1f}", f"{cuts[18]:.1f}"])
    return found

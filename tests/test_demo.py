from __future__ import annotations

import time
from pathlib import Path

import pytest

from surco.api.demo import run_demo
from surco.embedstore import Store

SMALL = (1400.0, 1400.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small valley, walked once."""
    folder = tmp_path_factory.mktemp("demo") / "valley"
    result = run_demo(folder, SMALL)
    assert result.scores.accuracy.value > result.baselines["majority class"].accuracy.value + 0.2
    return folder


def test_demo_leaves_all_it_promises(folder: Path) -> None:
    """Scenes, store, labels and the map in three formats are there, and the store is in one piece."""
    assert {"scenes", "store", "labels.geojson", "map.parquet", "map.geojson", "map.tif"} <= {
        path.name for path in folder.iterdir()
    }
    store = Store.open(folder / "store")
    assert store.adapters() == ["crops"]
    assert {(t.table, t.resolution) for t in store.tables()} == {
        ("cells", 9),
        ("cells", 11),
        ("parcels", None),
    }
    assert (
        store.read("parcels", columns=["crop:name"])["crop:name"].null_count == store.read("parcels").num_rows
    )


def test_demo_again_is_done_in_seconds(folder: Path) -> None:
    """A second run encodes nothing, leaves the tables as they are, and comes to the same scores."""
    files = {f for table in Store.open(folder / "store").tables() for f in table.files}
    began = time.monotonic()
    again = run_demo(folder, SMALL)
    assert time.monotonic() - began < 15
    assert {f for table in Store.open(folder / "store").tables() for f in table.files} == files
    assert again.scores.accuracy.value > again.baselines["majority class"].accuracy.value

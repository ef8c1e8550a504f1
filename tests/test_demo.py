from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import shapely
from store_builders import parcels_batch, unit_vectors

from surco.adapters import read_card
from surco.api.demo import SEASON, VALLEYS, run_demo
from surco.embedstore import Store
from surco.encoder import load_encoder

SMALL = (1300.0, 1300.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small valleys, walked once."""
    folder = tmp_path_factory.mktemp("demo") / "valleys"
    result = run_demo(folder, SMALL)
    assert set(result.valleys) == {valley.name for valley in VALLEYS}
    for valley in result.valleys.values():
        floor = valley.baselines["majority class"].accuracy.value
        assert valley.scores.accuracy.value > floor + 0.15
    return folder


def test_demo_leaves_all_it_promises(folder: Path) -> None:
    """Scenes, store, labels and the map in three formats are there, and the store is in one piece."""
    assert {
        "scenes",
        "store",
        "labels.geojson",
        "map.parquet",
        "map.geojson",
        "map-elqui.tif",
        "map-maule.tif",
        "map-cautin.tif",
    } <= {path.name for path in folder.iterdir()}
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


def test_demo_again_is_done_in_seconds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run encodes nothing, leaves the tables as they are, and comes to the same scores."""
    files = {f for table in Store.open(folder / "store").tables() for f in table.files}
    began = time.monotonic()
    again = run_demo(folder, SMALL)
    assert capsys.readouterr().err.count("already holds this season") == len(VALLEYS)
    assert time.monotonic() - began < 15
    assert {f for table in Store.open(folder / "store").tables() for f in table.files} == files
    assert all(v.scores.n > 10 for v in again.valleys.values())


def test_valleys_lie_in_their_climates(folder: Path) -> None:
    """One table holds parcels of the north, the centre and the south, each in its UTM zone and climate."""
    parcels = Store.open(folder / "store").read("parcels")
    south = parcels["bbox"].combine_chunks().field("ymin").to_numpy()
    names = [name.split("-")[0] for name in parcels["id"].to_pylist()]
    for valley, climate, epsg in zip(
        VALLEYS, ("north", "central", "south"), (32719, 32719, 32718), strict=True
    ):
        truth = json.loads((folder / "scenes" / valley.name / "truth.json").read_text(encoding="utf-8"))
        assert (truth["arguments"]["climate"], truth["epsg"]) == (climate, epsg)
        mine = south[[name == valley.name for name in names]]
        assert len(mine) > 20 and abs(mine - valley.center[1]).max() < 0.02


def test_demo_of_an_earlier_surco_is_taken_over(folder: Path) -> None:
    """Beside vectors that an earlier encoder left in the season, adapter and map are of today's encoder."""
    store = Store.open(folder / "store")
    squares = shapely.from_wkb(store.read("parcels")["geometry"].to_numpy())[:20]
    rows = parcels_batch(squares, unit_vectors(20), [None] * 20)
    with store.transaction() as write:
        write.put_parcels([rows], model_id="surco-nano-0", season=SEASON)
    run_demo(folder, SMALL)
    card = read_card(Store.open(folder / "store").adapter_dir("crops"))
    assert card["model_id"] == load_encoder().model_id != "surco-nano-0"

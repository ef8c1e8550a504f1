"""A divided index: shards by region, built once each, searched together, one region alone, recall as measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from litestar.testing import TestClient
from store_builders import MODEL, SEASON, cell_ids, cells_batch, unit_vectors
from test_search_index import clustered

from surco.api.app import create_app
from surco.api.settings import Settings
from surco.embedstore import SearchError, Store, build_index, comuna_of, connect, how_found, nearest
from surco.embedstore.inverted import forget_lists, stored_lists
from surco.embedstore.list_making import make_lists
from surco.embedstore.shards import divided, rows_of_shard
from surco.embedstore.vector_sources import source_of
from surco.embedstore.vectors import TableVectors, table_vectors

MAULE, METROPOLITAN, MENDOZA, ISLAND = (-71.55, -35.42), (-70.9, -33.5), (-68.8, -33.0), (-70.2, -18.4)
LARGEST = 2_500


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Four thousand cells of Maule, two thousand around Santiago, as many beyond the Andes, a few in the far north."""
    return written(tmp_path_factory.mktemp("shards") / "s")


@pytest.fixture(scope="module")
def indexed(store: Store) -> Store:
    """With an index of shards of at most 2,500 rows."""
    build_index(store, table="cells", largest=LARGEST)
    return store


def written(path: Path) -> Store:
    """The store."""
    cells = [
        *cell_ids(4_000, lon=MAULE[0], lat=MAULE[1]),
        *cell_ids(2_000, lon=METROPOLITAN[0], lat=METROPOLITAN[1]),
        *cell_ids(2_000, lon=MENDOZA[0], lat=MENDOZA[1]),
        *cell_ids(300, lon=ISLAND[0], lat=ISLAND[1]),
    ]
    rows = cells_batch(cells, clustered(len(cells)))
    place = rows.schema.get_field_index("comuna")
    store = Store.create(path)
    with store.transaction() as tx:
        tx.put_cells(
            [rows.set_column(place, rows.schema.field(place), comuna_of(cells))],
            model_id=MODEL,
            season=SEASON,
            resolution=9,
        )
    return store


def shares(store: Store, keys: list[int], **asked: Any) -> tuple[float, float]:
    """Mean share of the true neighbours that are found, and the share of answers that the index gave."""
    found, quick = [], 0
    asked["session"] = connect(store)
    for key in keys:
        near, true = (nearest(store, key, 50, table="cells", exact=exact, **asked) for exact in (None, True))
        quick += not how_found(near).exact
        assert how_found(true).exact
        found.append(len(set(near["h3"].to_pylist()) & set(true["h3"].to_pylist())) / 50)
    return float(np.mean(found)), quick / len(keys)


def test_every_row_is_in_one_shard(store: Store) -> None:
    """Regions, coarse parents abroad, large ones cut in order of place, and one shard for what is few."""
    vectors = table_vectors(source_of(store, "cells"))
    shards = divided(vectors, LARGEST)
    rows = [rows_of_shard(vectors, shard) for shard in shards]
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(8_300))
    assert all(len(each) <= LARGEST and (np.diff(each.astype(int)) > 0).all() for each in rows)
    assert [shard.name for shard in shards if shard.region == 7] == ["r07-1of2", "r07-2of2"]
    for shard, each in zip(shards, rows, strict=True):
        regions = set((vectors.comuna[each] // 1_000).tolist())
        assert regions == {shard.region} or (shard.name.startswith("rest") and shard.region == 0)
    assert any(shard.name.startswith("82") for shard in shards), "Mendoza by its coarse parent"
    assert [shard.name for shard in divided(vectors)] == ["all"]


def test_a_divided_index_finds_what_it_promises(indexed: Store) -> None:
    """Unfiltered, over all shards: recall as promised, few rows compared, the same cosines as the exact search."""
    lists = stored_lists(source_of(indexed, "cells"))
    assert lists is not None and len(lists.shards) >= 5 and lists.recall >= 0.99
    keys = np.random.default_rng(3).choice(table_vectors(source_of(indexed, "cells")).keys.to_numpy(), 60)
    share, quick = shares(indexed, keys.tolist())
    assert share >= 0.99 and quick > 0.9
    near, true = (nearest(indexed, int(keys[0]), 50, table="cells", exact=exact) for exact in (False, True))
    known = dict(zip(true["h3"].to_pylist(), true["similarity"].to_pylist(), strict=True))
    pairs = zip(near["h3"].to_pylist(), near["similarity"].to_pylist(), strict=True)
    assert all(known.get(cell, similarity) == similarity for cell, similarity in pairs)
    assert how_found(near).compared < 8_300 / 2


def test_a_region_is_searched_in_its_own_shards(indexed: Store) -> None:
    """`region = 'maule'` opens Maule's shards and no other, with the recall measured there; a comuna is exact."""
    source = source_of(indexed, "cells")
    vectors = table_vectors(source)
    maule = vectors.keys.to_numpy()[vectors.comuna // 1_000 == 7]
    forget_lists()
    lists = stored_lists(source)
    assert lists is not None
    near = nearest(indexed, int(maule[7]), 50, table="cells", where="region = 'maule'", exact=False)
    assert not how_found(near).exact and how_found(near).recall == pytest.approx(
        lists.regions[7].recall, abs=1e-4
    )
    assert set(near["h3"].to_pylist()) <= set(maule.tolist())
    opened = {lists.shards[number][0] for number in lists._opened}
    assert opened and opened <= {"r07-1of2", "r07-2of2"}
    share, quick = shares(indexed, maule[::100].tolist(), where="region = 'maule'")
    assert share >= 0.98 and quick > 0.8
    one = nearest(
        indexed,
        int(maule[7]),
        50,
        table="cells",
        where=f"comuna = {vectors.comuna[vectors.row_of(int(maule[7]))]}",
    )
    assert how_found(one).exact
    few = nearest(
        indexed, int(maule[7]), 50, table="cells", where="region = 'arica y parinacota'", exact=False
    )
    assert how_found(few).exact and few.num_rows == 50, "a region without shards of its own"
    both = "region IN ('maule', 'arica y parinacota')"
    assert how_found(nearest(indexed, int(maule[7]), 50, table="cells", where=both)).exact
    other = nearest(indexed, int(maule[7]), 50, table="cells", where="region = 'maule' AND n_pixels > 5")
    assert how_found(other).exact


def test_over_http_nobody_need_know(indexed: Store) -> None:
    """`/search` in a region says that the index answered and how well; with `exact` it compares all of the region."""
    vectors = table_vectors(source_of(indexed, "cells"))
    cell = f"{vectors.keys.to_numpy()[vectors.comuna // 1_000 == 7][7]:x}"
    body = {"like": [cell], "k": 20, "region": "Maule", "exact": False}
    with TestClient(create_app(Settings(indexed.path))) as client:
        quick = client.post("/search", json=body).json()
        true = client.post("/search", json=body | {"exact": True}).json()
        wide = client.post("/search", json={"like": [cell], "k": 20, "exact": False}).json()
    assert not quick["exact"] and 0.99 <= quick["recall"] <= 1 and quick["compared"] < true["compared"]
    assert true["exact"] and true["compared"] == int((vectors.comuna // 1_000 == 7).sum())
    assert not wide["exact"]
    ids = [{place["id"] for place in answer["neighbours"]} for answer in (quick, true)]
    assert len(ids[0] & ids[1]) >= 19


_BUILD = """
import sys
from pathlib import Path
from surco.embedstore import Store, build_index
report = lambda done, total, text: print(done, text, flush=True)
build_index(Store.open(Path(sys.argv[1])), table="cells", largest=2500, progress=report)
"""


def test_a_killed_build_goes_on(tmp_path: Path) -> None:
    """Killed after two shards there is no index; another build keeps these two, byte for byte, and makes the rest."""
    store = written(tmp_path / "s")
    building = subprocess.Popen(
        [sys.executable, "-c", _BUILD, str(store.path)], stdout=subprocess.PIPE, text=True
    )
    assert building.stdout is not None
    with building.stdout:
        for line in building.stdout:
            if line.startswith("2 "):
                os.kill(building.pid, signal.SIGKILL)
                break
    building.wait()
    assert stored_lists(source_of(store, "cells")) is None
    assert how_found(nearest(store, unit_vectors(1)[0], 5, table="cells")).exact
    made = {
        folder: folder.stat().st_mtime_ns for folder in store.path.glob(".search/*-lists-*/contents.json")
    }
    assert len(made) >= 2
    first = time.time_ns()
    info = build_index(store, table="cells", largest=LARGEST)
    assert info.shards > len(made)
    after = {
        folder: folder.stat().st_mtime_ns for folder in store.path.glob(".search/*-lists-*/contents.json")
    }
    kept = [folder for folder in list(made)[:2] if after[folder] == made[folder]]
    assert len(kept) == 2 and any(moment > first for moment in after.values())


def test_processes_make_the_same(tmp_path: Path, indexed: Store) -> None:
    """Two at a time: the same shards with the same rows, and an index with the same promise."""
    store = written(tmp_path / "s")
    lists = make_lists(source_of(store, "cells"), largest=LARGEST, processes=2)
    others = stored_lists(source_of(indexed, "cells"))
    assert others is not None and [name for name, _ in lists.shards] == [name for name, _ in others.shards]
    for number in range(len(lists.shards)):
        one, other = lists.shard(number), others.shard(number)
        assert one is not None and other is not None
        np.testing.assert_array_equal(np.sort(one.rows), np.sort(other.rows))
    assert lists.recall >= 0.99


def test_a_damaged_shard_is_not_used(tmp_path: Path) -> None:
    """A flipped bit in one shard: answers that need it are exact, and a new build makes that shard anew."""
    store = written(tmp_path / "s")
    build_index(store, table="cells", largest=LARGEST)
    for file in store.path.glob(".search/*-lists-r07-*/rows.npy"):
        content = bytearray(file.read_bytes())
        content[-3] ^= 1
        file.write_bytes(content)
    forget_lists()
    vectors = table_vectors(source_of(store, "cells"))
    maule = int(vectors.keys.to_numpy()[vectors.comuna // 1_000 == 7][7])
    found = nearest(store, maule, 10, table="cells", where="region = 'maule'", exact=False)
    assert how_found(found).exact and found.num_rows == 10
    build_index(store, table="cells", largest=LARGEST)
    assert not how_found(nearest(store, maule, 10, table="cells", exact=False)).exact


def test_shards_of_old_versions_go(tmp_path: Path) -> None:
    """Of each shard the two newest versions stay."""
    store = written(tmp_path / "s")
    for number in range(3):
        build_index(store, table="cells", largest=LARGEST)
        with store.transaction() as tx:
            more = cells_batch(cell_ids(3 + number, lon=-73.0, lat=-40.0), clustered(3 + number))
            tx.put_cells([more], model_id=MODEL, season=SEASON, resolution=9, merge=True)
    assert len(list(store.path.glob(".search/*-lists-r07-1of2-0"))) == 2


def test_shards_that_cannot_be_are_refused(store: Store) -> None:
    """Too small ones, and no process, say what to do."""
    with pytest.raises(SearchError, match="1000 rows or more"):
        build_index(store, table="cells", largest=10)
    with pytest.raises(SearchError, match="one process or more"):
        build_index(store, table="cells", processes=0)


def test_parcels_are_divided_by_region_too() -> None:
    """Ids have no coarse parent: those without a comuna are one shard."""
    keys = pa.array([f"p{number}" for number in range(3_000)], pa.large_string())
    comuna = np.repeat(np.array([7_101, 0, 13_101], np.uint16), 1_000)
    vectors = TableVectors(keys, np.ones((3_000, 4), np.int8), np.ones(3_000, np.float32), comuna)
    assert [(shard.name, shard.region) for shard in divided(vectors, 1_500)] == [
        ("0-1of1", 0),
        ("r07-1of1", 7),
        ("r13-1of1", 13),
    ]

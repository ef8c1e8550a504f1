"""Stores and databases of older surco are opened, read, written and upgraded; newer ones are refused in a sentence.

The stores in old_stores were made by that surco's own code: scripts/make_old_stores.py.
"""

from __future__ import annotations

import json
import sqlite3
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from store_builders import MODEL, SEASON, cell_ids, cells_batch, unit_vectors

from surco.api.backing_up.backing import back_up
from surco.api.backing_up.restoring import restore
from surco.api.cli import main
from surco.api.refusals import BackupError, StateError
from surco.api.state.database import Database
from surco.api.state.keys import KnownKeys
from surco.embedstore import (
    Store,
    StoreError,
    collect_garbage,
    nearest,
    rollback,
    run_sql,
    upgrade,
    verify,
    versions,
)
from surco.embedstore.versions import latest_manifest

OLD = Path(__file__).with_name("old_stores")
NAMES = sorted(path.name.removesuffix(".tar.xz") for path in OLD.glob("*.tar.xz"))
FIRST_FORMAT = ("first", "format-1")


def old_store(name: str, folder: Path) -> Path:
    """The store that an older surco wrote."""
    with tarfile.open(OLD / f"{name}.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    return folder / "store"


def content(store: Store) -> list[tuple[str, list[dict[str, object]]]]:
    """All rows of all tables."""
    return [
        (info.table, store.read(info.table, season=info.season, resolution=info.resolution).to_pylist())
        for info in store.tables()
    ]


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each of the old stores."""
    return old_store(request.param, tmp_path)


def test_there_are_stores_of_both_formats() -> None:
    """The fixtures are what the tests below take them for, and small."""
    assert NAMES == ["first", "format-1", "format-2-state-1", "format-2-state-2"]
    assert sum(each.stat().st_size for each in OLD.iterdir()) < 100_000


def test_an_old_store_is_read(path: Path) -> None:
    """Tables, SQL, search, cards, adapters, the log and the checksums of an old store."""
    store = Store.open(path)
    assert (store.version, store.adapters(), store.model_card(MODEL)) == (2, ["crops"], {"title": "a test"})
    assert [(info.table, info.rows) for info in store.tables()] == [("cells", 10), ("parcels", 40)]
    asked = run_sql(store, "SELECT count(*) AS n, count(comuna) AS known FROM cells")
    assert asked.to_pylist() == [{"n": 10, "known": 0}]
    assert nearest(store, "p3", 5, table="parcels").num_rows == 5
    assert (store.adapter_dir("crops") / "card.json").read_text() == '{"format": 1}'
    assert [each.version for each in versions(path)] == [2, 1]
    assert not verify(path, every_version=True).damage


def test_an_old_store_is_written(path: Path) -> None:
    """A merge beside old rows, going back, and clearing up."""
    store = Store.open(path)
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(15)[5:], unit_vectors(10, seed=9))
        tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9, merge=True)
    assert store.read("cells").num_rows == 15
    assert rollback(path, 2) == 4
    assert Store.open(path).read("cells").num_rows == 10
    collect_garbage(path, keep=1, delete=True)
    assert not verify(path, every_version=True).damage
    assert Store.open(path).read("parcels").num_rows == 40


def test_an_upgrade_keeps_every_value(path: Path) -> None:
    """Tables of format 1 are written again, with checksums and the same rows; others are left as they are."""
    before = Store.open(path)
    rows, first = content(before), before.version
    old = any(file.blocks is None for p in latest_manifest(path).partitions for file in p.files)
    done = upgrade(path)
    assert (bool(done.tables), done.rows) == (old, 50 * old)
    after = Store.open(path)
    assert after.version == first + old
    assert content(after) == rows
    assert all(file.blocks for p in latest_manifest(path).partitions for file in p.files)
    assert upgrade(path).tables == ()
    assert Store.open(path).version == after.version
    assert not verify(path, every_version=True).damage


@pytest.mark.parametrize("name", FIRST_FORMAT)
def test_after_an_upgrade_sql_notices_damage(name: str, tmp_path: Path) -> None:
    """What an upgrade is for: a flipped byte within the vectors, over which SQL of format 1 reads without a word."""
    path = old_store(name, tmp_path)
    assert upgrade(path).tables
    store = Store.open(path)
    file = store.find("parcels").files[0]
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(StoreError, match="is damaged near byte"):
        run_sql(store, "SELECT * FROM parcels")


@pytest.mark.parametrize("name", ["format-2-state-1", "format-2-state-2"])
def test_an_old_database_is_migrated(name: str, tmp_path: Path) -> None:
    """Its keys open as before, its audit log is there, and the newest tables too."""
    path = old_store(name, tmp_path)
    database = Database.open(path)
    assert KnownKeys(database).find((path / "old.key").read_text()) is not None
    database.close()
    with sqlite3.connect(path / ".server" / "state.sqlite") as held:
        names = {name for (name,) in held.execute("SELECT name FROM sqlite_master")}
    held.close()
    assert {"keys", "audit", "label_sets", "labels"} <= names


@pytest.mark.parametrize("name", ["first", "format-2-state-1"])
def test_an_old_store_is_backed_up_and_restored(name: str, tmp_path: Path) -> None:
    """A backup of an old store is the same old store again, with its database at the newest migration."""
    path = old_store(name, tmp_path)
    held = Database.open(path) if (path / "old.key").exists() else None
    back_up(path, str(tmp_path / "backups"), held)
    restore(str(tmp_path / "backups"), tmp_path / "again", None)
    assert content(Store.open(tmp_path / "again")) == content(Store.open(path))
    if held is not None:
        held.close()
        again = Database.open(tmp_path / "again")
        assert KnownKeys(again).find((path / "old.key").read_text()) is not None
        again.close()


def test_what_is_newer_is_refused(tmp_path: Path) -> None:
    """A store, a database and a backup of a surco to come say to update, and are left as they are."""
    path = old_store("format-2-state-2", tmp_path)
    Database.open(path).close()
    back_up(path, str(tmp_path / "backups"), None)
    with sqlite3.connect(path / ".server" / "state.sqlite") as held:
        held.execute("UPDATE alembic_version SET version_num = '9999'")
    held.close()
    with pytest.raises(StateError, match="newer Surco"):
        Database.open(path)
    index = tmp_path / "backups" / "surco-backups.json"
    index.write_text(index.read_text().replace("1", "2"))
    with pytest.raises(BackupError, match="Update surco"):
        restore(str(tmp_path / "backups"), tmp_path / "again", None)
    settings = path / "store.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"version": 99}))
    for work in (Store.open, upgrade, versions, verify):
        with pytest.raises(StoreError, match="Update surco: a newer one wrote this store"):
            work(path)


def test_the_command(tmp_path: Path) -> None:
    """`surco store upgrade` names what it wrote again, and says where there is nothing to do."""
    path = old_store("first", tmp_path)
    run = CliRunner().invoke
    done = run(main, ["store", "upgrade", str(path)])
    assert (
        done.exit_code == 0 and "Version 3" in done.output and "cells/surco-test-1/2024-25/9" in done.output
    )
    assert "nothing to do" in run(main, ["store", "upgrade", str(path)]).output

"""A backup is one version of a store and one state of its database, and becomes both again, or says why not."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from postgres_server import empty_database, postgres_server
from sqlalchemy import func, insert, select
from store_builders import MODEL, SEASON, cell_ids, cells_batch, small_store, unit_vectors

from surco.api.backing_up.backing import back_up
from surco.api.backing_up.restoring import check_backup, list_backups, restore
from surco.api.cli import main
from surco.api.refusals import BackupError
from surco.api.state.audit import record
from surco.api.state.database import Database
from surco.api.state.keys import KnownKeys, add_key
from surco.api.state.label_tables import LABEL_SETS
from surco.api.state.tables import ADAPTERS, AUDIT, KEYS
from surco.api.web.callers import Caller
from surco.embedstore import Store, StoreError, verify

OPERATOR = Caller.of(None, "a test", frozenset({"admin"}), "local")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str | None, str | None]]:
    """URLs of a database to back up and of an empty one to restore to; None is SQLite beside the store."""
    if request.param == "sqlite":
        yield None, None
        return
    server = request.getfixturevalue("server")
    with empty_database(server) as one, empty_database(server) as other:
        yield one, other


def filled(store: Path, url: str | None, keys: int = 3) -> tuple[Database, str]:
    """A database with keys, their audit log and an adapter's owner; and the last key's secret."""
    database = Database.open(store, url)
    with database.writing() as connection:
        for number in range(keys):
            info, secret = add_key(connection, f"Ána {number}", ("read", "label"), 30)
            record(connection, OPERATOR, "key.add", info.id, {"name": info.name})
        made = {"name": "crops", "owner": info.id, "created_at": info.created_at, "store_version": 1}
        connection.execute(insert(ADAPTERS).values(made))
    return database, secret


def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows, with times as they are read."""
    with database.reading() as connection:
        return {
            table.name: [
                dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in (KEYS, AUDIT, ADAPTERS, LABEL_SETS)
        }


def files_of(root: Path) -> dict[str, bytes]:
    """Tables, cards, adapters and catalogues of a store."""
    named = [path for part in ("cells", "parcels", "models", "stac") for path in (root / part).rglob("*.*")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in named if path.is_file()}


@pytest.mark.parametrize("out", ["backups", "backup.tar"])
def test_a_backup_becomes_the_same_again(
    tmp_path: Path, urls: tuple[str | None, str | None], out: str
) -> None:
    """Files, version and rows come back; keys open, and new rows are numbered after the old ones."""
    store = small_store(tmp_path / "store", 60)
    database, secret = filled(store.path, urls[0])
    done = back_up(store.path, str(tmp_path / out), database)
    assert (done.version, done.rows) == (1, 7)
    back = restore(str(tmp_path / out), tmp_path / "again", urls[1])
    assert (back.version, back.rows) == (1, 7)
    assert files_of(tmp_path / "again") == files_of(store.path)
    assert not verify(tmp_path / "again").damage
    again = Database.open(tmp_path / "again", urls[1])
    assert rows(again) == rows(database)
    assert KnownKeys(again).find(secret) is not None
    with again.writing() as connection:
        record(connection, OPERATOR, "after", "", {})
    assert [row["id"] for row in rows(again)["audit"]] == [1, 2, 3, 4]
    again.close()
    database.close()


def test_the_two_databases_can_be_exchanged(tmp_path: Path, server: str) -> None:
    """Rows of SQLite become rows of PostgreSQL, and back."""
    store = small_store(tmp_path / "store", 5)
    database, _ = filled(store.path, None)
    back_up(store.path, str(tmp_path / "one"), database)
    with empty_database(server) as url:
        restore(str(tmp_path / "one"), tmp_path / "on-postgres", url)
        there = Database.open(tmp_path / "on-postgres", url)
        back_up(tmp_path / "on-postgres", str(tmp_path / "two"), there)
        there.close()
    restore(str(tmp_path / "two"), tmp_path / "again", None)
    again = Database.open(tmp_path / "again")
    assert rows(again) == rows(database)
    again.close()
    database.close()


def test_no_secret_is_in_a_backup(tmp_path: Path) -> None:
    """Keys are kept as their SHA-256; a file of a backup that had one would be a key to the server."""
    store = small_store(tmp_path / "store", 5)
    database, secret = filled(store.path, None)
    back_up(store.path, str(tmp_path / "backups"), database)
    database.close()
    parts = [part.read_bytes() for part in (tmp_path / "backups" / "objects").iterdir()]
    plain = [gzip.decompress(part) if part[:2] == b"\x1f\x8b" else part for part in parts]
    assert any(b"key.add" in part for part in plain)
    assert not any(secret.encode() in part for part in plain)


def test_what_is_there_is_not_sent_again(tmp_path: Path) -> None:
    """The second backup sends what is new; each backup can be restored by its name."""
    store = small_store(tmp_path / "store", 60)
    first = back_up(store.path, str(tmp_path / "backups"), None)
    with store.transaction() as tx:
        tx.put_adapter("crops", {"card.json": b"{}"})
    second = back_up(store.path, str(tmp_path / "backups"), None)
    assert first.files > 4 and second.files < first.files
    assert {each for each, _ in list_backups(str(tmp_path / "backups"))} == {first.name, second.name}
    restore(str(tmp_path / "backups"), tmp_path / "old", None, first.name)
    restore(str(tmp_path / "backups"), tmp_path / "new", None, second.name)
    assert (Store.open(tmp_path / "old").adapters(), Store.open(tmp_path / "new").adapters()) == (
        [],
        ["crops"],
    )


def test_a_backup_under_writers_is_one_moment(tmp_path: Path, urls: tuple[str | None, str | None]) -> None:
    """While others write store and database, each backup is whole, and its store is not older than its database."""
    store = small_store(tmp_path / "store", 20)
    database = Database.open(store.path, urls[0])
    stop, failed = threading.Event(), []

    def write() -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                rows = cells_batch(cell_ids(20), unit_vectors(20, seed=number))
                with Store.open(store.path).transaction() as tx:
                    tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9)
                    tx.put_adapter(f"a{number}", {"card.json": b"{}"})
                owned = {"name": f"a{number}", "store_version": Store.open(store.path).version}
                with database.writing() as connection:
                    info, _ = add_key(connection, f"{number}", ("read",), None)
                    owned |= {"owner": info.id, "created_at": info.created_at}
                    connection.execute(insert(ADAPTERS).values(owned))
        except BaseException as error:  # told to the test
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        names = [back_up(store.path, str(tmp_path / "backups"), database).name for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    assert not failed
    restore(str(tmp_path / "backups"), tmp_path / "again", urls[1], names[-1])
    again, held = Store.open(tmp_path / "again"), Database.open(tmp_path / "again", urls[1])
    assert not verify(again.path).damage
    found = rows(held)
    assert len(found["keys"]) == len(found["adapters"])
    assert {row["name"] for row in found["adapters"]} <= set(again.adapters())
    held.close()
    database.close()


@pytest.mark.parametrize("out", ["backups", "backup.tar"])
def test_a_damaged_backup_is_refused_and_leaves_nothing(tmp_path: Path, out: str) -> None:
    """One flipped byte of a file, of rows, or of the document itself is found by --check and by the restore."""
    store = small_store(tmp_path / "store", 60)
    database, _ = filled(store.path, None)
    back_up(store.path, str(tmp_path / out), database)
    database.close()
    whole = tmp_path / out
    assert check_backup(str(whole)).version == 1
    places = [whole] if whole.is_file() else [*(whole / "objects").iterdir(), *(whole / "backups").iterdir()]
    for place in places:
        content = place.read_bytes()
        for at in range(600, len(content), len(content) // 3) if whole.is_file() else [len(content) // 2]:
            place.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            with pytest.raises(BackupError, match="Expected"):
                check_backup(str(whole))
            with pytest.raises(BackupError, match="Expected"):
                restore(str(whole), tmp_path / "again", None)
            assert not (tmp_path / "again").exists()
        place.write_bytes(content)
    assert check_backup(str(whole)).version == 1


def test_a_backup_that_ends_early_is_refused(tmp_path: Path) -> None:
    """A tar file that was cut, an object that is gone, and a place that has no backups are said."""
    store = small_store(tmp_path / "store", 60)
    back_up(store.path, str(tmp_path / "backup.tar"), None)
    cut = (tmp_path / "backup.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(cut[: len(cut) // 2])
    with pytest.raises(BackupError):
        check_backup(str(tmp_path / "cut.tar"))
    back_up(store.path, str(tmp_path / "backups"), None)
    next((tmp_path / "backups" / "objects").iterdir()).unlink()
    with pytest.raises(BackupError, match="no such file"):
        restore(str(tmp_path / "backups"), tmp_path / "again", None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackupError, match="Expected backups of surco"):
        check_backup(str(tmp_path / "empty"))


def test_places_that_hold_something_are_refused(tmp_path: Path, urls: tuple[str | None, str | None]) -> None:
    """Neither a store nor a database is written over, and a tar file neither; nothing is left of the try."""
    store = small_store(tmp_path / "store", 5)
    database, _ = filled(store.path, urls[0])
    back_up(store.path, str(tmp_path / "backup.tar"), database)
    with pytest.raises(BackupError, match="not there yet"):
        back_up(store.path, str(tmp_path / "backup.tar"), database)
    with pytest.raises(StoreError, match="a new or empty folder"):
        restore(str(tmp_path / "backup.tar"), store.path, urls[1])
    full = urls[0] or f"sqlite:///{store.path}/.server/state.sqlite"
    with pytest.raises(BackupError, match="new or empty database"):
        restore(str(tmp_path / "backup.tar"), tmp_path / "again", full)
    assert not (tmp_path / "again").exists()
    database.close()


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`surco backup` and `surco restore` do it, name backups, check them, and take no password as an argument."""
    monkeypatch.delenv("SURCO_DATABASE_URL", raising=False)
    store = small_store(tmp_path / "store", 5)
    filled(store.path, None)[0].close()
    run, out = CliRunner().invoke, str(tmp_path / "backups")
    done = run(main, ["backup", str(store.path), "--out", out])
    assert done.exit_code == 0 and "version 1, 7 rows" in done.output
    listed = run(main, ["restore", out, "--list"])
    assert listed.exit_code == 0 and "version 1" in listed.output
    assert "all as they were written" in run(main, ["restore", out, "--check"]).output
    again = run(main, ["restore", out, "--store", str(tmp_path / "again")])
    assert again.exit_code == 0 and "7 rows" in again.output
    url = "postgresql://someone:never-shown@127.0.0.1/x"
    refused = run(main, ["backup", str(store.path), "--out", out, "--database", url])
    assert refused.exit_code == 2 and "SURCO_DATABASE_URL" in refused.output
    assert "never-shown" not in refused.output
    with Database.open(tmp_path / "again").reading() as connection:
        assert connection.execute(select(func.count()).select_from(KEYS)).scalar_one() == 3

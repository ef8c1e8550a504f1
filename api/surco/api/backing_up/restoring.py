"""Restoring a backup: everything is compared with its SHA-256 before anything is visible."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from surco.api.backing_up.documents import Backup, backup_names, read_backup
from surco.api.backing_up.rows import put_rows, refuse_rows, revision_of, state_tables
from surco.api.backing_up.vault import BackupSource, TarReader, folder_or_address, object_name
from surco.api.refusals import BackupError
from surco.api.state.database import Database
from surco.embedstore import EmbedstoreError, Store
from surco.embedstore.following import show
from surco.embedstore.manifest import FileEntry, Manifest
from surco.embedstore.remote_versions import Progress, transferred
from surco.embedstore.working_copy import origin_of, place_of

__all__ = ["Restored", "check_backup", "list_backups", "restore"]

Move = Callable[[FileEntry], bool]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought: the store's version, its files and bytes, and rows of the database."""

    version: int
    files: int
    bytes: int
    rows: int


def list_backups(where: str) -> list[tuple[str, Backup]]:
    """The backups of a place with their names, oldest first; raises as `check_backup`."""
    with _source(where) as source:
        return [(name, read_backup(source, name)) for name in backup_names(source)]


def check_backup(where: str, name: str | None = None, *, progress: Progress | None = None) -> Backup:
    """Read every byte of a backup and compare it.

    Args:
        where: a folder, `s3://BUCKET/PATH`, or a `.tar` file.
        name: of the backup; None is the latest.
        progress: told of bytes.

    Raises:
        BackupError: no such backup, or it is damaged: the first such object is named.
    """
    with _source(where) as source, tempfile.TemporaryDirectory() as folder:
        backup = read_backup(source, name)

        def read(entry: FileEntry) -> bool:
            target = Path(folder) / secrets.token_hex(8)
            _fetch(source, entry, target)
            target.unlink()
            return True

        _each(source, backup.objects(), read, progress)
        return backup


def restore(
    where: str,
    store: Path,
    database_url: str | None,
    name: str | None = None,
    *,
    with_database: bool = True,
    progress: Progress | None = None,
) -> Restored:
    """Make a store, and its server's database, of a backup.

    The store has the version's number again. Nothing of the store is visible before all of it is there and the
    database was filled in one transaction; where anything fails, the new folder goes again.

    Args:
        where: a folder, `s3://BUCKET/PATH`, or a `.tar` file.
        store: a folder that is not there or empty, or the working copy of an address without a store.
        database_url: an empty database; None is SQLite as `Database.open` has it.
        name: of the backup; None is the latest.
        with_database: False leaves the database out.
        progress: told of bytes.

    Raises:
        BackupError: no such backup, a damaged one, or a database that has rows.
        EmbedstoreError: a place for the store that holds something.
        StateError: the database cannot be opened, or is of a newer surco.
    """
    with _source(where) as source, tempfile.TemporaryDirectory() as folder:
        backup = read_backup(source, name)
        dumps = {table.name: Path(folder) / table.name for table in backup.tables} if with_database else {}
        for table in backup.tables if with_database else ():
            _fetch(source, table.entry, dumps[table.name])
        made = Store.create(store, backup.start_month)
        try:
            files, size = _bring(source, backup, made.path, progress)
            rows = 0
            if backup.revision is not None and with_database:
                rows = _fill(made.path, database_url, backup, dumps)
            _show(made.path, backup)
        except BaseException:
            if origin_of(made.path) is None:
                shutil.rmtree(made.path, ignore_errors=True)
            raise
    return Restored(backup.version, files, size, rows)


@contextmanager
def _source(where: str) -> Iterator[BackupSource]:
    if where.endswith(".tar"):
        reader = TarReader(Path(where))
        try:
            yield reader
        finally:
            reader.close()
    else:
        yield folder_or_address(where, make=False)


def _fetch(source: BackupSource, entry: FileEntry, target: Path) -> None:
    try:
        source.fetch(entry, target)
    except EmbedstoreError as error:
        raise BackupError(
            f"Expected {error.expected}, got {error.came}. Restore another backup, or this one from another copy."
        ) from error


def _bring(source: BackupSource, backup: Backup, root: Path, progress: Progress | None) -> tuple[int, int]:
    def move(file: FileEntry) -> bool:
        target = place_of(root, file)
        draft = target.with_name(f".{secrets.token_hex(8)}")
        try:
            _fetch(source, FileEntry(object_name(file.sha256), file.bytes, file.sha256), draft)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return True

    return _each(source, backup.files, move, progress)


def _each(
    source: BackupSource, files: Iterable[FileEntry], move: Move, progress: Progress | None
) -> tuple[int, int]:
    """Move each file: one after another from a tar file, which has one position."""
    if not isinstance(source, TarReader):
        return transferred(list(files), move, progress)
    moved = [file.bytes for file in files if move(file)]
    return len(moved), sum(moved)


def _fill(root: Path, url: str | None, backup: Backup, dumps: Mapping[str, Path]) -> int:
    """The rows of a backup in a database at the backup's migration, which is then brought to ours."""
    database = Database.open(root, url, revision=backup.revision)
    try:
        with database.writing() as connection:
            held = state_tables(connection)
            refuse_rows(connection, held)
            if (present := revision_of(connection)) != backup.revision:
                raise BackupError(
                    f"Expected a new database, or one at migration {backup.revision}, got one at {present}. "
                    "Name another one."
                )
            rows = sum(put_rows(connection, name, dumps[name]) for name in held if name in dumps)
    except SQLAlchemyError as error:
        raise BackupError(
            f"Expected a database that takes the rows of migration {backup.revision}, got {type(error).__name__}. "
            "Name a new or empty database."
        ) from error
    finally:
        database.close()
    Database.open(root, url).close()
    return rows


def _show(root: Path, backup: Backup) -> None:
    if not backup.version:
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "manifest.json").write_text(backup.manifest, encoding="utf-8")
        manifest = Manifest.read(Path(folder) / "manifest.json")
    if {(f.path, f.sha256) for f in manifest.files} != {(f.path, f.sha256) for f in backup.files}:
        raise BackupError(
            "Expected a backup whose manifest names its files, got others. Restore another one."
        )
    show(root, manifest, f"{backup.version:06d}-{secrets.token_hex(4)}", list(manifest.files))

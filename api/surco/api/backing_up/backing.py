"""Taking a backup: one state of the database first, then the store's latest version, the younger of the two."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from surco.api.backing_up.documents import INDEX, Backup, TableDump, write_backup
from surco.api.backing_up.rows import revision_of, state_tables, take_rows
from surco.api.backing_up.vault import BackupTarget, TarWriter, folder_or_address, object_name
from surco.api.refusals import BackupError
from surco.api.state.database import Database
from surco.embedstore import Store
from surco.embedstore.files import unchanged_file
from surco.embedstore.geoparquet import sha256_of
from surco.embedstore.locks import maintenance
from surco.embedstore.manifest import FileEntry, Manifest
from surco.embedstore.remote_versions import Progress, transferred
from surco.embedstore.versions import manifest_file, read_version
from surco.embedstore.working_copy import origin_of

__all__ = ["BackedUp", "back_up"]


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup did: its name, the store's version, rows of the database, and files and bytes that were sent."""

    name: str
    version: int
    rows: int
    files: int
    bytes: int


def back_up(
    store: Path, out: str, database: Database | None, *, progress: Progress | None = None
) -> BackedUp:
    """Copy a store's latest version and its server's database to a place of backups.

    What the place has already is not sent again: files of a store never change. A backup shows once all of it is there.
    Others may write meanwhile; the store's version is not older than anything that the database says of it.

    Args:
        store: the store's folder.
        out: a folder, `s3://BUCKET/PATH`, or a new file whose name ends in `.tar`, which then holds everything.
        database: None leaves it out.
        progress: told of bytes.

    Raises:
        BackupError: a place that cannot be written.
        EmbedstoreError: no store, a damaged file of it, or the object store refuses.
    """
    with tempfile.TemporaryDirectory() as folder, _target(out) as target:
        revision, dumps = (None, []) if database is None else _dump(database, Path(folder))
        # Nobody removes versions meanwhile; of an address another machine might, and the backup then says what is gone.
        with nullcontext() if origin_of(store) is not None else maintenance(store):
            held = Store.open(store)
            manifest = read_version(store, held.version) if held.version else Manifest()
            text = manifest_file(store, held.version).read_text(encoding="utf-8") if held.version else ""
            backup = Backup(
                datetime.now(UTC),
                held.start_month,
                held.version,
                text,
                tuple(manifest.files),
                revision,
                tuple(dumps),
            )
            files, sent = _send(target, backup, store, Path(folder), progress)
        name, content = write_backup(backup)
        target.send(INDEX, json.dumps({"format": "surco-backups", "version": 1}).encode())
        target.send(name, content)
    rows = sum(dump.rows for dump in dumps)
    return BackedUp(name.removeprefix("backups/").removesuffix(".json"), held.version, rows, files, sent)


@contextmanager
def _target(out: str) -> Iterator[BackupTarget]:
    if out.endswith(".tar"):
        with TarWriter(Path(out)) as target:
            yield target
        return
    try:
        yield folder_or_address(out, make=True)
    except OSError as error:
        raise BackupError(
            f"Expected to write backups to {out}, got: {error.strerror}. Choose another place."
        ) from error


def _dump(database: Database, folder: Path) -> tuple[str, list[TableDump]]:
    """The rows of all tables as one transaction sees them."""
    dumps = []
    with database.snapshot() as connection:
        for name in state_tables(connection):
            path = folder / name
            rows = take_rows(connection, name, path)
            dumps.append(TableDump(name, rows, path.stat().st_size, sha256_of(path)))
        return revision_of(connection), dumps


def _send(
    target: BackupTarget, backup: Backup, store: Path, folder: Path, progress: Progress | None
) -> tuple[int, int]:
    """Send the objects that are not there; how many, and their bytes."""
    there = target.sizes("objects")
    places = {object_name(dump.sha256): folder / dump.name for dump in backup.tables}
    stored = {object_name(file.sha256): file for file in backup.files}

    def move(entry: FileEntry) -> bool:
        if there.get(entry.path) == entry.bytes:
            return False
        target.send(entry.path, places.get(entry.path) or unchanged_file(store, stored[entry.path]))
        return True

    if isinstance(target, TarWriter):  # a file is written from one end to the other
        moved = [entry.bytes for entry in backup.objects() if move(entry)]
        return len(moved), sum(moved)
    return transferred(backup.objects(), move, progress)

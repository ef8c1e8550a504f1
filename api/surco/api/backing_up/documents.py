"""What one backup holds, as the JSON document that names it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from surco.api.backing_up.vault import BackupSource, object_name
from surco.api.refusals import BackupError
from surco.embedstore.manifest import FileEntry

__all__ = ["INDEX", "Backup", "TableDump", "backup_names", "read_backup", "write_backup"]

INDEX = "surco-backups.json"
"""Says what a place of backups is."""

_FORMAT = 1
_NAME = re.compile(r"backups/(\d{8}T\d{6}Z-[0-9a-f]{16})\.json")


@dataclass(frozen=True, slots=True)
class TableDump:
    """The rows of one table: its name, how many, and the file that they are in, by size and SHA-256."""

    name: str
    rows: int
    bytes: int
    sha256: str

    @property
    def entry(self) -> FileEntry:
        """As a file among the backup's objects."""
        return FileEntry(object_name(self.sha256), self.bytes, self.sha256)


@dataclass(frozen=True, slots=True)
class Backup:
    """One version of a store and one state of its server's database.

    Attributes:
        made: when, UTC.
        start_month: of the store's seasons.
        version: the store's; 0 is an empty store, which has no manifest.
        manifest: the text of its manifest.
        files: its files, each by its path in the store.
        revision: the migration of the database; None where there was none.
        tables: its rows.
    """

    made: datetime
    start_month: int
    version: int
    manifest: str
    files: tuple[FileEntry, ...]
    revision: str | None
    tables: tuple[TableDump, ...]

    def objects(self) -> list[FileEntry]:
        """Everything that has to be in the place of backups, each once."""
        stored = [FileEntry(object_name(file.sha256), file.bytes, file.sha256) for file in self.files]
        return list(dict.fromkeys([*stored, *(table.entry for table in self.tables)]))


def write_backup(backup: Backup) -> tuple[str, bytes]:
    """The name and the content of a backup's document."""
    content = json.dumps(
        {
            "format": _FORMAT,
            "made": backup.made.isoformat(timespec="seconds"),
            "start_month": backup.start_month,
            "version": backup.version,
            "manifest": backup.manifest,
            "files": [[file.path, file.bytes, file.sha256] for file in backup.files],
            "revision": backup.revision,
            "tables": [[each.name, each.rows, each.bytes, each.sha256] for each in backup.tables],
        },
        ensure_ascii=False,
    ).encode()
    digest = hashlib.sha256(content).hexdigest()[:16]
    return f"backups/{backup.made.astimezone(UTC):%Y%m%dT%H%M%SZ}-{digest}.json", content


def backup_names(source: BackupSource) -> list[str]:
    """Names of the backups that a place has, oldest first.

    Raises:
        BackupError: no place of backups, or one of a newer format.
    """
    try:
        index = json.loads(source.read(INDEX, 1 << 16) or b"null")
        known = index["format"] == "surco-backups" and int(index["version"])
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise BackupError(f"Expected backups of surco (with {INDEX}), got none there. Correct the place.")
    if known > _FORMAT:
        raise BackupError(
            f"Expected backups of format {_FORMAT}, got {known}. Update surco: a newer one wrote them."
        )
    return sorted(match[1] for match in map(_NAME.fullmatch, source.sizes("backups")) if match)


def read_backup(source: BackupSource, name: str | None = None) -> Backup:
    """One backup by its name, or the latest.

    Raises:
        BackupError: no such backup, one of a newer format, or a damaged document.
    """
    names = backup_names(source)
    if not names or name not in (None, *names):
        raise BackupError(
            f"Expected one of the backups {', '.join(names) or '(none yet)'}, got {name}. "
            "Leave the name out for the latest."
        )
    chosen = name or names[-1]
    content = source.read(f"backups/{chosen}.json") or b""
    if hashlib.sha256(content).hexdigest()[:16] != chosen.rpartition("-")[2]:
        raise BackupError(
            f"Expected backup {chosen} as it was written, got other content. Restore an earlier one."
        )
    held = json.loads(content)
    if held["format"] > _FORMAT:
        raise BackupError(
            f"Expected a backup of format {_FORMAT}, got {held['format']}. Update surco: a newer one wrote it."
        )
    return _backup(held)


def _backup(held: Mapping[str, Any]) -> Backup:
    return Backup(
        datetime.fromisoformat(held["made"]),
        int(held["start_month"]),
        int(held["version"]),
        str(held["manifest"]),
        tuple(FileEntry(*file) for file in held["files"]),
        held["revision"],
        tuple(TableDump(*table) for table in held["tables"]),
    )

"""The versions of a store: what each changed, and going back to one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from surco.embedstore.disk import writing_to
from surco.embedstore.errors import StoreError
from surco.embedstore.following import alone, brought, check_present, refresh, show
from surco.embedstore.manifest import Bundle, Manifest, Partition
from surco.embedstore.versions import (
    manifest_file,
    read_start_month,
    read_version,
    version_numbers,
)
from surco.embedstore.working_copy import root_of

__all__ = ["VersionInfo", "rollback", "versions"]


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version of a store.

    `written` is when, UTC; `rows` are those of all tables together, None where the version cannot be read; `changes`
    says in words what is not as in the kept version before.
    """

    version: int
    written: datetime
    rows: int | None
    changes: tuple[str, ...]


def versions(path: str | Path) -> list[VersionInfo]:
    """The kept versions of a store, newest first; one that cannot be read is listed and says so.

    Raises:
        StoreError: no store.
    """
    root = root_of(path)
    refresh(root, every=True)
    read_start_month(root)
    found: list[VersionInfo] = []
    before: Manifest | None = Manifest()
    for number in version_numbers(root):
        try:
            manifest = read_version(root, number)
        except StoreError as error:
            found.append(
                VersionInfo(number, _changed(root, number), None, (f"cannot be read: {error.came}",))
            )
            before = None
            continue
        changes = (
            ("follows a version that cannot be read",)
            if before is None
            else tuple(_changes(before, manifest))
        )
        rows = sum(p.rows for p in manifest.partitions)
        found.append(VersionInfo(number, manifest.written or _changed(root, number), rows, changes))
        before = manifest
    return found[::-1]


def rollback(path: str | Path, version: int) -> int:
    """Make a new version that equals an older one, and return its number. Nothing is deleted.

    Args:
        path: the store's folder or address.
        version: a kept version.

    Raises:
        StoreError: a version that is not kept, cannot be read, or lacks a file; or it is the latest.
        StoreConflictError: another writer finished at the same moment, or versions are being removed.
    """
    root = brought(path)
    read_start_month(root)
    with writing_to(root), alone(root):
        refresh(root, every=True)
        older = read_version(root, version)
        latest = version_numbers(root)[-1]
        if version == latest:
            raise StoreError(
                f"a version before {latest}, the latest of {root}",
                f"{version}",
                "Nothing has to be done: it is what readers get.",
            )
        check_present(root, older.files)
        restored = replace(older, version=latest + 1, written=datetime.now(UTC), restores=version)
        show(root, restored, f"{latest + 1:06d}-{secrets.token_hex(4)}", ())
    return latest + 1


def _changed(root: Path, version: int) -> datetime:
    return datetime.fromtimestamp(manifest_file(root, version).stat().st_mtime, UTC)


def _changes(before: Manifest, after: Manifest) -> Iterator[str]:
    """In words: tables, models and adapters that came, changed or went."""
    if after.restores is not None:
        yield f"back to version {after.restores}"
    old, new = ({p.key: p for p in manifest.partitions} for manifest in (before, after))
    for key, partition in new.items():
        if key not in old:
            yield f"{_name(partition)}: {partition.rows:,} rows"
        elif partition.files != old[key].files:
            yield f"{_name(partition)}: {partition.rows:,} rows, {old[key].rows:,} before"
    yield from (f"{_name(old[key])}: removed" for key in old if key not in new)
    yield from _bundle_changes("model", dict(before.models), dict(after.models))
    yield from _bundle_changes("adapter", dict(before.adapters), dict(after.adapters))


def _name(partition: Partition) -> str:
    level = "" if partition.resolution is None else f" res {partition.resolution}"
    return f"{partition.table} {partition.model_id} {partition.season.name}{level}"


def _bundle_changes(what: str, before: dict[str, Bundle], after: dict[str, Bundle]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in after:
            yield f"{what} {name}: removed"
        elif name not in before:
            yield f"{what} {name}"
        elif _content(before[name]) != _content(after[name]):
            yield f"{what} {name}: replaced"


def _content(bundle: Bundle) -> list[str]:
    return [file.sha256 for file in bundle.files]

"""Removing versions that nobody wants any more, and what killed writers left behind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from surco.embedstore.catalogue import ENTRY
from surco.embedstore.disk import writing_to
from surco.embedstore.errors import StoreError
from surco.embedstore.following import alone, brought, refresh
from surco.embedstore.geoparquet import sync
from surco.embedstore.history import VersionInfo, versions
from surco.embedstore.locks import live_writers
from surco.embedstore.manifest import Manifest
from surco.embedstore.remote_garbage import RemoteFile, remove_there, unneeded_there
from surco.embedstore.versions import manifest_file, read_start_month, read_version
from surco.embedstore.working_copy import origin_of

__all__ = ["Collected", "Garbage", "collect_garbage"]

_HELD_IN = ("cells", "parcels", "models", "adapters", "stac")
_TOKEN = re.compile(r"\d{6,}-[0-9a-f]{8}")
_SPILL = re.compile(r"put-(?P<token>\d{6,}-[0-9a-f]{8})-[0-9a-f]{8}|put-[0-9a-f]{16}")
_DRAFT = re.compile(rf"\.(?P<token>{_TOKEN.pattern})(?:-{re.escape(ENTRY)}|\.json)")


@dataclass(frozen=True, slots=True)
class Garbage:
    """A file or folder that no kept version needs, its size in bytes, and why it is there."""

    path: Path
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Collected:
    """What was found, `deleted` or not: versions that go, versions that stay, and files."""

    removed: tuple[int, ...]
    kept: tuple[int, ...]
    garbage: tuple[Garbage, ...]
    deleted: bool

    @property
    def bytes(self) -> int:
        """Bytes that are, or would be, free."""
        return sum(each.bytes for each in self.garbage)


def collect_garbage(
    path: str | Path,
    *,
    keep: int | None = None,
    older_than: timedelta | None = None,
    staging: bool = False,
    grace: timedelta = timedelta(days=1),
    delete: bool = False,
) -> Collected:
    """Find, and with `delete` remove, what no kept version needs.

    With neither `keep` nor `older_than` every version is kept, and only what killed writers left is garbage. A version
    goes where it fails both that are given; the latest never does. Files of a writer that is at work are left alone.

    Args:
        path: the store's folder or address.
        keep: how many versions to keep, the newest, 1 or more.
        older_than: versions younger than this are kept.
        staging: also remove the staged work of runs that were stopped; only while no such run is at work.
        grace: at an address, what no version names is left alone for so long: its writer may be at work elsewhere.
        delete: otherwise nothing is changed.

    Raises:
        StoreError: no store, a keep below 1, or a kept version that cannot be read.
        StoreConflictError: another process removes or restores versions now.
    """
    root = brought(path)
    read_start_month(root)
    if keep is not None and keep < 1:
        raise StoreError("at least 1 version to keep", f"{keep}", "The latest version is always kept.")
    with writing_to(root), alone(root):
        refresh(root, every=True)
        # In this order: of a writer that comes or ends in between nothing was listed, or it is still seen alive, or its
        # version is; a version made later builds on the latest one listed, which is kept.
        candidates, leftovers = list(_files(root)), list(_leftovers(root))
        alive = live_writers(root)
        listed = versions(root)
        removed = _unwanted(listed, keep, older_than)
        kept = sorted(each.version for each in listed if each.version not in removed)
        garbage = [*_unneeded(root, candidates, alive, kept, removed), *_dead(leftovers, alive)]
        garbage += _staged(root) if staging else []
        there = _there(root, kept, removed, grace)
        if delete:
            _delete_there(root, removed, there)
            _delete(root, removed, garbage)
    # The working copy's share of an old version is no more than a copy of what goes there.
    garbage = [each for each in garbage if not there or each.why != "old version"]
    garbage += [Garbage(root / file.name, file.bytes, file.why) for file in there]
    return Collected(tuple(removed), tuple(kept), tuple(garbage), delete)


def _there(root: Path, kept: list[int], removed: list[int], grace: timedelta) -> list[RemoteFile]:
    """What is not needed at the address, where there is one."""
    remote = origin_of(root)
    if remote is None:
        return []
    needed = {file.path for number in kept for file in read_version(root, number).files}
    earlier = {file.path for number in removed for file in _read_or_nothing(root, number).files}
    return list(unneeded_there(remote, needed, earlier, grace))


def _delete_there(root: Path, removed: list[int], files: list[RemoteFile]) -> None:
    remote = origin_of(root)
    if remote is not None:
        remove_there(remote, removed, files)


def _unwanted(listed: list[VersionInfo], keep: int | None, older_than: timedelta | None) -> list[int]:
    """Numbers of the versions that go, oldest first; `listed` is newest first."""
    if keep is None and older_than is None:
        return []
    young = datetime.now(UTC) - (older_than or timedelta(0))
    return sorted(each.version for each in listed[keep or 1 :] if each.written < young)


def _files(root: Path) -> Iterator[Path]:
    """Files in folders that a writer made, and such folders where empty; what others put there is not ours."""
    for name in _HELD_IN:
        for path in sorted((root / name).rglob("*")):
            made = _TOKEN.fullmatch(path.name if path.is_dir() else path.parent.name)
            if made and not path.is_symlink() and (path.is_file() or not any(path.iterdir())):
                yield path


def _unneeded(
    root: Path, candidates: Iterable[Path], alive: set[str], kept: list[int], removed: list[int]
) -> Iterator[Garbage]:
    needed = {file.path for number in kept for file in read_version(root, number).files}
    earlier = {file.path for number in removed for file in _read_or_nothing(root, number).files}
    for path in candidates:
        relative = path.relative_to(root).as_posix()
        if relative in needed or {path.name, path.parent.name} & alive:
            continue
        size = _size(path)
        if size is not None:
            yield Garbage(path, size, "old version" if relative in earlier else "killed writer")


def _read_or_nothing(root: Path, number: int) -> Manifest:
    """A version that goes may be one that nobody can read."""
    try:
        return read_version(root, number)
    except StoreError:
        return Manifest()


def _leftovers(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Unsorted rows and drafts, each with its writer's token, None where an older surco made it."""
    for folder, pattern in ((root / ".staging", _SPILL), (root / "manifests", _DRAFT), (root, _DRAFT)):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            match = pattern.fullmatch(path.name)
            if match:
                yield path, match["token"]


def _dead(leftovers: Iterable[tuple[Path, str | None]], alive: set[str]) -> Iterator[Garbage]:
    for path, token in leftovers:
        size = _size(path)
        if size is not None and (token not in alive if token else not alive):
            yield Garbage(path, size, "killed writer")


def _staged(root: Path) -> Iterator[Garbage]:
    """Staged work, and of runs of plans what tiles left behind: their plans and what is said of them stay."""
    folder = root / ".staging"
    staged = (path for path in folder.glob("*") if not path.name.startswith("put-"))
    tiles = (
        path for name in ("tiles", "parts") for path in root.glob(f".runs/*/{name}") if any(path.iterdir())
    )
    for path in sorted([*staged, *tiles]):
        size = _size(path)
        if size is not None:
            yield Garbage(path, size, "stopped run")


def _size(path: Path) -> int | None:
    """Bytes of a file or of all in a folder; None where it is gone: its writer was not dead after all."""
    try:
        files = list(path.rglob("*")) if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if not file.is_dir())
    except FileNotFoundError:
        return None


def _delete(root: Path, removed: Iterable[int], garbage: Iterable[Garbage]) -> None:
    """Manifests first: whenever this is stopped, every version that is left has all of its files."""
    for number in removed:
        manifest_file(root, number).unlink(missing_ok=True)
    sync(root / "manifests")
    for each in garbage:
        staged = any(each.path.is_relative_to(root / folder) for folder in (".staging", ".runs"))
        if staged and each.path.is_dir():
            shutil.rmtree(each.path)
        elif each.path.is_dir():
            _remove_empty(each.path)
        else:
            each.path.unlink()
            _remove_empty(each.path.parent)


def _remove_empty(folder: Path) -> None:
    """Remove a writer's folder where nothing is in it."""
    if _TOKEN.fullmatch(folder.name):
        with suppress(OSError):
            folder.rmdir()

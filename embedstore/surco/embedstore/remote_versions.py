"""The versions of a store in an object store: reading one, and making the next visible by one conditional put."""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from surco.embedstore.catalogue import ENTRY, write_entry
from surco.embedstore.errors import EmbedstoreError, StoreConflictError, StoreError
from surco.embedstore.manifest import FileEntry, Manifest
from surco.embedstore.names import check_name
from surco.embedstore.remote_files import Remote
from surco.embedstore.versions import read_start_month

__all__ = [
    "Progress",
    "content_of",
    "fetched_version",
    "lead_to",
    "maintained",
    "publish_at",
    "read_remote_version",
    "remote_numbers",
    "remote_start_month",
    "settle",
    "transferred",
]

Progress = Callable[[int, int, str], None]
"""Told how many of how many bytes are done, and which file came last."""

_MANIFEST = re.compile(r"manifests/([1-9]\d{0,17})\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FOLDERS = ("cells", "parcels", "models", "adapters", "stac")
_ALONE = "maintenance.json"
_WORKERS = 8
_TRIES = 4


def remote_start_month(remote: Remote) -> int | None:
    """First month of the seasons of the store at an address, None where nothing is.

    Raises:
        StoreError: what is there is no store, or one of a newer format.
    """
    content = remote.read("store.json", limit=1 << 16)
    if content is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "store.json").write_bytes(content)
        try:
            return read_start_month(Path(folder))
        except EmbedstoreError as error:
            raise _elsewhere(error, folder, remote.url) from None


def remote_numbers(remote: Remote) -> list[int]:
    """Numbers of the versions at an address, oldest first."""
    names = (_MANIFEST.fullmatch(name) for name in remote.sizes("manifests"))
    return sorted(int(match[1]) for match in names if match)


def read_remote_version(remote: Remote, number: int) -> Manifest:
    """One version; raises StoreError where it cannot be read, is of a newer format, or names files out of place."""
    return fetched_version(remote, number)[1]


def fetched_version(remote: Remote, number: int) -> tuple[bytes, Manifest]:
    """As `read_remote_version`, with the manifest's own bytes."""
    name = f"manifests/{number}.json"
    content = remote.read(name)
    if content is None:
        raise StoreError(f"{remote.url}/{name}", "no such version", "Leave the version out for the latest.")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{number}.json").write_bytes(content)
        try:
            manifest = Manifest.read(Path(folder) / f"{number}.json")
        except EmbedstoreError as error:
            raise _elsewhere(error, folder, f"{remote.url}/manifests") from None
    for wrong in _misplaced(manifest):
        raise StoreError(
            f"a manifest of tables, models and adapters in their folders at {remote.url}/{name}",
            repr(wrong)[:200],
            "surco did not write this store; do not use it.",
        )
    return content, manifest


def content_of(manifest: Manifest) -> frozenset[tuple[str, str]]:
    """What a version holds, whatever its number: path and SHA-256 of each file but the catalogue's.

    Writers give every file a name of its own, so that two stores have the same only where one was copied.
    """
    catalogue = manifest.catalogue.files if manifest.catalogue else ()
    return frozenset((file.path, file.sha256) for file in manifest.files if file not in catalogue)


def settle(remote: Remote, root: Path) -> None:
    """Make a store of the address, as `root` is one, and see that it refuses to write what is there.

    Raises:
        StoreError: a store whose seasons start in another month is there, or conditional puts are not honoured.
    """
    content, month = (root / "store.json").read_bytes(), read_start_month(root)
    if remote_start_month(remote) is None:
        remote.create("store.json", content)
    there = remote_start_month(remote)
    if there != month:
        raise StoreError(
            f"a store at {remote.url} whose seasons start in month {month}",
            f"month {there}",
            "Use another address.",
        )
    if remote.create("store.json", content):
        raise StoreError(
            f"an object store that honours conditional puts (If-None-Match) at {remote.url}",
            "one that wrote over a file that was there",
            "Use a newer release of its software: two writers could undo each other's versions.",
        )


def publish_at(remote: Remote, manifest: Manifest, remedy: str) -> None:
    """Put a manifest under its number, if there is none: this takes place as a whole or not at all.

    Args:
        remote: where.
        manifest: the version.
        remedy: what to do, for the message, where another writer took the number.

    Raises:
        StoreConflictError: another writer took the number.
    """
    name, content = f"manifests/{manifest.version}.json", manifest.to_json().encode()
    for _ in range(_TRIES):
        if _put(remote, name, content):
            return
        there = remote.read(name)
        if there == content:  # an earlier try took place, and its answer was lost
            return
        if there is not None:
            break
        # S3 refuses one of two puts that overlap (409) even where the other one fails later.
    raise StoreConflictError(
        f"to write version {manifest.version} of {remote.url}",
        "a version of that number, which another writer finished meanwhile",
        remedy,
    )


@contextmanager
def maintained(remote: Remote) -> Iterator[None]:
    """Alone in removing and restoring versions at an address, by an object that says so.

    Raises:
        StoreConflictError: another process does so now, or was killed while it did.
    """
    note = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z",
    }
    if not remote.create(_ALONE, json.dumps(note).encode()):
        held = (remote.read(_ALONE, limit=1 << 12) or b"").decode("utf-8", "replace")
        raise StoreConflictError(
            f"nobody else to remove or restore versions of {remote.url}",
            f"another process that does so: {held}",
            f"Wait until it is done; if it was killed, delete {remote.url}/{_ALONE}.",
        )
    try:
        yield
    finally:
        remote.remove([_ALONE])


def lead_to(remote: Remote, manifest: Manifest) -> None:
    """Let `catalog.json` lead to a version, if it is still the latest and does not yet."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / ENTRY
        write_entry(draft, manifest)
        content = draft.read_bytes()
    if remote_numbers(remote)[-1] == manifest.version and remote.read(ENTRY) != content:
        remote.send(ENTRY, content)


def transferred(
    files: Sequence[FileEntry], move: Callable[[FileEntry], bool], progress: Progress | None
) -> tuple[int, int]:
    """Move files, several at once, and return how many were moved, and their bytes.

    Args:
        files: each once.
        move: moves one; False where there was nothing to do.
        progress: told after each.
    """
    total, done, moved = sum(file.bytes for file in files), 0, []
    with ThreadPoolExecutor(_WORKERS) as pool:
        running = {pool.submit(move, file): file for file in files}
        try:
            for ended in as_completed(running):
                file = running[ended]
                moved += [file.bytes] if ended.result() else []
                done += file.bytes
                if progress is not None:
                    progress(done, total, file.path)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return len(moved), sum(moved)


def _misplaced(manifest: Manifest) -> Iterator[object]:
    """What a manifest from elsewhere must not have: the store's own files, folders of others, values of other kinds."""
    yield from (p.table for p in manifest.partitions if p.table not in ("cells", "parcels"))
    yield from (p.resolution for p in manifest.partitions if not isinstance(p.resolution, int | None))
    bundles = [*manifest.models.values(), *manifest.adapters.values(), *filter(None, [manifest.catalogue])]
    for bundle in bundles:
        yield from (f.path for f in bundle.files if PurePosixPath(f.path).parent.as_posix() != bundle.folder)
    for name in (*manifest.models, *manifest.adapters):
        check_name(name, "name of a model or adapter")
    yield from (file for file in manifest.files if not _is_sound(file))


def _is_sound(file: FileEntry) -> bool:
    parts = PurePosixPath(file.path).parts
    in_place = len(parts) >= 3 and parts[0] in _FOLDERS and not any(part.startswith(".") for part in parts)
    whole = isinstance(file.bytes, int) and file.bytes >= 0 and isinstance(file.sha256, str)
    counted = isinstance(file.rows, int | None) and isinstance(file.blocks, str | None)
    return in_place and whole and counted and _SHA256.fullmatch(file.sha256) is not None


def _put(remote: Remote, name: str, content: bytes) -> bool:
    try:
        return remote.create(name, content)
    except StoreError:
        if remote.read(name) == content:  # it took place, and the connection broke
            return True
        raise


def _elsewhere(error: EmbedstoreError, folder: str, url: str) -> EmbedstoreError:
    """An error about a file that was fetched, with the address where it lies."""
    parts = (part.replace(folder, url) for part in (error.expected, error.came, error.remedy))
    return type(error)(*parts)

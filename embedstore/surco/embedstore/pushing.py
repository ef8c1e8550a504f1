"""Copying a store's version to an object store, visible all at once or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

from surco.embedstore.errors import StoreConflictError, StoreError
from surco.embedstore.files import unchanged_file
from surco.embedstore.manifest import FileEntry, Manifest
from surco.embedstore.remote_files import Remote
from surco.embedstore.remote_versions import (
    Progress,
    content_of,
    lead_to,
    publish_at,
    read_remote_version,
    remote_numbers,
    settle,
    transferred,
)
from surco.embedstore.store import Store
from surco.embedstore.versions import read_version, version_numbers

__all__ = ["Transfer", "push"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a push or pull did: the versions' numbers here and there, and the files and bytes that were moved.

    `changed` is False where the version was there already.
    """

    url: str
    local_version: int
    remote_version: int
    files: int
    bytes: int
    changed: bool


def push(
    store: Store, url: str, *, replace_others: bool = False, progress: Progress | None = None
) -> Transfer:
    """Copy the version that `store` reads to an address, as the next version there.

    Files go first, under names that no other write has, and only those that are not there yet; then one conditional
    put of the manifest (`If-None-Match: *`) makes all of them visible. Stopped at any moment, a push leaves nothing
    visible, and the next one goes on where it was. Versions there are numbered on their own, without gaps.

    Args:
        store: at the version to copy.
        url: `s3://BUCKET/PATH`, or `file:///FOLDER`.
        replace_others: go ahead although the latest version there is none that this store builds on. It stays there
            as an older version.
        progress: told of bytes.

    Raises:
        StoreConflictError: the latest version there is not one that this store had; or another writer was faster.
        StoreError: no store there but other settings, a damaged file here, or the object store refuses.
    """
    manifest = _own(store)
    remote = Remote(url, make=True)
    settle(remote, store.path)
    numbers = remote_numbers(remote)
    held = read_remote_version(remote, numbers[-1]) if numbers else Manifest()
    known = content_of(held) == content_of(manifest)
    if numbers and not known and not replace_others:
        _check_line(store, remote, held)
    files, sent = _send(store, remote, held if known else manifest, progress)
    slot = numbers[-1] if known else (numbers[-1] if numbers else 0) + 1
    published = held if known else _numbered(manifest, slot)
    if not known:
        publish_at(
            remote,
            published,
            "Nothing was changed. Pull that version into another folder, repeat your write there, and push.",
        )
    lead_to(remote, published)
    return Transfer(remote.url, manifest.version, slot, files, sent, not known)


def _own(store: Store) -> Manifest:
    if store.version == 0:
        raise StoreError(
            f"a version of {store.path} to push", "an empty store", "Write to it first, or pull into it."
        )
    return read_version(store.path, store.version)


def _numbered(manifest: Manifest, number: int) -> Manifest:
    """The same version under a number of another place, where `restores` would name another one."""
    return replace(manifest, version=number, restores=None)


def _check_line(store: Store, remote: Remote, held: Manifest) -> None:
    """What is there must be a version that this one came after: else a push would take away another's work."""
    there = content_of(held)
    earlier = [number for number in version_numbers(store.path) if number < store.version]
    if not any(content_of(read_version(store.path, number)) == there for number in reversed(earlier)):
        raise StoreConflictError(
            f"version {held.version} of {remote.url} to be one that version {store.version} of {store.path} follows",
            "a version that another store wrote, or that is removed here",
            "Pull it into another folder, repeat your write there, and push; or push so as to replace it.",
        )


def _send(store: Store, remote: Remote, manifest: Manifest, progress: Progress | None) -> tuple[int, int]:
    there = remote.sizes()

    def move(file: FileEntry) -> bool:
        if there.get(file.path) == file.bytes:
            return False
        remote.send(file.path, unchanged_file(store.path, file))
        return True

    return transferred(manifest.files, move, progress)

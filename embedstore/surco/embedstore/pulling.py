"""Copying a version from an object store into a store on this disk, whole or of some seasons and models."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from surco.embedstore.catalogue import catalogue_files
from surco.embedstore.disk import writing_to
from surco.embedstore.errors import StoreConflictError, StoreError
from surco.embedstore.files import unchanged_file
from surco.embedstore.following import alone, refresh, show
from surco.embedstore.geoparquet import sha256_of, sync
from surco.embedstore.manifest import Bundle, FileEntry, Manifest
from surco.embedstore.pushing import Transfer
from surco.embedstore.remote_files import Remote
from surco.embedstore.remote_versions import (
    Progress,
    content_of,
    read_remote_version,
    remote_numbers,
    remote_start_month,
    transferred,
)
from surco.embedstore.store import Store
from surco.embedstore.versions import latest_manifest
from surco.embedstore.working_copy import place_of

__all__ = ["pull"]

_STAGING = "pull"


def pull(
    url: str,
    path: str | Path,
    *,
    version: int | None = None,
    seasons: Sequence[str] = (),
    models: Sequence[str] = (),
    progress: Progress | None = None,
) -> Transfer:
    """Copy a version from an address into a store on this disk, as its next version.

    Only files that are not here, or are damaged here, are fetched; each is compared with its SHA-256 before it takes
    its name. Nothing is visible before all are there. With `seasons` or `models` only their tables come (and the
    models' cards, and all adapters), beside the other tables that the store here has.

    Args:
        url: `s3://BUCKET/PATH`, or `file:///FOLDER`.
        path: the store's folder or address; made where it is not there.
        version: a number there; None is the latest.
        seasons: names; none given means all.
        models: ids; none given means all.
        progress: told of bytes.

    Raises:
        StoreConflictError: the store here has tables that were never pushed there and would be replaced, or another
            process writes to it.
        StoreError: no store there, no such version, season or model; a damaged file, named; the object store refuses.
    """
    remote = Remote(url)
    month, numbers = _there(remote)
    number = _number(remote, numbers, version)
    whole = read_remote_version(remote, number)
    partial = bool(seasons or models)
    chosen = _chosen(whole, remote, seasons, models) if partial else whole
    store = Store.open_or_create(path, month)
    root = store.path
    with writing_to(root), alone(root):
        refresh(root)
        held = latest_manifest(root)
        target = _beside(held, chosen) if partial else _next(held, chosen)
        _check_nothing_lost(remote, numbers, held, target, root)
        files, fetched = _fetch(remote, store, chosen, progress)
        changed = content_of(target) != content_of(held)
        if changed:
            _show(root, held, target, partial)
    return Transfer(remote.url, target.version if changed else held.version, number, files, fetched, changed)


def _there(remote: Remote) -> tuple[int, list[int]]:
    """First month of the seasons, and the numbers of the versions, at least one."""
    month = remote_start_month(remote)
    numbers = [] if month is None else remote_numbers(remote)
    if month is None or not numbers:
        raise StoreError(
            f"a store with at least one version at {remote.url}",
            "no store.json" if month is None else "no version",
            "Correct the address, or push a store to it with `surco store push`.",
        )
    return month, numbers


def _number(remote: Remote, numbers: list[int], version: int | None) -> int:
    if version is not None and version not in numbers:
        raise StoreError(
            f"one of the versions {numbers[0]} to {numbers[-1]} of {remote.url}",
            f"{version}",
            "Leave the version out for the latest.",
        )
    return numbers[-1] if version is None else version


def _chosen(whole: Manifest, remote: Remote, seasons: Sequence[str], models: Sequence[str]) -> Manifest:
    """The tables of some seasons and models, the models' cards, and all adapters; without a catalogue."""
    for what, wanted, there in (
        ("seasons", seasons, {p.season.name for p in whole.partitions}),
        ("models", models, {*whole.models, *(p.model_id for p in whole.partitions)}),
    ):
        if unknown := sorted(set(wanted) - there):
            raise StoreError(
                f"{what} among {sorted(there)} of {remote.url}", f"{unknown}", "Name some that are there."
            )
    partitions = tuple(
        p
        for p in whole.partitions
        if (not seasons or p.season.name in seasons) and (not models or p.model_id in models)
    )
    if seasons and not partitions:
        raise StoreError(
            f"a table of {list(seasons)} in {remote.url}",
            f"none of {list(models)}",
            "Name a season that the model has.",
        )
    named = set(models) or {p.model_id for p in partitions}
    cards = {name: bundle for name, bundle in whole.models.items() if name in named}
    return replace(whole, partitions=partitions, models=cards, catalogue=None)


def _next(held: Manifest, chosen: Manifest) -> Manifest:
    return replace(chosen, version=held.version + 1, restores=None)


def _beside(held: Manifest, chosen: Manifest) -> Manifest:
    partitions = {p.key: p for p in chosen.partitions}
    return replace(held.replaced(partitions, chosen.models, chosen.adapters), catalogue=None)


def _check_nothing_lost(
    remote: Remote, numbers: list[int], held: Manifest, target: Manifest, root: Path
) -> None:
    """What leaves the visible version here must lie there in some version."""
    lost = content_of(held) - content_of(target)
    for number in reversed(numbers):
        if not lost:
            return
        lost -= content_of(read_remote_version(remote, number))
    if lost:
        raise StoreConflictError(
            f"nothing in {root} that was never pushed to {remote.url}",
            f"{len(lost)} such files, {min(lost)[0]} among them",
            "Push them first, or pull into another folder.",
        )


def _fetch(remote: Remote, store: Store, chosen: Manifest, progress: Progress | None) -> tuple[int, int]:
    there, root, staging = remote.sizes(), store.path, store.staging(_STAGING)

    def move(file: FileEntry) -> bool:
        if _is_whole(root, file):
            return False
        if there.get(file.path) != file.bytes:
            size = there.get(file.path)
            raise remote.damaged(file, "no such file" if size is None else f"{size} bytes")
        final = place_of(root, file)
        draft = staging / secrets.token_hex(8)
        remote.fetch(file, draft)
        draft.replace(final)
        return True

    try:
        return transferred(chosen.files, move, progress)
    finally:
        store.clear_staging(_STAGING)


def _is_whole(root: Path, file: FileEntry) -> bool:
    try:
        unchanged_file(root, file)
    except StoreError:
        return False
    return True


def _show(root: Path, held: Manifest, target: Manifest, partial: bool) -> None:
    """Force folders to disk and make the version visible."""
    token = f"{target.version:06d}-{secrets.token_hex(4)}"
    manifest = _with_catalogue(root, target, token) if partial else target
    for folder in {parent for file in manifest.files for parent in (root / file.path).parents}:
        if folder.is_relative_to(root):
            sync(folder)
    there = {file.path for file in held.files}
    show(root, manifest, token, [file for file in manifest.files if file.path not in there])


def _with_catalogue(root: Path, manifest: Manifest, token: str) -> Manifest:
    folder = f"stac/{token}"
    (root / folder).mkdir(parents=True)
    entries = []
    for name, content in sorted(catalogue_files(root, manifest).items()):
        path = root / folder / name
        path.write_bytes(content)
        sync(path)
        entries.append(FileEntry(f"{folder}/{name}", len(content), sha256_of(path)))
    return replace(manifest, catalogue=Bundle(folder, tuple(entries)))

"""Bringing a working copy to the versions that its address has, and showing a new version there first."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from surco.embedstore.disk import writing_to
from surco.embedstore.errors import StoreConflictError, StoreError
from surco.embedstore.files import sized_file
from surco.embedstore.geoparquet import sync
from surco.embedstore.locks import maintenance
from surco.embedstore.manifest import FileEntry, Manifest
from surco.embedstore.remote_files import Remote
from surco.embedstore.remote_versions import (
    Progress,
    fetched_version,
    lead_to,
    maintained,
    publish_at,
    remote_numbers,
    remote_start_month,
    settle,
    transferred,
)
from surco.embedstore.versions import manifest_file, publish, read_version, version_numbers, write_settings
from surco.embedstore.working_copy import (
    bring,
    is_address,
    is_kept_whole,
    keep_whole,
    origin_of,
    root_of,
    shown,
)

__all__ = ["alone", "bring_all", "brought", "check_present", "create_at_origin", "hold", "refresh", "show"]


def brought(where: str | Path, *, every: bool = False) -> Path:
    """The folder, absolute, through which a store is used; of an address at the latest version there, as `refresh`.

    A folder is taken as it is, a working copy too.
    """
    root = root_of(where)
    if is_address(where):
        refresh(root, every=every)
    return root


def refresh(root: Path, *, every: bool = False, progress: Progress | None = None) -> None:
    """Bring a working copy to its address's latest version; of any other folder there is nothing to do.

    Versions that are gone there go here, with the files that no other version here needs. Where the copy is kept whole
    (`keep_whole`), a version shows here once all of its files are here, and of all older ones the adapters come.

    Args:
        root: a store's folder.
        every: also the manifests of all older versions.
        progress: told of bytes, where files are fetched.

    Raises:
        StoreError: the object store refuses, or what is there is no store of ours.
    """
    remote = origin_of(root)
    if remote is None:
        return
    with writing_to(root):
        there, here = _sizes(remote), version_numbers(root)
        if not _brought_settings(root, remote, bool(there)):
            return
        whole = is_kept_whole(root)
        for number in sorted(there) if every or whole else sorted(there)[-1:]:
            file = manifest_file(root, number)
            if number not in here or file.stat().st_size != there[number]:
                content, manifest = fetched_version(remote, number)
                if whole:
                    latest = number == max(there)
                    bring_all(root, manifest.files if latest else _of_adapters(manifest), progress)
                _keep(root, number, content)
        _drop(root, [number for number in here if number not in there])


def hold(root: Path, progress: Progress | None = None) -> None:
    """Keep a working copy whole from now on, and bring all of the latest version, and the adapters of all others.

    Whoever reads the folder then needs no network. Raises as `refresh`.
    """
    keep_whole(root)
    refresh(root, every=True, progress=progress)
    *older, latest = [read_version(root, number) for number in version_numbers(root)] or [Manifest()]
    adapters = [file for manifest in older for file in _of_adapters(manifest)]
    bring_all(root, [*latest.files, *adapters], progress)


def bring_all(root: Path, files: Sequence[FileEntry], progress: Progress | None = None) -> tuple[int, int]:
    """Fetch what a working copy lacks of some files, several at once; how many were fetched, and their bytes.

    Raises:
        StoreError: as `working_copy.bring`.
    """
    missing = [file for file in dict.fromkeys(files) if not (root / file.path).exists()]
    return transferred(missing, lambda file: bring(root, file), progress) if missing else (0, 0)


def show(root: Path, manifest: Manifest, token: str, fresh: Sequence[FileEntry]) -> None:
    """Make a version visible: in a folder by linking its manifest; at an address by one conditional put, then here.

    Args:
        root: the store's folder, with the fresh files in place.
        manifest: the version.
        token: names the drafts; no other writer has it.
        fresh: files of the version that the address may not have yet.

    Raises:
        StoreConflictError: another writer took the number; what was sent is removed again.
        StoreError: the object store refuses.
    """
    remote = origin_of(root)
    if remote is None:
        publish(root, manifest, token)
        return
    settle(remote, root)
    _send(remote, root, fresh)
    try:
        publish_at(remote, manifest, "Nothing was changed. Open the store again and repeat the write.")
    except StoreConflictError:
        with suppress(StoreError):
            remote.remove([file.path for file in fresh])
        raise
    _keep(root, manifest.version, manifest.to_json().encode())
    lead_to(remote, manifest)


def create_at_origin(root: Path, start_month: int) -> None:
    """Make an empty store at the address that `root` is the working copy of.

    Raises:
        StoreError: there is one, or the object store refuses.
    """
    remote = origin_of(root)
    if remote is None or remote_start_month(remote) is not None:
        raise StoreError(
            "an address where no store is",
            f"{shown(root)}, where one is",
            "Choose another address, or open the store that is there.",
        )
    with writing_to(root):
        write_settings(root, start_month)
    settle(remote, root)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Alone in removing and restoring versions, here and at the address.

    Raises:
        StoreConflictError: another process does so now.
    """
    remote = origin_of(root)
    with maintenance(root), nullcontext() if remote is None else maintained(remote):
        yield


def check_present(root: Path, files: Sequence[FileEntry]) -> None:
    """Raise StoreError for the first of some files that is not there, or of another size: at the address, if any."""
    remote = origin_of(root)
    sizes = {} if remote is None else remote.sizes()
    for file in files:
        if remote is None:
            sized_file(root, file)
        elif sizes.get(file.path) != file.bytes:
            raise remote.damaged(file, "no such file, or one of another size")


def _send(remote: Remote, root: Path, fresh: Sequence[FileEntry]) -> None:
    def move(file: FileEntry) -> bool:
        remote.send(file.path, root / file.path)
        return True

    transferred(fresh, move, None)


def _brought_settings(root: Path, remote: Remote, has_versions: bool) -> bool:
    """Whether there is a store at the address: its settings are here then, and gone where it was removed."""
    if has_versions and (root / "store.json").exists():
        return True
    if remote_start_month(remote) is None:
        (root / "store.json").unlink(missing_ok=True)
        _drop(root, version_numbers(root))
        return False
    (root / "manifests").mkdir(parents=True, exist_ok=True)
    _put_in_place(root / "store.json", remote.read("store.json", limit=1 << 16) or b"")
    return True


def _sizes(remote: Remote) -> dict[int, int]:
    numbers, listed = remote_numbers(remote), remote.sizes("manifests")
    return {n: listed[f"manifests/{n}.json"] for n in numbers if f"manifests/{n}.json" in listed}


def _of_adapters(manifest: Manifest) -> list[FileEntry]:
    return [file for bundle in manifest.adapters.values() for file in bundle.files]


def _keep(root: Path, number: int, content: bytes) -> None:
    file = manifest_file(root, number)
    file.parent.mkdir(parents=True, exist_ok=True)
    _put_in_place(file, content)


def _put_in_place(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{secrets.token_hex(8)}")
    try:
        draft.write_bytes(content)
        sync(draft)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _drop(root: Path, numbers: Sequence[int]) -> None:
    """Remove versions from a working copy, and the files that only they name."""
    gone: set[FileEntry] = set()
    for number in numbers:
        with suppress(StoreError):
            gone.update(read_version(root, number).files)
        manifest_file(root, number).unlink(missing_ok=True)
    if not gone:
        return
    kept = {file.path for number in version_numbers(root) for file in read_version(root, number).files}
    for file in gone:
        if file.path not in kept:
            (root / file.path).unlink(missing_ok=True)

"""Reading every byte of a store again and comparing it with the checksums of its manifests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from surco.embedstore.errors import StoreError
from surco.embedstore.files import sized_file
from surco.embedstore.following import refresh
from surco.embedstore.manifest import FileEntry, Manifest
from surco.embedstore.versions import manifest_file, read_start_month, read_version, version_numbers
from surco.embedstore.working_copy import origin_of, root_of

__all__ = ["Damage", "Verification", "verify"]

_CHUNK = 1 << 23

Progress = Callable[[int, int, str], None]
"""Told how many of how many bytes are read, and which file comes now."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that is not what its manifest says, or a manifest that cannot be read; and the versions that need it."""

    path: Path
    problem: str
    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` read and what it found; the store is whole where `damage` is empty."""

    versions: tuple[int, ...]
    files: int
    bytes: int
    damage: tuple[Damage, ...]


def verify(
    path: str | Path, *, every_version: bool = False, progress: Progress | None = None
) -> Verification:
    """Recompute the SHA-256 of every file of the latest version, or of all kept ones: at an address of those there.

    Goes on behind a damaged file, so that all of them are named.

    Raises:
        StoreError: no store.
    """
    root = root_of(path)
    refresh(root, every=every_version)
    read_start_month(root)
    numbers = version_numbers(root) if every_version else version_numbers(root)[-1:]
    manifests, damage = _readable(root, numbers)
    needed: dict[FileEntry, list[int]] = {}
    for number, manifest in manifests.items():
        for file in manifest.files:
            needed.setdefault(file, []).append(number)
    total, done = sum(file.bytes for file in needed), 0
    for file, users in needed.items():
        if progress is not None:
            progress(done, total, file.path)
        problem = _problem(root, file)
        damage += [] if problem is None else [Damage(root / file.path, problem, tuple(users))]
        done += file.bytes
    if progress is not None:
        progress(total, total, "read")
    return Verification(tuple(numbers), len(needed), total, tuple(damage))


def _readable(root: Path, numbers: list[int]) -> tuple[dict[int, Manifest], list[Damage]]:
    manifests: dict[int, Manifest] = {}
    damage: list[Damage] = []
    for number in numbers:
        try:
            manifests[number] = read_version(root, number)
        except (StoreError, OSError) as error:
            problem = error.came if isinstance(error, StoreError) else str(error)
            damage.append(Damage(manifest_file(root, number), f"no manifest: {problem}", (number,)))
    return manifests, damage


def _problem(root: Path, file: FileEntry) -> str | None:
    """What is wrong with a file, in words."""
    remote = origin_of(root)
    if remote is not None:
        there = remote.digest(file)
        missing = f"no such file, or not of {file.bytes} bytes"
        return missing if there is None else _compared(there, file)
    try:
        path = sized_file(root, file)
        digest = hashlib.sha256()
        with path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
    except StoreError as error:
        return f"{error.came}, {file.bytes} bytes expected"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return _compared(digest.hexdigest(), file)


def _compared(digest: str, file: FileEntry) -> str | None:
    return None if digest == file.sha256 else "other content than was written (SHA-256)"

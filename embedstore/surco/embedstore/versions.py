"""A store's settings and its numbered versions on disk: reading the latest, publishing the next."""

from __future__ import annotations

import json
import os
import re
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from surco.embedstore.catalogue import ENTRY, write_entry
from surco.embedstore.errors import StoreConflictError, StoreError
from surco.embedstore.geoparquet import sync
from surco.embedstore.manifest import FORMAT_VERSION, Manifest
from surco.embedstore.season import Season
from surco.embedstore.working_copy import shown

__all__ = [
    "latest_manifest",
    "manifest_file",
    "publish",
    "read_start_month",
    "read_version",
    "version_numbers",
    "write_settings",
]

_MANIFEST = re.compile(r"([1-9]\d*)\.json")
_FORMAT = "surco-store"


def write_settings(root: Path, start_month: int) -> None:
    """Make a store of a folder: store.json, as a whole or not at all, and room for manifests."""
    (root / "manifests").mkdir(parents=True, exist_ok=True)
    content = {"format": _FORMAT, "version": FORMAT_VERSION, "start_month": start_month}
    draft = root / f".store-{os.getpid()}.json"
    draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    sync(draft)
    draft.replace(root / "store.json")
    sync(root)


def read_start_month(root: Path) -> int:
    """First month of the seasons of the store in `root`; raises StoreError where there is no store that we can read."""
    file = root / "store.json"
    try:
        content = json.loads(file.read_bytes())
        known, version, month = (
            content["format"] == _FORMAT,
            int(content["version"]),
            int(content["start_month"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "a store (a folder with store.json, or the address of one)",
            f"{shown(root)} ({getattr(error, 'strerror', None) or type(error).__name__})",
            "Give the folder or address of a store, or make one with `surco encode`.",
        ) from error
    if not known or version > FORMAT_VERSION:
        raise StoreError(
            f"a store of format {_FORMAT} {FORMAT_VERSION}",
            f"{content['format']} {version} in {file}",
            "Update surco: a newer one wrote this store.",
        )
    return Season(2000, month).start_month


def latest_manifest(root: Path) -> Manifest:
    """The version with the highest number, or the empty one; raises StoreError where it cannot be read."""
    versions = version_numbers(root)
    return read_version(root, versions[-1]) if versions else Manifest()


def version_numbers(root: Path) -> list[int]:
    """Numbers of the versions that are kept, oldest first."""
    folder = root / "manifests"
    names = [_MANIFEST.fullmatch(path.name) for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(match[1]) for match in names if match)


def read_version(root: Path, version: int) -> Manifest:
    """One version; raises StoreError where it is not kept or cannot be read."""
    held = version_numbers(root)
    if version not in held:
        raise StoreError(
            f"one of the versions {_spans(held)} of {root}",
            f"{version}",
            "List them with `surco store log`; those removed by `surco store gc` are gone.",
        )
    return _read(manifest_file(root, version))


def manifest_file(root: Path, version: int) -> Path:
    """Where a version's manifest lies."""
    return root / "manifests" / f"{version}.json"


def _read(file: Path) -> Manifest:
    """A manifest, of the last few read or written without reading it again: files of versions are never edited."""
    key = _state(file)
    with _LOCK:
        found = _KEPT.get(key)
    return _keep(key, Manifest.read(file)) if found is None else found


def _state(file: Path) -> tuple[Path, int, int]:
    """What tells a file from one that was put in its place; of one that is not there, what no file has."""
    try:
        facts = file.stat()
    except OSError:
        return file, -1, -1
    return file, facts.st_mtime_ns, facts.st_size


def _keep(key: tuple[Path, int, int], manifest: Manifest) -> Manifest:
    with _LOCK:
        _KEPT[key] = manifest
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
    return manifest


_LOCK = Lock()
_KEPT: OrderedDict[tuple[Path, int, int], Manifest] = OrderedDict()
_MOST_KEPT = 8  # a country's takes some MB


def publish(root: Path, manifest: Manifest, token: str) -> None:
    """Link a manifest under its number: this takes place as a whole, or fails because the number is taken.

    Then `catalog.json` leads to the version, too: a killed process leaves it at the one before.

    Args:
        root: the store's folder.
        manifest: what becomes visible.
        token: names the drafts; no other writer has it.

    Raises:
        StoreConflictError: another writer took the number.
    """
    folder = root / "manifests"
    draft, entry = folder / f".{token}.json", root / f".{token}-{ENTRY}"
    try:
        draft.write_text(manifest.to_json(), encoding="utf-8")
        sync(draft)
        write_entry(entry, manifest)
        os.link(draft, folder / f"{manifest.version}.json")
        _keep(_state(folder / f"{manifest.version}.json"), manifest)
        # Another writer may have finished after this one; then its entry stands.
        if version_numbers(root)[-1] == manifest.version:
            entry.replace(root / ENTRY)
    except FileExistsError as error:
        raise StoreConflictError(
            f"to write version {manifest.version} of {root}",
            "a version of that number, which another writer finished meanwhile",
            "Open the store again and repeat the write.",
        ) from error
    finally:
        draft.unlink(missing_ok=True)
        entry.unlink(missing_ok=True)
    sync(folder)


def _spans(numbers: list[int]) -> str:
    """Numbers as text, many in a row shortened: 1, 4-9."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    spans = (f"{a}-{b}" if b > a else f"{a}" for a, b in zip(starts, ends, strict=True))
    return ", ".join(spans) or "(none)"

"""The versions of one adapter: which versions of the store brought it, and where the files of each lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from surco.embedstore.errors import StoreError
from surco.embedstore.following import bring_all, brought
from surco.embedstore.names import check_name
from surco.embedstore.versions import manifest_file, read_version, version_numbers
from surco.embedstore.working_copy import is_address

__all__ = ["AdapterVersion", "adapter_versions"]

_TOKEN = re.compile(r"(\d{6,})-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """An adapter as one version of the store brought it: that version's number, and the folder of its files."""

    version: int
    folder: Path


def adapter_versions(path: str | Path, name: str) -> list[AdapterVersion]:
    """What a store still has of an adapter, the oldest first; empty where it never had one of that name.

    Fitting a name again replaces the adapter in the version that follows, and takes nothing from those before. What
    `collect_garbage` has removed is gone. A folder that no version names, of a write that was killed, is none.

    Raises:
        StoreError: a name that cannot be one.
    """
    root = brought(path, every=True)
    folder = root / "adapters" / check_name(name, "adapter name")
    if is_address(path):
        held = (read_version(root, number).adapters.get(name) for number in version_numbers(root))
        bring_all(root, [file for bundle in held if bundle is not None for file in bundle.files])
    tokens = [_TOKEN.fullmatch(each.name) for each in folder.iterdir()] if folder.is_dir() else []
    written = sorted((int(token[1]), token[0]) for token in tokens if token)
    kept = version_numbers(root)
    return [
        AdapterVersion(number, folder / token)
        for number, token in written
        if _names(root, kept, number, name, f"adapters/{name}/{token}")
    ]


def _names(root: Path, kept: list[int], number: int, name: str, folder: str) -> bool:
    """Whether the version that a folder was written for has it, or, where that is not kept, the next one that is."""
    later = next((each for each in kept if each >= number), None)
    return later is not None and _folders(manifest_file(root, later), later).get(name) == folder


@lru_cache(maxsize=1024)
def _folders(manifest: Path, version: int) -> dict[str, str]:
    """Folders of all adapters of one version, which never changes."""
    try:
        held = read_version(manifest.parent.parent, version).adapters
    except StoreError:
        return {}
    return {name: bundle.folder for name, bundle in held.items()}

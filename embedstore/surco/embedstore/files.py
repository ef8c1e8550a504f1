"""The files that a manifest names: where they lie, and whether they are what it says."""

from __future__ import annotations

from pathlib import Path

from surco.embedstore.errors import StoreError
from surco.embedstore.geoparquet import sha256_of
from surco.embedstore.manifest import FileEntry

__all__ = ["checked_file", "unchanged_file"]


def checked_file(root: Path, entry: FileEntry) -> Path:
    """The file's path, where it is there, inside the store `root`, and of the size that the manifest says.

    Raises:
        StoreError: it is not.
    """
    path = root / entry.path
    inside = path.resolve().is_relative_to(root.resolve())
    size = path.stat().st_size if inside and path.is_file() else None
    if size != entry.bytes:
        raise StoreError(
            f"{path} of {entry.bytes} bytes",
            "no such file" if size is None else f"{size} bytes",
            "The store was changed from outside; restore the file from a copy, or encode again.",
        )
    return path


def unchanged_file(root: Path, entry: FileEntry) -> Path:
    """As `checked_file`, with its SHA-256 too, so that all of it is read.

    Raises:
        StoreError: it is not what the manifest says.
    """
    path = checked_file(root, entry)
    if sha256_of(path) != entry.sha256:
        raise StoreError(
            f"{path} with SHA-256 {entry.sha256}",
            "other content",
            "Restore the file from a copy, or write it again.",
        )
    return path

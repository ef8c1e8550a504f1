"""A file system of exactly the files of one store version, which cannot be written: what DuckDB is allowed to see.

DuckDB's own guard (`allowed_directories`) lets `COPY … TO` and `ATTACH` write wherever it lets read, so a query could
overwrite the store. Through this file system Parquet is read as fast, nothing can be written, and damage is noticed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

from surco.embedstore.blocks import BlockChecks
from surco.embedstore.errors import StoreError

__all__ = ["PROTOCOL", "UNREACHED", "ReadOnlyFiles"]

PROTOCOL = "surco"
"""Files are addressed as `surco://<path relative to the store>`."""

UNREACHED = "A file of the store was not brought:"
"""By these words an error is known after it has gone through DuckDB, as by `blocks.DAMAGED`."""


class ReadOnlyFiles(AbstractFileSystem):  # type: ignore[misc]
    """The fsspec file system over given files.

    Args:
        files: path relative to the store → the file with its checks. Nothing else exists.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, files: Mapping[str, BlockChecks]) -> None:
        super().__init__()
        self._files = dict(files)

    def open(self, path: str, mode: str = "rb", **options: Any) -> _PositionedFile:
        """Open a file for reading; any other mode is refused."""
        if mode != "rb":
            raise PermissionError(f"{path}: the store's files are never edited")
        self._here(path)
        return _PositionedFile(self._place(path))

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Name, size and type of a file."""
        return {"name": path, "size": self._here(path).stat().st_size, "type": "file"}

    def exists(self, path: str, **options: Any) -> bool:
        """Whether it is one of the files."""
        return self._strip_protocol(path).lstrip("/") in self._files

    def glob(self, path: str, **options: Any) -> list[str]:
        """The file itself: patterns match nothing, so names cannot be listed."""
        return [path] if self.exists(path) else []

    def modified(self, path: str) -> datetime:
        """When the file was last changed, UTC."""
        return datetime.fromtimestamp(self._here(path).stat().st_mtime, UTC)

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """Refused."""
        raise PermissionError(f"{path}: the store's files are never edited")

    def _here(self, path: str) -> Path:
        """The file, brought where it is missing; what hinders that is said so that DuckDB passes it on."""
        try:
            return self._place(path).here()
        except StoreError as error:
            raise OSError(f"{UNREACHED} {error}") from error

    def _place(self, path: str) -> BlockChecks:
        place = self._files.get(self._strip_protocol(path).lstrip("/"))
        if place is None:
            raise FileNotFoundError(path)
        return place


class _PositionedFile:
    """A file whose position belongs to the thread: DuckDB's threads seek and read on one handle."""

    def __init__(self, checks: BlockChecks) -> None:
        self._checks = checks
        self._descriptor = os.open(checks.path, os.O_RDONLY)
        self._at = threading.local()

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            position += self.tell()
        elif whence == os.SEEK_END:
            position += os.fstat(self._descriptor).st_size
        self._at.position = position
        return position

    def tell(self) -> int:
        return int(getattr(self._at, "position", 0))

    def read(self, size: int = -1) -> bytes:
        position = self.tell()
        if size < 0:
            size = max(os.fstat(self._descriptor).st_size - position, 0)
        content = self._checks.read(self._descriptor, size, position)
        self._at.position = position + len(content)
        return content

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        # DuckDB drops handles of relations without closing them.
        self.close()

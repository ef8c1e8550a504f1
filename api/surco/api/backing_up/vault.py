"""Where backups lie: a folder, an address in an object store, or one `.tar` file; contents are named by their SHA-256.

surco-backups.json          what this is, and its format
objects/<sha256>            a file of a store, or the rows of a table; kept once however many backups need it
backups/<time>-<digest>.json    one backup: what it holds; <digest> begins the SHA-256 of the document itself
"""

from __future__ import annotations

import hashlib
import io
import secrets
import tarfile
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import quote

from surco.api.refusals import BackupError
from surco.embedstore.geoparquet import sync
from surco.embedstore.manifest import FileEntry
from surco.embedstore.remote_files import Remote
from surco.embedstore.working_copy import is_address

__all__ = [
    "BackupSource",
    "BackupTarget",
    "TarReader",
    "TarWriter",
    "folder_or_address",
    "object_name",
]

_CHUNK = 8 << 20


class BackupTarget(Protocol):
    """Where a backup is written; each file appears as a whole or not at all. `Remote` is one."""

    def sizes(self, folder: str | None = None) -> dict[str, int]:
        """Bytes of each file by name, of all or of those in `folder`."""

    def send(self, name: str, content: Path | bytes) -> None:
        """Add a file."""


class BackupSource(Protocol):
    """Where a backup is read. `Remote` is one."""

    def sizes(self, folder: str | None = None) -> dict[str, int]:
        """Bytes of each file by name, of all or of those in `folder`."""

    def read(self, name: str, limit: int = 1 << 28) -> bytes | None:
        """A small file, None where there is none."""

    def fetch(self, entry: FileEntry, target: Path) -> None:
        """Write a file to `target`; raises EmbedstoreError or BackupError where it is not what the entry says."""


def object_name(digest: str) -> str:
    """The name of a content."""
    return f"objects/{digest}"


def folder_or_address(where: str, *, make: bool) -> Remote:
    """What lies at an address (`s3://…`, `file://…`) or in a folder, of backups.

    Raises:
        BackupError: no such folder.
        EmbedstoreError: an address that cannot be used.
    """
    if is_address(where):
        return Remote(where, make=make)
    path = Path(where).absolute()
    if not make and not path.is_dir():
        raise BackupError(
            f"Expected backups in a folder, a .tar file or at s3://…, got {where}. Correct the place."
        )
    return Remote(f"file://{quote(str(path))}", make=make)


class TarWriter:
    """Backups in one new file, which takes its name when the `with` block ends well."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise BackupError(f"Expected a file that is not there yet, got {path}. Choose another name.")
        self._path = path
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")

    def __enter__(self) -> Self:
        try:
            self._tar = tarfile.open(self._draft, "x")
        except OSError as error:
            raise BackupError(
                f"Expected to write {self._path}, got: {error.strerror}. Choose another place."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()
        try:
            if kind is None:
                sync(self._draft)
                self._draft.replace(self._path)
        finally:
            self._draft.unlink(missing_ok=True)

    def sizes(self, folder: str | None = None) -> dict[str, int]:
        """What was sent so far."""
        return {each.name: each.size for each in self._tar.getmembers() if each.name.startswith(folder or "")}

    def send(self, name: str, content: Path | bytes) -> None:
        """Append a file."""
        held = tarfile.TarInfo(name)
        held.size = len(content) if isinstance(content, bytes) else content.stat().st_size
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
            self._tar.addfile(held, source)


class TarReader:
    """Backups in one file that is there.

    Raises:
        BackupError: no tar file, or one that ends early.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise BackupError(
                f"Expected a .tar file of `surco backup`, got {path} ({error.strerror})."
            ) from error
        try:
            self._tar = tarfile.TarFile(fileobj=self._file)
            self._members = {each.name: each for each in self._tar.getmembers() if each.isfile()}
        except (OSError, tarfile.TarError) as error:
            self._file.close()
            raise BackupError(
                f"Expected a .tar file of `surco backup`, got {path} ({error}). Use a whole copy."
            ) from error

    def sizes(self, folder: str | None = None) -> dict[str, int]:
        """Bytes of each file by name."""
        return {name: each.size for name, each in self._members.items() if name.startswith(folder or "")}

    def read(self, name: str, limit: int = 1 << 28) -> bytes | None:
        """A file of at most `limit` bytes, None where there is none."""
        member = self._members.get(name)
        source = None if member is None or member.size > limit else self._tar.extractfile(member)
        return None if source is None else source.read()

    def fetch(self, entry: FileEntry, target: Path) -> None:
        """Write a file to `target` and compare it; raises BackupError where it is not what the entry says."""
        member, digest = self._members.get(entry.path), hashlib.sha256()
        source = None if member is None else self._tar.extractfile(member)
        with target.open("wb") as out:
            while source is not None and (content := source.read(_CHUNK)):
                digest.update(content)
                out.write(content)
        if digest.hexdigest() != entry.sha256:
            came = "no such file" if member is None else "other content"
            raise BackupError(
                f"Expected {entry.path} in {self._path} as it was written, got {came}. Use another copy."
            )
        sync(target)

    def close(self) -> None:
        """Close the file."""
        self._tar.close()
        self._file.close()

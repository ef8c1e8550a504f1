"""Files below an address in an object store, or in a folder of another disk, and what it refuses, in our words."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from surco.embedstore.errors import StoreError
from surco.embedstore.geoparquet import sync
from surco.embedstore.manifest import FileEntry
from surco.embedstore.remote_address import Address, opened

__all__ = ["Remote"]

_PART = 8 << 20
"""Bytes of one request: little enough for a slow line to send before it times out."""

_FORBIDDEN = ("PermissionDeniedError", "UnauthenticatedError", "PermissionError")
_ROLE = ("169.254.", "/latest/api/token", "/latest/meta-data", "WebIdentity")
"""Where credentials are looked for when the environment has none."""
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_SYSTEM = re.compile(r"\(os error (\d+)\)")


class Remote:
    """What lies below an address, each file by its name relative to it.

    Server errors, lost connections and time-outs are tried again with growing pauses.

    Args:
        url: `s3://BUCKET/PATH`, or `file:///FOLDER`.
        make: make the folder of a file address where it is not there; buckets are never made.
        retries: how often a request is tried again.

    Raises:
        StoreError: another kind of address, one that carries credentials, or obstore is not installed.
    """

    def __init__(self, url: str, *, make: bool = False, retries: int = 6) -> None:
        self._address = Address.parse(url)
        self._store = opened(self._address, make=make, retries=retries)
        self.url = str(self._address)

    def sizes(self, folder: str | None = None) -> dict[str, int]:
        """Bytes of each file by name, of all or of those in `folder`."""
        return {name: size for name, (size, _) in self.listed(folder).items()}

    def listed(self, folder: str | None = None) -> dict[str, tuple[int, datetime]]:
        """Bytes of each file by name, and when it was last written (UTC), of all or of those in `folder`."""
        import obstore

        with self._naming("read", folder or ""):
            pages = obstore.list(self._store, folder, chunk_size=1000)
            return {str(e["path"]): (int(e["size"]), e["last_modified"]) for page in pages for e in page}

    def read(self, name: str, limit: int = 1 << 28) -> bytes | None:
        """A whole small file, None where there is none; raises StoreError where it is longer than `limit` bytes."""
        import obstore

        with self._naming("read", name):
            try:
                answer = obstore.get(self._store, name)
            except FileNotFoundError as error:
                if _code(error) == "NoSuchBucket":
                    raise
                return None
            if answer.meta["size"] <= limit:
                return bytes(answer.bytes())
        raise StoreError(
            f"{self.url}/{name} of at most {limit} bytes",
            f"{answer.meta['size']} bytes",
            "surco did not write this store; do not use it.",
        )

    def fetch(self, entry: FileEntry, target: Path) -> None:
        """Write a file to `target`, compare its size and SHA-256, and force it to disk.

        Raises:
            StoreError: it is not there, or not what the entry says.
        """
        import obstore

        digest = hashlib.sha256()
        with target.open("wb") as out:
            for start in range(0, entry.bytes, _PART):
                length = min(_PART, entry.bytes - start)
                with self._naming("read", entry.path):
                    part = memoryview(obstore.get_range(self._store, entry.path, start=start, length=length))
                digest.update(part)
                out.write(part)
        if target.stat().st_size != entry.bytes or digest.hexdigest() != entry.sha256:
            raise self.damaged(entry, "other content")
        sync(target)

    def send(self, name: str, content: Path | bytes) -> None:
        """Upload a file; it appears as a whole or not at all, in place of one that is there."""
        import obstore

        with self._naming("write", name):
            obstore.put(self._store, name, content, chunk_size=_PART, max_concurrency=4)

    def create(self, name: str, content: bytes) -> bool:
        """Upload a file where there is none of that name (`If-None-Match: *`); False where there is one.

        False may also mean that an earlier try of the same request got through and its answer was lost.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._naming("write", name):
            try:
                obstore.put(self._store, name, content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def digest(self, entry: FileEntry) -> str | None:
        """SHA-256 of a file as it lies there, in hex; None where there is none, or it has another size."""
        import obstore

        digest, held = hashlib.sha256(), self.size(entry.path)
        if held != entry.bytes:
            return None
        for start in range(0, entry.bytes, _PART):
            length = min(_PART, entry.bytes - start)
            with self._naming("read", entry.path):
                digest.update(
                    memoryview(obstore.get_range(self._store, entry.path, start=start, length=length))
                )
        return digest.hexdigest()

    def size(self, name: str) -> int | None:
        """Bytes of a file, None where there is none."""
        import obstore

        with self._naming("read", name):
            try:
                return int(obstore.head(self._store, name)["size"])
            except FileNotFoundError as error:
                if _code(error) == "NoSuchBucket":
                    raise
                return None

    def remove(self, names: Sequence[str]) -> None:
        """Remove files; one that is not there is none the less gone."""
        import obstore

        with self._naming("remove", names[0] if names else ""), suppress(FileNotFoundError):
            obstore.delete(self._store, list(names))

    def damaged(self, entry: FileEntry, came: str) -> StoreError:
        """The error that names a file which is not what a manifest says."""
        return StoreError(
            f"{self.url}/{entry.path} of {entry.bytes} bytes with SHA-256 {entry.sha256}",
            came,
            "Delete the object and push again from a store that has the file whole.",
        )

    @contextmanager
    def _naming(self, what: str, name: str) -> Iterator[None]:
        """Errors of the object store in our words; its own carry addresses, headers and key ids."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError, PermissionError) as error:
            found = self._refusal(error, what, f"{self.url}/{name}".rstrip("/"))
        else:
            return
        raise found from None

    def _refusal(self, error: Exception, what: str, address: str) -> StoreError:
        text, code = str(error), _code(error)
        status = _STATUS.search(text)
        answer = " ".join(filter(None, [status and status[1], code]))
        if code == "NoSuchBucket":
            return StoreError(
                f"a bucket named {self._address.bucket}",
                "none of that name (NoSuchBucket)",
                "Correct the address, or make the bucket; AWS_ENDPOINT_URL says at whose service.",
            )
        if any(sign in text for sign in _ROLE):
            return StoreError(
                f"credentials to {what} {address}",
                "none in the environment that can be used",
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for a public bucket AWS_SKIP_SIGNATURE=true.",
            )
        if type(error).__name__ in _FORBIDDEN or (status and status[1] in ("401", "403")):
            return StoreError(
                f"the right to {what} {address}",
                f"a refusal ({answer or 'permission denied'})",
                "Check the credentials in the environment, AWS_REGION, and the bucket's policy.",
            )
        if isinstance(error, FileNotFoundError):
            return StoreError(f"{address}", "no such file", "Push again from a store that has it.")
        if self._address.scheme == "file":
            system = _SYSTEM.search(text)
            reason = os.strerror(int(system[1])) if system else "an error of the disk"
            return StoreError(f"to {what} {address}", reason, "Check the disk and repeat.")
        return StoreError(
            f"an answer from the object store to {what} {address}",
            f"status {answer}" if answer else "no connection, or none that lasted, after several tries",
            "Check AWS_ENDPOINT_URL, AWS_REGION and the network and repeat: what has arrived is not sent again.",
        )


def _code(error: Exception) -> str:
    """S3's word for what is wrong, where the answer had one."""
    match = _CODE.search(str(error))
    return match[1] if match else ""

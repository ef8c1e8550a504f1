"""Addresses of stores elsewhere, and opening them with obstore.

Credentials, region and endpoint come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …), never from an address, and no error repeats them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from surco.embedstore.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["ENDPOINTS", "Address", "opened"]

_TIMEOUT = timedelta(minutes=2)
_CONNECT_TIMEOUT = timedelta(seconds=10)
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
"""Variables of the environment that name another service than Amazon's, the first that is set."""


@dataclass(frozen=True, slots=True)
class Address:
    """Scheme ("s3" or "file"), bucket (of a file address empty), and path without slashes at its ends."""

    scheme: str
    bucket: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.path}".rstrip("/")

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `s3://BUCKET/PATH` or `file:///FOLDER`.

        Raises:
            StoreError: anything else. The message does not repeat the address, which may hold a password.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        path = parts.path.strip("/")
        plain = not (parts.query or parts.fragment or re.search(r"[@:\\%\s]", parts.netloc))
        whole = all(part not in ("", ".", "..") for part in path.split("/")) or not path
        if plain and whole and parts.scheme == "s3" and parts.netloc:
            return cls("s3", parts.netloc, path)
        if plain and whole and parts.scheme == "file" and not parts.netloc and path:
            return cls("file", "", path)
        known = parts.scheme in ("s3", "file")
        raise StoreError(
            "an address s3://BUCKET/PATH, or file:///FOLDER",
            "one with credentials, a query or a path that cannot be used" if known else "one of another kind",
            "Give bucket and path only; credentials and endpoint are taken from the environment (AWS_…).",
        )


def opened(address: Address, *, make: bool, retries: int) -> ObjectStore:
    """What is at an address; of S3 nothing is asked yet.

    Args:
        address: where.
        make: make the folder of a file address where it is not there.
        retries: how often a request is tried again.

    Raises:
        StoreError: obstore is not installed, settings in the environment cannot be used, or there is no such folder.
    """
    if address.scheme == "file":
        return _folder(address.path, make)
    return _bucket(address.bucket, address.path, retries)


def _folder(path: str, make: bool) -> ObjectStore:
    with _opening(f"a folder /{path}", "none that can be opened", "Correct the address."):
        from obstore.store import LocalStore

        return LocalStore(f"/{unquote(path)}", mkdir=make)


def _bucket(name: str, path: str, retries: int) -> ObjectStore:
    endpoint = next((os.environ[each] for each in ENDPOINTS if os.environ.get(each)), "")
    with _opening(
        f"settings for s3://{name} that can be used",
        "an AWS_… variable that cannot be",
        "Check AWS_ENDPOINT_URL, AWS_REGION and the like; their values are not shown here.",
    ):
        from obstore.store import S3Store

        return S3Store(
            name,
            prefix=path or None,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "timeout": _TIMEOUT,
                "connect_timeout": _CONNECT_TIMEOUT,
            },
            retry_config={"max_retries": retries, "retry_timeout": timedelta(minutes=3)},
        )


@contextmanager
def _opening(expected: str, came: str, remedy: str) -> Iterator[None]:
    try:
        from obstore.exceptions import BaseError
    except ImportError:
        raise StoreError(
            "the package obstore, for stores in an object store",
            "none installed",
            "Install it: pip install 'surco[cloud]'.",
        ) from None
    try:
        yield
    except (BaseError, OSError, ValueError):
        raise StoreError(expected, came, remedy) from None

"""Working copies: the folder on this disk through which a store at an address is read and written.

A working copy is a store's folder like any other, with `.origin.json` beside `store.json`. Its manifests are those at
the address; its files come when they are needed, and keep their names and content for ever. It lies in a cache
(`SURCO_CACHE`, else `$XDG_CACHE_HOME/surco`, else `~/.cache/surco`): removing it loses time, and staged work.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from functools import lru_cache
from pathlib import Path

from surco.embedstore.disk import writing_to
from surco.embedstore.errors import StoreError
from surco.embedstore.manifest import FileEntry
from surco.embedstore.remote_address import ENDPOINTS
from surco.embedstore.remote_files import Remote

__all__ = [
    "bring",
    "is_address",
    "is_kept_whole",
    "keep_whole",
    "origin_of",
    "place_of",
    "root_of",
    "shown",
    "state_folder",
    "with_addresses",
]

_ORIGIN = ".origin.json"
_WHOLE = ".whole"
_DRAFTS = ".fetching"
_ABANDONED_AFTER_S = 86_400.0


def is_address(where: str | Path) -> bool:
    """Whether a store's place is an address (`s3://BUCKET/PATH`, `file:///FOLDER`) rather than a folder."""
    return isinstance(where, str) and where.startswith(("s3://", "file://"))


def root_of(where: str | Path) -> Path:
    """The folder, absolute, through which a store is used: of an address its working copy, made where it is missing.

    Nothing is asked of the object store.

    Raises:
        StoreError: an address that cannot be used, obstore is not installed, or a cache that cannot be written.
    """
    if not is_address(where):
        return Path(where).absolute()
    url = Remote(str(where)).url
    root = _cache() / "stores" / _key(url) / (url.rpartition("/")[2] or "store")
    with writing_to(root):
        root.mkdir(parents=True, exist_ok=True)
        if not (root / _ORIGIN).exists():
            draft = root / f"{_ORIGIN}.{secrets.token_hex(4)}"
            draft.write_text(json.dumps({"url": url}), encoding="utf-8")
            draft.replace(root / _ORIGIN)
    return root


def origin_of(root: Path) -> Remote | None:
    """What lies at the address that `root` is the working copy of; None of any other folder.

    Raises:
        StoreError: a folder that cannot be looked into, a file in the place of the note that is none.
    """
    try:
        url = str(json.loads((root / _ORIGIN).read_bytes())["url"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise StoreError(
            f"a store that can be read at {root}",
            f"{error.strerror} for {error.filename}",
            "Give this user the right to read it, and to pass through every folder above it.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the address of a store in {root / _ORIGIN}",
            f"a file that cannot be read ({type(error).__name__})",
            "Remove the folder: it is a working copy, and is made anew from the address.",
        ) from error
    return _remote(url, os.getpid(), _settings())


def shown(root: Path) -> str:
    """A store's name in messages: its address, or its folder."""
    remote = origin_of(root)
    return str(root) if remote is None else remote.url


def with_addresses(text: str) -> str:
    """A message in which working copies are called by their addresses."""
    copies = rf"{re.escape(str(_cache() / 'stores'))}/[0-9a-f]{{16}}/[\w.-]+"
    return re.sub(copies, lambda found: shown(Path(found[0])), text)


def state_folder(root: Path) -> Path:
    """Where what belongs to a store's server and is nowhere else lies: in its folder, and of a working copy beside it.

    A cache may be removed, so that of a store at an address it is `$XDG_DATA_HOME/surco` (`~/.local/share/surco`).
    """
    remote = origin_of(root)
    if remote is None:
        return root / ".server"
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share").absolute()
    return data / "surco" / "stores" / _key(remote.url)


def bring(root: Path, entry: FileEntry) -> bool:
    """Fetch a file that the working copy does not have yet; False where there is nothing to fetch.

    Several processes may do so at once: the file takes its name as a whole, once its SHA-256 was compared.

    Raises:
        StoreError: it is not at the address, or damaged there.
    """
    path = root / entry.path
    remote = None if path.exists() else origin_of(root)
    if remote is None:
        return False
    with writing_to(root):
        place_of(root, entry)
        draft = root / _DRAFTS / secrets.token_hex(8)
        _room_for_drafts(draft.parent)
        try:
            remote.fetch(entry, draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    return True


def place_of(root: Path, entry: FileEntry) -> Path:
    """Where a file goes, its folder made; raises StoreError where a link would lead it out of the store."""
    path = root / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise StoreError(
            f"{path.parent} inside {root}", "a link that leads out of it", "Remove the link and pull again."
        )
    return path


def keep_whole(root: Path) -> None:
    """From now on a version shows in this working copy once all of its files are in it: readers need no network."""
    with writing_to(root):
        (root / _WHOLE).touch()


def is_kept_whole(root: Path) -> bool:
    """Whether `keep_whole` was asked for."""
    return (root / _WHOLE).exists()


def _cache() -> Path:
    named = os.environ.get("SURCO_CACHE")
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "surco"


def _key(url: str) -> str:
    """Two services may have buckets of one name."""
    endpoint = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), "")
    return hashlib.sha256(f"{endpoint}\n{url}".encode()).hexdigest()[:16]


def _settings() -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))


@lru_cache(maxsize=8)
def _remote(url: str, pid: int, settings: tuple[tuple[str, str], ...]) -> Remote:
    """Opened once for a process and its environment."""
    return Remote(url, make=True)


def _room_for_drafts(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for draft in folder.iterdir():
        try:
            if time.time() - draft.stat().st_mtime > _ABANDONED_AFTER_S:
                draft.unlink()
        except FileNotFoundError:
            continue

"""Files derived from a table for searching: made once, checked by digest when opened, and made anew where damaged.

They lie in `<store>/.search/<name>/`, beside a `contents.json` with each file's SHA-256. They hold nothing that the
table does not, so that removing them loses time and nothing else.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from surco.embedstore.geoparquet import sha256_of, sync

__all__ = ["drop_older", "ensure_sidecar", "open_sidecar", "publish_sidecar", "sidecar_folder"]

_FORMAT = 2
_CONTENTS = "contents.json"
_ABANDONED_AFTER_S = 86_400.0

Facts = Mapping[str, Any]


def sidecar_folder(root: Path, name: str) -> Path:
    """Where the sidecar of that name of the store `root` lies, or would."""
    return root / ".search" / name


def open_sidecar(folder: Path) -> Facts | None:
    """What the writer noted of a sidecar; None where there is none, or any file of it is not what was written.

    Reads every byte (half a second for seven million rows of 64 values), so that damage cannot become an answer.
    """
    try:
        contents = json.loads((folder / _CONTENTS).read_bytes())
        if contents["format"] != _FORMAT:
            return None
        digests = {folder / name: digest for name, digest in contents["files"].items()}
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(sha256_of, digests))
        return dict(contents["facts"]) if found == list(digests.values()) else None
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return None


def ensure_sidecar(folder: Path, write: Callable[[Path], Facts]) -> bool:
    """Publish a sidecar where there is none that is whole; gives whether that was needed.

    Of processes that want the same one at the same time, the others wait while one makes it.

    Raises:
        OSError: the disk is full, or the store cannot be written.
    """
    if open_sidecar(folder) is not None:
        return False
    folder.parent.mkdir(exist_ok=True)
    with _alone(folder.parent / f".making-{folder.name}.lock"):
        if open_sidecar(folder) is not None:
            return False
        publish_sidecar(folder, write)
        return True


def publish_sidecar(folder: Path, write: Callable[[Path], Facts]) -> None:
    """Let `write` fill an empty folder and return its facts, then show it under its name, all at once.

    What had the name before is gone then; processes that mapped its files keep them.

    Raises:
        OSError: the disk is full, or the store cannot be written.
    """
    folder.parent.mkdir(exist_ok=True)
    _drop_abandoned(folder.parent)
    draft = folder.parent / f".draft-{secrets.token_hex(8)}"
    draft.mkdir()
    try:
        _seal(draft, write(draft))
        _replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def drop_older(folder: Path, table: str, keep: int) -> None:
    """Remove the sidecars of other versions of a table, but for the `keep` newest; `table` is what their facts say."""
    ours = [path for path in folder.parent.iterdir() if _table_of(path) == table]
    for path in sorted(ours, key=_made, reverse=True)[keep:]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process; where files cannot be locked, what is made is made twice."""
    with path.open("wb") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _seal(draft: Path, facts: Facts) -> None:
    names = sorted(path.name for path in draft.iterdir())
    digests = {name: sha256_of(draft / name) for name in names}
    text = json.dumps({"format": _FORMAT, "files": digests, "facts": dict(facts)}, indent=1)
    (draft / _CONTENTS).write_text(text, encoding="utf-8")
    for name in (*names, _CONTENTS):
        sync(draft / name)
    sync(draft)


def _replace(draft: Path, folder: Path) -> None:
    """A folder cannot be renamed onto one that holds something; what is there goes first."""
    for _ in range(3):
        with suppress(FileNotFoundError):
            folder.rename(draft.with_name(f"{draft.name}-old-{secrets.token_hex(4)}"))
        try:
            draft.rename(folder)
            break
        except OSError:
            # Another process put its own there in between: as good as ours, but it may have come from an older surco.
            continue
    for old in folder.parent.glob(f"{draft.name}-old-*"):
        shutil.rmtree(old, ignore_errors=True)


def _drop_abandoned(folder: Path) -> None:
    """Drafts of processes that were killed, and locks that nobody has taken for a day."""
    for draft in folder.glob(".draft-*"):
        if time.time() - _made(draft) > _ABANDONED_AFTER_S:
            shutil.rmtree(draft, ignore_errors=True)
    for lock in folder.glob(".making-*"):
        if time.time() - _made(lock) > _ABANDONED_AFTER_S:
            lock.unlink(missing_ok=True)


def _made(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _table_of(path: Path) -> str | None:
    try:
        return str(json.loads((path / _CONTENTS).read_bytes())["facts"]["table"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

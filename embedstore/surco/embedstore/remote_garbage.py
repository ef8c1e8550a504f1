"""What no kept version of a store at an address needs, and removing it there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from surco.embedstore.remote_files import Remote

__all__ = ["RemoteFile", "remove_there", "unneeded_there"]

_HELD_IN = ("cells", "parcels", "models", "adapters", "stac")
_TOKEN = re.compile(r"\d{6,}-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at an address by its name there, its bytes, and why it is not needed."""

    name: str
    bytes: int
    why: str


def unneeded_there(
    remote: Remote, needed: set[str], earlier: set[str], grace: timedelta
) -> Iterator[RemoteFile]:
    """Files in folders that a writer made, and that no kept version names.

    Nobody can say of a writer on another machine whether it lives: what no version ever named is left alone until it
    is older than `grace`, in which any write must have become visible.

    Args:
        remote: where.
        needed: files of the kept versions.
        earlier: files of the versions that go.
        grace: from a file's upload on.
    """
    young = datetime.now(UTC) - grace
    for name, (size, written) in sorted(remote.listed().items()):
        parts = PurePosixPath(name).parts
        ours = len(parts) >= 3 and parts[0] in _HELD_IN and _TOKEN.fullmatch(parts[-2])
        if not ours or name in needed:
            continue
        if name in earlier:
            yield RemoteFile(name, size, "old version")
        elif written < young:
            yield RemoteFile(name, size, "killed writer")


def remove_there(remote: Remote, versions: Sequence[int], files: Sequence[RemoteFile]) -> None:
    """Remove manifests, then files: whenever this is stopped, every version that is left has all of its files."""
    if versions:
        remote.remove([f"manifests/{number}.json" for number in versions])
    if files:
        remote.remove([file.name for file in files])

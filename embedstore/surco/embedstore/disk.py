"""What the disk refuses, as errors of the store."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from surco.embedstore.errors import StoreError

__all__ = ["writing_to"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def writing_to(root: Path) -> Iterator[None]:
    """Turn a full disk, or a folder that cannot be written, into a StoreError; other files are not ours to explain."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and not _concerns(Path(str(error.filename)), root):
            raise
        if error.errno in _FULL:
            raise StoreError(
                f"room on the disk of {root}",
                f"{error.strerror or error} ({error.filename or 'while writing'})",
                "Free some, for example with `surco store gc`, and repeat the write: nothing of it is visible.",
            ) from error
        if error.errno in _FORBIDDEN and error.filename is not None:
            raise StoreError(
                f"a store that can be written at {root}",
                f"{error.strerror} ({error.filename})",
                "Change the folder's permissions, or write to a copy of the store.",
            ) from error
        raise


def _concerns(path: Path, root: Path) -> bool:
    """Whether a path lies in the store, or the store in it: a folder that is to hold it may be what cannot be made."""
    return path.is_relative_to(root) or root.is_relative_to(path)

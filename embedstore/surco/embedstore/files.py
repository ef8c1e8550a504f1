"""The files that a manifest names: where they lie, and whether they are what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from surco.embedstore.blocks import BlockChecks
from surco.embedstore.errors import StoreError
from surco.embedstore.geoparquet import sha256_of
from surco.embedstore.manifest import FileEntry
from surco.embedstore.working_copy import bring

__all__ = [
    "check_footer",
    "checked_file",
    "read_batches",
    "read_footer",
    "read_groups",
    "read_rows",
    "read_schema",
    "unchanged_file",
]


def checked_file(root: Path, entry: FileEntry) -> Path:
    """The file's path, where it is there, inside the store `root`, and of the size that the manifest says.

    A working copy fetches what it lacks.

    Raises:
        StoreError: it is not.
    """
    bring(root, entry)
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


def read_rows(path: Path, columns: Sequence[str] | None = None, filters: Any = None) -> pa.Table:
    """Rows of a Parquet file, each page compared with its checksum.

    Args:
        path: of the file.
        columns: names; None for all.
        filters: as pyarrow takes them; None lets all rows pass.

    Raises:
        StoreError: the file is damaged.
    """
    with _naming(path):
        return pq.read_table(
            path,
            columns=None if columns is None else list(columns),
            filters=filters,
            partitioning=None,
            page_checksum_verification=True,
        )


def read_batches(path: Path, rows: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """As `read_rows`, batch by batch of at most `rows`."""
    with _naming(path), pq.ParquetFile(path, page_checksum_verification=True) as source:
        yield from source.iter_batches(rows, columns=list(columns))


def read_footer(path: Path) -> pq.FileMetaData:
    """What a Parquet file says of its row groups; raises StoreError where it is damaged."""
    with _naming(path):
        return pq.read_metadata(path)


def read_groups(path: Path, groups: Sequence[int], columns: Sequence[str]) -> pa.Table:
    """As `read_rows`, of some row groups by their numbers, on the calling thread alone."""
    with _naming(path), pq.ParquetFile(path, page_checksum_verification=True) as source:
        return source.read_row_groups(list(groups), columns=list(columns), use_threads=False)


def check_footer(checks: BlockChecks) -> None:
    """Compare a Parquet file's footer with its checksums; raises StoreError where it is damaged."""
    with _naming(checks.path):
        checks.check_footer()


def read_schema(path: Path) -> pa.Schema:
    """The columns of a Parquet file; raises StoreError where it is damaged."""
    with _naming(path):
        return pq.read_schema(path)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise StoreError(
            f"{path} as it was written",
            f"a file that cannot be read ({error})",
            "Find all damaged files with `surco store verify`, and restore them from a copy.",
        ) from error

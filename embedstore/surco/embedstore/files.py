"""The files that a manifest names: where they lie, and whether they are what it says."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
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
    "checked_file",
    "read_batches",
    "read_footer",
    "read_groups",
    "read_rows",
    "read_schema",
    "sized_file",
    "unchanged_file",
]

_TICK_NS = 2 * 10**9


def checked_file(root: Path, entry: FileEntry) -> Path:
    """As `sized_file`; of a table the Parquet footer is what was written, too.

    No checksum of pages covers the footer, and a flipped bit in it may rename a column or move a chunk: what is read
    then is wrong without a word. It is compared once for as long as the file is not changed.

    Raises:
        StoreError: it is not.
    """
    path = sized_file(root, entry)
    if entry.blocks is not None and path.suffix == ".parquet":
        changed = path.stat().st_mtime_ns
        # Two changes within one tick of the file system's clock look like one.
        settled = time.time_ns() - changed > _TICK_NS
        (_compare_footer if settled else _compare_footer.__wrapped__)(path, entry, changed)
    return path


def sized_file(root: Path, entry: FileEntry) -> Path:
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


def read_schema(path: Path) -> pa.Schema:
    """The columns of a Parquet file; raises StoreError where it is damaged."""
    with _naming(path):
        return pq.read_schema(path)


# A country is some 650 files a season; what falls out is compared again.
@lru_cache(1 << 16)
def _compare_footer(path: Path, entry: FileEntry, changed_ns: int) -> None:
    with _naming(path):
        BlockChecks(path, entry.blocks).check_footer()


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

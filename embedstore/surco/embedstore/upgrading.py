"""Bringing a store that an older surco wrote to the present format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from surco.embedstore.files import read_batches, read_schema
from surco.embedstore.remote_versions import Progress
from surco.embedstore.season import Season
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo, describe
from surco.embedstore.transaction import Transaction
from surco.embedstore.versions import latest_manifest

__all__ = ["Upgraded", "upgrade"]

_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade did: the store's version before and after, the tables that were written again, and their rows."""

    before: int
    after: int
    tables: tuple[str, ...]
    rows: int


def upgrade(path: str | Path, *, progress: Progress | None = None) -> Upgraded:
    """Write the tables of format 1 again, so that their files have the checksums by which SQL notices damage.

    All of them become visible as one new version; the version before stays and can be gone back to. Rows, notes,
    sources and licences are those that were there. Stores of the present format, and what of a store is of it, stay as
    they are: every surco reads format 1 as well, so that nobody has to upgrade.

    Args:
        path: the store's folder or address.
        progress: told how many of how many rows are written.

    Raises:
        StoreError: no store, one of a newer format, or a damaged file, which is named.
        StoreConflictError: another writer finished meanwhile.
    """
    store = Store.open(path)
    root, before = store.path, store.version
    old = [p for p in latest_manifest(root).partitions if any(file.blocks is None for file in p.files)]
    total, done = sum(partition.rows for partition in old), 0
    named = []
    if old:
        with store.transaction() as tx:
            for partition in old:
                info = describe(root, partition)
                named.append("/".join(str(part) for part in partition.key if part is not None))
                if progress is not None:
                    progress(done, total, named[-1])
                _write(tx, info, partition.season)
                done += partition.rows
    if progress is not None:
        progress(total, total, "written")
    return Upgraded(before, store.version, tuple(named), total)


def _write(tx: Transaction, info: TableInfo, season: Season) -> None:
    """The same rows, notes and sources under new names."""
    stated = json.loads((read_schema(info.files[0]).metadata or {}).get(b"emb", b"{}"))
    licence = stated.get("licence")
    if info.resolution is not None:
        tx.put_cells(
            _rows(info),
            model_id=info.model_id,
            season=season,
            resolution=info.resolution,
            sources=info.sources,
            licence=licence,
            meta=info.meta,
        )
    else:
        tx.put_parcels(
            _rows(info),
            model_id=info.model_id,
            season=season,
            sources=info.sources,
            licence=licence,
            meta=info.meta,
        )


def _rows(info: TableInfo) -> Iterator[pa.RecordBatch]:
    for file in info.files:
        for batch in read_batches(file, _ROWS, read_schema(file).names):
            yield batch.replace_schema_metadata(None)

"""One write to a store: files under fresh names first, then the manifest that makes them visible, all at once."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from surco.embedstore.catalogue import catalogue_files
from surco.embedstore.disk import writing_to
from surco.embedstore.errors import ModelMismatchError, SeasonError, StoreError
from surco.embedstore.following import show
from surco.embedstore.geoparquet import sha256_of, sync
from surco.embedstore.locks import WriterLock
from surco.embedstore.manifest import Bundle, FileEntry, Manifest, Partition, PartitionKey
from surco.embedstore.names import check_name
from surco.embedstore.partition import PartitionWriter, write_cells, write_parcels
from surco.embedstore.schema import Table
from surco.embedstore.season import Season
from surco.embedstore.versions import manifest_file

__all__ = ["Transaction"]

Batches = Iterable[pa.RecordBatch]


class Transaction:
    """Collects writes and makes them visible together when the `with` block ends well.

    Files go to fresh names that no manifest knows; an error in the block removes them, a killed process leaves them
    unseen. Made by `Store.transaction()`.

    Args:
        root: the store's folder.
        base: the version that this one follows.
        start_month: of the store's seasons.
        committed: told the new manifest once it is visible.
    """

    def __init__(
        self, root: Path, base: Manifest, start_month: int, committed: Callable[[Manifest], None]
    ) -> None:
        self._root = root
        self._base = base
        self._start_month = start_month
        self._committed = committed
        self._token = f"{base.version + 1:06d}-{secrets.token_hex(4)}"
        self._alive = ExitStack()
        self._folders: list[Path] = []
        self._partitions: dict[PartitionKey, Partition] = {}
        self._models: dict[str, Bundle] = {}
        self._adapters: dict[str, Bundle] = {}
        self._removed_adapters: set[str] = set()

    def __enter__(self) -> Self:
        with writing_to(self._root):
            self._alive.enter_context(WriterLock(self._root, self._token))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._alive:
            if kind is not None:
                self._discard()
                return
            try:
                with writing_to(self._root):
                    self._commit()
            except BaseException:
                self._discard()
                raise

    def put_cells(
        self,
        batches: Batches,
        *,
        model_id: str,
        season: Season,
        resolution: int,
        sources: Sequence[str] = (),
        licence: str | None = None,
        meta: Mapping[str, Any] | None = None,
        merge: bool = False,
        seen_until: date | None = None,
    ) -> None:
        """Write the cells of one model, season and resolution.

        They replace the table that the store has; with `merge` only the same cells, and its other cells stay.

        Batches may come in any order of cells and are consumed one at a time; memory holds one coarse H3 parent's
        rows (1,770 km²) while they are sorted.

        Args:
            batches: rows of `cells_schema`; each cell once.
            model_id: whose vectors.
            season: of the store's start month.
            resolution: H3 resolution of every cell.
            sources: where the observations come from (catalogue addresses, collections).
            licence: of the rows, an SPDX identifier or a sentence.
            meta: any JSON values to find again in `TableInfo.meta`; they replace those of the table (see `held`).
            merge: keep the table's other cells. Of cells at the edge of two areas the later write stands. Sources are
                those of both; a season still growing is `as_of` the earlier day of both.
            seen_until: the last day that was seen of every row of the table, those that stay too, where the writer
                knows it better: an area of an earlier day was encoded again.

        Raises:
            SchemaError: rows that are not those of the table, a cell twice, or no rows.
            SeasonError: a season of another start month than the store's.
            ModelMismatchError: vectors of another length than the store's of the same model.
            StoreError: a name that cannot be used, or the same table twice in one transaction.
        """
        writer = self._writer(
            "cells", model_id, season, resolution, sources, licence, meta, merge, seen_until
        )
        with writing_to(self._root):
            self._add(write_cells(batches, writer))

    def put_parcels(
        self,
        batches: Batches,
        *,
        model_id: str,
        season: Season,
        sources: Sequence[str] = (),
        licence: str | None = None,
        meta: Mapping[str, Any] | None = None,
        merge: bool = False,
        seen_until: date | None = None,
    ) -> None:
        """Write the parcels of one model and season.

        They replace the table that the store has; with `merge` only the parcels of the same ids, and an id that the
        table has in another place is refused. The store writes its own `bbox` column, rounded outwards. Arguments and
        errors as for `put_cells`.
        """
        writer = self._writer("parcels", model_id, season, None, sources, licence, meta, merge, seen_until)
        with writing_to(self._root):
            self._add(write_parcels(batches, writer))

    def held(
        self, table: Table, model_id: str, season: Season, resolution: int | None = None
    ) -> Partition | None:
        """The table as it was before this transaction, with its `meta`; None where there was none."""
        key = (table, model_id, season.name, resolution)
        return next((p for p in self._base.partitions if p.key == key), None)

    def put_model(self, model_id: str, card: Mapping[str, object]) -> None:
        """Write a model's card: any JSON mapping."""
        check_name(model_id, "model id")
        text = json.dumps(dict(card), indent=1, ensure_ascii=False, allow_nan=False)
        self._models[model_id] = self._bundle(f"models/{model_id}", {"card.json": text.encode()})

    def put_adapter(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write an adapter's files; they replace those of an adapter of the same name."""
        check_name(name, "adapter name")
        self._removed_adapters.discard(name)
        self._adapters[name] = self._bundle(f"adapters/{name}", files)

    def remove_adapter(self, name: str) -> None:
        """Leave an adapter out of the new version; earlier versions keep it, and `rollback` brings it back.

        Raises:
            StoreError: the store has no such adapter, or this transaction writes one of that name.
        """
        if name not in self._base.adapters or name in self._adapters:
            raise StoreError(
                f"one of the adapters {sorted(self._base.adapters.keys() - self._adapters.keys())} of {self._root}",
                f"{name!r}",
                "Name one that `surco adapters list` shows.",
            )
        self._removed_adapters.add(name)

    def _writer(
        self,
        table: Table,
        model_id: str,
        season: Season,
        resolution: int | None,
        sources: Sequence[str],
        licence: str | None,
        meta: Mapping[str, Any] | None,
        merge: bool,
        seen_until: date | None,
    ) -> PartitionWriter:
        check_name(model_id, "model id")
        if season.start_month != self._start_month:
            raise SeasonError(
                f"a season that starts in month {self._start_month}, as all of {self._root}",
                f"{season.start} to {season.end}",
                "Use the store's start month, or another store.",
            )
        level = "" if resolution is None else f"/res={resolution}"
        # Refused now rather than after hours of writing, where it is no JSON.
        noted = json.loads(json.dumps(dict(meta or {}), allow_nan=False))
        folder = f"{table}/model={model_id}/season={season.name}{level}/{self._token}"
        if (self._root / folder).exists():
            raise StoreError(
                "each table once in a transaction",
                folder,
                "Chain the batches into one put, or use two transactions.",
            )
        self._fresh(folder)
        return PartitionWriter(
            self._root,
            folder,
            table,
            model_id,
            season if seen_until is None else replace(season, as_of=seen_until),
            resolution,
            tuple(sources),
            licence,
            noted,
            self.held(table, model_id, season, resolution) if merge else None,
            seen_until is not None,
        )

    def _add(self, partition: Partition) -> None:
        held = {p.key: p for p in self._base.partitions} | self._partitions | {partition.key: partition}
        lengths = {p.dimension for p in held.values() if p.model_id == partition.model_id}
        if len(lengths) > 1:
            (held_length,) = lengths - {partition.dimension}
            raise ModelMismatchError(
                f"vectors of {held_length} values, as model {partition.model_id} has in this store",
                f"vectors of {partition.dimension} values",
                "Give the other model its own model id.",
            )
        self._partitions[partition.key] = partition

    def _bundle(self, folder: str, files: Mapping[str, bytes]) -> Bundle:
        folder = f"{folder}/{self._token}"
        target = self._fresh(folder)
        entries = []
        for name, content in sorted(files.items()):
            path = target / check_name(name, "file name")
            with writing_to(self._root):
                path.write_bytes(content)
                sync(path)
            entries.append(FileEntry(f"{folder}/{name}", len(content), sha256_of(path)))
        return Bundle(folder, tuple(entries))

    def _fresh(self, folder: str) -> Path:
        path = self._root / folder
        with writing_to(self._root):
            path.mkdir(parents=True, exist_ok=True)
        self._folders.append(path)
        return path

    def _commit(self) -> None:
        if not (self._partitions or self._models or self._adapters or self._removed_adapters):
            return
        manifest = self._base.replaced(self._partitions, self._models, self._adapters)
        kept = {n: b for n, b in manifest.adapters.items() if n not in self._removed_adapters}
        manifest = replace(manifest, adapters=kept)
        catalogue = self._bundle("stac", catalogue_files(self._root, manifest))
        manifest = replace(manifest, catalogue=catalogue)
        for folder in {parent for path in self._folders for parent in (path, *path.parents)}:
            if folder.is_relative_to(self._root):
                sync(folder)
        show(self._root, manifest, self._token, [file for file in manifest.files if self._wrote(file)])
        self._committed(manifest)

    def _wrote(self, file: FileEntry) -> bool:
        return PurePosixPath(file.path).parent.name == self._token

    def _discard(self) -> None:
        """Remove what was written; unless it became visible before something else failed."""
        manifest = manifest_file(self._root, self._base.version + 1)
        if manifest.exists() and self._token in manifest.read_text(encoding="utf-8"):
            return
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

"""The store: a folder of GeoParquet tables, models and adapters, read at one version."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from surco.embedstore.blocks import BlockChecks
from surco.embedstore.disk import writing_to
from surco.embedstore.errors import ModelMismatchError, StoreError
from surco.embedstore.files import read_rows, read_schema, sized_file, unchanged_file
from surco.embedstore.following import brought, create_at_origin, refresh
from surco.embedstore.manifest import FileEntry, Manifest, Partition
from surco.embedstore.names import check_name
from surco.embedstore.on_demand import brought_together
from surco.embedstore.schema import Table
from surco.embedstore.season import Season
from surco.embedstore.tables import TableInfo, chosen, describe
from surco.embedstore.transaction import Transaction
from surco.embedstore.versions import latest_manifest, read_start_month, read_version, write_settings
from surco.embedstore.working_copy import origin_of, root_of

__all__ = ["Store"]


class Store:
    """A store at the version it was opened at.

    Readers keep that version whatever others write; a `transaction()` of this object moves it to what it wrote.
    Made by `create`, `open` or `open_or_create`.
    """

    def __init__(self, path: Path, start_month: int, manifest: Manifest) -> None:
        self._path = path
        self._start_month = start_month
        self._manifest = manifest

    @classmethod
    def create(cls, path: str | Path, start_month: int = 5) -> Self:
        """Make an empty store.

        Args:
            path: a folder that is not there, or is empty; or an address `s3://BUCKET/PATH` where nothing is.
            start_month: first month of a season, 1 to 12.

        Raises:
            StoreError: the place holds something, or cannot be written.
            SeasonError: no month.
        """
        root = root_of(path)
        Season(2000, start_month)
        if origin_of(root) is not None:
            create_at_origin(root, start_month)
            return cls(root, start_month, Manifest())
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise StoreError(
                "a new or empty folder for a store",
                f"{root}, which holds something",
                "Choose another folder, or open the store that is there.",
            )
        with writing_to(root):
            write_settings(root, start_month)
        return cls(root, start_month, Manifest())

    @classmethod
    def open(cls, path: str | Path, version: int | None = None) -> Self:
        """Open a store at its latest version, or at an older one that is kept; a transaction follows the latest.

        Raises:
            StoreError: no store, one of a newer format, a broken one, or a version that is not kept.
        """
        root = brought(path)
        month = read_start_month(root)
        return cls(root, month, latest_manifest(root) if version is None else read_version(root, version))

    @classmethod
    def open_or_create(cls, path: str | Path, start_month: int = 5) -> Self:
        """Open the store, or make it where there is none.

        Raises:
            StoreError: as `open` and `create`, or the store's seasons start in another month.
        """
        root = brought(path)
        if not (root / "store.json").exists():
            return cls.create(path, start_month)
        store = cls.open(path)
        if store.start_month != start_month:
            raise StoreError(
                f"a store whose seasons start in month {start_month}",
                f"month {store.start_month} in {store.path}",
                "Use a season of the store's own start month, or another store.",
            )
        return store

    @property
    def path(self) -> Path:
        """The store's folder, absolute; of a store at an address its working copy (`working_copy`)."""
        return self._path

    @property
    def start_month(self) -> int:
        """First month of a season."""
        return self._start_month

    @property
    def version(self) -> int:
        """Number of the version that this object reads; 0 is the empty store."""
        return self._manifest.version

    def transaction(self) -> Transaction:
        """A write upon the store's latest version, to be used with `with`; see `Transaction`.

        Raises:
            StoreError: of a store at an address, what `Store.open` raises.
        """
        refresh(self._path)
        read_start_month(self._path)  # an address may have lost its store
        return Transaction(self._path, latest_manifest(self._path), self._start_month, self._moved)

    def tables(self) -> list[TableInfo]:
        """All tables, by table, model, season and resolution."""
        return [describe(self._path, partition) for partition in self._manifest.partitions]

    def checked_files(self) -> dict[str, BlockChecks]:
        """The files of all tables by their path relative to the store, each with what its parts are checked by."""
        return {
            file.path: checks
            for partition in self._manifest.partitions
            for file, checks in self._checked(partition.files)
        }

    def _checked(self, files: Sequence[FileEntry]) -> Iterator[tuple[FileEntry, BlockChecks]]:
        if origin_of(self._path) is None:
            yield from ((file, BlockChecks(sized_file(self._path, file), file.blocks)) for file in files)
            return
        bring = brought_together(self._path, files)
        for file in files:
            yield file, BlockChecks(self._path / file.path, file.blocks, partial(bring, file))

    def seasons(self) -> list[str]:
        """Names of the seasons that any table has, in order of time."""
        found = {p.season.start: p.season.name for p in self._manifest.partitions}
        return [found[start] for start in sorted(found)]

    def models(self) -> list[str]:
        """Ids of the models that have a card or a table, sorted."""
        return sorted({*self._manifest.models, *(p.model_id for p in self._manifest.partitions)})

    def cards(self) -> list[str]:
        """Ids of the models that have a card, sorted."""
        return sorted(self._manifest.models)

    def adapters(self) -> list[str]:
        """Names of the adapters, sorted."""
        return sorted(self._manifest.adapters)

    def adapter_dir(self, name: str) -> Path:
        """The folder of an adapter's files, compared with their SHA-256.

        Raises:
            StoreError: there is no such adapter, or a file of it was changed.
        """
        folder = self.adapter_folder(name)
        for file in self._manifest.adapters[name].files:
            unchanged_file(self._path, file)
        return folder

    def adapter_folder(self, name: str) -> Path:
        """The folder of an adapter's files, none of which is looked at: another version of it lies in another one.

        Raises:
            StoreError: there is no such adapter.
        """
        bundle = self._manifest.adapters.get(name)
        if bundle is None:
            raise StoreError(
                f"one of the adapters {self.adapters()} of {self._path}",
                repr(name),
                "Name one of them, or fit it first with `surco adapters fit`.",
            )
        return self._path / bundle.folder

    def model_card(self, model_id: str) -> dict[str, Any]:
        """A model's card; raises ModelMismatchError where there is none."""
        bundle = self._manifest.models.get(model_id)
        if bundle is None:
            raise ModelMismatchError(
                f"one of the models with a card {self.cards()} of {self._path}",
                repr(model_id),
                "Name one of them.",
            )
        return dict(json.loads(unchanged_file(self._path, bundle.files[0]).read_bytes()))

    def find(
        self,
        table: Table,
        *,
        season: str | Season | None = None,
        resolution: int | None = None,
        model_id: str | None = None,
    ) -> TableInfo:
        """The one table meant; None is the latest season, the finest resolution, the only model.

        Raises:
            StoreError: nothing fits.
            ModelMismatchError: the model is not there, or several are and none is named.
        """
        return describe(self._path, self._chosen(table, season, resolution, model_id))

    def digest(
        self,
        table: Table,
        *,
        season: str | Season | None = None,
        resolution: int | None = None,
        model_id: str | None = None,
    ) -> str:
        """What tells one content of the table that `find` means from all others, in hex: names and sizes of its files.

        Names are never used twice, so versions that differ in other things have the same. No file is looked at. Raises
        as `find`.
        """
        partition = self._chosen(table, season, resolution, model_id)
        files = [[file.path, file.bytes] for file in partition.files]
        return hashlib.sha256(json.dumps(files).encode()).hexdigest()

    def read(
        self,
        table: Table,
        *,
        season: str | Season | None = None,
        resolution: int | None = None,
        model_id: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Rows of one table, as `find` chooses it.

        Args:
            table: "cells" or "parcels".
            season: name or Season; None is the latest.
            resolution: of cells; None is the finest.
            model_id: needed where the store holds several models.
            columns: names to read; None for all.

        Raises:
            StoreError: as `find`; a column that is not there; a file that is missing.
        """
        info = self.find(table, season=season, resolution=resolution, model_id=model_id)
        schema = read_schema(info.files[0])
        wanted = list(columns) if columns is not None else schema.names
        unknown = [name for name in wanted if name not in schema.names]
        if unknown:
            raise StoreError(f"columns of {table}: {schema.names}", f"{unknown}", "Correct the names.")
        parts = [read_rows(file, wanted) for file in info.files]
        return pa.concat_tables(part.replace_schema_metadata() for part in parts)

    def staging(self, key: str) -> Path:
        """A folder for resumable work, made where it is missing; no reader sees it and no write touches it."""
        folder = self._path / ".staging" / check_name(key, "staging key")
        with writing_to(self._path):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def clear_staging(self, key: str) -> None:
        """Remove the folder of `staging(key)`, if there is one."""
        folder = self._path / ".staging" / check_name(key, "staging key")
        if folder.exists():
            shutil.rmtree(folder)

    def _chosen(
        self, table: Table, season: str | Season | None, resolution: int | None, model_id: str | None
    ) -> Partition:
        return chosen(self._path, self._manifest.partitions, table, season, resolution, model_id)

    def _moved(self, manifest: Manifest) -> None:
        self._manifest = manifest

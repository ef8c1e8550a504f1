"""The catalogue of a store's version as values: collections, items, and the files that they lead to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import shapely

from surco.api.kept import Kept
from surco.embedstore import Store
from surco.embedstore.blocks import BlockChecks
from surco.embedstore.catalogue import catalogue_files
from surco.embedstore.files import checked_file
from surco.embedstore.manifest import FileEntry, Manifest
from surco.embedstore.versions import read_version

__all__ = ["Catalogue", "Item", "ServedFile", "StoredCatalogues", "stored_path"]

Json = dict[str, Any]

_TO_ROOT = "../../"
_MEDIA = {"parquet": "application/vnd.apache.parquet", "json": "application/json"}


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """An item as the store's catalogue has it, with what searches compare: its place and its first and last moment."""

    id: str
    collection: str
    document: Json
    shape: shapely.Geometry
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, eq=False)
class ServedFile:
    """A file that may be downloaded: how to read it, its bytes, SHA-256 in hex and media type."""

    checks: BlockChecks
    size: int
    sha256: str
    media_type: str


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """What one version shows.

    Attributes:
        version: its number.
        collections: by id.
        items: by id, the latest season first.
        files: by path relative to the store: those of tables and the models' cards, and no others.
    """

    version: int
    collections: Mapping[str, Json]
    items: Mapping[str, Item]
    files: Mapping[str, ServedFile]


class StoredCatalogues:
    """Catalogues of the versions that were asked for last."""

    def __init__(self) -> None:
        self._kept: Kept[Catalogue] = Kept(2)

    def of(self, store: Store) -> Catalogue:
        """The catalogue of the version that a store is opened at.

        Raises:
            StoreError: a file is missing, or the version was cleared away.
        """
        return self._kept.get((str(store.path), store.version), lambda: _read(store))


def _read(store: Store) -> Catalogue:
    manifest = read_version(store.path, store.version) if store.version else Manifest()
    # Made anew, not read: versions of the first surco have no catalogue beside them.
    documents = [json.loads(content) for content in catalogue_files(store.path, manifest).values()]
    items = [_item(document) for document in documents if document["type"] == "Feature"]
    items.sort(key=lambda item: (-item.start.timestamp(), item.id))
    return Catalogue(
        store.version,
        {found["id"]: found for found in documents if found["type"] == "Collection"},
        {item.id: item for item in items},
        dict(_files(store, manifest)),
    )


def _item(document: Json) -> Item:
    start, end = (
        datetime.fromisoformat(document["properties"][f"{side}_datetime"]) for side in ("start", "end")
    )
    return Item(document["id"], document["collection"], document, shapely.box(*document["bbox"]), start, end)


def _files(store: Store, manifest: Manifest) -> Iterable[tuple[str, ServedFile]]:
    tables = store.checked_files()
    for entry in manifest.files:
        if entry.path in tables:
            yield entry.path, _served(entry, tables[entry.path])
    for bundle in manifest.models.values():
        for entry in bundle.files:
            yield entry.path, _served(entry, BlockChecks(checked_file(store.path, entry), entry.blocks))


def _served(entry: FileEntry, checks: BlockChecks) -> ServedFile:
    media = _MEDIA.get(entry.path.rpartition(".")[2], "application/octet-stream")
    return ServedFile(checks, entry.bytes, entry.sha256, media)


def stored_path(href: str) -> str | None:
    """The path relative to the store that a catalogue's link leads to; None where it leads elsewhere."""
    return unquote(href.removeprefix(_TO_ROOT)) if href.startswith(_TO_ROOT) else None

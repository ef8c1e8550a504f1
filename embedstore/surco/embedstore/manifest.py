"""What a version of a store holds: partitions, models and adapters, each file with its size and SHA-256."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Self

from surco.embedstore.errors import EmbedstoreError, StoreError
from surco.embedstore.names import check_name
from surco.embedstore.season import Season

__all__ = ["FORMAT_VERSION", "Bbox", "Bundle", "FileEntry", "Manifest", "Partition", "PartitionKey"]

FORMAT_VERSION = 2
"""Of store.json and manifests; a reader refuses a higher one. 2 added checksums of blocks."""

Bbox = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

PartitionKey = tuple[str, str, str, int | None]
"""Table, model id, season name, resolution: what a new write replaces."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: path relative to the store, bytes, SHA-256 in hex; of a table also rows and checksums of its blocks."""

    path: str
    bytes: int
    sha256: str
    rows: int | None = None
    blocks: str | None = None

    def __post_init__(self) -> None:
        _check_inside(self.path)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of one model card or one adapter, in one folder relative to the store."""

    folder: str
    files: tuple[FileEntry, ...]

    def __post_init__(self) -> None:
        _check_inside(self.folder)
        if not self.files:
            raise StoreError(
                "at least one file of a model or adapter", f"none in {self.folder}", "Write it again."
            )


@dataclass(frozen=True, slots=True)
class Partition:
    """One table of one model, season and (for cells) resolution."""

    table: str
    model_id: str
    season: Season
    resolution: int | None
    dimension: int
    bbox: Bbox
    sources: tuple[str, ...]
    meta: Mapping[str, Any]
    files: tuple[FileEntry, ...]

    @property
    def key(self) -> PartitionKey:
        """What a new write replaces."""
        return self.table, self.model_id, self.season.name, self.resolution

    @property
    def rows(self) -> int:
        """Rows over all files."""
        return sum(file.rows or 0 for file in self.files)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is visible in one version; version 0 is the empty store, which has no file.

    `written` is when it was made, UTC (None where an older surco wrote it), `restores` the older version that it
    equals, where it was made by going back, and `catalogue` the STAC catalogue of its tables.
    """

    version: int = 0
    partitions: tuple[Partition, ...] = ()
    models: Mapping[str, Bundle] = field(default_factory=dict)
    adapters: Mapping[str, Bundle] = field(default_factory=dict)
    catalogue: Bundle | None = None
    written: datetime | None = None
    restores: int | None = None

    @property
    def files(self) -> list[FileEntry]:
        """Every file of the version."""
        bundles = (*self.models.values(), *self.adapters.values(), *filter(None, [self.catalogue]))
        return [
            *(file for partition in self.partitions for file in partition.files),
            *(file for bundle in bundles for file in bundle.files),
        ]

    def replaced(
        self,
        partitions: Mapping[PartitionKey, Partition],
        models: Mapping[str, Bundle],
        adapters: Mapping[str, Bundle],
    ) -> Manifest:
        """The next version: the given entries, and all others carried over."""
        merged = {p.key: p for p in self.partitions} | dict(partitions)
        ordered = sorted(merged.values(), key=lambda p: (p.table, p.model_id, p.season, p.resolution or 0))
        return replace(
            self,
            version=self.version + 1,
            partitions=tuple(ordered),
            models={**self.models, **models},
            adapters={**self.adapters, **adapters},
            written=datetime.now(UTC),
            restores=None,
        )

    def to_json(self) -> str:
        """As the text of manifests/<version>.json."""
        content = {
            "format": FORMAT_VERSION,
            "version": self.version,
            "partitions": [_partition_to_json(p) for p in self.partitions],
            "models": {name: asdict(bundle) for name, bundle in sorted(self.models.items())},
            "adapters": {name: asdict(bundle) for name, bundle in sorted(self.adapters.items())},
            "catalogue": None if self.catalogue is None else asdict(self.catalogue),
            "written": None if self.written is None else self.written.isoformat(timespec="seconds"),
            "restores": self.restores,
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read manifests/<version>.json.

        Raises:
            StoreError: not a manifest, one of a newer format, or one with paths that leave the store.
        """
        try:
            content = json.loads(path.read_bytes())
            newer = content["format"] > FORMAT_VERSION
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _broken(path, error) from error
        if newer:
            raise StoreError(
                f"a manifest of format {FORMAT_VERSION}",
                f"format {content['format']} in {path}",
                "Update surco: a newer one wrote this store.",
            )
        try:
            return cls(
                version=int(content["version"]),
                partitions=tuple(_partition_from_json(p) for p in content["partitions"]),
                models={name: _bundle_from_json(b) for name, b in content["models"].items()},
                adapters={name: _bundle_from_json(b) for name, b in content["adapters"].items()},
                **_optional_from_json(content),
            )
        except EmbedstoreError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _broken(path, error) from error


def _check_inside(path: str) -> None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\\" in path:
        raise StoreError(
            "manifest paths inside the store", repr(path), "surco did not write this store; do not use it."
        )


def _broken(path: Path, error: Exception) -> StoreError:
    return StoreError(
        "a manifest written by surco",
        f"{path} that cannot be read ({type(error).__name__}: {error})",
        "Restore the file from a copy of the store, or encode again into a new store.",
    )


def _partition_to_json(partition: Partition) -> dict[str, Any]:
    season = partition.season
    return {
        "table": partition.table,
        "model": partition.model_id,
        "season": {
            "name": season.name,
            "start": season.start.isoformat(),
            "end": season.end.isoformat(),
            "as_of": season.as_of.isoformat() if season.as_of else None,
        },
        "resolution": partition.resolution,
        "dimension": partition.dimension,
        "rows": partition.rows,
        "bbox": list(partition.bbox),
        "sources": list(partition.sources),
        "meta": dict(partition.meta),
        # Hundreds of files: `asdict` would copy each value.
        "files": [{name: getattr(file, name) for name in FileEntry.__slots__} for file in partition.files],
    }


def _partition_from_json(content: Mapping[str, Any]) -> Partition:
    season = content["season"]
    start = date.fromisoformat(season["start"])
    as_of = date.fromisoformat(season["as_of"]) if season["as_of"] else None
    west, south, east, north = (float(side) for side in content["bbox"])
    return Partition(
        table=str(content["table"]),
        model_id=check_name(content["model"], "model id"),
        season=Season(start.year, start.month, as_of),
        resolution=content["resolution"],
        dimension=int(content["dimension"]),
        bbox=(west, south, east, north),
        sources=tuple(content["sources"]),
        meta=dict(content["meta"]),
        files=tuple(FileEntry(**file) for file in content["files"]),
    )


def _optional_from_json(content: Mapping[str, Any]) -> dict[str, Any]:
    """What manifests of the first surco lack."""
    catalogue, written, restores = (content.get(key) for key in ("catalogue", "written", "restores"))
    return {
        "catalogue": None if catalogue is None else _bundle_from_json(catalogue),
        "written": None if written is None else datetime.fromisoformat(written),
        "restores": None if restores is None else int(restores),
    }


def _bundle_from_json(content: Mapping[str, Any]) -> Bundle:
    return Bundle(str(content["folder"]), tuple(FileEntry(**file) for file in content["files"]))

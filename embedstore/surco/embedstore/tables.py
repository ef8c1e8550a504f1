"""Tables of a store as people ask for them: what is known of each, and which one is meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from surco.embedstore.errors import ModelMismatchError, StoreError
from surco.embedstore.files import checked_file
from surco.embedstore.manifest import Bbox, FileEntry, Partition
from surco.embedstore.on_demand import FilesOnDemand
from surco.embedstore.schema import Table
from surco.embedstore.season import Season
from surco.embedstore.working_copy import origin_of

__all__ = ["TableInfo", "chosen", "describe"]


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table of one model, season and (for cells) resolution.

    `season` is the name, `as_of` the last day seen where the season was not over; `bbox` is west, south, east, north
    in degrees; `files` are absolute paths, `names` the same relative to the store; `meta` is what the writer left. In
    the working copy of a store at an address, files are fetched when their paths are asked for.
    """

    table: str
    model_id: str
    season: str
    resolution: int | None
    rows: int
    files: Sequence[Path]
    dimension: int
    bbox: Bbox
    as_of: date | None
    sources: tuple[str, ...]
    meta: Mapping[str, Any]
    names: tuple[str, ...]


def describe(root: Path, partition: Partition) -> TableInfo:
    """What is known of a table of the store `root`; raises what `checked_file` raises of one of its files."""
    return TableInfo(
        table=partition.table,
        model_id=partition.model_id,
        season=partition.season.name,
        resolution=partition.resolution,
        rows=partition.rows,
        files=_files(root, partition.files),
        dimension=partition.dimension,
        bbox=partition.bbox,
        as_of=partition.season.as_of,
        sources=partition.sources,
        meta=partition.meta,
        names=tuple(file.path for file in partition.files),
    )


def _files(root: Path, entries: Sequence[FileEntry]) -> Sequence[Path]:
    if origin_of(root) is not None and not all((root / entry.path).exists() for entry in entries):
        return FilesOnDemand(root, entries)
    return [checked_file(root, entry) for entry in entries]


def chosen(
    root: Path,
    partitions: Sequence[Partition],
    table: Table,
    season: str | Season | None,
    resolution: int | None,
    model_id: str | None,
) -> Partition:
    """The one table meant; None is the latest season, the finest resolution, the only model.

    Raises:
        StoreError: nothing fits.
        ModelMismatchError: the model is not there, or several are and none is named.
    """
    held = [p for p in partitions if p.table == table]
    name = season.name if isinstance(season, Season) else season
    fitting = [p for p in held if name in (None, p.season.name) and resolution in (None, p.resolution)]
    if not fitting:
        wanted = "any" if resolution is None else resolution
        raise StoreError(
            f"table {table} with season {name or 'any'} and resolution {wanted}",
            f"{root} with {_list(held) or 'no such table'}",
            "Name a season and resolution that are there, or encode them first.",
        )
    return max(_of_model(root, fitting, model_id), key=lambda p: (p.season, p.resolution or 0))


def _of_model(root: Path, partitions: list[Partition], model_id: str | None) -> list[Partition]:
    held = sorted({p.model_id for p in partitions})
    if model_id is None and len(held) > 1:
        raise ModelMismatchError(
            "one model",
            f"vectors of {held} in {root}",
            "Name the model: vectors of two cannot be compared.",
        )
    if model_id is not None and model_id not in held:
        raise ModelMismatchError(
            f"vectors of model {model_id}",
            f"{root} with vectors of {held}",
            "Use the model that wrote the store, or encode again with this one.",
        )
    return [p for p in partitions if model_id in (None, p.model_id)]


def _list(partitions: list[Partition]) -> str:
    return ", ".join(
        f"{p.table} {p.season.name}" + (f" res {p.resolution}" if p.resolution is not None else "")
        for p in partitions
    )

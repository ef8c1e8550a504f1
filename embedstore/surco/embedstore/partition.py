"""Writing one partition: rows in any order in, sorted GeoParquet files out."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from surco.embedstore.blocks import checksums_of
from surco.embedstore.cells import parent_resolution, parents_of
from surco.embedstore.errors import ModelMismatchError, SchemaError
from surco.embedstore.geoparquet import (
    emb_metadata,
    geo_metadata,
    geometry_bounds,
    vecorel_metadata,
    write_parquet,
)
from surco.embedstore.hilbert import hilbert_distance
from surco.embedstore.manifest import Bbox, FileEntry, Partition
from surco.embedstore.merging import carried_files, kept_cells, kept_parcels
from surco.embedstore.schema import EmbeddingBatch, Table
from surco.embedstore.season import Season
from surco.embedstore.spill import Spill

__all__ = ["PartitionWriter", "write_cells", "write_parcels"]

_TAKE = 16_384


@dataclass(frozen=True, slots=True)
class PartitionWriter:
    """What all files of one partition share, and where they go.

    `folder` is relative to `root` and fresh; the files in it become visible by a manifest only. The rows of `held` that
    the write does not replace stay in the table; `season` speaks of them too where `season_is_whole_tables`.
    """

    root: Path
    folder: str
    table: Table
    model_id: str
    season: Season
    resolution: int | None
    sources: tuple[str, ...]
    licence: str | None
    meta: Mapping[str, Any]
    held: Partition | None = None
    season_is_whole_tables: bool = False

    def checked(self, batches: Iterable[pa.RecordBatch]) -> Iterator[EmbeddingBatch]:
        """The batches that have rows, each checked, all of one vector length."""
        dimension = None
        for batch in _stream(batches):
            if batch.num_rows == 0:
                continue
            checked = EmbeddingBatch(batch, self.table, self.model_id, self.season, self.resolution)
            dimension = dimension or checked.dimension
            if checked.dimension != dimension:
                raise SchemaError(
                    f"vectors of {dimension} values as in the batches before",
                    f"{checked.dimension}",
                    "Write one model's vectors.",
                )
            yield checked

    def write(
        self, name: str, tables: Iterable[pa.Table], bbox: Bbox, types: set[str], schema: pa.Schema
    ) -> FileEntry:
        """Write one file of the partition."""
        dimension = schema.field("embedding").type.list_size
        path = self.root / self.folder / name
        keys = {
            "geo": geo_metadata(sorted(types), bbox, covering=self.table == "parcels"),
            "emb": emb_metadata(self.model_id, dimension, self.season, self.sources, self.licence),
        }
        if self.table == "parcels":
            keys["collection"] = vecorel_metadata(f"{self.model_id}-{self.season.name}")
        rows = write_parquet(path, schema, tables, keys)
        digest, blocks = checksums_of(path)
        return FileEntry(f"{self.folder}/{name}", path.stat().st_size, digest, rows, blocks)

    def finished(self, files: list[FileEntry], bbox: Bbox | None, dimension: int, kept: bool) -> Partition:
        """The manifest's entry, `kept` where rows stay; raises SchemaError where nothing was written."""
        if bbox is None:
            raise SchemaError(
                f"at least one row of {self.table}",
                "none",
                "Check that the area and the season have observations.",
            )
        season, sources = self.season, self.sources
        if self.held is not None and kept:
            if self.held.dimension != dimension:
                raise ModelMismatchError(
                    f"vectors of {self.held.dimension} values, as the table has elsewhere",
                    f"vectors of {dimension} values",
                    "Give the other model its own model id, or encode into another store.",
                )
            if not self.season_is_whole_tables:
                season = min(season, self.held.season, key=lambda each: each.last_day)
            sources = tuple(dict.fromkeys((*self.held.sources, *sources)))
            bbox = _union(self.held.bbox, bbox)
        return Partition(
            self.table,
            self.model_id,
            season,
            self.resolution,
            dimension,
            bbox,
            sources,
            self.meta,
            tuple(files),
        )

    @contextmanager
    def spill(self) -> Iterator[Spill]:
        """Room on the store's own disk for rows not yet sorted."""
        folder = self.root / ".staging" / f"put-{Path(self.folder).name}-{secrets.token_hex(4)}"
        try:
            yield Spill(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_cells(batches: Iterable[pa.RecordBatch], writer: PartitionWriter) -> Partition:
    """Split rows by coarse parent, sort each by cell, and write one file a parent.

    Where `writer.held` has cells, its other cells stay: whole files where no parent is shared, rows where one is.
    """
    files: list[FileEntry] = []
    bbox: Bbox | None = None
    dimension = 0
    with writer.spill() as spill:
        for checked in writer.checked(batches):
            dimension = checked.dimension
            for parent, rows in _by_parent(checked):
                spill.append(parent, rows)
        carried = carried_files(writer.held, spill.keys)
        kept = bool(carried)
        for parent in spill.keys:
            table = spill.read(parent)
            _refuse_repeats(table.column("h3"), "h3")
            others = kept_cells(writer.root, writer.held, parent, table)
            kept |= others is not None
            table = _joined(writer, table, others).sort_by("h3")
            bounds, types = geometry_bounds(table.column("geometry"), "cells")
            box = _total(bounds)
            bbox = _union(bbox, box)
            files.append(writer.write(f"{parent}.parquet", [table], box, types, table.schema))
    return writer.finished([*carried, *files], bbox, dimension, kept)


def write_parcels(batches: Iterable[pa.RecordBatch], writer: PartitionWriter) -> Partition:
    """Order rows along the Hilbert curve and write one file, with the parcels of `writer.held` that have other ids."""
    bounds: list[npt.NDArray[np.float64]] = []
    types: set[str] = set()
    with writer.spill() as spill:
        dimension = 0
        for checked in writer.checked(batches):
            dimension = checked.dimension
            extent, seen = geometry_bounds(checked.batch.column("geometry"), "parcels")
            bounds.append(extent)
            types |= seen
            spill.append("parcels", _with_bbox(checked.batch, extent))
        if not bounds:
            return writer.finished([], None, 0, kept=False)
        rows = spill.read("parcels")
        _refuse_repeats(rows.column("id"), "id")
        others = kept_parcels(writer.root, writer.held, rows)
        if others is not None:
            rows = _joined(writer, rows, others)
            old, seen = geometry_bounds(others.column("geometry"), "parcels")
            bounds.append(old)
            types |= seen
        extent = np.concatenate(bounds)
        order = np.argsort(
            hilbert_distance(extent[:, ::2].mean(axis=1), extent[:, 1::2].mean(axis=1)), kind="stable"
        )
        parts = (rows.take(order[start : start + _TAKE]) for start in range(0, len(order), _TAKE))
        box = _total(extent)
        file = writer.write("parcels.parquet", parts, box, types, rows.schema)
    return writer.finished([file], box, dimension, others is not None)


def _stream(batches: Any) -> Iterable[pa.RecordBatch]:
    """Record batches of an iterable, or of anything that speaks Arrow's stream interface (a table, a reader)."""
    if hasattr(batches, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(batches)
    return batches  # type: ignore[no-any-return]


def _joined(writer: PartitionWriter, rows: pa.Table, others: pa.Table | None) -> pa.Table:
    """New rows and the kept ones; of another length of vectors they are refused when the table is finished."""
    if others is None or (
        writer.held is not None and others.schema.field("embedding") != rows.schema.field("embedding")
    ):
        return rows
    return pa.concat_tables([rows, others.select(rows.column_names).cast(rows.schema)])


def _by_parent(checked: EmbeddingBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows of each coarse parent, named by the parent in H3's hexadecimal."""
    coarse = parent_resolution(checked.resolution or 0)
    parents = parents_of(checked.batch.column("h3").to_numpy(), coarse)
    for parent in np.unique(parents):
        yield f"{parent:x}", checked.batch.take(np.flatnonzero(parents == parent))


def _with_bbox(batch: pa.RecordBatch, bounds: npt.NDArray[np.float64]) -> pa.RecordBatch:
    """The batch with `bbox` rounded outwards to float32, so that no reader prunes a parcel away by rounding."""
    place = batch.schema.get_field_index("bbox")
    nearest = bounds.astype(np.float32)
    lower = np.where(nearest > bounds, np.nextafter(nearest, np.float32(-np.inf)), nearest)[:, :2]
    upper = np.where(nearest < bounds, np.nextafter(nearest, np.float32(np.inf)), nearest)[:, 2:]
    columns = [pa.array(side) for side in np.hstack([lower, upper]).T]
    box = pa.StructArray.from_arrays(columns, fields=list(batch.schema.field("bbox").type))
    return batch.set_column(place, batch.schema.field("bbox"), box)


def _refuse_repeats(column: pa.ChunkedArray[Any], name: str) -> None:
    counts = pc.value_counts(column)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), pa.scalar(1, pa.int64())))
    if len(repeated):
        raise SchemaError(
            f"each {name} once",
            f"{len(repeated)} repeated, the first {repeated[0].as_py()!r}",
            "Merge the rows before writing them.",
        )


def _total(bounds: npt.NDArray[np.float64]) -> Bbox:
    west, south = bounds[:, :2].min(axis=0).tolist()
    east, north = bounds[:, 2:].max(axis=0).tolist()
    return west, south, east, north


def _union(one: Bbox | None, other: Bbox) -> Bbox:
    if one is None:
        return other
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])

"""Published tables of vectors to a store's cells and parcels, as one more model of it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import shapely

from surco.embedstore import Season, Store
from surco.embedstore.transaction import Transaction
from surco.encoder.area import read_area
from surco.encoder.errors import EncoderError
from surco.encoder.levels import COARSEST, FINEST
from surco.encoder.parcels import ParcelError, Parcels, read_parcels
from surco.encoder.published.gather import Gathered, gather
from surco.encoder.published.landing import check_request, note_of, write_arguments
from surco.encoder.published.table_report import TableReport, table_report
from surco.encoder.published.vector_columns import TableError
from surco.encoder.published.vector_tables import VectorTable, open_table
from surco.encoder.report import with_earlier

__all__ = ["import_tables"]

_USUAL = (9, 11)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    season: Season
    model_id: str
    levels: tuple[int, ...]
    parcels: Parcels | None
    area: shapely.Geometry | None
    card: Mapping[str, object]


def import_tables(
    paths: Sequence[str | Path],
    season: Season,
    store: Store,
    *,
    model_id: str,
    resolutions: Sequence[int] | None = None,
    parcels: str | Path | None = None,
    aoi: str | Path | Sequence[float] | shapely.Geometry | None = None,
    vector_column: str | None = None,
    scale_column: str | None = None,
    card: Mapping[str, object] | None = None,
    progress: Progress | None = None,
) -> TableReport:
    """Take published tables of vectors into a store, as one more model of it.

    Rows with an H3 cell become that cell, and with coarser `resolutions` also the mean of their parent; points become
    the mean of the cell they lie in, and of the parcel where `parcels` are given; polygons become parcels. Vectors are
    brought to unit length; rows without one (null, zeros, NaN or infinity) are left out and counted. What is not
    pooled has no spread and no counts; of what is, `n_pixels` counts rows and `valid_fraction` is the share of them
    with a vector.

    Rows of another area join what the store has of the model and season: cells, and parcels by id, replace their like,
    all others stay. Nothing is visible before everything is done, in one transaction. Rows are set aside on the
    store's disk; memory holds one batch, and eight bytes a cell.

    Args:
        paths: Parquet files of one model and one kind of place, see `vector_tables.open_table`.
        season: of the store's start month.
        store: to write to.
        model_id: never one name for two models.
        resolutions: of the H3 cells, 5 to 12, or the table's own; None takes the table's own, and 9 and 11 of points.
        parcels: GeoJSON or GeoParquet of polygons to pool points in.
        aoi: area in degrees, see `area.read_area`, in which a cell's centre, a point, or a point inside the parcel
            must lie; None takes all rows.
        vector_column: its name; None finds it, see `vector_columns.find_vectors`.
        scale_column: its name; None finds it where the vectors are int8.
        card: JSON values for the model card: the licence and the credit that it asks for belong there.
        progress: called as `progress(done, total, text)`, in rows.

    Raises:
        EncoderError: a table, area, parcel file or resolution that cannot be used.
        EmbedstoreError: a store that cannot be written.
    """
    began = time.monotonic()
    if not paths or isinstance(paths, str):
        raise TableError(f"Expected a list of tables, got {paths!r}. Name at least one file.")
    check_request(season, store, model_id)
    outlines = None if parcels is None else read_parcels(parcels)
    area = None if aoi is None else read_area(aoi)
    with ExitStack() as opened:
        tables = [opened.enter_context(open_table(Path(p), vector_column, scale_column)) for p in paths]
        _check_alike(tables)
        levels = _levels(tables[0], resolutions, parcels)
        about = {"kind": "published vectors", **(card or {}), "model_id": model_id}
        request = _Request(season, model_id, levels, outlines, area, about)
        key = _key(tables, request)
        with_parcels = tables[0].place == "parcels" or outlines is not None
        found = note_of(store, key, model_id, season, levels, parcels=with_parcels)
        if found is not None:
            return table_report(found, levels, time.monotonic() - began, already=True)
        opened.callback(store.clear_staging, key)
        store.clear_staging(key)
        gathered = gather(tables, store.staging(key), levels, outlines, area, progress)
        note = _note(key, tables, levels, gathered)
        if progress:
            progress(note["rows"], note["rows"], "writing tables")
        _commit(gathered, request, store, note, sorted({table.path.name for table in tables}))
    return table_report(note, levels, time.monotonic() - began, already=False)


def _check_alike(tables: Sequence[VectorTable]) -> None:
    first = tables[0]
    for table in tables[1:]:
        same = table.place == first.place and table.resolution == first.resolution
        if not same or table.vectors.dimension != first.vectors.dimension:
            raise TableError(
                f"Expected files of one model and one kind of place, got {_describe(first)} and {_describe(table)}. "
                "Import them one after the other."
            )


def _describe(table: VectorTable) -> str:
    level = "" if table.resolution is None else f" of resolution {table.resolution}"
    return f"{table.path} ({table.place}{level}, vectors of {table.vectors.dimension} numbers)"


def _levels(
    table: VectorTable, resolutions: Sequence[int] | None, parcels: str | Path | None
) -> tuple[int, ...]:
    """Resolutions of the cells to write, finest first."""
    if parcels is not None and table.place != "points":
        raise TableError(
            f"Expected points to pool in the parcels of {parcels}, got {table.place} in {table.path}. "
            "Leave --parcels out: cells and polygons are taken as they are."
        )
    if table.place == "parcels":
        if resolutions is not None:
            raise TableError(
                f"Expected no resolutions for polygons, which become parcels, got {list(resolutions)} with "
                f"{table.path}. Leave --resolutions out."
            )
        return ()
    own = table.resolution
    if resolutions is None:
        return _USUAL[::-1] if own is None else (own,)
    levels = tuple(sorted(set(resolutions), reverse=True))
    most = FINEST if own is None else min(own, FINEST)
    if not levels or not all(COARSEST <= level <= most or level == own for level in levels):
        upto = f"{COARSEST} to {most}" + ("" if own is None else f", or the table's own {own}")
        raise EncoderError(
            f"Expected H3 resolutions from {upto}; got {list(resolutions)}. "
            "Choose others: a cell cannot be cut into finer ones."
        )
    return levels


def _key(tables: Sequence[VectorTable], request: _Request) -> str:
    """SHA-256 over everything that shapes the tables, 32 hexadecimal digits."""
    states = [(str(t.path.resolve()), t.path.stat()) for t in tables]
    files = sorted((name, state.st_size, state.st_mtime_ns) for name, state in states)
    columns = [tables[0].vectors.name, tables[0].vectors.scale]
    season = [request.season.start.isoformat(), request.season.last_day.isoformat()]
    area = None if request.area is None else request.area.wkb_hex
    digest = None if request.parcels is None else request.parcels.digest
    parts = ["tables-1", files, columns, season, request.levels, digest, area, request.card]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _note(
    key: str, tables: Sequence[VectorTable], levels: Sequence[int], gathered: Gathered
) -> dict[str, Any]:
    """What is kept of a run with each of its tables, as JSON: key, place and rows."""
    return {
        "run": key, "name": tables[0].path.stem, "bbox": gathered.bbox, "files": len(tables), "rows": gathered.rows,
        "rows_used": gathered.used, "place": tables[0].place, "dimension": tables[0].vectors.dimension,
        "cells": gathered.count_cells(levels), "parcels": gathered.count_parcels(),
    }  # fmt: skip


def _commit(
    gathered: Gathered, request: _Request, store: Store, note: dict[str, Any], sources: Sequence[str]
) -> None:
    """Write all tables in one transaction."""
    shared = write_arguments(request.model_id, request.season, sources, request.card)
    with store.transaction() as transaction:
        transaction.put_model(request.model_id, request.card)
        for level in request.levels:
            held = transaction.held("cells", request.model_id, request.season, level)
            facts = with_earlier(note, held, level, request.season)
            transaction.put_cells(gathered.cell_batches(level), resolution=level, **facts, **shared)
        _put_parcels(transaction, gathered, request, note, shared)


def _put_parcels(
    transaction: Transaction,
    gathered: Gathered,
    request: _Request,
    note: dict[str, Any],
    shared: Mapping[str, Any],
) -> None:
    rows: Iterator[pa.RecordBatch] | None = gathered.parcel_batches()
    if rows is None:
        return
    if not note["parcels"]:
        raise ParcelError("Expected a parcel with at least one of the points in it, got none. Check its CRS.")
    held = transaction.held("parcels", request.model_id, request.season)
    transaction.put_parcels(rows, **with_earlier(note, held, COARSEST, request.season), **shared)

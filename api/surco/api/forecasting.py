"""`surco forecast`: a sample table or a store in, a table of monthly NDVI with intervals out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from surco.api.errors import ApiError
from surco.api.whole_file import whole_file
from surco.embedstore import Store
from surco.encoder import load_encoder, read_samples
from surco.encoder.forecast import (
    COVERAGE,
    PICTURES,
    ForecastHead,
    Forecasts,
    Score,
    describe_scores,
    draw_forecasts,
    find_head,
    forecast_samples,
    forecast_store,
    load_head,
    read_rows,
    score_samples,
)

__all__ = ["ForecastRequest", "forecast_into"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """What to forecast, and where to; fields as the command's options of the same names.

    `source` is a store or a sample table; `season`, `unit` and `resolution` choose the table of a store,
    `reflectance_scale` belongs to sample tables. `model` is an encoder's name for a sample table, a model id of the
    store for a store.
    """

    source: Path
    out: Path
    as_of: date | None = None
    season: str | None = None
    unit: Literal["cells", "parcels"] = "parcels"
    resolution: int | None = None
    model: str | None = None
    head: Path | None = None
    months: int = 3
    plot: Path | None = None
    reflectance_scale: float = 1.0


def forecast_into(request: ForecastRequest, progress: Progress | None = None) -> str:
    """Forecast and write `request.out` (Parquet), which appears whole or not at all.

    Its columns: `id` (string) or `h3` (uint64), `month` (its first day), `lead` (months after that of the as_of day, 0
    for a filled gap), `ndvi`, `low`, `high` (80 % interval), `observed` (null where it is not known).

    Returns:
        What was done, for people; of a sample table whose later months are known, with scores beside baselines.

    Raises:
        ApiError: options that do not belong to the source, or a file that cannot be written.
        EncoderError: see `encoder.forecast`.
        EmbedstoreError: a store without that table.
    """
    _check_files(request)
    try:
        request.out.parent.mkdir(parents=True, exist_ok=True)
        if (request.source / "store.json").is_file():
            return _forecast_store(request, progress)
        return _forecast_table(request, progress)
    except OSError as error:
        raise ApiError(
            f"Expected to write {request.out}, got: {error}. Choose a folder you may write to."
        ) from error


def _forecast_table(request: ForecastRequest, progress: Progress | None) -> str:
    if request.as_of is None or request.season is not None or request.resolution is not None:
        raise ApiError(
            f"Expected --as-of, and neither --season nor --res, for the sample table {request.source}; got --as-of "
            f"{request.as_of}, --season {request.season}, --res {request.resolution}. Correct them, or name a store."
        )
    series = read_samples(request.source, reflectance_scale=request.reflectance_scale)
    encoder = load_encoder(request.model or "surco-nano")
    head = _head(request, encoder.model_id)
    found = forecast_samples(series, request.as_of, encoder, head, months=request.months, progress=progress)
    names = [text or str(row) for row, text in enumerate(series.sample_id.tolist())]
    id_column = pa.chunked_array([pa.array(names, pa.string())])
    meta = _meta(head, request.as_of, source=request.source.name)
    _write(request.out, iter([_columns(found, "id", id_column)]), meta)
    scores = score_samples(series, found, head.climatology)
    _plot(request, found, names, scores, request.as_of)
    rows = len(np.unique(found.questions.row))
    lines = [_counts(found, rows, found.unseen, "rows", request)]
    if scores:
        lines += [*describe_scores(scores), _CAVEAT]
    return "\n".join(lines)


_CAVEAT = (
    "* least error. Own climatology is the mean of other groups in this very season, later months included."
)


def _forecast_store(request: ForecastRequest, progress: Progress | None) -> str:
    rows = read_rows(
        Store.open(request.source),
        unit=request.unit,
        season=request.season,
        resolution=request.resolution,
        model_id=request.model,
        as_of=request.as_of,
    )
    head = _head(request, rows.model_id)
    key = "h3" if rows.unit == "cells" else "id"
    counts = np.zeros(2, np.int64)
    first: list[tuple[Forecasts, list[str]]] = []

    def tables() -> Iterator[pa.Table]:
        for block, found in forecast_store(rows, head, months=request.months, progress=progress):
            counts[:] += len(np.unique(found.questions.row)), found.unseen
            if not first and len(found.ndvi):
                first.append((found, [str(v) for v in block.id.to_pylist()]))
            yield _columns(found, key, block.id)

    meta = _meta(head, rows.as_of, season=rows.season.name, unit=rows.unit)
    written = _write(request.out, tables(), meta)
    _plot(request, *first[0], [], rows.as_of)
    note = (
        "" if rows.with_vectors
        else f"\nThe vectors have seen the season until {rows.season.last_day} and were left out; for a forecast "
        f"with them, encode the season as of {rows.as_of}."
    )  # fmt: skip
    return (
        f"{int(counts[0]):,} {rows.unit} of season {rows.season.name} as of {rows.as_of}, {written:,} months"
        f"{_unseen(int(counts[1]))} -> {request.out}{note}"
    )


def _head(request: ForecastRequest, model_id: str) -> ForecastHead:
    head = load_head(request.head) if request.head else find_head(model_id)
    head.check(model_id)
    return head


def _check_files(request: ForecastRequest) -> None:
    if request.out.suffix != ".parquet":
        raise ApiError(f"Expected --out to end in .parquet, got {request.out}. Name the file so.")
    if request.plot is not None and request.plot.suffix not in PICTURES:
        raise ApiError(f"Expected --plot to end in {' or '.join(PICTURES)}, got {request.plot}. Name it so.")
    if request.source.is_dir() and not (request.source / "store.json").is_file():
        raise ApiError(
            f"Expected a store or a sample table (Parquet), got the folder {request.source} without store.json. "
            "Name a store made by `surco encode`, or one file."
        )


def _columns(found: Forecasts, key: str, ids: pa.ChunkedArray[Any]) -> pa.Table:
    asked = found.questions
    return pa.table(
        {
            key: ids.combine_chunks().take(pa.array(asked.row, pa.int64())),
            "month": pa.array(asked.month.astype("datetime64[D]")),
            "lead": pa.array(asked.lead.astype(np.int8)),
            "ndvi": pa.array(found.ndvi),
            "low": pa.array(found.low),
            "high": pa.array(found.high),
            "observed": pa.array(found.observed, mask=~np.isfinite(found.observed)),
        }
    )


def _write(out: Path, tables: Iterator[pa.Table], meta: dict[str, object]) -> int:
    """Write tables of one schema one after another; returns the rows."""
    rows = 0
    writer: pq.ParquetWriter | None = None
    with whole_file(out) as draft:
        try:
            for table in tables:
                tagged = table.replace_schema_metadata({"forecast": json.dumps(meta)})
                writer = writer or pq.ParquetWriter(draft, tagged.schema, compression="zstd")
                writer.write_table(tagged)
                rows += table.num_rows
        finally:
            if writer is not None:
                writer.close()
    return rows


def _meta(head: ForecastHead, as_of: date, **more: str) -> dict[str, object]:
    return {"model_id": head.model_id, "as_of": str(as_of), "interval": COVERAGE, **more}


def _plot(
    request: ForecastRequest, found: Forecasts, names: Sequence[str], scores: Sequence[Score], as_of: date
) -> None:
    if request.plot is not None:
        request.plot.parent.mkdir(parents=True, exist_ok=True)
        title = f"NDVI of {request.source.name} as of {as_of}"
        draw_forecasts(found, request.plot, names=names, scores=scores, title=title)


def _counts(found: Forecasts, rows: int, unseen: int, what: str, request: ForecastRequest) -> str:
    months = f"{len(found.ndvi):,} months, {int((found.questions.lead == 0).sum()):,} of them filled gaps"
    return f"{rows:,} {what} as of {request.as_of}, {months}{_unseen(unseen)} -> {request.out}"


def _unseen(count: int) -> str:
    return f"; {count:,} without NDVI in the three months before, left out" if count else ""

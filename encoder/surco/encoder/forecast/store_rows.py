"""Cells and parcels of a store as places to forecast: their vectors and monthly NDVI, no imagery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.embedstore import Season, Store, Table, dequantize, fixed_size_matrix
from surco.encoder.forecast.errors import ForecastError
from surco.encoder.forecast.head import ForecastHead
from surco.encoder.forecast.monthly import MonthlyNdvi
from surco.encoder.forecast.predict import Forecasts, forecast_places, south_of
from surco.encoder.forecast.questions import LEADS
from surco.encoder.protocol import Bools, Floats

__all__ = ["StoreRows", "forecast_store", "read_rows"]

_BLOCK = 50_000
_LATEST = timedelta(days=92)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class StoreRows:
    """N rows of one table as they stood on the day `as_of`.

    `id` is the column `h3` or `id`; `vectors` (N, D), all NaN where they have seen days after `as_of`; `history` the
    NDVI of whole months by that day, `truth` that of the whole season as the table has it; `south` (N,).
    """

    id: pa.ChunkedArray[Any]
    unit: Table
    model_id: str
    season: Season
    as_of: date
    vectors: Floats
    history: MonthlyNdvi
    truth: MonthlyNdvi
    south: Bools

    @property
    def with_vectors(self) -> bool:
        """Whether the vectors may be used: they have seen nothing after `as_of`."""
        return self.as_of >= self.season.last_day


def read_rows(
    store: Store,
    *,
    unit: Table = "parcels",
    season: str | None = None,
    resolution: int | None = None,
    model_id: str | None = None,
    as_of: date | None = None,
) -> StoreRows:
    """Rows of one table, as `Store.find` chooses it.

    Args:
        store: to read.
        unit: "cells" or "parcels".
        season: its name; None is the latest.
        resolution: of cells; None is the finest.
        model_id: where the store holds several models.
        as_of: the last day that may be known; None is the last that the table has seen. With an earlier day the
            vectors are left out, because they have seen what came later, and months that were not over are unseen.

    Raises:
        EmbedstoreError: no such table.
        ForecastError: no NDVI in it, or a day outside the season (three months after what was seen at most).
    """
    info = store.find(unit, season=season, resolution=resolution, model_id=model_id)
    whole = Season.parse(info.season, store.start_month)
    held = Season(whole.year, whole.start_month, info.as_of)
    day = as_of or held.last_day
    if not held.start <= day <= held.last_day + _LATEST:
        raise ForecastError(
            f"Expected an as_of day from {held.start} to {held.last_day + _LATEST} (three months after the last that "
            f"season {held} of {store.path} has seen), got {day}. Give another day, or another --season."
        )
    key = "h3" if unit == "cells" else "id"
    table = store.read(
        unit,
        season=info.season,
        resolution=info.resolution,
        model_id=info.model_id,
        columns=[key, "geometry", "embedding", "embedding_scale", "ndvi"],
    )
    truth = MonthlyNdvi(_ndvi(table["ndvi"]), np.full(table.num_rows, np.datetime64(held.start, "M")))
    if not np.isfinite(truth.values).any():
        raise ForecastError(
            f"Expected monthly NDVI in {unit} of season {held}, {store.path} has none (as of rasters without red and "
            "near infrared). Encode the season from scenes with optical dates."
        )
    # what the table holds of a month that is not over was seen by its own last day, so by any later one
    over = np.array([last <= day or held.last_day <= day for _, last in held.months()])
    history = MonthlyNdvi(np.where(over, truth.values, np.float32(np.nan)), truth.first)
    vectors = dequantize(fixed_size_matrix(table["embedding"]), table["embedding_scale"].to_numpy())
    if day < held.last_day:
        vectors[:] = np.nan
    return StoreRows(
        table[key], unit, info.model_id, held, day, _unit_length(vectors), history, truth, _south(table)
    )


def forecast_store(
    rows: StoreRows, head: ForecastHead, *, months: int = len(LEADS), progress: Progress | None = None
) -> Iterator[tuple[StoreRows, Forecasts]]:
    """Forecast rows block by block: each block of rows with its forecasts, whose row numbers count from its start.

    Raises:
        ForecastError: vectors of another model, or no row with NDVI in the three months up to the as_of day.
    """
    head.check(rows.model_id)
    total, answered = len(rows.id), 0
    for start in range(0, total, _BLOCK):
        block = _slice(rows, slice(start, start + _BLOCK))
        month = np.full(len(block.id), np.datetime64(rows.as_of, "M"))
        found = forecast_places(
            block.history, block.vectors, block.south, month, head, block.truth, months=months
        )
        answered += len(found.ndvi)
        if progress:
            progress(min(start + _BLOCK, total), total, "forecasting")
        yield block, found
    if not answered:
        raise ForecastError(
            f"Expected NDVI in the three months up to {rows.as_of}, got none in any row of {rows.unit} {rows.season}. "
            "Give a day nearer to the last clear scene, or encode newer scenes."
        )


def _slice(rows: StoreRows, part: slice) -> StoreRows:
    numbers = np.arange(len(rows.id))[part]
    return StoreRows(
        rows.id.slice(part.start, len(numbers)),
        rows.unit,
        rows.model_id,
        rows.season,
        rows.as_of,
        rows.vectors[part],
        rows.history.take(numbers),
        rows.truth.take(numbers),
        rows.south[part],
    )


def _ndvi(column: pa.ChunkedArray[Any]) -> Floats:
    """NDVI (N, 12) of lists of hundredths, NaN for nulls."""
    parts = [np.zeros((0, 12), np.float32)]
    for chunk in column.chunks:
        array: Any = chunk
        flat = array.values.slice(array.offset * 12, len(array) * 12).cast(pa.float32())
        values = flat.to_numpy(zero_copy_only=False).reshape(-1, 12) / 100
        parts.append(np.where(np.asarray(array.is_valid())[:, None], values, np.nan).astype(np.float32))
    return np.concatenate(parts)


def _unit_length(vectors: Floats) -> Floats:
    """A place's vector is a mean of unit vectors; the head was fitted on single ones."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    out: Floats = np.divide(vectors, length, out=np.full_like(vectors, np.nan), where=length > 0)
    return out


def _south(table: pa.Table) -> npt.NDArray[np.bool_]:
    places = shapely.from_wkb(table["geometry"].to_numpy())
    return south_of(shapely.get_y(shapely.centroid(places)))

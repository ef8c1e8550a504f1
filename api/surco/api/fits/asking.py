"""What an adapter says of places or vectors that a client names: classes with their sets, or values with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import h3
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from surco.adapters import CropTypeAdapter, YieldAdapter
from surco.adapters.conformal import class_sets, threshold
from surco.api.fits.bodies import Asked
from surco.api.fits.shelf import Shelved
from surco.api.fits.workshop import Workshop
from surco.api.growing import note_beside
from surco.api.refusals import InvalidError, TooLargeError
from surco.embedstore import Store, codes_of
from surco.embedstore.scales import row_scales
from surco.embedstore.vector_sources import Source, source_of
from surco.embedstore.vectors import table_vectors

__all__ = ["answers_of"]

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """n vectors, (n, D) int8 with (n,) scales, 0 where there is none; what each is called; where they are from."""

    embedding: npt.NDArray[np.int8] | npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    called: list[str | None]
    about: dict[str, Any]
    note: str | None = None


def answers_of(shop: Workshop, store: Store, shelved: Shelved, asked: Asked) -> dict[str, Any]:
    """The adapter's answers, in the order of the question; null where a place has no row, or nothing was observed.

    Raises:
        InvalidError: not exactly one of points, ids and vectors, or values that cannot be read.
        TooLargeError: more than the server takes.
        UnknownError, StoreError: a season or table that is not there.
        CardError: an adapter for another task than classes or values.
    """
    _check(asked, shop.server.settings.max_asked)
    adapter = shop.shelf.adapter(shelved)
    if not isinstance(adapter, CropTypeAdapter | YieldAdapter):
        raise InvalidError(
            f"Expected an adapter of classes or values, got {shelved.name!r} for {shelved.card['task']}. "
            "Name another one."
        )
    question = (
        _vectors(asked, adapter.n_features_in_)
        if asked.vectors is not None
        else _places(shop, store, shelved, asked)
    )
    seen = np.flatnonzero(question.scale > 0)
    said = _said(adapter, question.embedding[seen], question.scale[seen], asked.coverage)
    found: list[dict[str, Any]] = [{"id": name, "answer": None} for name in question.called]
    for at, answer in zip(seen.tolist(), said, strict=True):
        found[at]["answer"] = answer
    about = {"adapter": shelved.name, "version": shelved.version, "coverage": asked.coverage}
    notes = [] if question.note is None else [question.note]
    told = {"notes": [str(note) for note in notes], "said": codes_of(notes)}
    return about | question.about | told | {"answers": found}


def _check(asked: Asked, most: int) -> None:
    given = [each for each in (asked.points, asked.ids, asked.vectors) if each is not None]
    if len(given) != 1:
        raise InvalidError(f"Expected one of points, ids and vectors, got {len(given)} of them. Send one.")
    if len(given[0]) > most:
        raise TooLargeError(
            f"Expected at most {most:,} places at a time, got {len(given[0]):,}. Ask for fewer."
        )
    if asked.vectors is not None and (asked.season is not None or asked.unit is not None):
        raise InvalidError(
            "Expected season and unit beside points or ids only, got them beside vectors. Leave them out."
        )


def _vectors(asked: Asked, dimension: int) -> _Question:
    vectors = asked.vectors or []
    wrong = next((len(row) for row in vectors if len(row) != dimension), None)
    if wrong is not None:
        raise InvalidError(
            f"Expected vectors of {dimension} numbers, as the adapter's model has, got one of {wrong}. "
            "Take them from /embeddings."
        )
    table = np.asarray(vectors, np.float64)
    if not np.isfinite(table).all() or np.abs(table).max(initial=0) > np.finfo(np.float32).max:
        raise InvalidError("Expected finite numbers, got larger ones. Correct the vectors.")
    seen = np.asarray(table.any(axis=1), np.float32)
    return _Question(table.astype(np.float32), seen, [None] * len(table), {})


def _places(shop: Workshop, store: Store, shelved: Shelved, asked: Asked) -> _Question:
    training = shelved.card["training"]
    unit = asked.unit or ("parcels" if training.get("unit") == "parcels" else "cells")
    season = asked.season or _text(training.get("season"))
    source = source_of(store, unit, season=season, model_id=str(shelved.card["model_id"]))
    if asked.ids is not None:
        rows, called = _rows_of_ids(source, asked.ids), list[str | None](asked.ids)
    else:
        rows = _rows_at(shop, source, _points(asked.points or []))
        called = _called(source, rows)
    held, scale = table_vectors(source), row_scales(source)
    there = np.maximum(rows, 0)
    factor = np.where(rows >= 0, scale[there], 0).astype(np.float32)
    about = {"season": source.info.season, "unit": source.table, "resolution": source.info.resolution}
    note = note_beside(shelved.card, shelved.name, source.info, store.start_month)
    return _Question(held.embedding[there], factor, called, about, note)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _points(places: list[list[float]]) -> npt.NDArray[np.object_]:
    lonlat = np.asarray(places, np.float64).reshape(-1, 2)
    if not (np.abs(lonlat) <= [180, 90]).all():
        raise InvalidError(
            "Expected points of longitude and latitude in degrees, got others. Write [-71.5, -35.4]."
        )
    return np.asarray(shapely.points(lonlat), object)


def _rows_at(shop: Workshop, source: Source, points: npt.NDArray[np.object_]) -> Rows:
    """The row of each point; -1 where the table has none there."""
    if source.table == "parcels":
        return shop.parcels(source).at(points)
    lon, lat = pa.array(shapely.get_x(points)), pa.array(shapely.get_y(points))
    cells = pa.array(h3ronpy.vector.coordinates_to_cells(lat, lon, source.info.resolution or 0)).to_numpy()
    return _rows_of(table_vectors(source).keys.to_numpy(), cells)


def _rows_of_ids(source: Source, ids: list[str]) -> Rows:
    """The row of each id; -1 where the table has none of that name."""
    keys = table_vectors(source).keys
    if source.table == "parcels":
        found = pc.index_in(pa.array(ids, pa.string()).cast(keys.type), value_set=keys)
        return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    wrong = next((text for text in ids if not h3.is_valid_cell(text)), None)
    if wrong is not None:
        raise InvalidError(
            f"Expected H3 cells in hexadecimal, got {wrong[:40]!r}. Write them like 89b25a5b2cfffff."
        )
    return _rows_of(keys.to_numpy(), np.array([h3.str_to_int(text) for text in ids], np.uint64))


def _rows_of(held: npt.NDArray[np.uint64], cells: npt.NDArray[np.uint64]) -> Rows:
    place = np.minimum(np.searchsorted(held, cells), len(held) - 1)
    return np.where(held[place] == cells, place, -1)


def _called(source: Source, rows: Rows) -> list[str | None]:
    """Text of the key of each row; None where there is no row."""
    keys = table_vectors(source).keys.take(pa.array(np.maximum(rows, 0), pa.int64())).to_pylist()
    words = [f"{key:x}" if isinstance(key, int) else str(key) for key in keys]
    return [word if row >= 0 else None for word, row in zip(words, rows.tolist(), strict=True)]


def _said(
    adapter: CropTypeAdapter | YieldAdapter,
    embedding: npt.NDArray[np.int8] | npt.NDArray[np.float32],
    scale: npt.NDArray[np.float32],
    coverage: float,
) -> list[dict[str, Any]]:
    if not len(scale):
        return []
    vectors = embedding * scale[:, None]
    if isinstance(adapter, YieldAdapter):
        value, interval = adapter.predict(vectors), adapter.predict_interval(vectors, coverage)
        return [
            {"value": _number(v), "low": _number(low), "high": _number(high)}
            for v, (low, high) in zip(value.tolist(), interval.tolist(), strict=True)
        ]
    chances = adapter.predict_proba(vectors)
    sets = class_sets(chances, threshold(adapter.true_probabilities_, coverage))
    names = [str(name) for name in adapter.classes_]
    return [_class(names, row, held) for row, held in zip(chances, sets, strict=True)]


def _class(names: list[str], chances: npt.NDArray[np.float32], held: npt.NDArray[np.bool_]) -> dict[str, Any]:
    order = np.argsort(-chances, kind="stable").tolist()
    return {
        "class": names[order[0]],
        "probability": round(float(chances[order[0]]), 6),
        "set": [names[k] for k in order if held[k]],
        "probabilities": {names[k]: round(float(chances[k]), 6) for k in order},
    }


def _number(value: float) -> float | None:
    """A number of JSON; None for an interval's end that is unbounded."""
    return round(value, 6) if np.isfinite(value) else None

"""Labels meet the tables: which cells or parcels they name, and the vectors found there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.embedstore.errors import LabelError, ModelMismatchError, StoreError
from surco.embedstore.files import read_batches
from surco.embedstore.labels import Labels
from surco.embedstore.polygon_cells import cells_at, rows_in_polygons
from surco.embedstore.quantise import dequantize
from surco.embedstore.scales import row_scales
from surco.embedstore.schema import fixed_size_matrix
from surco.embedstore.season import Season
from surco.embedstore.store import Store
from surco.embedstore.tables import TableInfo
from surco.embedstore.vector_sources import Source, source_of
from surco.embedstore.vectors import table_vectors

__all__ = ["Conflict", "Examples", "match_labels"]

Unit = Literal["cells", "parcels"]

_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Conflict:
    """A cell or parcel that was given two classes; it is in no example."""

    id: int | str
    labels: tuple[str, ...]
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Examples:
    """Vectors with a class.

    Attributes:
        X: (N, D) float32 vectors.
        y: (N,) classes, text.
        groups: (N,) which label feature each came from: one feature's rows must not be split between training and
            test.
        unit: "cells" or "parcels".
        ids: (N,) H3 cells or parcel ids.
        model_id: whose vectors.
        conflicts: what two labels disagree about, left out.
        unmatched: ids of the label features that name no row: they lie outside the table, or are small polygons
            in a cell that belongs to another.
    """

    X: npt.NDArray[np.float32]
    y: npt.NDArray[np.str_]
    groups: npt.NDArray[np.int64]
    unit: Unit
    ids: list[int] | list[str]
    model_id: str
    conflicts: tuple[Conflict, ...] = ()
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Rows of a table with the label feature that names each: (M,) keys, (M,) feature positions, (M, D) vectors."""

    keys: npt.NDArray[Any]
    features: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]

    def where(self, keep: npt.NDArray[np.bool_]) -> _Pairs:
        return _Pairs(self.keys[keep], self.features[keep], self.vectors[keep])


def match_labels(
    store: Store,
    labels: Labels,
    *,
    season: str | Season | None = None,
    unit: Literal["auto", "cells", "parcels"] = "auto",
    resolution: int | None = None,
    model_id: str | None = None,
    least_classes: int = 2,
    most_rows: int | None = None,
) -> Examples:
    """Find the vectors of labelled places.

    Cells: a point takes the cell it falls in; a polygon every cell whose centre falls in it, or the cell of a point
    within it where there is none. Parcels: the parcel in which the label's point (of a polygon: one within it) falls.

    Args:
        store: with a table of the season.
        labels: of `read_labels`.
        season: name or Season; None is the latest.
        unit: "auto" takes parcels where the season has them and at least half of the labels fall in one, else cells.
        resolution: of cells; None is the finest.
        model_id: needed where the store holds several models.
        least_classes: how many different classes there must be; a campaign that has only begun may have one.
        most_rows: refuse labels that name more rows than that, before their vectors are read; None takes all.

    Raises:
        LabelError: all labels outside the table's area, fewer classes than that, more rows than that, or all in
            conflict.
        StoreError: no such table, season or resolution.
    """
    if unit not in ("auto", "cells", "parcels"):
        raise LabelError("unit 'auto', 'cells' or 'parcels'", repr(unit), "Name one of them.")
    if unit != "cells" and (unit == "parcels" or _has(store, "parcels", season, None, model_id)):
        parcels = store.find("parcels", season=season, model_id=model_id)
        pairs = _parcel_pairs(parcels, labels)
        enough = 2 * len(np.unique(pairs.features)) >= len(labels)
        if unit == "parcels" or enough or not _has(store, "cells", season, resolution, model_id):
            return _examples(pairs, labels, parcels, "parcels", least_classes)
    cells = source_of(store, "cells", season=season, resolution=resolution, model_id=model_id)
    pairs = _cell_pairs(cells, labels, cells.info.rows if most_rows is None else most_rows)
    return _examples(pairs, labels, cells.info, "cells", least_classes)


def _has(
    store: Store, unit: Unit, season: str | Season | None, resolution: int | None, model_id: str | None
) -> bool:
    """Whether the season meant (of any table, where none is named) has such a table; no file is looked at."""
    name = season.name if isinstance(season, Season) else (season or (store.seasons() or [""])[-1])
    try:
        store.digest(unit, season=name, resolution=resolution, model_id=model_id)
    except ModelMismatchError:
        return model_id is None  # of several; which one, is asked where the table is found
    except StoreError:
        return False
    return True


def _parcel_pairs(info: TableInfo, labels: Labels) -> _Pairs:
    tree = shapely.STRtree(shapely.point_on_surface(labels.geometry))
    taken = np.zeros(len(labels), bool)
    found: list[_Pairs] = []
    for file in info.files:
        for batch in read_batches(file, _BLOCK, ["id", "geometry", "embedding", "embedding_scale"]):
            shapes = shapely.from_wkb(batch.column("geometry").to_numpy(zero_copy_only=False))
            rows, features = tree.query(shapes, predicate="intersects")
            # A point on a shared edge takes one parcel, the first.
            features, first = np.unique(features, return_index=True)
            rows, features = rows[first][~taken[features]], features[~taken[features]]
            taken[features] = True
            found.append(_pairs(batch, rows, features))
    return _joined(found, info)


def _cell_pairs(source: Source, labels: Labels, most: int) -> _Pairs:
    points = shapely.point_on_surface(labels.geometry)
    resolution = source.info.resolution or 0
    held = table_vectors(source).keys.to_numpy()
    own = cells_at(points, resolution)
    place = np.minimum(np.searchsorted(held, own), len(held) - 1)
    hit = np.flatnonzero(held[place] == own)
    single = _vectors_at(source, place[hit], hit)
    polygons = np.flatnonzero(shapely.get_dimensions(labels.geometry) == 2)
    rows, inside = rows_in_polygons(held, labels.geometry[polygons], resolution, most)
    covered = _vectors_at(source, rows, polygons[inside])
    # A polygon without a centre of its own does not dispute the cell of one that has it.
    is_polygon = np.isin(single.features, polygons)
    spare = is_polygon & (np.isin(single.features, covered.features) | np.isin(single.keys, covered.keys))
    return _joined([covered, single.where(~spare)], source.info)


def _vectors_at(source: Source, rows: npt.NDArray[np.int64], features: npt.NDArray[np.int64]) -> _Pairs:
    """Rows of a table of cells, with the label feature that names each."""
    held = table_vectors(source)
    keys = held.keys.take(pa.array(rows, pa.int64())).to_numpy(zero_copy_only=False)
    return _Pairs(keys, features, dequantize(held.embedding[rows], row_scales(source)[rows]))


def _pairs(rows: pa.RecordBatch, places: npt.NDArray[np.int64], features: npt.NDArray[np.int64]) -> _Pairs:
    chosen = rows.select(["id", "embedding", "embedding_scale"]).take(pa.array(places, pa.int64()))
    matrix = fixed_size_matrix(chosen.column("embedding"))
    keys = np.array(chosen.column("id").to_pylist(), object)
    return _Pairs(keys, features, dequantize(matrix, np.asarray(chosen.column("embedding_scale"))))


def _joined(parts: list[_Pairs], info: TableInfo) -> _Pairs:
    kind: Any = np.uint64 if info.table == "cells" else object
    return _Pairs(
        np.concatenate([np.empty(0, kind), *(part.keys for part in parts)]),
        np.concatenate([np.empty(0, np.int64), *(part.features for part in parts)]),
        np.concatenate([np.empty((0, info.dimension), np.float32), *(part.vectors for part in parts)]),
    )


def _examples(pairs: _Pairs, labels: Labels, info: TableInfo, unit: Unit, least_classes: int) -> Examples:
    unmatched = np.setdiff1d(np.arange(len(labels)), pairs.features)
    if not len(pairs.keys):
        raise LabelError(
            f"labels within the store's area {_round(info.bbox)} (west, south, east, north)",
            f"all {len(labels)} of {labels.path} outside any of its {unit}; they lie in "
            f"{_round(shapely.total_bounds(labels.geometry).tolist())}",
            "Encode the area of the labels, or check their coordinates.",
        )
    kept, conflicts = _agreeing(pairs, labels)
    y = np.array([labels.label[feature] for feature in pairs.features[kept]], dtype=np.str_)
    if len(np.unique(y)) < least_classes:
        raise _too_few_classes(y, conflicts, labels)
    return Examples(
        X=pairs.vectors[kept],
        y=y,
        groups=pairs.features[kept],
        unit=unit,
        ids=pairs.keys[kept].tolist(),
        model_id=info.model_id,
        conflicts=conflicts,
        unmatched=tuple(labels.id[feature] for feature in unmatched),
    )


def _agreeing(pairs: _Pairs, labels: Labels) -> tuple[npt.NDArray[np.int64], tuple[Conflict, ...]]:
    """The first pair of each key whose labels agree, in the order of features, and the keys whose labels do not."""
    named: dict[Any, list[int]] = {}
    for place in np.argsort(pairs.features, kind="stable").tolist():
        named.setdefault(pairs.keys[place], []).append(place)
    kept: list[int] = []
    conflicts: list[Conflict] = []
    for key, places in named.items():
        features = pairs.features[places].tolist()
        classes = dict.fromkeys(labels.label[feature] for feature in features)
        if len(classes) == 1:
            kept.append(places[0])
        else:
            who = tuple(labels.id[feature] for feature in features)
            conflicts.append(Conflict(key if isinstance(key, str) else int(key), tuple(classes), who))
    return np.array(kept, np.int64), tuple(conflicts)


def _too_few_classes(y: npt.NDArray[np.str_], conflicts: tuple[Conflict, ...], labels: Labels) -> LabelError:
    doubt = f"; {len(conflicts)} places have two classes, the first {conflicts[0]}" if conflicts else ""
    return LabelError(
        "labels of at least two classes",
        f"{', '.join(np.unique(y)) or 'none'} in {labels.path} within the store's area{doubt}",
        "Label a second class: an adapter learns by telling classes apart.",
    )


def _round(bbox: Iterable[float]) -> list[float]:
    return [round(side, 4) for side in bbox]

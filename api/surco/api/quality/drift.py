"""How far the vectors of the same places moved from one season to the next, by region."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from surco.api.quality.pairs import cosines
from surco.embedstore import comunas
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import TableVectors, table_vectors

__all__ = ["measured_drift"]

_MOST_PLACES = 100_000
_CENTROIDS = 12
_FEWEST_OF_CENTROID = 20

Json = dict[str, Any]
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def measured_drift(earlier: Source, later: Source, most: int = _MOST_PLACES, seed: int = 0) -> Json:
    """Places that both seasons have, or `most` of the later season's by chance.

    Returns:
        `from` and `to` (seasons), `looked_at` and `same` (places of the later season, and how many of them the earlier
        one has), and for all and each region: `places`, `distance` (mean 1 - cosine between both seasons of a place),
        `shift` (1 - cosine between the mean vectors: a change that all share, as of a sensor or an encoder, and not of
        single fields) and `other_kind` (share whose nearest of a dozen centroids of the earlier season is another).
    """
    new, old = table_vectors(later), table_vectors(earlier)
    rows = _directed(new, most, seed)
    others = _rows_in(old, new, rows)
    same = others >= 0
    same[same] = np.isfinite(old.inverse_length[others[same]])
    answer: Json = {
        "from": earlier.info.season,
        "to": later.info.season,
        "looked_at": len(rows),
        "same": int(same.sum()),
        "places": [],
    }
    if not same.any():
        return answer
    rows, others = rows[same], others[same]
    before, after = _units(old, others), _units(new, rows)
    moved = _nearest(before, after, seed)
    distance = np.maximum(1.0 - cosines(old, others, new, rows), 0.0)
    for name, chosen in _regions(new.comuna[rows]):
        answer["places"].append(
            {
                "name": name,
                "places": int(chosen.sum()),
                "distance": round(float(distance[chosen].mean()), 4),
                "shift": round(_shift(before[chosen], after[chosen]), 4),
                "other_kind": None if moved is None else round(float(moved[chosen].mean()), 4),
            }
        )
    return answer


def _directed(vectors: TableVectors, most: int, seed: int) -> Rows:
    """Rows with a direction, or some of them."""
    rows = np.flatnonzero(np.isfinite(vectors.inverse_length))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return np.asarray(rows, np.int64)


def _rows_in(old: TableVectors, new: TableVectors, rows: Rows) -> Rows:
    """The row of each place in the other table, -1 where it has none."""
    keys: Any = new.keys.take(rows)
    if not pa.types.is_uint64(keys.type):
        found = pc.index_in(keys, value_set=old.keys).fill_null(-1)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)
    held, wanted = old.keys.to_numpy(), keys.to_numpy()
    places = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
    return np.where(held[places] == wanted, places, -1)


def _units(vectors: TableVectors, rows: Rows) -> Floats:
    unit: Floats = vectors.embedding[rows].astype(np.float32) * vectors.inverse_length[rows][:, None]
    return unit


def _nearest(before: Floats, after: Floats, seed: int) -> npt.NDArray[np.bool_] | None:
    """Which places are nearest to another centroid than before; None of too few places for centroids."""
    if len(before) < _CENTROIDS * _FEWEST_OF_CENTROID:
        return None
    kinds = faiss.Kmeans(
        before.shape[1], _CENTROIDS, niter=10, spherical=True, seed=seed, min_points_per_centroid=1
    )
    kinds.train(before)
    centroids = np.asarray(kinds.centroids)
    return np.asarray((before @ centroids.T).argmax(axis=1) != (after @ centroids.T).argmax(axis=1))


def _shift(before: Floats, after: Floats) -> float:
    one, other = before.mean(axis=0, dtype=np.float64), after.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return max(0.0, 1.0 - float(one @ other) / length) if length else 0.0


def _regions(codes: npt.NDArray[np.uint16]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    yield "all", np.ones(len(codes), np.bool_)
    rows = sorted(comunas().to_pylist(), key=lambda row: row["region_cut"])
    names = dict.fromkeys(row["region"] for row in rows)
    for name in names:
        chosen = np.isin(codes, [row["cut"] for row in rows if row["region"] == name])
        if chosen.any():
            yield name, chosen
    if (codes == 0).any():
        yield "unknown", codes == 0

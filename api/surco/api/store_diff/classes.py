"""What an adapter says of the same places before and after: hectares from class to class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.adapters import load_adapter
from surco.api.map_products.map_changes import CHANGE_NOTE
from surco.api.map_products.map_rows import hectares_of
from surco.api.maps import CLASS_TASKS, adapter_model, adapter_task
from surco.api.refusals import UnknownError
from surco.embedstore import Store, fixed_size_matrix
from surco.embedstore.changes import Matched, TablePair

__all__ = ["ClassChanges", "check_adapter", "class_changes"]

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ClassChanges:
    """Hectares and places by class before and after, (K, K) each, of the rows that were read and have both vectors."""

    adapter: Any
    unit: str
    classes: tuple[str, ...]
    hectares: npt.NDArray[np.float64]
    places: Codes

    def add(self, matched: Matched) -> tuple[Codes, Codes]:
        """Add a part's rows up; the class of each before and after, -1 where there is no vector."""
        before, after = self._classes(matched.before), self._classes(matched.after)
        both = (before >= 0) & (after >= 0)
        if both.any():
            k = len(self.classes)
            pair = before[both] * k + after[both]
            area = hectares_of(matched.after, self.unit)[both]
            self.hectares.ravel()[:] += np.bincount(pair, area, k * k)
            self.places.ravel()[:] += np.bincount(pair, minlength=k * k)
        return before, after

    def _classes(self, rows: Any) -> Codes:
        scale = np.asarray(rows["embedding_scale"], np.float32)
        found = np.full(len(scale), -1, np.int64)
        seen = np.flatnonzero(scale > 0)
        if len(seen):
            embedding = fixed_size_matrix(rows["embedding"])[seen]
            found[seen] = self.adapter.predict_proba_int8(embedding, scale[seen]).argmax(axis=1)
        return found

    def as_dict(self) -> dict[str, Any]:
        """As JSON: the matrix by class, and what is the same."""
        return {
            "classes": list(self.classes),
            "hectares": np.round(self.hectares, 2).tolist(),
            "places": self.places.tolist(),
            "changed_ha": round(float(self.hectares.sum() - np.trace(self.hectares)), 2),
            "same_ha": round(float(np.trace(self.hectares)), 2),
            "note": CHANGE_NOTE,
        }


def check_adapter(store: Store, name: str) -> None:
    """Refuse an adapter that cannot be compared before anything is read.

    Raises:
        UnknownError: an adapter that gives no classes.
        EmbedstoreError: no such adapter in the store.
        AdapterError: a damaged one.
    """
    task = adapter_task(store, name)
    if task not in CLASS_TASKS:
        raise UnknownError(
            f"Expected an adapter that gives classes; got {name} for {task}. Name another adapter."
        )


def class_changes(store: Store, name: str | None, pair: TablePair) -> ClassChanges | None:
    """An empty account for a pair of tables; None where no adapter is named, or it reads other vectors."""
    if name is None or pair.before is None or pair.after is None:
        return None
    if adapter_model(store, name) != pair.either.model_id:
        return None
    adapter: Any = load_adapter(store.adapter_dir(name), pair.either.model_id, adapter_task(store, name))
    classes = tuple(str(each) for each in adapter.classes_)
    k = len(classes)
    return ClassChanges(adapter, pair.table, classes, np.zeros((k, k)), np.zeros((k, k), np.int64))

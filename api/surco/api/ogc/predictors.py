"""What a store's adapters say of the rows of a table: of the rows of one page, never of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.adapters import YieldAdapter, load_adapter, read_card
from surco.api.kept import Kept
from surco.api.maps import CLASS_TASKS
from surco.api.ogc.mirrors import Mirror
from surco.api.ogc.queryables import Queryable
from surco.embedstore import Store, dequantize
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import table_vectors

__all__ = ["Predictor", "mapped_adapters", "predictor_of"]

_LOADED: Kept[Predictor] = Kept(32)


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """An adapter, ready to be asked.

    Attributes:
        name: the adapter's.
        adapter: what was fitted.
        model_id: whose vectors it reads.
        unit: of a yield adapter's values; empty for classes.
        classes: (K,) names; none of a yield adapter.
    """

    name: str
    adapter: Any
    model_id: str
    unit: str
    classes: tuple[str, ...]

    @property
    def queryables(self) -> Mapping[str, Queryable]:
        """What it adds to the queryables of a table."""
        if not self.classes:
            what = f"Value in {self.unit}" if self.unit else "Value"
            return {
                "value": Queryable("float", '"value"', what),
                "low": Queryable("float", '"low"', f"Lower end of the {self.adapter.coverage:.0%} interval"),
                "high": Queryable(
                    "float", '"high"', f"Upper end of the {self.adapter.coverage:.0%} interval"
                ),
            }
        return {
            "class": Queryable("text", '"class"', "The most probable class", values=self.classes),
            "probability": Queryable("float", '"probability"', "Probability of that class, 0 to 1"),
            "uncertainty": Queryable("float", '"uncertainty"', "1 - probability of the most probable class"),
        }

    def columns(
        self, mirror: Mirror, source: Source, rows: npt.NDArray[np.int64]
    ) -> dict[str, pa.Array[Any]]:
        """The columns of `queryables` for (M,) rows of a table; null where nothing was ever observed."""
        scale = mirror.values("embedding_scale", rows).to_numpy(zero_copy_only=False)
        seen = np.isfinite(scale) & (scale > 0)
        vectors = table_vectors(source).embedding[rows[seen]]
        answers = self._classes if self.classes else self._values
        found = answers(vectors, scale[seen]) if seen.any() else {}
        place = np.cumsum(seen) - 1
        return {
            name: found[name].take(pa.array(place, mask=~seen))
            if name in found
            else pa.nulls(len(rows), pa.string() if name == "class" else pa.float32())
            for name in self.queryables
        }

    def _classes(self, vectors: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]) -> dict[str, Any]:
        if hasattr(self.adapter, "predict_proba_int8"):
            chances = self.adapter.predict_proba_int8(vectors, scale)
        else:
            chances = self.adapter.predict_proba(dequantize(vectors, scale))
        best = chances.argmax(axis=1)
        probability = np.asarray(chances[np.arange(len(best)), best], np.float32)
        return {
            "class": pa.array(self.classes, pa.string()).take(best),
            "probability": pa.array(probability),
            "uncertainty": pa.array(1 - probability),
        }

    def _values(self, vectors: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]) -> dict[str, Any]:
        value, interval = self.adapter.predict_interval_int8(vectors, scale)
        named = {"value": value, "low": interval[:, 0], "high": interval[:, 1]}
        # An interval that is unbounded has no end to write.
        return {
            name: pa.array(np.where(np.isfinite(v), v, np.nan), pa.float32(), from_pandas=True)
            for name, v in named.items()
        }


def mapped_adapters(store: Store) -> list[str]:
    """Names of the adapters that say something of every row: a class or a value."""
    tasks = (*CLASS_TASKS, YieldAdapter.task)
    return [name for name in store.adapters() if read_card(store.adapter_dir(name))["task"] in tasks]


def predictor_of(store: Store, name: str) -> Predictor:
    """An adapter of a store at its version, loaded once.

    Raises:
        StoreError: no such adapter.
        AdapterError: a damaged one.
    """
    return _LOADED.get((store.path, store.version, name), lambda: _load(store, name))


def _load(store: Store, name: str) -> Predictor:
    folder = store.adapter_dir(name)
    adapter = load_adapter(folder)
    yields = isinstance(adapter, YieldAdapter)
    classes = () if yields else tuple(str(label) for label in adapter.classes_)
    return Predictor(
        name, adapter, str(read_card(folder)["model_id"]), adapter.unit if yields else "", classes
    )

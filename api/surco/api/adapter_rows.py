"""A store's adapters and the rows they are asked about, as DuckDB hands them over: loaded once, checked each time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from surco.adapters import CropTypeAdapter, YieldAdapter, load_adapter, read_card
from surco.api.refusals import UnknownError
from surco.embedstore import Store

__all__ = ["AdapterRows", "Column", "LoadedAdapter", "Rows", "joined"]

# DuckDB evaluates annotations when it registers a function, and pyarrow's classes take no parameters then.
Column = Any


@dataclass(frozen=True, slots=True)
class LoadedAdapter:
    """An adapter, whose vectors it is for, and its classes as text."""

    name: str
    adapter: CropTypeAdapter | YieldAdapter
    model_id: str
    labels: pa.Array[Any]

    def classifier(self) -> CropTypeAdapter:
        """The adapter, where it tells classes; raises UnknownError where it does not."""
        if not isinstance(self.adapter, CropTypeAdapter):
            raise _other_task(self, "classes", "predict_value")
        return self.adapter

    def regressor(self) -> YieldAdapter:
        """The adapter, where it predicts a value; raises UnknownError where it does not."""
        if not isinstance(self.adapter, YieldAdapter):
            raise _other_task(self, "a value", "predict")
        return self.adapter


@dataclass(frozen=True, slots=True)
class Rows:
    """The N rows of a block that have a vector: which they are, their int8 values (N, D) and scales (N,)."""

    where: npt.NDArray[np.intp]
    embedding: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]


class AdapterRows:
    """The adapters of a store at the version it had when this was made; each is loaded when it is first asked."""

    def __init__(self, store: Store) -> None:
        # A transaction of the caller's object would move it to another version than the session's.
        self._store = copy.copy(store)
        self._dimensions = {(info.model_id, info.dimension) for info in store.tables()}
        self._loaded: dict[str, LoadedAdapter] = {}

    def named(self, name: Column) -> Iterator[tuple[LoadedAdapter, npt.NDArray[np.bool_]]]:
        """Each adapter that the rows name, and which rows do."""
        for each in pc.unique(name).drop_null().to_pylist():
            which = pc.equal(name, each).fill_null(False)
            yield self._load(each), _array(which)

    def _load(self, name: str) -> LoadedAdapter:
        if name not in self._loaded:
            if name not in self._store.adapters():
                raise UnknownError(
                    f"Expected one of the store's adapters {self._store.adapters()}, got {name!r}. Name one of them, "
                    "or fit it first with `surco adapters fit`."
                )
            folder = self._store.adapter_dir(name)
            adapter = load_adapter(folder)
            classes = adapter.classes_.tolist() if isinstance(adapter, CropTypeAdapter) else []
            labels = pa.array([str(label) for label in classes], pa.string())
            self._loaded[name] = LoadedAdapter(name, adapter, read_card(folder)["model_id"], labels)
        return self._loaded[name]

    def rows(
        self,
        loaded: LoadedAdapter,
        which: npt.NDArray[np.bool_],
        embedding: Column,
        scale: Column,
        model: Column,
    ) -> Rows:
        """The rows of a block that are asked of an adapter and have a vector; UnknownError for another model's."""
        factor = _array(scale.fill_null(0))
        # A row without data has scale 0.
        where = np.flatnonzero(which & _array(embedding.is_valid()) & (factor > 0) & np.isfinite(factor))
        vectors = _whole(embedding)
        models = _whole(model)
        if len(where) < len(vectors):
            vectors, models = vectors.take(pa.array(where)), models.take(pa.array(where))
        self._check_model(loaded, models)
        return Rows(where, self._matrix(loaded, vectors), factor[where])

    def _check_model(self, loaded: LoadedAdapter, models: Any) -> None:
        """Refuse rows of another model than the adapter's; without a model, rows that may be of another."""
        given = [model for model in pc.unique(models).to_pylist() if model is not None]
        for other in given:
            if other != loaded.model_id:
                raise _other_model(
                    loaded, repr(other), "Ask for rows of the adapter's model: WHERE model = …"
                )
        if models.null_count:
            length = loaded.adapter.n_features_in_
            held = {model for model, dimension in self._dimensions if dimension == length}
            for other in sorted(held - {loaded.model_id}):
                raise _other_model(
                    loaded,
                    f"{other!r}, perhaps",
                    "The store has such vectors: pass the column model as the last argument.",
                )

    def _matrix(self, loaded: LoadedAdapter, vectors: Any) -> npt.NDArray[np.int8]:
        flat = _array(vectors.flatten())
        length = loaded.adapter.n_features_in_
        if len(vectors) and not bool(pc.all(pc.equal(pc.list_value_length(vectors), length)).as_py()):
            found = pc.unique(pc.list_value_length(vectors)).to_pylist()
            models = sorted({model for model, dimension in self._dimensions if dimension in found})
            raise _other_model(
                loaded, f"{models}, of {found} values", "Ask for rows of the adapter's model: WHERE model = …"
            )
        matrix: npt.NDArray[np.int8] = flat.reshape(len(vectors), length)
        return matrix


def joined(parts: list[tuple[npt.NDArray[np.intp], Column]], rows: int, kind: pa.DataType) -> Column:
    """The answers of all adapters, each in its rows of the block; null in the others."""
    if len(parts) == 1 and len(parts[0][0]) == rows:
        return parts[0][1]
    where = np.concatenate([np.empty(0, np.intp), *(each for each, _ in parts)])
    answers: Column = pa.concat_arrays([pa.array([], kind), *(answer.cast(kind) for _, answer in parts)])
    place = np.full(rows, -1)
    place[where] = np.arange(len(where))
    return answers.take(pa.array(place, mask=place < 0))


def _other_task(loaded: LoadedAdapter, what: str, function: str) -> UnknownError:
    return UnknownError(
        f"Expected an adapter that predicts {what}, got {loaded.name!r}, which is for {loaded.adapter.task}. "
        f"Ask {function}({loaded.name!r}, embedding, embedding_scale), if that is what you want to know."
    )


def _other_model(loaded: LoadedAdapter, other: str, remedy: str) -> UnknownError:
    return UnknownError(
        f"Expected vectors of model {loaded.model_id!r}, for which adapter {loaded.name!r} was fitted, got rows of "
        f"{other}. {remedy}"
    )


def _whole(column: Column) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _array(column: Any) -> Any:
    return _whole(column).to_numpy(zero_copy_only=False)

"""A store's adapters as functions of SQL: `predict`, `predict_all` and `predict_value`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from surco.adapters import CropTypeAdapter, YieldAdapter, load_adapter, read_card
from surco.api.refusals import UnknownError
from surco.embedstore import ColumnFunction, Macro, Store, connect

__all__ = ["connect_with_adapters", "predict_functions"]

# DuckDB evaluates annotations when it registers a function, and pyarrow's classes take no parameters then.
Column = Any

Chances = npt.NDArray[np.float32]

_BEST = pa.struct([pa.field("label", pa.string()), pa.field("probability", pa.float32())])
_ALL = pa.list_(_BEST)
_VALUE = pa.struct([pa.field(name, pa.float32()) for name in ("value", "low", "high")])


def connect_with_adapters(
    store: Store, *, memory_limit: str | None = None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """A session as `surco.embedstore.connect` makes it, in which the store's adapters predict.

    `predict(adapter, embedding, embedding_scale)` is a struct of the most probable class, `label`, and its
    `probability`; `predict_all(…)` a list of such structs, of every class, the most probable first;
    `probability_of(adapter, class, embedding, embedding_scale)` the probability of one class;
    `predict_value(adapter, embedding, embedding_scale)` of a yield adapter a struct of `value`, `low` and `high`. Null
    where a row has no vector. Where the store has vectors of several models of one length, the row's `model` is a
    further, last argument.

    Args:
        store: any version of it.
        memory_limit: as DuckDB writes it, "2GB"; None leaves DuckDB's own.
        threads: None leaves DuckDB's own.
    """
    return connect(store, functions=predict_functions(store), memory_limit=memory_limit, threads=threads)


def predict_functions(store: Store) -> tuple[ColumnFunction | Macro, ...]:
    """What `connect` is to be given, for the adapters that the store has now."""
    adapters = _Adapters(store)
    row = ("TINYINT[]", "FLOAT", "VARCHAR")
    best = "STRUCT(label VARCHAR, probability FLOAT)"
    return (
        ColumnFunction("predict_rows", adapters.predict, ("VARCHAR", *row), best),
        ColumnFunction("predict_all_rows", adapters.predict_all, ("VARCHAR", *row), f"{best}[]"),
        ColumnFunction("probability_of_rows", adapters.probability_of, ("VARCHAR", "VARCHAR", *row), "FLOAT"),
        ColumnFunction(
            "predict_value_rows",
            adapters.predict_value,
            ("VARCHAR", *row),
            "STRUCT(value FLOAT, low FLOAT, high FLOAT)",
        ),
        _with_and_without_model("predict_value", "adapter, embedding, scale"),
        _with_and_without_model("predict", "adapter, embedding, scale"),
        _with_and_without_model("predict_all", "adapter, embedding, scale"),
        _with_and_without_model("probability_of", "adapter, class, embedding, scale"),
    )


def _with_and_without_model(name: str, arguments: str) -> Macro:
    return Macro(
        f"{name}({arguments}) AS {name}_rows({arguments}, NULL), "
        f"({arguments}, model) AS {name}_rows({arguments}, model)"
    )


@dataclass(frozen=True, slots=True)
class _Loaded:
    """An adapter, whose vectors it is for, and its classes as text."""

    name: str
    adapter: CropTypeAdapter | YieldAdapter
    model_id: str
    labels: pa.Array[Any]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The N rows of a block that have a vector: which they are, their int8 values (N, D) and scales (N,)."""

    where: npt.NDArray[np.intp]
    embedding: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]


class _Adapters:
    """The adapters of a store at the version it had when this was made; each is loaded when it is first asked."""

    def __init__(self, store: Store) -> None:
        # A transaction of the caller's object would move it to another version than the session's.
        self._store = copy.copy(store)
        self._dimensions = {(info.model_id, info.dimension) for info in store.tables()}
        self._loaded: dict[str, _Loaded] = {}

    def predict(self, name: Column, embedding: Column, scale: Column, model: Column) -> Column:
        """The most probable class of each row, and its probability."""

        def answer(labels: pa.Array[Any], chances: Chances) -> Column:
            best = chances.argmax(axis=1)
            probability = pa.array(chances[np.arange(len(best)), best])
            return pa.StructArray.from_arrays(
                [labels.take(pa.array(best)), probability], ["label", "probability"]
            )

        return self._answered(_BEST, name, embedding, scale, model, answer)

    def predict_all(self, name: Column, embedding: Column, scale: Column, model: Column) -> Column:
        """Every class of each row with its probability, the most probable first."""

        def answer(labels: pa.Array[Any], chances: Chances) -> Column:
            n, k = chances.shape
            order = np.argsort(-chances, axis=1, kind="stable")
            probability = pa.array(np.take_along_axis(chances, order, axis=1).ravel())
            columns = [labels.take(order.ravel()), probability]
            classes: Any = pa.StructArray.from_arrays(columns, ["label", "probability"])
            offsets: Any = pa.array(np.arange(0, n * k + 1, k, dtype=np.int32))
            return pa.ListArray.from_arrays(offsets, classes)

        return self._answered(_ALL, name, embedding, scale, model, answer)

    def probability_of(
        self, name: Column, label: Column, embedding: Column, scale: Column, model: Column
    ) -> Column:
        """The probability of one class, the same for all rows of a block; null where it is null."""
        wanted = pc.unique(label).to_pylist()
        if len(wanted) != 1:
            raise UnknownError(f"Expected one class for all rows, got {wanted[:5]}. Use predict_all().")

        def answer(labels: pa.Array[Any], chances: Chances) -> Column:
            if wanted[0] not in labels.to_pylist():
                raise UnknownError(
                    f"Expected one of the classes {labels.to_pylist()}, got {wanted[0]!r}. Name one of them."
                )
            return pa.array(chances[:, labels.to_pylist().index(wanted[0])])

        if wanted == [None]:
            return pa.nulls(len(embedding), pa.float32())
        return self._answered(pa.float32(), name, embedding, scale, model, answer)

    def predict_value(self, name: Column, embedding: Column, scale: Column, model: Column) -> Column:
        """The value of each row with its interval, of a yield adapter; an unbounded end is infinite."""
        parts = []
        for loaded, which in self._named(name):
            if not isinstance(loaded.adapter, YieldAdapter):
                raise _other_task(loaded, "a value", "predict")
            rows = self._rows(loaded, which, embedding, scale, model)
            value, interval = loaded.adapter.predict_interval_int8(rows.embedding, rows.scale)
            columns = [pa.array(c, pa.float32()) for c in (value, interval[:, 0], interval[:, 1])]
            parts.append((rows.where, pa.StructArray.from_arrays(columns, fields=list(_VALUE))))
        return _joined(parts, len(embedding), _VALUE)

    def _answered(
        self,
        kind: pa.DataType,
        name: Column,
        embedding: Column,
        scale: Column,
        model: Column,
        answer: Callable[[pa.Array[Any], Chances], Column],
    ) -> Column:
        """What `answer` makes of classes (K,) and probabilities (N, K), for each adapter that the rows name."""
        parts = []
        for loaded, which in self._named(name):
            if not isinstance(loaded.adapter, CropTypeAdapter):
                raise _other_task(loaded, "classes", "predict_value")
            rows = self._rows(loaded, which, embedding, scale, model)
            chances = loaded.adapter.predict_proba_int8(rows.embedding, rows.scale)
            parts.append((rows.where, answer(loaded.labels, chances)))
        return _joined(parts, len(embedding), kind)

    def _named(self, name: Column) -> Iterator[tuple[_Loaded, npt.NDArray[np.bool_]]]:
        """Each adapter that the rows name, and which rows do."""
        for each in pc.unique(name).drop_null().to_pylist():
            which = pc.equal(name, each).fill_null(False)
            yield self._load(each), _array(which)

    def _load(self, name: str) -> _Loaded:
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
            self._loaded[name] = _Loaded(name, adapter, read_card(folder)["model_id"], labels)
        return self._loaded[name]

    def _rows(
        self,
        loaded: _Loaded,
        which: npt.NDArray[np.bool_],
        embedding: Column,
        scale: Column,
        model: Column,
    ) -> _Rows:
        factor = _array(scale.fill_null(0))
        # A row without data has scale 0.
        where = np.flatnonzero(which & _array(embedding.is_valid()) & (factor > 0) & np.isfinite(factor))
        vectors = _whole(embedding)
        models = _whole(model)
        if len(where) < len(vectors):
            vectors, models = vectors.take(pa.array(where)), models.take(pa.array(where))
        self._check_model(loaded, models)
        return _Rows(where, self._matrix(loaded, vectors), factor[where])

    def _check_model(self, loaded: _Loaded, models: Any) -> None:
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

    def _matrix(self, loaded: _Loaded, vectors: Any) -> npt.NDArray[np.int8]:
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


def _joined(parts: list[tuple[npt.NDArray[np.intp], Column]], rows: int, kind: pa.DataType) -> Column:
    """The answers of all adapters, each in its rows of the block; null in the others."""
    if len(parts) == 1 and len(parts[0][0]) == rows:
        return parts[0][1]
    where = np.concatenate([np.empty(0, np.intp), *(each for each, _ in parts)])
    answers: Column = pa.concat_arrays([pa.array([], kind), *(answer.cast(kind) for _, answer in parts)])
    place = np.full(rows, -1)
    place[where] = np.arange(len(where))
    return answers.take(pa.array(place, mask=place < 0))


def _other_task(loaded: _Loaded, what: str, function: str) -> UnknownError:
    return UnknownError(
        f"Expected an adapter that predicts {what}, got {loaded.name!r}, which is for {loaded.adapter.task}. "
        f"Ask {function}({loaded.name!r}, embedding, embedding_scale), if that is what you want to know."
    )


def _other_model(loaded: _Loaded, other: str, remedy: str) -> UnknownError:
    return UnknownError(
        f"Expected vectors of model {loaded.model_id!r}, for which adapter {loaded.name!r} was fitted, got rows of "
        f"{other}. {remedy}"
    )


def _whole(column: Column) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _array(column: Any) -> Any:
    return _whole(column).to_numpy(zero_copy_only=False)

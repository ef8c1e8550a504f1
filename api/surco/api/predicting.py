"""A store's adapters as functions of SQL: `predict`, `predict_all` and `predict_value`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from surco.adapters.conformal import class_sets, threshold
from surco.api.adapter_rows import AdapterRows, Column, LoadedAdapter, Rows, joined
from surco.api.refusals import UnknownError
from surco.embedstore import ColumnFunction, Macro, Store, connect

__all__ = ["connect_with_adapters", "predict_functions"]

Chances = npt.NDArray[np.float32]

_BEST = pa.struct([pa.field("label", pa.string()), pa.field("probability", pa.float32())])
_ALL = pa.list_(_BEST)
_SET = pa.list_(pa.string())
_VALUE = pa.struct([pa.field(name, pa.float32()) for name in ("value", "low", "high")])


def connect_with_adapters(
    store: Store,
    *,
    memory_limit: str | None = None,
    threads: int | None = None,
    check_filter: Callable[[str], None] | None = None,
) -> duckdb.DuckDBPyConnection:
    """A session as `surco.embedstore.connect` makes it, in which the store's adapters predict.

    `predict(adapter, embedding, embedding_scale)` is a struct of the most probable class, `label`, and its
    `probability`; `predict_all(…)` a list of such structs, of every class, the most probable first;
    `probability_of(adapter, class, embedding, embedding_scale)` the probability of one class;
    `predict_set(adapter, coverage, embedding, embedding_scale)` the list of classes that hold the true one with that
    probability; `support_of(adapter, embedding, embedding_scale)` how usual a row is among the labelled classes, 0..1;
    `predict_value(adapter, embedding, embedding_scale)` of a yield adapter a struct of `value`, `low` and `high`. Null
    where a row has no vector. Where the store has vectors of several models of one length, the row's `model` is a
    further, last argument.

    Args:
        store: any version of it.
        memory_limit: as DuckDB writes it, "2GB"; None leaves DuckDB's own.
        threads: None leaves DuckDB's own.
        check_filter: as in `surco.embedstore.connect`.
    """
    return connect(
        store,
        functions=predict_functions(store),
        memory_limit=memory_limit,
        threads=threads,
        check_filter=check_filter,
    )


def predict_functions(store: Store) -> tuple[ColumnFunction | Macro, ...]:
    """What `connect` is to be given, for the adapters that the store has now."""
    adapters = _Functions(AdapterRows(store))
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
        ColumnFunction("predict_set_rows", adapters.predict_set, ("VARCHAR", "DOUBLE", *row), "VARCHAR[]"),
        ColumnFunction("support_of_rows", adapters.support_of, ("VARCHAR", *row), "FLOAT"),
        _with_and_without_model("predict_set", "adapter, coverage, embedding, scale"),
        _with_and_without_model("support_of", "adapter, embedding, scale"),
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


class _Functions:
    """The functions of SQL: columns in, one column out."""

    def __init__(self, rows: AdapterRows) -> None:
        self._rows = rows

    def predict(self, name: Column, embedding: Column, scale: Column, model: Column) -> Column:
        """The most probable class of each row, and its probability."""

        def answer(loaded: LoadedAdapter, chances: Chances) -> Column:
            best = chances.argmax(axis=1)
            probability = pa.array(chances[np.arange(len(best)), best])
            return pa.StructArray.from_arrays(
                [loaded.labels.take(pa.array(best)), probability], ["label", "probability"]
            )

        return self._answered(_BEST, name, embedding, scale, model, answer)

    def predict_all(self, name: Column, embedding: Column, scale: Column, model: Column) -> Column:
        """Every class of each row with its probability, the most probable first."""

        def answer(loaded: LoadedAdapter, chances: Chances) -> Column:
            n, k = chances.shape
            order = np.argsort(-chances, axis=1, kind="stable")
            probability = pa.array(np.take_along_axis(chances, order, axis=1).ravel())
            columns = [loaded.labels.take(order.ravel()), probability]
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

        def answer(loaded: LoadedAdapter, chances: Chances) -> Column:
            if wanted[0] not in loaded.labels.to_pylist():
                raise UnknownError(
                    f"Expected one of the classes {loaded.labels.to_pylist()}, got {wanted[0]!r}. Name one of them."
                )
            return pa.array(chances[:, loaded.labels.to_pylist().index(wanted[0])])

        if wanted == [None]:
            return pa.nulls(len(embedding), pa.float32())
        return self._answered(pa.float32(), name, embedding, scale, model, answer)

    def predict_set(
        self, name: Column, coverage: Column, embedding: Column, scale: Column, model: Column
    ) -> Column:
        """The classes of each row's set, the most probable first; the coverage is the same for all rows of a block."""
        wanted = pc.unique(coverage).to_pylist()
        if len(wanted) != 1:
            raise UnknownError(f"Expected one coverage for all rows, got {wanted[:5]}. Use 0.9, for example.")

        def answer(loaded: LoadedAdapter, chances: Chances) -> Column:
            quantiles = loaded.classifier().true_probabilities_
            sets = class_sets(chances, threshold(quantiles, wanted[0]))
            order = np.argsort(-chances, axis=1, kind="stable")
            chosen = np.take_along_axis(sets, order, axis=1)
            offsets: Any = pa.array(np.concatenate([[0], sets.sum(axis=1).cumsum()]).astype(np.int32))
            names: Any = loaded.labels.take(order[chosen].ravel())
            return pa.ListArray.from_arrays(offsets, names)

        if wanted == [None]:
            return pa.nulls(len(embedding), _SET)
        return self._answered(_SET, name, embedding, scale, model, answer)

    def support_of(self, name: Column, embedding: Column, scale: Column, model: Column) -> Column:
        """How usual each row is among the classes that the adapter learned, 0..1."""

        def answer(loaded: LoadedAdapter, rows: Rows) -> Column:
            return pa.array(loaded.classifier().support(rows.embedding * rows.scale[:, None]))

        return self._each(pa.float32(), name, embedding, scale, model, answer)

    def predict_value(self, name: Column, embedding: Column, scale: Column, model: Column) -> Column:
        """The value of each row with its interval, of a yield adapter; an unbounded end is infinite."""

        def answer(loaded: LoadedAdapter, rows: Rows) -> Column:
            value, interval = loaded.regressor().predict_interval_int8(rows.embedding, rows.scale)
            columns = [pa.array(c, pa.float32()) for c in (value, interval[:, 0], interval[:, 1])]
            return pa.StructArray.from_arrays(columns, fields=list(_VALUE))

        return self._each(_VALUE, name, embedding, scale, model, answer)

    def _answered(
        self,
        kind: pa.DataType,
        name: Column,
        embedding: Column,
        scale: Column,
        model: Column,
        answer: Callable[[LoadedAdapter, Chances], Column],
    ) -> Column:
        """What `answer` makes of an adapter and its probabilities (N, K), for each that the rows name."""

        def of_chances(loaded: LoadedAdapter, rows: Rows) -> Column:
            return answer(loaded, loaded.classifier().predict_proba_int8(rows.embedding, rows.scale))

        return self._each(kind, name, embedding, scale, model, of_chances)

    def _each(
        self,
        kind: pa.DataType,
        name: Column,
        embedding: Column,
        scale: Column,
        model: Column,
        answer: Callable[[LoadedAdapter, Rows], Column],
    ) -> Column:
        """What `answer` makes of an adapter and its rows, for each adapter that the rows name."""
        parts = []
        for loaded, which in self._rows.named(name):
            rows = self._rows.rows(loaded, which, embedding, scale, model)
            parts.append((rows.where, answer(loaded, rows)))
        return joined(parts, len(embedding), kind)

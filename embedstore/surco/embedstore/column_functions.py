"""Functions that a session can be given: computed on whole Arrow columns, or written in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

__all__ = ["Column", "ColumnFunction", "Macro", "register", "row_function", "whole"]

# DuckDB evaluates annotations when it registers a function, and pyarrow's classes take no parameters then.
Column = Any
"""A pyarrow Array or ChunkedArray, one block of a query's rows (2,048 at most)."""


@dataclass(frozen=True, slots=True)
class ColumnFunction:
    """A function of SQL: its name, what computes it on Arrow columns, and its types as DuckDB names them.

    `call` gets one `Column` for each parameter, nulls included, and returns a pyarrow array of as many rows. It must
    depend on its arguments alone: where they are constants it is called once, while the query is planned.
    """

    name: str
    call: Callable[..., Any]
    parameters: tuple[str, ...]
    returns: str


@dataclass(frozen=True, slots=True)
class Macro:
    """A function written in SQL, as it stands after CREATE MACRO: `double(x) AS 2 * x`."""

    definition: str


def register(session: duckdb.DuckDBPyConnection, functions: Iterable[ColumnFunction | Macro]) -> None:
    """Give a session functions; a macro may use those before it."""
    for function in functions:
        if isinstance(function, Macro):
            session.execute(f"CREATE MACRO {function.definition}")
            continue
        session.create_function(
            function.name,
            function.call,
            list(function.parameters),
            function.returns,
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
        )


def row_function(
    name: str, call: Callable[..., Any], parameters: tuple[str, ...], returns: str
) -> ColumnFunction:
    """A function of SQL from one of single values, called once for each combination of arguments in a block."""

    def columns(*arguments: Column) -> Column:
        rows = list(zip(*(whole(argument).to_pylist() for argument in arguments), strict=True))
        values = {row: call(*row) for row in dict.fromkeys(rows)}
        kind = pa.list_(pa.float32()) if returns == "FLOAT[]" else pa.string()
        return pa.array([values[row] for row in rows], kind)

    # DuckDB counts a function's parameters by its signature.
    named = [Parameter(f"a{i}", Parameter.POSITIONAL_ONLY) for i in range(len(parameters))]
    columns.__signature__ = Signature(named)  # type: ignore[attr-defined]
    return ColumnFunction(name, columns, parameters, returns)


def whole(column: Column) -> Any:
    """The column as one Array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

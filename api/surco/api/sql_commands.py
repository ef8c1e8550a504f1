"""The command that asks a store in SQL: one query, or a prompt."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import duckdb

from surco.api.errors import ApiError
from surco.api.options import STORE_PATH
from surco.api.predicting import connect_with_adapters
from surco.api.printing import print_table
from surco.api.progress import console, plain
from surco.api.result_files import checked_target, write_result
from surco.api.sql_prompt import Completer, prompt, with_history
from surco.api.watching import run_watched
from surco.embedstore import Store

__all__ = ["sql"]


@click.command()
@click.argument("store", type=STORE_PATH)
@click.argument("query", required=False)
@click.option("-c", "--command", "command", help="The query, instead of an argument.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    help="table if left out; of a file, its ending.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="A file instead of the terminal: .csv, .json, .parquet"
)
@click.option("--version", type=click.IntRange(min=1), help="An older version that `surco store log` shows.")
def sql(
    store: Path,
    query: str | None,
    command: str | None,
    kind: str | None,
    out: Path | None,
    version: int | None,
) -> None:
    """Ask a store in SQL: one QUERY, or a prompt with history and completion where none is given (docs/sql.md)."""
    if query is not None and command is not None:
        raise ApiError("Expected one query, got an argument and -c. Leave one of them out.")
    if kind == "parquet" and out is None:
        raise ApiError("Expected --out FILE for Parquet, got none. Name a file.")
    written = None if out is None else checked_target(out, None if kind == "table" else kind)
    question = query if query is not None else command
    opened = Store.open(store, version)
    with connect_with_adapters(opened) as session:
        if question is None and sys.stdin.isatty():
            if out is not None:
                raise ApiError("Expected a query to write to a file, got none. Pass it as an argument.")
            _converse(session, opened, kind or "table")
            return
        rows = run_watched(session, sys.stdin.read() if question is None else question)
    if out is None or written is None:
        print_table(rows, kind or "table")
        return
    write_result(rows, out, written)
    console().print(f"{rows.num_rows:,} rows -> {plain(str(out))}", highlight=False)


def _converse(session: duckdb.DuckDBPyConnection, store: Store, kind: str) -> None:
    out = console()
    adapters = ", ".join(store.adapters()) or "none"
    out.print(
        plain(
            f"{store.path}, version {store.version}; seasons {', '.join(store.seasons())}; adapters {adapters}."
        ),
        highlight=False,
    )
    out.print("A question ends with a semicolon; .help says more.", highlight=False)
    keep = with_history(Completer(session))

    def ask(question: str) -> None:
        began = time.monotonic()
        rows = run_watched(session, question)
        took = time.monotonic() - began
        print_table(rows, kind)
        out.print(f"[dim]{rows.num_rows:,} rows, {took:.2f} s[/]", highlight=False)

    try:
        prompt(_typed(), ask, lambda text: out.print(plain(text), highlight=False))
    finally:
        if keep is not None:
            keep()


def _typed() -> Iterator[str | None]:
    """Lines from the terminal until Ctrl-D; None for Ctrl-C, which forgets the question begun."""
    while True:
        try:
            yield input("surco> ")
        except KeyboardInterrupt:
            print()
            yield None
        except EOFError:
            print()
            return

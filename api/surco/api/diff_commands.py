"""The command that lists what changed in a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from surco.api.errors import ApiError
from surco.api.options import STORE
from surco.api.progress import progress_bar
from surco.api.quality.coverage import By
from surco.api.store_diff import DiffRequest, diff_picture, diff_report
from surco.api.whole_file import whole_file

__all__ = ["diff"]

_ENDINGS = (".parquet", ".png")
_MOST_CLASSES = 12


@click.command()
@STORE
@click.option("--from", "earlier", help="A version, a season, or SEASON@DAY; the version before if left out.")
@click.option("--to", "later", help="As --from; the latest version if left out.")
@click.option("--by", type=click.Choice(["region", "comuna"]), default="region", show_default=True)
@click.option("--adapter", help="Also say what became of this adapter's classes, in hectares.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The rows that changed (.parquet), or a picture (.png)."
)
def diff(
    store: Path,
    earlier: str | None,
    later: str | None,
    by: By,
    adapter: str | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """List what changed from one version, season or day to another: tables, rows, vectors, months, classes."""
    if out is not None and out.suffix not in _ENDINGS:
        raise ApiError(
            f"Expected --out to end in {' or '.join(_ENDINGS)}; got {out.name!r}. Name such a file."
        )
    rows = out if out is not None and out.suffix == ".parquet" else None
    with progress_bar("diff") as told:
        report = diff_report(DiffRequest(store, earlier, later, by, adapter, rows), told)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        _print(report)
    if out is not None and rows is None:
        with whole_file(out) as draft:
            draft.write_bytes(diff_picture(report))


def _print(report: dict[str, Any]) -> None:
    console = Console(width=None if Console().is_terminal else 160, markup=False, highlight=False)
    console.print(f"{report['from']['words']}  ->  {report['to']['words']}   ({report['seconds']:.1f} s)")
    for each in report["bundles"]:
        console.print(f"  {each['kind']} {each['name']}: {each['change']}")
    if report["unchanged_tables"]:
        console.print(f"  {report['unchanged_tables']} tables are the same, file by file")
    if not report["tables"]:
        console.print("  no table changed")
    for table in report["tables"]:
        console.print(_places(table))
        if table["classes"] is not None:
            classes = table["classes"]
            console.print(
                f"{classes['changed_ha']:,.1f} ha changed class, {classes['same_ha']:,.1f} ha did not"
            )
            console.print(_matrix(classes))
            console.print(classes["note"])


def _places(table: dict[str, Any]) -> Table:
    level = "" if table["res"] is None else f" res {table['res']}"
    before, after = (_side(table, side) for side in ("from", "to"))
    title = f"{table['table']} {table['model']}{level}: {before} -> {after}"
    printed = Table(title=title, title_justify="left")
    for number, name in enumerate(
        (
            "place",
            "added",
            "removed",
            "changed",
            "same",
            "1-cos p50",
            "p90",
            "p99",
            "optical",
            "radar",
            "months gained",
            "lost",
        )
    ):
        printed.add_column(name, justify="right" if number else "left")
    for row in table["places"]:
        far = row["distance"]
        printed.add_row(
            row["name"],
            *(f"{row[name]:,}" for name in ("added", "removed", "changed", "same")),
            *(f"{far[name]:.2g}" if far else "" for name in ("p50", "p90", "p99")),
            *(f"{row[name]:+,}" for name in ("optical_gained", "radar_gained")),
            *(_months(row[name]) for name in ("months_gained", "months_lost")),
        )
    return printed


def _side(table: dict[str, Any], side: str) -> str:
    if table["season"][side] is None:
        return "none"
    day = table["as_of"][side]
    return f"{table['season'][side]}{f' as of {day}' if day else ''}, {table['rows'][side]:,} rows"


def _months(rows: list[int]) -> str:
    """Numbers of the season's months that any row gained or lost."""
    return ", ".join(str(number) for number, count in enumerate(rows, 1) if count)


def _matrix(classes: dict[str, Any]) -> Table:
    """The largest changes from class to class."""
    names, hectares = classes["classes"], classes["hectares"]
    pairs = [
        (hectares[i][j], names[i], names[j])
        for i in range(len(names))
        for j in range(len(names))
        if i != j and hectares[i][j]
    ]
    printed = Table()
    for name in ("from", "to"):
        printed.add_column(name)
    printed.add_column("ha", justify="right")
    for area, before, after in sorted(pairs, reverse=True)[:_MOST_CLASSES]:
        printed.add_row(before, after, f"{area:,.1f}")
    return printed

"""The command that says how good a table of a store is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.table import Table

from surco.api.errors import ApiError
from surco.api.options import SEASON, STORE
from surco.api.quality.coverage import By
from surco.api.quality.page import report_page
from surco.api.quality.picture import report_picture
from surco.api.quality.report import quality_report
from surco.api.quality.tables import TextTable, report_tables
from surco.api.whole_file import whole_file, write_json
from surco.embedstore import Store

__all__ = ["quality"]

_ENDINGS = (".html", ".json", ".png")


@click.command()
@STORE
@click.option(
    "--table", type=click.Choice(["cells", "parcels"]), help="Cells where the store has them if left out."
)
@SEASON
@click.option("--res", type=int, help="H3 resolution of cells; the finest if left out.")
@click.option("--model", help="Needed where the store has several.")
@click.option("--by", type=click.Choice(["region", "comuna"]), default="region", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="File for the report: .png, .html or .json.")
def quality(
    store: Path,
    table: Literal["cells", "parcels"] | None,
    season: str | None,
    res: int | None,
    model: str | None,
    by: By,
    out: Path | None,
) -> None:
    """Say how good a table is: what was seen where, missing months, seams, holes, drift between seasons."""
    if out is not None and out.suffix not in _ENDINGS:
        raise ApiError(f"Expected --out to end in {', '.join(_ENDINGS)}, got {out.name!r}. Name such a file.")
    report = quality_report(Store.open(store), table=table, season=season, resolution=res, model_id=model)
    for each in report_tables(report, by):
        _print(each)
    if out is not None:
        _write(out, report, by)


def _print(table: TextTable) -> None:
    printed = Table(title=table.title, title_justify="left", caption=table.note, caption_justify="left")
    for number, name in enumerate(table.columns):
        printed.add_column(name, justify="right" if number else "left")
    for row in table.rows:
        printed.add_row(*row)
    Console(width=None if Console().is_terminal else 160, markup=False).print(printed)


def _write(out: Path, report: dict[str, Any], by: By) -> None:
    if out.suffix == ".json":
        write_json(out, report)
        return
    content = report_picture(report) if out.suffix == ".png" else report_page(report, by).encode()
    with whole_file(out) as draft:
        draft.write_bytes(content)

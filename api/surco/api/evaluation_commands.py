"""The command that says what an adapter is worth: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.api.options import SEASON, STORE_PATH, UNIT
from surco.api.progress import progress_bar
from surco.api.refusals import SettingsError

if TYPE_CHECKING:
    from surco.api.evaluating import Report
    from surco.api.evaluating_store import Unit

__all__ = ["evaluate"]

_NOTES = 5


@click.command()
@click.argument("source", metavar="STORE|SAMPLES", type=STORE_PATH)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The .html to write.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File for all figures.")
@click.option("--labels", type=click.Path(path_type=Path), help="GeoJSON with a class column; of a store.")
@click.option("--class-column", help="Column of the class; found by its usual names if left out.")
@SEASON
@UNIT
@click.option(
    "--split",
    default="blocks",
    show_default=True,
    help="What is held out: blocks, comuna, province, region, season, or a column of the labels or samples.",
)
@click.option("--adapter", help="A stored adapter, on labels that it has not learned from.")
@click.option("--legend", help="Scores up its tree: ine, hcat, worldcereal or a CSV file.")
@click.option(
    "--raw",
    type=click.Path(path_type=Path),
    help="Sample table with the labels' ids: baselines on its bands.",
)
@click.option("--model", help="Encoder of a sample table (surco-nano), or model id of a store's vectors.")
@click.option(
    "--beside", multiple=True, help="Another encoder of a sample table, such as presto; may be repeated."
)
@click.option(
    "--least-labels",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="Classes of a sample table with fewer are left out.",
)
@click.option(
    "--draws",
    default=10,
    show_default=True,
    type=click.IntRange(3, 200),
    help="Of curves by number of labels.",
)
@click.option("--quick", is_flag=True, help="Leave out the forests and the curves by number of labels.")
def evaluate(
    source: Path,
    out: Path,
    json_file: Path | None,
    labels: Path | None,
    class_column: str | None,
    season: str | None,
    unit: Unit,
    split: str,
    adapter: str | None,
    legend: str | None,
    raw: Path | None,
    model: str | None,
    beside: tuple[str, ...],
    least_labels: int,
    draws: int,
    quick: bool,
) -> None:
    """Say what an adapter is worth, in a report beside the plain classifiers.

    Of a STORE with --labels: labels are held out in turn; with --adapter, that adapter as it is on labels it has not
    learned from. Of a table of labelled SAMPLES: it is encoded first.
    """
    from surco.api.evaluating import (
        StoreQuestion,
        evaluate_adapters,
        evaluate_samples,
        evaluate_store,
        write_report,
    )

    _check_target(out)
    _check_form(source, labels=labels, adapter=adapter, raw=raw, beside=beside)
    with progress_bar("evaluate") as bar:
        if labels is None:
            report = evaluate_samples(
                source,
                model=model or "surco-nano",
                split=split,
                legend=legend,
                beside=beside,
                least=least_labels,
                draws=draws,
                quick=quick,
                progress=bar,
            )
        else:
            question = StoreQuestion(source, labels, split, class_column, season, unit, model, legend, raw)
            report = (
                evaluate_store(question, draws=draws, quick=quick, progress=bar)
                if adapter is None
                else evaluate_adapters(question, [adapter])
            )
    write_report(report, out, json_file)
    click.echo(_said(report, out))


def _check_target(out: Path) -> None:
    if out.suffix.lower() not in (".html", ".htm") or not out.absolute().parent.is_dir():
        raise SettingsError(
            f"Expected --out FILE.html in a folder that is there, got {out}. Rename it, or make the folder."
        )


def _check_form(
    source: Path, *, labels: Path | None, adapter: str | None, raw: Path | None, beside: tuple[str, ...]
) -> None:
    """A store needs labels; a sample table has its own, and no adapters."""
    if source.is_dir() and labels is None:
        raise SettingsError(
            f"Expected --labels FILE with a store, got none for {source}. Name a GeoJSON of labels."
        )
    if source.is_dir() and beside:
        raise SettingsError(
            "Expected --beside with a sample table, got a store. Use --raw for other features of its labels."
        )
    if not source.is_dir() and (labels or adapter or raw):
        raise SettingsError(
            f"Expected a store with --labels, --adapter or --raw, got {source}, which is no folder. Leave them out for "
            "a sample table, or check the path."
        )


def _said(report: Report, out: Path) -> str:
    from surco.adapters.evaluation import finding, verdict

    lines = (
        finding(report.found, report.about.name),
        verdict(report.found),
        *report.about.warnings,
        f"-> {out}",
    )
    return "\n".join(lines)

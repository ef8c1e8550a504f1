"""The commands of areas: estimate hectares by class, and plan the sample that allows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.adapters import ALLOCATIONS
from surco.api.options import SEASON, STORE, UNIT

if TYPE_CHECKING:
    from surco.adapters import Allocation, AreaMethod
    from surco.api.area_domains import Division
    from surco.api.area_results import AreaAnswer, AreaRow

__all__ = ["areas"]

_SHOWN = 60
_ADAPTER = click.option("--adapter", required=True, help="Adapter whose map is meant.")
_RES = click.option("--res", type=int, help="H3 resolution of the cells; the finest if left out.")
_AOI = click.option("--aoi", help="west,south,east,north in degrees, or a GeoJSON file of polygons.")


class _Areas(click.Group):
    """`surco areas STORE` means `surco areas estimate STORE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["estimate", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Areas)
def areas() -> None:
    """Hectares by class with confidence intervals, and the sample that they rest on.

    `surco areas STORE --adapter NAME` is short for `surco areas estimate STORE --adapter NAME`.
    """


@areas.command("estimate")
@STORE
@_ADAPTER
@click.option("--sample", type=click.Path(path_type=Path), help="Filled-in sample of `surco areas plan`.")
@click.option(
    "--by",
    type=click.Choice(["none", "comuna", "province", "region"]),
    default="none",
    show_default=True,
    help="Domains beside the total.",
)
@_AOI
@click.option(
    "--method",
    type=click.Choice(["assisted", "stratified"]),
    default="assisted",
    show_default=True,
    help="With the map's probabilities, or from the sample alone.",
)
@click.option("--confidence", default=0.95, show_default=True, help="Of the intervals.")
@click.option("--out", type=click.Path(path_type=Path), help=".csv, .json, .html or .png")
@SEASON
@UNIT
@_RES
def areas_estimate(
    store: Path,
    adapter: str,
    sample: Path | None,
    by: Division,
    aoi: str | None,
    method: AreaMethod,
    confidence: float,
    out: Path | None,
    season: str | None,
    unit: str,
    res: int | None,
) -> None:
    """Hectares by class: estimates with intervals from a sample, or counts that say that they are none."""
    from surco.api.area_files import check_area_file, write_areas
    from surco.api.area_frames import AreaQuestion
    from surco.api.area_tables import area_answer

    if out is not None:
        check_area_file(out)
    question = AreaQuestion(store, adapter, season, unit, res, aoi)
    answer = area_answer(question, by=by, sample=sample, method=method, confidence=confidence)
    if out is not None:
        write_areas(answer, out)
    click.echo(_text(answer, out))


@areas.command("plan")
@STORE
@_ADAPTER
@click.option("--out", required=True, type=click.Path(path_type=Path), help="GeoJSON to fill in.")
@click.option(
    "--standard-error",
    default=0.01,
    show_default=True,
    help="Wanted: of overall accuracy, or with --class of that class's area divided by the area.",
)
@click.option("--class", "target", help="Class whose area is aimed at; overall accuracy if left out.")
@click.option("--size", type=click.IntRange(min=2), help="Places to draw, instead of --standard-error.")
@click.option("--allocation", type=click.Choice(ALLOCATIONS), default="rare", show_default=True)
@click.option("--least", default=50, show_default=True, help="Places of each stratum at least, for 'rare'.")
@click.option(
    "--by",
    type=click.Choice(["none", "comuna", "province", "region"]),
    default="none",
    show_default=True,
    help="Cross the map's classes with these.",
)
@click.option("--expect", multiple=True, help="User's accuracy expected of a class, such as wheat=0.85.")
@click.option("--seed", default=0, show_default=True, help="Another seed draws other places.")
@_AOI
@SEASON
@UNIT
@_RES
def areas_plan(
    store: Path,
    adapter: str,
    out: Path,
    standard_error: float,
    target: str | None,
    size: int | None,
    allocation: Allocation,
    least: int,
    by: Division,
    expect: tuple[str, ...],
    seed: int,
    aoi: str | None,
    season: str | None,
    unit: str,
    res: int | None,
) -> None:
    """Plan a stratified sample of a map, draw it, and write it as GeoJSON with an empty `class` to fill in."""
    from surco.api.area_frames import AreaQuestion
    from surco.api.area_plans import PlanRequest, plan_text, write_plan

    expected = dict(_expectation(text) for text in expect)
    request = PlanRequest(standard_error, target, size, allocation, least, by, expected, seed)
    plan = write_plan(AreaQuestion(store, adapter, season, unit, res, aoi), request, out)
    click.echo(plan_text(plan))
    click.echo(
        f"{plan.size:,} places -> {out}. Fill in `class`; then: surco areas {store} --adapter {adapter} "
        f"--sample {out}"
    )


def _expectation(text: str) -> tuple[str, float]:
    name, _, number = text.rpartition("=")
    try:
        return name, float(number)
    except ValueError as error:
        raise click.BadParameter(
            f"expected CLASS=ACCURACY such as wheat=0.85; got {text!r}; write it so", param_hint="--expect"
        ) from error


def _text(answer: AreaAnswer, out: Path | None) -> str:
    """The answer for people; what does not fit a screen is in the file."""
    lines = [f"Season {answer.season}, {answer.unit}: {answer.method}."]
    for domain in answer.domains:
        rows = answer.of(domain)
        lines += [domain, *(_line(row) for row in sorted(rows, key=_hectares) if _tells(row))]
    if len(lines) > _SHOWN:
        lines = [*lines[:_SHOWN], f"… {len(lines) - _SHOWN} more lines; --out FILE.csv has all."]
    overall = answer.accuracy and answer.accuracy.overall
    if overall:
        interval = "" if overall.low is None else f" [{overall.low:.3f}, {overall.high:.3f}]"
        lines.append(f"Overall accuracy {overall.value:.3f}{interval}, by area.")
    return "\n".join([*lines, *answer.notes, *([f"-> {out}"] if out else [])])


def _hectares(row: AreaRow) -> float:
    return -(row.mapped_ha if row.area_ha is None else row.area_ha)


def _tells(row: AreaRow) -> bool:
    return row.mapped_ha > 0 or row.sampled > 0


def _line(row: AreaRow) -> str:
    head = f"  {row.label:28} mapped {row.mapped_ha:12,.1f} ha"
    if row.area_ha is None:
        return f"{head}   {row.note}"
    interval = "" if row.low_ha is None else f" [{row.low_ha:,.1f}, {row.high_ha:,.1f}]"
    return f"{head}   estimated {row.area_ha:12,.1f} ha{interval}   {row.note}".rstrip()

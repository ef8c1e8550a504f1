"""`surco plan`: what a run over a region or the country is to do, and what it will take."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.api.errors import ApiError
from surco.api.progress import progress_bar

if TYPE_CHECKING:
    from surco.encoder.plan import RunPlan
    from surco.encoder.plan.rates import Rates

__all__ = ["plan"]

_PRICES = ("core_hour", "gpu_hour", "gb_read", "gb_month")


@click.command()
@click.option(
    "--region",
    required=True,
    help="chile, a code such as CL-ML, a region's, province's or comuna's name, or a file of polygons.",
)
@click.option(
    "--season", required=True, help="Twelve months as START/END (2024-05/2025-04), or 2024-25 from May."
)
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Last day of a season still growing.")
@click.option(
    "--cropland",
    type=click.Path(path_type=Path),
    help="Only farmed land: GeoTIFF, GeoJSON, GeoParquet, or Parquet with H3 cells in a column h3.",
)
@click.option(
    "--cropland-class",
    "classes",
    multiple=True,
    type=int,
    help="Number of the raster that is cropland; repeat it.",
)
@click.option("--stac", multiple=True, help="STAC catalogue or API to find the scenes in; may be repeated.")
@click.option("--parcels", type=click.Path(path_type=Path), help="Parcels to embed too.")
@click.option(
    "--erode",
    default=0.0,
    show_default=True,
    type=click.FloatRange(min=0.0),
    help="Metres to shrink parcels by.",
)
@click.option("--res", default="9,11", show_default=True, help="H3 resolutions, comma-separated.")
@click.option("--model", default="surco-nano", show_default=True, help="Encoder, as of surco encode.")
@click.option("--simulate", is_flag=True, help="Plan over a synthetic country in place of scenes.")
@click.option(
    "--step", type=int, help="Of --simulate: one pixel of 10 m every so many metres; 640 if left out."
)
@click.option("--seed", type=click.IntRange(0), help="Of --simulate; 1 if left out.")
@click.option("--rates", type=click.Path(path_type=Path), help="Rates and prices to estimate with (JSON).")
@click.option(
    "--measure", is_flag=True, help="Measure this machine for a minute first, and keep it in --rates."
)
@click.option("--gpu-rate", type=click.FloatRange(min=0.0), help="Pixels a second that one GPU encodes.")
@click.option(
    "--price", "prices", multiple=True, help="NAME=VALUE of core_hour, gpu_hour, gb_read, gb_month."
)
@click.option("--out", type=click.Path(path_type=Path), help="Plan to write (JSON), for surco encode --plan.")
@click.option("--plot", type=click.Path(path_type=Path), help="Map of the tiles to draw (PNG).")
@click.option("--json", "as_json", is_flag=True, help="Print the estimate as JSON.")
def plan(
    region: str,
    season: str,
    as_of: datetime | None,
    cropland: Path | None,
    classes: tuple[int, ...],
    stac: tuple[str, ...],
    parcels: Path | None,
    erode: float,
    res: str,
    model: str,
    simulate: bool,
    step: int | None,
    seed: int | None,
    rates: Path | None,
    measure: bool,
    gpu_rate: float | None,
    prices: tuple[str, ...],
    out: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Plan a run: its tiles, its scenes, and what it will take (docs/plan.md)."""
    from surco.api.planning import PlanAsked, plan_asked

    day = None if as_of is None else as_of.date()
    asked = PlanAsked(
        region, season, day, cropland, classes, stac, parcels, erode, res, model, simulate, step, seed
    )
    figures = _rates(rates, measure, model, gpu_rate, prices)
    with progress_bar("plan") as report:
        made = plan_asked(asked, figures, report)
    _tell(made, as_json)
    _keep(made, out, plot)


def _rates(
    path: Path | None, measure: bool, model: str, gpu_rate: float | None, prices: tuple[str, ...]
) -> Rates:
    """Rates of a file, measured anew where asked, with what the options say of them."""
    from surco.encoder import load_encoder
    from surco.encoder.plan.measuring import measure_rates
    from surco.encoder.plan.rates import Rates, read_rates, write_rates

    found = read_rates(path) if path is not None and not (measure and not path.exists()) else Rates()
    if measure:
        with progress_bar("measure") as report:
            found = measure_rates(load_encoder(model), found, progress=report)
        if path is not None:
            write_rates(found, path)
    priced = found.prices
    for name, value in map(_price, prices):
        priced = replace(priced, **{name: value})  # type: ignore[arg-type]  # of _PRICES, all of them numbers
    return replace(found, gpu=found.gpu if gpu_rate is None else gpu_rate, prices=priced)


def _price(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        if name in _PRICES:
            return name, float(value)
    except ValueError:
        pass
    raise ApiError(
        f"Expected --price NAME=VALUE with a name of {', '.join(_PRICES)}; got {text!r}. Correct it."
    )


def _tell(made: RunPlan, as_json: bool) -> None:
    from surco.api.plan_table import print_plan

    if as_json:
        document = {
            "region": made.region,
            "season": made.season.name,
            "run": made.key,
            "scenes": len(made.scenes),
        }
        figures = {name: value for name, value in made.estimate.items() if name != "scenes"}
        click.echo(json.dumps({**document, **figures}, ensure_ascii=False, indent=1))
    else:
        print_plan(made)


def _keep(made: RunPlan, out: Path | None, plot: Path | None) -> None:
    """Write the plan and its picture where asked; what was written is told beside the results."""
    from surco.api.plan_picture import plan_picture
    from surco.api.progress import console, plain
    from surco.encoder.plan import write_plan

    if out is not None:
        write_plan(made, out)
        console().print(f"Plan -> {plain(str(out))}", highlight=False)
    if plot is not None:
        try:
            plot.write_bytes(plan_picture(made))
        except OSError as error:
            raise ApiError(
                f"Expected to write the picture {plot}; got {error.strerror}. Name another file."
            ) from error
        console().print(f"Map -> {plain(str(plot))}", highlight=False)

"""The command that looks ahead: forecast."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Literal

import click

from surco.api.options import StorePath
from surco.api.progress import noting, progress_bar
from surco.encoder import SamplesWarning

__all__ = ["forecast"]


class _Day(click.ParamType[date]):
    """A day as 2025-01-31."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(str(value), "%Y-%m-%d").date()
        except ValueError:
            self.fail(
                f"expected a day such as 2025-01-31, got {value!r}; write year, month and day", param, ctx
            )


@click.command()
@click.argument("source", type=StorePath(exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Parquet file to write.")
@click.option(
    "--as-of",
    type=_Day(),
    help="Last day that may be known, such as 2025-01-31. Of a store: the last that it has seen, if left out.",
)
@click.option("--season", help="A season of the store, such as 2024-25. The latest if left out.")
@click.option("--unit", type=click.Choice(["cells", "parcels"]), default="parcels", show_default=True)
@click.option("--res", type=int, help="H3 resolution of the store's cells; the finest if left out.")
@click.option(
    "--model",
    help="Encoder of a sample table (surco-nano if left out), or a model id where a store holds several.",
)
@click.option(
    "--head",
    type=click.Path(path_type=Path),
    help="Forecast head (.forecast.safetensors); that of the vectors' model if left out.",
)
@click.option("--months", default=3, show_default=True, type=click.IntRange(1, 3), help="How far ahead.")
@click.option("--plot", type=click.Path(path_type=Path), help="Picture to draw (.png, .svg).")
@click.option(
    "--reflectance-scale",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0.0, min_open=True),
    help="As of `surco embed`.",
)
def forecast(
    source: Path,
    out: Path,
    as_of: date | None,
    season: str | None,
    unit: Literal["cells", "parcels"],
    res: int | None,
    model: str | None,
    head: Path | None,
    months: int,
    plot: Path | None,
    reflectance_scale: float,
) -> None:
    """Forecast monthly NDVI of a store or a sample table, and fill its gaps.

    SOURCE is a store or a Parquet file of series (docs/samples.md). Nothing after --as-of is looked at.
    """
    from surco.api.forecasting import ForecastRequest, forecast_into

    request = ForecastRequest(
        source, out, as_of, season, unit, res, model, head, months, plot, reflectance_scale
    )
    with noting(SamplesWarning), progress_bar("forecast") as report:
        done = forecast_into(request, progress=report)
    click.echo(done)

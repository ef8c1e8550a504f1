"""The command that brings official totals down to places."""

from __future__ import annotations

from pathlib import Path

import click

from surco.api.options import SEASON, STORE, UNIT

__all__ = ["disaggregate"]


@click.command()
@STORE
@click.option(
    "--totals",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV with comuna (code or name) and yield or production, and hectares if known.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help=".parquet, .geojson or .tif")
@click.option("--crop", help="The crop that the totals are of; all places if left out.")
@click.option("--adapter", help="Crop-type adapter that tells the crop; the parcels' own crop if left out.")
@SEASON
@UNIT
@click.option("--res", type=int, help="H3 resolution of the cells; the finest if left out.")
@click.option("--value-unit", default="t/ha", show_default=True, help="Unit of the value per hectare.")
@click.option(
    "--place-spread",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="How much places of one comuna and one vector differ, as a share of the mean; totals cannot tell.",
)
def disaggregate(
    store: Path,
    totals: Path,
    out: Path,
    crop: str | None,
    adapter: str | None,
    season: str | None,
    unit: str,
    res: int | None,
    value_unit: str,
    place_spread: float,
) -> None:
    """Bring official totals by comuna down to cells or parcels, which add up to them exactly."""
    from surco.api.disaggregating import TotalsRequest, bring_down, total_lines
    from surco.api.yield_maps import write_values

    request = TotalsRequest(store, totals, crop, adapter, season, unit, res, value_unit, place_spread)
    result = bring_down(request)
    write_values(result.values, out)
    for line in total_lines(result, out):
        click.echo(line)

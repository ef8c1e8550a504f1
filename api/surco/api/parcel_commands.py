"""The commands of parcel files: parcels import."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.api.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from surco.encoder.parcel_import import ImportReport

__all__ = ["describe_parcels", "parcels"]


@click.group()
def parcels() -> None:
    """Parcel files as agencies have them."""


@parcels.command("import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The .parquet to write; its account goes beside it.",
)
@click.option("--layer", help="Layer of a GeoPackage, or file of a zip, where there are several.")
@click.option("--crs", help="Such as EPSG:32719, instead of what the file says.")
@click.option("--id-column", help="Column of the parcels' ids; found by its name if left out.")
@click.option("--crop-column", help="Column of crop names (becomes crop:name).")
@click.option("--crop-code-column", help="Column of crop codes (becomes crop:code).")
@click.option("--date-column", help="Column of dates or years (becomes determination:datetime).")
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="When the parcels were last known to be so, where no column says.",
)
@click.option("--collection", help="Name of the data set in the file; that of --out if left out.")
@click.option("--encoding", help="Of a shapefile's text, such as CP1252; what its .cpg says if left out.")
def import_(
    path: Path,
    out: Path,
    layer: str | None,
    crs: str | None,
    id_column: str | None,
    crop_column: str | None,
    crop_code_column: str | None,
    date_column: str | None,
    day: datetime | None,
    collection: str | None,
    encoding: str | None,
) -> None:
    """Make fiboa GeoParquet for `surco encode --parcels` of an agency's FILE, and say what became of each feature.

    FILE is GeoPackage, a shapefile, GeoJSON, GeoParquet or GML, or a zip of one of them, in any CRS. It is not changed.
    """
    from surco.encoder.parcel_import import ParcelRequest, import_parcels

    request = ParcelRequest(
        path,
        out,
        layer,
        crs,
        id_column,
        crop_column,
        crop_code_column,
        date_column,
        None if day is None else date(day.year, day.month, day.day),
        collection,
        encoding,
    )
    with progress_bar("parcels") as report:
        done = import_parcels(request, progress=report)
    click.echo(describe_parcels(done))


def describe_parcels(report: ImportReport) -> str:
    """What an import found and did, for people."""
    layer = f", layer {report.layer}" if report.layer else ""
    lines = [
        f"{report.kept:,} of {report.read:,} features kept, {report.area / 1e4:,.1f} ha ({report.kind}{layer}, "
        f"{report.crs} as {report.crs_from} says) -> {report.out}",
        f"ids from {_column(report.id_from, 'the feature numbers: name a column with --id-column')}, crops from "
        f"{_column(report.crop_from, 'nowhere: name a column with --crop-column')}",
        *_counted("repaired", report.repaired, report.examples),
        *_counted("dropped", report.dropped, report.examples),
        *_counted("renumbered", report.renumbered, report.examples),
    ]
    if report.overlaps:
        lines.append(
            f"{report.overlaps:,} pairs of parcels overlap, {report.overlap_area / 1e4:,.2f} ha in all"
        )
    if report.overlaps_untested:
        lines.append(
            f"{report.overlaps_untested:,} parcels were not compared with others: too many, or too spread out"
        )
    if report.slivers or report.large:
        lines.append(
            f"{report.slivers:,} parcels are smaller than a pixel or narrower than 5 m, {report.large:,} larger than "
            "10,000 ha (kept)"
        )
    if report.flattened:
        lines.append(f"{report.flattened:,} outlines had heights, which are left out")
    regions = ", ".join(f"{name} {count:,}" for name, count in report.regions.items())
    lines.append(
        f"{report.in_chile:,} in Chile{f' ({regions})' if regions else ''}, {report.elsewhere:,} elsewhere"
    )
    if report.columns:
        lines.append(
            "renamed columns: " + ", ".join(f"{was!r} -> {now}" for was, now in report.columns.items())
        )
    lines += [f"Note: {note}" for note in report.notes]
    return "\n".join([*lines, f"Account: {report.account}, feature by feature: {report.listing}"])


def _column(name: str | None, otherwise: str) -> str:
    return otherwise if name is None else f"column {name!r}"


def _counted(
    what: str, whys: Mapping[str, int], examples: Mapping[str, Mapping[str, list[str]]]
) -> list[str]:
    return [
        f"{count:,} {what}: {why} (such as {', '.join(examples[what][why][:3])})"
        for why, count in whys.items()
    ]

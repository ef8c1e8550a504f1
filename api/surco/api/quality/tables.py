"""A report as tables of text, for the terminal and for a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from surco.api.quality.coverage import By

__all__ = ["TextTable", "named_season", "report_tables"]

_HOLES = 10

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TextTable:
    """A title, what the columns are, and rows of as many texts; `note` says what there is to know."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""


def named_season(report: Json) -> str:
    """A report's season, with the last day seen where it is not over."""
    day = report["as_of"]
    return str(report["season"]) if day is None else f"{report['season']} as of {day}"


def report_tables(report: Json, by: By) -> list[TextTable]:
    """The tables of a report, as `quality_report` gives it; by region or by comuna."""
    tables = [_coverage(report["coverage"][by], named_season(report)), _months(report["months"][by])]
    if report["seams"] is not None:
        tables.append(_seams(report["seams"]))
    if report["holes"] is not None:
        tables.append(_holes(report["holes"]))
    if report["failed_tiles"]:
        tables.append(_failed(report["failed_tiles"]))
    return [*tables, *(_drift(each) for each in report["drift"])]


def _coverage(rows: list[Json], season: str) -> TextTable:
    columns = ("place", "rows", "of the land", "valid", "optical scenes", "radar scenes", "no vector")
    return TextTable(
        f"What was seen of {season}: median, 5 % to 95 %",
        columns,
        [
            (
                row["name"],
                f"{row['rows']:,}",
                _percent(row["land_share"]),
                _spread(row["valid_fraction"]),
                _spread(row["n_optical"]),
                _spread(row["n_radar"]),
                f"{row['directionless']:,}",
            )
            for row in rows
        ],
        "Of the land: rows, as a share of the cells whose centre is land of Chile.",
    )


def _months(months: Json) -> TextTable:
    later = sum(months["later"])
    return TextTable(
        "Places without NDVI, by month",
        ("place", *(first[:7] for first in months["months"])),
        [(row["name"], *(_percent(share) for share in row["missing"])) for row in months["places"]],
        f"The last {later} months begin after the last day that the season has seen." if later else "",
    )


def _seams(seams: Json) -> TextTable:
    return TextTable(
        "Seams: neighbours across a border, against neighbours inside nearby",
        ("border", "pairs across", "distance across", "inside", "ratio", "95 %", "seam"),
        [_seam(row) for row in seams["borders"]],
        f"{seams['cells']:,} of {seams['of']:,} cells and their neighbours, {seams['pairs']:,} pairs; 1 is no seam.",
    )


def _seam(row: Json) -> tuple[str, ...]:
    first = (row["border"], f"{row['pairs_across']:,}")
    if row["ratio"] is None:
        return (*first, "", "", "too few", "", "")
    return (
        *first,
        f"{row['distance_across']:.4f}",
        f"{row['distance_inside']:.4f}",
        f"{row['ratio']:.3f}",
        f"{row['low']:.3f} to {row['high']:.3f}",
        "yes" if row["seen"] else "no",
    )


def _holes(holes: Json) -> TextTable:
    return TextTable(
        f"Holes: {holes['empty']:,} of {holes['expected']:,} coarse cells (resolution {holes['resolution']}) are empty",
        ("km²", "longitude", "latitude", "comunas"),
        [
            (f"{hole['km2']:,.0f}", f"{hole['lon']:.3f}", f"{hole['lat']:.3f}", ", ".join(hole["comunas"]))
            for hole in holes["holes"][:_HOLES]
        ],
        f"{holes['half_seen']:,} more have rows for less than half of their land. "
        + (
            "Areas of runs."
            if holes["runs"]
            else "The table remembers no runs: its own bounds were looked over."
        ),
    )


def _failed(tiles: list[Json]) -> TextTable:
    return TextTable(
        f"Tiles that could not be done: {len(tiles):,}, without rows",
        ("tile", "longitude", "latitude", "tried", "why"),
        [
            (
                each["tile"],
                f"{(each['bbox'][0] + each['bbox'][2]) / 2:.3f}",
                f"{(each['bbox'][1] + each['bbox'][3]) / 2:.3f}",
                f"{each['attempts']} times",
                each["reason"],
            )
            for each in tiles
        ],
        "Try them again: surco run resume STORE --retry-failed.",
    )


def _drift(drift: Json) -> TextTable:
    return TextTable(
        f"Drift from {drift['from']} to {drift['to']}",
        ("place", "places", "distance", "shift of the mean", "other kind"),
        [
            (
                row["name"],
                f"{row['places']:,}",
                f"{row['distance']:.4f}",
                f"{row['shift']:.4f}",
                _percent(row["other_kind"]),
            )
            for row in drift["places"]
        ],
        f"{drift['same']:,} of {drift['looked_at']:,} places that were looked at are in both.",
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _spread(found: Json) -> str:
    return "nothing" if found["p50"] is None else f"{found['p50']:g} ({found['p5']:g} to {found['p95']:g})"

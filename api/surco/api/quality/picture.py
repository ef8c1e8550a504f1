"""A report as one picture: what was seen, which months are missing, seams, drift."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from surco.api.quality.tables import named_season

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["report_picture"]

_GROUND, _INK, _STRONG, _WARN = "#fcfcf9", "#2a2a28", "#3f7d58", "#b5452c"

Json = dict[str, Any]


def report_picture(report: Json) -> bytes:
    """PNG of a report (as `quality_report` gives it), by region."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 9), layout="constrained", facecolor=_GROUND)
    axes = figure.subplots(2, 2)
    level = "" if report["res"] is None else f", resolution {report['res']}"
    failed = len(report["failed_tiles"])
    figure.suptitle(
        f"{report['rows']:,} {report['table']} of {named_season(report)}, {report['model']}{level}"
        + (f"; {failed:,} tiles could not be done" if failed else ""),
        color=_INK,
        fontsize=14,
    )
    _coverage(axes[0, 0], report["coverage"]["region"])
    _months(axes[0, 1], report["months"]["region"])
    _seams(axes[1, 0], report["seams"])
    _drift(axes[1, 1], report["drift"])
    for each in axes.flat:
        each.set_facecolor(_GROUND)
        each.spines[["top", "right"]].set_visible(False)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def _coverage(axes: Axes, rows: list[Json]) -> None:
    """Optical scenes of the middle 90 % of places, and the median."""
    held = [row for row in rows if row["n_optical"]["p50"] is not None]
    names = [row["name"] for row in held]
    low, middle, high = ([row["n_optical"][key] for row in held] for key in ("p5", "p50", "p95"))
    places = np.arange(len(held))
    axes.hlines(places, low, high, color=_STRONG, linewidth=4, alpha=0.5)
    axes.plot(middle, places, "o", color=_STRONG)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_title("Optical scenes a place: median, 5 % to 95 %", loc="left", color=_INK)


def _months(axes: Axes, months: Json) -> None:
    rows = months["places"]
    share = np.array([row["missing"] for row in rows]) * 100
    axes.imshow(share, aspect="auto", vmin=0, vmax=100, cmap="YlOrRd")
    axes.set_yticks(np.arange(len(rows)), [row["name"] for row in rows])
    axes.set_xticks(np.arange(12), [first[2:7] for first in months["months"]], rotation=45)
    for row, column in np.argwhere(share >= 0.5).tolist():
        axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=8)
    axes.set_title("Places without NDVI in a month, %", loc="left", color=_INK)


def _seams(axes: Axes, seams: Json | None) -> None:
    axes.set_title("Neighbours across a border, against those inside (1: no seam)", loc="left", color=_INK)
    held = [row for row in (seams or {"borders": []})["borders"] if row["ratio"] is not None]
    if not held:
        _nothing(axes, "no border with pairs enough to compare")
        return
    for place, row in enumerate(held):
        colour = _WARN if row["seen"] else _STRONG
        axes.hlines(place, row["low"], row["high"], color=colour, linewidth=4, alpha=0.5)
        axes.plot(row["ratio"], place, "o", color=colour)
    axes.axvline(1, color=_INK, linewidth=1, linestyle=":")
    axes.set_yticks(np.arange(len(held)), [f"{row['border']}\n{row['pairs_across']:,} pairs" for row in held])
    axes.set_ylim(len(held) - 0.5, -0.5)


def _drift(axes: Axes, drift: list[Json]) -> None:
    axes.set_title("Change from the season before, by region", loc="left", color=_INK)
    held = drift[0]["places"] if drift else []
    if not held:
        _nothing(axes, "no earlier season of the same places")
        return
    places = np.arange(len(held))
    axes.barh(places, [row["distance"] for row in held], color=_STRONG, label="1 - cosine of a place, mean")
    axes.barh(
        places,
        [row["shift"] for row in held],
        height=0.35,
        color=_WARN,
        label="1 - cosine of the mean vectors",
    )
    axes.set_yticks(places, [row["name"] for row in held])
    axes.invert_yaxis()
    axes.set_xlabel(f"{drift[0]['from']} to {drift[0]['to']}")
    axes.legend(frameon=False)


def _nothing(axes: Axes, why: str) -> None:
    axes.text(0.5, 0.5, why, ha="center", va="center", color=_INK, transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])

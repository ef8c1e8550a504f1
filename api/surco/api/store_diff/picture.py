"""What changed as one picture: how far vectors moved, which months came, what became of the classes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["diff_picture"]

_GROUND, _INK, _STRONG, _WARN, _PALE = "#fcfcf9", "#2a2a28", "#3f7d58", "#b5452c", "#d9d9d2"
_MOST_PLACES, _MOST_CLASSES = 16, 12

Json = dict[str, Any]


def diff_picture(report: Json) -> bytes:
    """PNG of a report (as `diff_report` gives it): a row of panels for each table that changed."""
    from matplotlib.figure import Figure

    tables = report["tables"] or [None]
    figure = Figure(figsize=(14, 1 + 3.6 * len(tables)), layout="constrained", facecolor=_GROUND)
    figure.suptitle(f"{report['from']['words']}  →  {report['to']['words']}", color=_INK, fontsize=13)
    for table, (left, middle, right) in zip(
        tables, figure.subplots(len(tables), 3, squeeze=False), strict=True
    ):
        if table is None:
            _nothing(left, "no table changed")
            _nothing(middle, "")
            _nothing(right, "")
            continue
        _places(left, table)
        _months(middle, table["places"][0])
        _classes(right, table["classes"])
    for each in figure.axes:
        each.spines[["top", "right"]].set_visible(False)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100)
    return out.getvalue()


def _places(axes: Axes, table: Json) -> None:
    """1 - cosine by place: median to 99 %."""
    level = "" if table["res"] is None else f" res {table['res']}"
    whole = table["places"][0]
    axes.set_title(
        f"{table['table']}{level} {table['season']['to'] or 'gone'}: {whole['changed']:,} changed, "
        f"{whole['added']:,} added, {whole['removed']:,} removed",
        loc="left", fontsize=10, color=_INK,
    )  # fmt: skip
    moved = sorted(
        (row for row in table["places"] if row["distance"]),
        key=lambda row: (row["name"] != "all", -row["changed"]),
    )[:_MOST_PLACES]
    if not moved:
        _nothing(axes, "no vector changed")
        return
    for y, row in enumerate(moved):
        found = row["distance"]
        axes.plot([found["p50"], found["p99"]], [y, y], color=_PALE, lw=5, solid_capstyle="round")
        axes.plot([found["p50"]], [y], "o", color=_STRONG, ms=6)
        axes.plot([found["p90"]], [y], "|", color=_STRONG, ms=9)
    axes.set_yticks(range(len(moved)), [row["name"] for row in moved], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("1 - cosine of changed rows: median, 90 %, 99 %", fontsize=8)


def _months(axes: Axes, whole: Json) -> None:
    gained, lost = np.array(whole["months_gained"]), np.array(whole["months_lost"])
    axes.set_title(
        f"NDVI of months gained and lost; {whole['optical_gained']:+,} optical, {whole['radar_gained']:+,} radar views",
        loc="left", fontsize=10, color=_INK,
    )  # fmt: skip
    x = np.arange(12)
    axes.bar(x, gained, color=_STRONG, width=0.7)
    axes.bar(x, -lost, color=_WARN, width=0.7)
    axes.axhline(0, color=_INK, lw=0.6)
    axes.set_xticks(x, [str(n) for n in range(1, 13)], fontsize=8)
    axes.set_xlabel("month of the season", fontsize=8)
    axes.set_ylabel("rows", fontsize=8)


def _classes(axes: Axes, classes: Json | None) -> None:
    if classes is None:
        _nothing(axes, "no adapter named")
        return
    hectares = np.array(classes["hectares"])
    kept = np.sort(np.argsort(-(hectares.sum(axis=0) + hectares.sum(axis=1)))[:_MOST_CLASSES])
    shown, names = hectares[np.ix_(kept, kept)], [classes["classes"][i] for i in kept]
    share = shown / np.maximum(shown.sum(axis=1, keepdims=True), 1e-9)
    axes.imshow(share, cmap="Greens", vmin=0, vmax=1)
    for i, j in np.argwhere(shown > 0):
        colour = "white" if share[i, j] > 0.6 else _INK
        axes.text(j, i, f"{shown[i, j]:,.0f}", ha="center", va="center", fontsize=6.5, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_title(f"{classes['changed_ha']:,.0f} ha changed class", loc="left", fontsize=10, color=_INK)
    axes.set_ylabel("before", fontsize=8)
    axes.set_xlabel("after", fontsize=8)


def _nothing(axes: Axes, words: str) -> None:
    axes.text(0.5, 0.5, words, ha="center", va="center", color=_INK, transform=axes.transAxes)
    axes.set_axis_off()

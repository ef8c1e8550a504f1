"""The picture of an area answer: estimated hectares with their intervals beside mapped ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from surco.api.area_results import AreaAnswer, AreaRow
from surco.viewer import class_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_areas"]

_PANELS = 9
_CLASSES = 30


def draw_areas(answer: AreaAnswer) -> Figure:
    """Bars of mapped hectares by class, and over each the estimate with its interval.

    One panel shows the total, up to eight more the largest domains; each has at most its 30 largest classes.
    """
    from matplotlib.figure import Figure

    domains = [answer.domains[0], *sorted(answer.domains[1:], key=lambda name: -_mapped(answer.of(name)))]
    shown = domains[:_PANELS]
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    classes = min(max(len(answer.of(name)) for name in shown), _CLASSES)
    figure = Figure(figsize=(5.2 * columns + 1, (0.28 * classes + 1.4) * rows), layout="constrained")
    panels: Any = figure.subplots(rows, columns, squeeze=False)
    for panel, name in zip(panels.flat, shown, strict=False):
        _panel(panel, answer.of(name), name)
    for panel in panels.flat[len(shown) :]:
        panel.set_axis_off()
    named = {
        word: handle
        for panel in panels.flat
        for handle, word in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _panel(axes: Axes, rows: list[AreaRow], title: str) -> None:
    told = [row for row in rows if row.mapped_ha > 0 or row.area_ha is not None]
    rows = sorted(told, key=lambda row: -(row.mapped_ha if row.area_ha is None else row.area_ha))[:_CLASSES]
    colours = {style.name: style.colour for style in class_styles([row.label for row in rows])}
    place = range(len(rows))
    bars = [row.mapped_ha for row in rows]
    axes.barh(place, bars, color=[colours[row.label] for row in rows], alpha=0.45, label="mapped (counted)")
    _estimates(axes, rows)
    axes.set_yticks(place, [_plain(row.label) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_title(_plain(title), fontsize=10)
    axes.set_xlabel("hectares", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _estimates(axes: Axes, rows: list[AreaRow]) -> None:
    """Points with their interval; open circles where an estimate has none."""
    for place, row in enumerate(rows):
        if row.area_ha is None:
            continue
        if row.low_ha is None or row.high_ha is None:
            axes.plot(row.area_ha, place, "o", mfc="white", mec="black", ms=4, label="estimated, no interval")
        else:
            bar = [[row.area_ha - row.low_ha], [row.high_ha - row.area_ha]]
            words = "estimated, with interval"
            axes.errorbar(row.area_ha, place, xerr=bar, fmt="o", color="black", ms=4, capsize=3, label=words)


def _mapped(rows: list[AreaRow]) -> float:
    return sum(row.mapped_ha for row in rows)


def _plain(text: str) -> str:
    """Text without what matplotlib would read as mathematics."""
    return text.replace("$", r"\$")

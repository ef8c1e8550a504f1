"""A plan as a picture: its tiles over the outline of the country, by pixels and by scenes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely

from surco.api.ogc.comuna_outlines import comuna_outlines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from surco.encoder.plan import LandTile, RunPlan

__all__ = ["plan_picture"]

_GROUND, _INK, _LAND, _EDGE = "#fcfcf9", "#2a2a28", "#e4e2d8", "#b9b5a5"
_MAINLAND_WEST = -76.5
"""Islands in the ocean would make the mainland a line; their tiles are named below the picture."""

Floats = npt.NDArray[np.float64]


def plan_picture(plan: RunPlan) -> bytes:
    """PNG of a plan: each tile coloured by its pixels, and by the optical and radar scenes that touch it."""
    from matplotlib.figure import Figure

    shown = [place for place, tile in enumerate(plan.tiles) if tile.bbox[2] > _MAINLAND_WEST]
    rows = shown or list(range(len(plan.tiles)))
    tiles = [plan.tiles[place] for place in rows]
    west, south, east, north = _frame(tiles)
    tall = (north - south) / max((east - west) * np.cos(np.radians((north + south) / 2)), 1e-9)
    height = float(np.clip(3.6 * tall, 4.5, 12.0))
    figure = Figure(figsize=(12.5, height), layout="constrained", facecolor=_GROUND)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    for axes, (title, values) in zip(panels, _layers(plan, rows), strict=True):
        _draw(figure, axes, tiles, values, title)
        axes.set_xlim(west, east)
        axes.set_ylim(south, north)
    figure.suptitle(_title(plan, len(plan.tiles) - len(rows)), color=_INK, fontsize=13)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def _layers(plan: RunPlan, rows: Sequence[int]) -> list[tuple[str, Floats]]:
    scenes = plan.estimate["scenes"]
    pixels = np.array([plan.tiles[place].pixels for place in rows]) / 1e6
    optical, radar = (np.array(scenes[name])[list(rows)] for name in ("optical", "radar"))
    return [
        ("Pixels of 10 m a tile, millions", pixels),
        ("Optical scenes a tile", optical),
        ("Radar scenes a tile", radar),
    ]


def _frame(tiles: Sequence[LandTile]) -> tuple[float, float, float, float]:
    boxes = np.array([tile.bbox for tile in tiles])
    (west, south), (east, north) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    margin = max(0.04 * (north - south), 0.05)
    return float(west - margin), float(south - margin), float(east + margin), float(north + margin)


def _draw(figure: Figure, axes: Axes, tiles: Sequence[LandTile], values: Floats, title: str) -> None:
    from matplotlib.collections import PolyCollection

    axes.set_facecolor(_GROUND)
    rings = [np.asarray(ring.coords) for ring in _land()]
    axes.add_collection(PolyCollection(rings, facecolors=_LAND, edgecolors=_EDGE, linewidths=0.2))
    drawn = PolyCollection(
        [np.asarray(tile.outline.exterior.coords) for tile in tiles],
        array=values,
        cmap="viridis",
        linewidths=0,
    )
    axes.add_collection(drawn)
    figure.colorbar(drawn, ax=axes, shrink=0.6)
    axes.set_title(title, loc="left", color=_INK, fontsize=10)
    axes.set_aspect(1 / np.cos(np.radians(np.mean([tile.bbox[1] for tile in tiles]))))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)


def _land() -> list[shapely.LinearRing]:
    """Outer rings of the comunas."""
    shapes = shapely.from_wkb(comuna_outlines()["geometry"].to_numpy())
    return [part.exterior for part in shapely.get_parts(shapes)]


def _title(plan: RunPlan, left_out: int) -> str:
    total = plan.estimate["total"]
    mask = "" if plan.ground.cropland is None else ", cropland"
    islands = f" ({left_out} of them islands off this map)" if left_out else ""
    counted = f"{total['tiles']:,} tiles{islands}, {total['pixels'] / 1e6:,.1f} M pixels"
    sparse = f" of one in {(plan.step // 10) ** 2:,}" if plan.step > 10 else ""
    return f"{plan.region}{mask}, {plan.season}: {counted}{sparse}"

"""What a table says of its rows without any adapter: vectors, their principal colours, NDVI and how much was seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.api.refusals import UnknownError
from surco.api.tiles.columns import Column
from surco.api.tiles.png import palette_png, rgba_png
from surco.api.tiles.styles import Colours, PrincipalColours, Ramp
from surco.api.tiles.table_columns import NO_NDVI, table_columns
from surco.api.tiles.tile_tables import CellsTable, Outlined, ParcelsTable, Pictured, tile_table
from surco.embedstore import Season, dequantize
from surco.embedstore.scales import row_scales
from surco.embedstore.vector_sources import Source
from surco.embedstore.vectors import table_vectors
from surco.viewer import PrincipalAxes, principal_axes

__all__ = ["GROUND_STYLES", "Ground", "ground_of", "means", "painted_png", "rounded"]

GROUND_STYLES = ("pca", "ndvi:MONTH", "quality")
"""Styles that need no adapter."""

_SAMPLE = 20_000
_MONTH = re.compile(r"ndvi:(\d{1,2}|\d{4}-\d{2})")

Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A table's tiles and rows.

    Attributes:
        table: as tiles see it.
        embedding: (N, D) int8, mapped.
        scale: (N,) float32; 0 where nothing was observed.
        comuna: (N,) uint16, 0 where unknown.
        start_month: first month of the store's seasons.
    """

    table: CellsTable | ParcelsTable
    embedding: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    comuna: npt.NDArray[np.uint16]
    start_month: int

    @property
    def source(self) -> Source:
        """The table at one version."""
        return self.table.source

    def rows(self, rows: Whole) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
        """Vectors (M, D) as stored and scales (M,) of rows."""
        return np.take(self.embedding, rows, axis=0), np.take(self.scale, rows)

    def sample(self) -> Whole:
        """Rows drawn evenly over the table, to choose colours by."""
        count = len(self.scale)
        return np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64))

    def has(self, style: str) -> bool:
        """Whether it is a style that needs no adapter; raises UnknownError for a month that there is not."""
        return style in ("pca", "quality") or (style.startswith("ndvi:") and self._month(style) >= 0)

    def colours(self, style: str) -> Colours:
        """The colours of a style that needs no adapter."""
        if style == "pca":
            return PrincipalColours("Embedding")
        if style == "quality":
            return Ramp("Valid fraction", 0, 1)
        return Ramp(f"NDVI {self.months()[self._month(style)]}", -0.1, 0.9, name="brown-green")

    def picture(self, style: str, shown: Pictured) -> bytes:
        """A picture of a style that needs no adapter."""
        colours = self.colours(style)
        if isinstance(colours, Ramp):
            values = (
                self.valid(shown.rows) if style == "quality" else self.ndvi(shown.rows)[:, self._month(style)]
            )
            return painted_png(colours, values, shown)
        flat = np.zeros((len(shown.rows) + 1, 4), np.uint8)
        embedding, scale = self.rows(shown.rows)
        flat[:-1, 3] = 255 * (scale > 0)
        flat[:-1, :3] = self.principal(dequantize(embedding, scale))
        return rgba_png(flat[shown.which])

    def columns(self, outlined: Outlined) -> list[Column]:
        """Mean NDVI of the season, valid fraction, principal colour, and the comuna of what is one row."""
        rows, count = outlined.feature, outlined.shapes.count
        valid = means(self.valid(outlined.rows), rows, count)
        ndvi = means(self._mean_ndvi(outlined.rows), rows, count)
        made = [
            Column.numbers("valid_fraction", np.round(valid, 2)),
            Column.numbers("ndvi_mean", np.round(ndvi, 2)),
        ]
        made.append(self._colour_column(outlined))
        if outlined.below is not None:
            return [*made, Column.counts("n", outlined.below)]
        comuna = self.comuna[outlined.rows]
        return [*made, Column.counts("comuna", comuna, comuna > 0)]

    def ndvi(self, rows: Whole) -> Floats:
        """NDVI (M, 12) of rows, NaN where unseen."""
        months = table_columns(self.source).ndvi[rows]
        return np.where(months == NO_NDVI, np.nan, months / np.float32(100))

    def valid(self, rows: Whole) -> Floats:
        """Valid fraction (M,) of rows, NaN where unknown or where nothing was observed."""
        return np.where(self.scale[rows] > 0, table_columns(self.source).valid_fraction[rows], np.nan)

    def principal(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Colours (M, 3) of vectors, by components that are the same in every tile."""
        axes = _axes(self)
        return np.full((len(vectors), 3), 160, np.uint8) if axes is None else axes.colours(vectors)

    def months(self) -> list[str]:
        """The season's months, as "2024-05"."""
        season = Season.parse(self.source.info.season, self.start_month)
        return [first.strftime("%Y-%m") for first, _ in season.months()]

    def _month(self, style: str) -> int:
        found, months = _MONTH.fullmatch(style), self.months()
        said = found.group(1) if found else ""
        if said in months:
            return months.index(said)
        if said.isdigit() and int(said) < len(months):
            return int(said)
        raise UnknownError(
            f"Expected ndvi:0 to ndvi:11, months of the season from its first, or ndvi:{months[0]} to "
            f"ndvi:{months[-1]}, got {style[:40]!r}. Name one of them."
        )

    def _colour_column(self, outlined: Outlined) -> Column:
        embedding, scale = self.rows(outlined.rows)
        vectors = dequantize(embedding, scale)
        seen = np.flatnonzero(scale > 0)
        count = outlined.shapes.count
        total = np.zeros((count, vectors.shape[1]), np.float32)
        np.add.at(total, outlined.feature[seen], vectors[seen])
        drawn = np.bincount(outlined.feature[seen], minlength=count)
        colours = self.principal((total / np.maximum(drawn, 1)[:, None]).astype(np.float32))
        words, which = np.unique(colours.astype(np.int64) @ np.array([65536, 256, 1]), return_inverse=True)
        return Column.texts(
            "colour", [f"#{word:06x}" for word in words.tolist()], np.where(drawn > 0, which, -1)
        )

    def _mean_ndvi(self, rows: Whole) -> Floats:
        """(M,) mean over the months that were seen, NaN where none was."""
        months = self.ndvi(rows)
        seen = ~np.isnan(months)
        total = np.where(seen, months, 0).sum(axis=1)
        return np.where(seen.any(axis=1), total / np.maximum(seen.sum(axis=1), 1), np.nan)


def ground_of(source: Source, start_month: int) -> Ground:
    """A table with its index, vectors and scales, each made at the first call for the table's version.

    Raises:
        StoreError: a damaged file of the table.
    """
    vectors = table_vectors(source)
    return Ground(tile_table(source), vectors.embedding, row_scales(source), vectors.comuna, start_month)


def means(values: Floats, feature: Whole, count: int) -> npt.NDArray[np.float64]:
    """Mean (count,) of the finite values of each feature, NaN where it has none."""
    there = np.isfinite(values)
    total = np.bincount(feature[there], values[there], count)
    drawn = np.bincount(feature[there], minlength=count)
    return np.where(drawn > 0, total / np.maximum(drawn, 1), np.nan)


def rounded(values: Floats, digits: int = 4) -> npt.NDArray[np.float64]:
    """Numbers to a few significant digits, so that a tile needs few of them; NaN and infinity stay."""
    doubles = np.asarray(values, np.float64)
    usual = np.isfinite(doubles) & (doubles != 0)
    step = 10.0 ** (digits - 1 - np.floor(np.log10(np.abs(np.where(usual, doubles, 1)))))
    return np.where(usual, np.round(doubles * step) / step, doubles)


def painted_png(colours: Any, values: npt.NDArray[Any], shown: Pictured) -> bytes:
    """A picture of the codes or numbers (M,) of the rows shown."""
    palette = colours.palette()
    places = np.append(colours.places(values), 0)
    if len(palette) > 256:
        return rgba_png(palette[places][shown.which])
    return palette_png(places.astype(np.uint8)[shown.which], palette)


@lru_cache(maxsize=6)
def _axes_of(source: Source, start_month: int) -> PrincipalAxes | None:
    ground = ground_of(source, start_month)
    return principal_axes(dequantize(*ground.rows(ground.sample())))


def _axes(ground: Ground) -> PrincipalAxes | None:
    return _axes_of(ground.source, ground.start_month)

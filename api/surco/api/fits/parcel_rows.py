"""Rows of a table of parcels by place: their boxes are kept, their outlines read where they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.embedstore.files import read_footer, read_groups, read_rows
from surco.embedstore.vector_sources import Source

__all__ = ["ParcelRows"]

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_MOST_COMPARED = 1 << 24  # boxes with points at a time: 16 MB

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ParcelRows:
    """A table of parcels: where each lies, (N, 4) float32 west, south, east, north."""

    source: Source
    boxes: npt.NDArray[np.float32]

    @classmethod
    def of(cls, source: Source) -> ParcelRows:
        """Read the boxes of a table; raises StoreError for a damaged file."""
        parts = [read_rows(file, ["bbox"])["bbox"].combine_chunks() for file in source.info.files]
        sides = [np.concatenate([_side(part, name) for part in parts]) for name in _SIDES]
        return cls(source, np.stack(sides, axis=1).astype(np.float32))

    def shapes(self, rows: Rows) -> npt.NDArray[np.object_]:
        """(n,) outlines of some rows, read by row groups."""
        found = np.empty(len(rows), object)
        for at, wkb in self._groups(rows):
            found[at] = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))
        return found

    def at(self, points: npt.NDArray[np.object_]) -> Rows:
        """The row of the parcel that holds each point (n,), the first of several; -1 where there is none."""
        row = np.full(len(points), -1, np.int64)
        held, asked = self._near(shapely.get_x(points), shapely.get_y(points))
        inside = shapely.intersects(self.shapes(held), points[asked])
        held, asked = held[inside], asked[inside]
        _, first = np.unique(asked, return_index=True)
        row[asked[first]] = held[first]
        return row

    def inside(self, shape: shapely.Geometry) -> Rows:
        """Rows of parcels whose box's middle lies in a shape, ascending."""
        middle = (self.boxes[:, :2] + self.boxes[:, 2:]).astype(np.float64) / 2
        shapely.prepare(shape)
        return np.flatnonzero(shapely.intersects_xy(shape, middle[:, 0], middle[:, 1]))

    def _near(self, lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> tuple[Rows, Rows]:
        """Rows whose box holds a point, and which point; by point, then by row."""
        rows, which = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        step = max(1, _MOST_COMPARED // max(1, len(self.boxes)))
        for start in range(0, len(lon), step):
            x, y = lon[start : start + step, None], lat[start : start + step, None]
            west, south, east, north = self.boxes.T
            point, row = np.nonzero((west <= x) & (x <= east) & (south <= y) & (y <= north))
            rows.append(row)
            which.append(point + start)
        return np.concatenate(rows), np.concatenate(which)

    def _groups(self, rows: Rows) -> Iterator[tuple[Rows, pa.Array[pa.Scalar[pa.DataType]]]]:
        """Positions in `rows` of those of each row group, and their WKB."""
        start = 0
        for file in self.source.info.files:
            footer = read_footer(file)
            for group in range(footer.num_row_groups):
                stop = start + footer.row_group(group).num_rows
                at = np.flatnonzero((rows >= start) & (rows < stop))
                if len(at):
                    column = read_groups(file, [group], ["geometry"])["geometry"].combine_chunks()
                    yield at, column.take(pa.array(rows[at] - start, pa.int64()))
                start = stop


def _side(boxes: pa.Array[pa.Scalar[pa.DataType]], name: str) -> npt.NDArray[np.float32]:
    """One side of a column of boxes."""
    return np.asarray(boxes.field(name).to_numpy(zero_copy_only=False), np.float32)  # type: ignore[attr-defined]

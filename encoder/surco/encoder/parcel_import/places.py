"""Where parcels lie: how many in Chile and in which of its regions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.embedstore import comuna_at, comunas
from surco.encoder.parcel_import.features import Objects

__all__ = ["PlaceCount"]


@dataclass(slots=True)
class PlaceCount:
    """Counts parcels by region of Chile; `exchanged` counts those that would be in Chile with latitude first."""

    regions: Counter[str] = field(default_factory=Counter)
    elsewhere: int = 0
    exchanged: int = 0

    def add(self, shapes: Objects) -> pa.Array[Any]:
        """Count (N,) polygons in degrees and give their comunas, null outside Chile."""
        points = shapely.get_coordinates(shapely.point_on_surface(shapes))
        found = comuna_at(points[:, 0], points[:, 1])
        inside = found.is_valid().to_numpy(zero_copy_only=False)
        codes: list[Any] = found.drop_null().to_pylist()
        self.regions.update(_regions()[code] for code in codes)
        self.elsewhere += int((~inside).sum())
        self.exchanged += _inside_exchanged(points[~inside])
        return found

    def remove(self, comunas_of: pa.ChunkedArray[Any]) -> None:
        """Take parcels back of which the comunas are given."""
        codes: list[Any] = comunas_of.to_pylist()
        self.regions.subtract(_regions()[code] for code in codes if code is not None)
        self.elsewhere -= codes.count(None)


def _inside_exchanged(points: npt.NDArray[np.float64]) -> int:
    points = points[np.abs(points[:, 0]) <= 90]
    return int(comuna_at(points[:, 1], points[:, 0]).is_valid().to_numpy(zero_copy_only=False).sum())


@cache
def _regions() -> dict[int, str]:
    rows: list[dict[str, Any]] = comunas().to_pylist()
    return {row["cut"]: row["region"] for row in rows}

"""Which parcel holds a place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.api.search.warm_sessions import WarmSessions
from surco.embedstore import Store
from surco.embedstore.selection import rows_of
from surco.embedstore.vector_sources import Source

__all__ = ["parcels_at"]


def parcels_at(
    store: Store, sessions: WarmSessions, source: Source, places: npt.NDArray[np.float64]
) -> pa.Array[Any]:
    """(N,) ids of the parcels that hold (N, 2) places in degrees, the first by id where several do, null where none.

    Raises:
        TimedOutError: it takes too long.
    """
    west, south = (repr(side) for side in places.min(axis=0).tolist())
    east, north = (repr(side) for side in places.max(axis=0).tolist())
    asked = pa.table({"place": np.arange(len(places)), "lon": places[:, 0], "lat": places[:, 1]})
    # The text is ours; names of the table were checked by the manifest.
    found = sessions.run(
        store,
        f"SELECT place, min(id) AS id FROM asked JOIN (SELECT id, geometry FROM parcels WHERE {rows_of(source.info)} "  # noqa: S608
        f"AND bbox.xmin <= {east} AND bbox.xmax >= {west} AND bbox.ymin <= {north} AND bbox.ymax >= {south}) AS held "
        "ON ST_Intersects(held.geometry, ST_Point(lon, lat)) GROUP BY place",
        asked=asked,
    )
    held = dict(zip(found["place"].to_pylist(), found["id"].to_pylist(), strict=True))
    return pa.array([held.get(number) for number in range(len(places))], pa.string())

"""From a store's table and an adapter to a map: the class and the probabilities of every cell or parcel."""

from __future__ import annotations

from dataclasses import dataclass

import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from surco.adapters import load_adapter, read_card
from surco.api.exports import write_map
from surco.api.refusals import UnknownError
from surco.embedstore import Store, Table, dequantize

__all__ = [
    "CLASS_TASKS",
    "Places",
    "Predicted",
    "adapter_model",
    "adapter_task",
    "predict",
    "predict_table",
    "read_places",
    "vectors",
    "write_map",
]

CLASS_TASKS = ("crop-type", "segmentation")
"""Tasks whose adapters give each row of vectors a class."""
_BLOCK = 100_000


@dataclass(frozen=True, slots=True)
class Places:
    """Cells or parcels of one table, in the table's order.

    Attributes:
        unit: "cells" or "parcels".
        season: its name.
        resolution: H3 resolution of cells, None for parcels.
        model_id: whose vectors.
        version: the store's version that was read.
        table: the rows read.
        id: (N,) text: H3 index in hexadecimal, or the parcel's id.
        area_ha: (N,) float64 hectares on the ellipsoid (parcels) or the sphere of H3 (cells).
    """

    unit: str
    season: str
    resolution: int | None
    model_id: str
    version: int
    table: pa.Table
    id: npt.NDArray[np.object_]
    area_ha: npt.NDArray[np.float64]

    def polygons(self) -> npt.NDArray[np.object_]:
        """(N,) shapely polygons in longitude and latitude: hexagons, or the parcels' own outlines."""
        if self.unit == "cells":
            wkb = pa.array(h3ronpy.vector.cells_to_wkb_polygons(self.table["h3"].combine_chunks()))
        else:
            wkb = self.table["geometry"]
        return np.asarray(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False)), object)


@dataclass(frozen=True, slots=True)
class Predicted:
    """A map: `places` and what an adapter says of each.

    Attributes:
        places: the cells or parcels.
        adapter: the adapter's name.
        classes: (K,) class names.
        probabilities: (N, K) float32, rows sum to one; NaN where nothing was ever observed.
        class_index: (N,) int64, position of the likeliest class; -1 where nothing was ever observed.
    """

    places: Places
    adapter: str
    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    class_index: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places.id)

    @property
    def unit(self) -> str:
        """What the rows are: "cells" or "parcels"."""
        return self.places.unit

    @property
    def season(self) -> str:
        """Name of the season."""
        return self.places.season

    @property
    def probability(self) -> npt.NDArray[np.float32]:
        """(N,) probability of the likeliest class; NaN where nothing was ever observed."""
        return np.asarray(self.probabilities.max(axis=1), np.float32)

    def hectares(self) -> npt.NDArray[np.float64]:
        """(K,) hectares by class, counted from the map: biased where the map errs, so no survey estimate."""
        seen = self.class_index >= 0
        areas = self.places.area_ha[seen]
        return np.asarray(np.bincount(self.class_index[seen], areas, len(self.classes)), np.float64)


def predict_table(
    store: Store,
    adapter_name: str,
    season: str | None = None,
    unit: str = "auto",
    resolution: int | None = None,
) -> Predicted:
    """Load an adapter, read a table, and predict each of its rows.

    Args:
        store: an open store.
        adapter_name: one of `store.adapters()`.
        season: its name; None for the latest.
        unit: "cells", "parcels", or "auto" for parcels where the store has them of the adapter's model.
        resolution: H3 resolution of cells; None for the finest.

    Raises:
        EmbedstoreError: no such adapter or table.
        AdapterError: an adapter made for another model, or a damaged one.
    """
    model_id = adapter_model(store, adapter_name)
    return predict(store, adapter_name, read_places(store, season, unit, resolution, model_id))


def adapter_model(store: Store, adapter_name: str) -> str:
    """Id of the model whose vectors an adapter reads, from its card."""
    return str(read_card(store.adapter_dir(adapter_name))["model_id"])


def adapter_task(store: Store, adapter_name: str) -> str:
    """What an adapter is for, from its card: a key of `surco.adapters.ADAPTERS`."""
    return str(read_card(store.adapter_dir(adapter_name))["task"])


def read_places(
    store: Store,
    season: str | None,
    unit: str,
    resolution: int | None = None,
    model_id: str | None = None,
) -> Places:
    """Read a table's rows; arguments and errors as for `predict_table`, `model_id` where the store has several."""
    name = _table_of(store, unit, model_id)
    info = store.find(name, season=season, resolution=resolution, model_id=model_id)
    table = store.read(name, season=info.season, resolution=info.resolution, model_id=info.model_id)
    return Places(
        unit=info.table,
        season=info.season,
        resolution=info.resolution,
        model_id=info.model_id,
        version=store.version,
        table=table,
        id=_ids(table, info.table),
        area_ha=_hectares(table, info.table),
    )


def predict(store: Store, adapter_name: str, places: Places) -> Predicted:
    """Predict rows that were read before; errors as for `predict_table`."""
    task = adapter_task(store, adapter_name)
    needed = task if task in CLASS_TASKS else CLASS_TASKS[0]
    adapter = load_adapter(store.adapter_dir(adapter_name), model_id=places.model_id, task=needed)
    classes = tuple(str(name) for name in adapter.classes_)
    probabilities = np.full((len(places.id), len(classes)), np.nan, np.float32)
    for start in range(0, len(places.id), _BLOCK):
        rows = vectors(places.table.slice(start, _BLOCK))
        seen = rows.any(axis=1)
        if seen.any():
            probabilities[start : start + len(rows)][seen] = adapter.predict_proba(rows[seen])
    best = np.where(np.isnan(probabilities[:, 0]), -1, probabilities.argmax(axis=1))
    return Predicted(places, adapter_name, classes, probabilities, best.astype(np.int64))


def vectors(table: pa.Table) -> npt.NDArray[np.float32]:
    """(N, D) float32 vectors of the columns `embedding` and `embedding_scale`."""
    column = table["embedding"].combine_chunks()
    flat = pc.list_flatten(column).to_numpy(zero_copy_only=False)
    scale = table["embedding_scale"].to_numpy()
    return dequantize(flat.reshape(table.num_rows, column.type.list_size), scale)


def _table_of(store: Store, unit: str, model_id: str | None) -> Table:
    if unit == "auto":
        held = [info.table for info in store.tables() if model_id in (None, info.model_id)]
        return "parcels" if "parcels" in held else "cells"
    if unit not in ("cells", "parcels"):
        raise UnknownError(f"Expected unit 'cells', 'parcels' or 'auto', got {unit!r}. Use one of them.")
    return "cells" if unit == "cells" else "parcels"


def _ids(table: pa.Table, unit: str) -> npt.NDArray[np.object_]:
    column = (
        pa.array(h3ronpy.cells_to_string(table["h3"].combine_chunks())) if unit == "cells" else table["id"]
    )
    return np.asarray(column.to_pylist(), object)


def _hectares(table: pa.Table, unit: str) -> npt.NDArray[np.float64]:
    if unit == "cells":
        square_metres = pa.array(h3ronpy.cells_area_m2(table["h3"].combine_chunks())).to_numpy()
    else:
        square_metres = table["metrics:area"].to_numpy(zero_copy_only=False)
    return np.nan_to_num(np.asarray(square_metres, np.float64)) / 10_000

"""Pixels of one place voting together: those of a found field, and those of a parcel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from surco.adapters import PixelClasses, Votes
from surco.adapters.boundaries import FieldObjects, OverlappingWindow
from surco.api.maps import Places, Predicted
from surco.api.pixel_areas import PixelArea
from surco.encoder.grid import Window
from surco.encoder.parcel_index import ParcelIndex
from surco.encoder.parcels import Parcels
from surco.encoder.pool import SHARE

__all__ = ["Classified", "Coded", "parcel_map", "voted"]

Classified = Iterator[tuple[OverlappingWindow, PixelClasses]]
"""Windows that tile an area, and the classes of their inner parts."""
Coded = Iterator[tuple[OverlappingWindow, npt.NDArray[np.int32]]]
"""The same with the classes' positions only, -1 where nothing was seen."""


def voted(classified: Classified, fields: FieldObjects, classes: int) -> Coded:
    """Codes of pixels, those of a found field what its pixels voted for; all are classified before the first is given.

    Args:
        classified: windows of the area.
        fields: of the same area.
        classes: how many there are.
    """
    votes, codes = Votes(len(fields), classes), np.full(fields.labels.shape, -1, np.int32)
    windows = []
    for window, found in classified:
        top, left, bottom, right = window.inner
        place = slice(top, bottom), slice(left, right)
        votes.add(found.probabilities.reshape(-1, classes), fields.labels[place].ravel() - 1)
        codes[place] = found.codes
        windows.append((window, place))
    won = np.append(votes.result().codes, -1)
    voting = (fields.labels > 0) & (codes >= 0)
    codes[voting] = won[fields.labels[voting] - 1]
    for window, place in windows:
        yield window, codes[place]


def parcel_map(
    classified: Classified, pixels: PixelArea, parcels: Parcels, adapter: str, classes: tuple[str, ...]
) -> Predicted:
    """The classes of parcels by their pixels, each with the share of it that lies inside.

    Args:
        classified: windows of the area.
        pixels: the area.
        parcels: to classify; those off the area have no class.
        adapter: its name.
        classes: names of the K classes.
    """
    index, votes = ParcelIndex(parcels, pixels.crs), Votes(len(parcels.id), len(classes))
    for window, found in classified:
        parcel, pixel, share = index.locate(_grid_window(window, pixels))
        votes.add(
            found.probabilities.reshape(-1, len(classes))[pixel], parcel.astype(np.int64), share / SHARE
        )
    counted = votes.result()
    table = pa.table({"geometry": pa.array(shapely.to_wkb(parcels.geometry).tolist(), pa.binary())})
    ids: npt.NDArray[np.object_] = parcels.id
    places = Places("parcels", pixels.season, None, pixels.model_id, 0, table, ids, parcels.area / 1e4)
    return Predicted(places, adapter, classes, counted.probabilities, counted.codes.astype(np.int64))


def _grid_window(window: OverlappingWindow, pixels: PixelArea) -> Window:
    top, left, bottom, right = window.inner
    inner = OverlappingWindow(window.row, window.column, window.inner, window.inner)
    return Window(
        window.row, window.column, pixels.crs, inner.transform(pixels.transform), right - left, bottom - top
    )

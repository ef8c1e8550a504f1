"""A scene: one acquisition of one sensor, with the place of each of its channels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pystac
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import ShapelyError

from surco.encoder.assets import Band, find_bands
from surco.encoder.channels import CHANNELS, OPTICAL
from surco.encoder.errors import SceneError

__all__ = ["Scene", "Sensor", "check_bands", "scene_from_item", "sensor_of"]

Sensor = Literal["sentinel-2", "sentinel-1", "dem"]

REFLECTANCE = tuple(CHANNELS[i] for i in OPTICAL)
_SENSORS: tuple[tuple[Sensor, re.Pattern[str]], ...] = (
    ("sentinel-2", re.compile(r"sentinel[-_ ]?s?2")),
    ("sentinel-1", re.compile(r"sentinel[-_ ]?s?1")),
    ("dem", re.compile(r"(^|[-_ ])dem([-_ ]|$)|elevation")),
)
_UNCORRECTED = re.compile(r"sentinel[-_ ]?1[-_ ](grd|slc)$")
"""Collections as their archives name them. The product type does not tell: corrected scenes state GRD as well."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One acquisition.

    Attributes:
        id, collection: as in the catalogue.
        sensor: `sentinel-2`, `sentinel-1` or `dem`.
        datetime: of acquisition, UTC.
        bands: channel name (and `scl`, or `elevation`) to its raster.
        footprint: in degrees, OGC:CRS84.
        crs: stated by the item, for example `EPSG:32719`; None where only the raster says.
        extent: left, bottom, right, top in `crs`; None where the item does not state it.
    """

    id: str
    collection: str
    sensor: Sensor
    datetime: datetime
    bands: Mapping[str, Band]
    footprint: shapely.Geometry
    crs: str | None = None
    extent: tuple[float, float, float, float] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers of other processes get scenes sent, and a read-only view of a mapping cannot be.
        return _restored, (
            dict(self.bands),
            *(getattr(self, f.name) for f in fields(self) if f.name != "bands"),
        )


def _restored(bands: dict[str, Band], *others: Any) -> Scene:
    names = (f.name for f in fields(Scene) if f.name != "bands")
    return Scene(bands=MappingProxyType(bands), **dict(zip(names, others, strict=True)))


def sensor_of(item: pystac.Item) -> Sensor | None:
    """The sensor of an item, by its collection, constellation and platform; None for one that is not used."""
    words = [item.collection_id, *(item.properties.get(k) for k in ("constellation", "platform"))]
    text = " ".join(str(word).lower() for word in words if word)
    if re.search(r"l1c", text):
        return None
    return next((sensor for sensor, pattern in _SENSORS if pattern.search(text)), None)


def scene_from_item(item: pystac.Item, sensor: Sensor) -> Scene:
    """Read what is needed of an item.

    Raises:
        SceneError: no date, no footprint, none of the sensor's bands, or Sentinel-2 without classification.
    """
    if item.geometry is None:
        raise SceneError(f"Expected a footprint of scene {item.id}; got geometry null. Add it to the item.")
    assets = {key: {**a.to_dict(), "href": a.get_absolute_href() or a.href} for key, a in item.assets.items()}
    try:
        bands = find_bands(assets, item.properties, sensor)
        footprint = shapely.make_valid(shapely.geometry.shape(item.geometry))
        crs, extent = _extent(item, assets)
    except (ValueError, TypeError, LookupError, AttributeError, CRSError, ShapelyError) as error:
        raise SceneError(
            f"Expected the fields of scene {item.id} as STAC describes them; got {type(error).__name__}: {error}. "
            "Validate the item, or remove it."
        ) from error
    _check_scene(item, sensor, bands)
    when, collection = _acquired(item), item.collection_id or ""
    return Scene(item.id, collection, sensor, when, MappingProxyType(bands), footprint, crs, extent)


def check_bands(scenes: Sequence[Scene]) -> None:
    """Refuse a Sentinel-2 scene that lacks a band which others of the catalogue have.

    A band that no scene has is simply never valid; one that is missing here and there is a broken catalogue.

    Raises:
        SceneError: names the scene and the band.
    """
    optical = [scene for scene in scenes if scene.sensor == "sentinel-2"]
    have = Counter(band for scene in optical for band in scene.bands)
    for scene in optical:
        missing = [band for band in REFLECTANCE if have[band] and band not in scene.bands]
        if missing:
            raise SceneError(
                f"Expected band {missing[0]} in scene {scene.id}, as in {have[missing[0]]} of {len(optical)} "
                f"Sentinel-2 scenes; got {_listed(scene.bands)}. Add the asset to the item, or drop the item."
            )


def _check_scene(item: pystac.Item, sensor: Sensor, bands: Mapping[str, Band]) -> None:
    if sensor == "sentinel-1" and _UNCORRECTED.search(str(item.collection_id).lower()):
        raise SceneError(
            f"Expected Sentinel-1 with terrain correction (RTC); got scene {item.id} of {item.collection_id}, in radar "
            "geometry: in mountains its pixels lie hundreds of metres off. Use sentinel-1-rtc (planetary-computer)."
        )
    wanted = {"sentinel-2": REFLECTANCE, "sentinel-1": ("vv", "vh"), "dem": ("elevation",)}[sensor]
    if not any(name in bands for name in wanted):
        raise SceneError(
            f"Expected at least one of the bands {', '.join(wanted)} in scene {item.id}; got the assets "
            f"{_listed(item.assets)}. Name the assets by eo:common_name or band name, or remove the item."
        )
    if sensor == "sentinel-2" and "scl" not in bands:
        raise SceneError(
            f"Expected the scene classification (asset scl) in scene {item.id}, to tell clouds from land; "
            f"got the assets {_listed(item.assets)}. Use a Level-2A collection, or add the asset."
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _acquired(item: pystac.Item) -> datetime:
    if item.datetime is not None:
        return item.datetime
    start, end = item.common_metadata.start_datetime, item.common_metadata.end_datetime
    if start is None or end is None:
        raise SceneError(
            f"Expected a datetime of scene {item.id}; got null and no start_datetime and end_datetime. "
            "Add the acquisition time to the item."
        )
    return start + (end - start) / 2


@cache
def _known(crs: str) -> None:
    """Raises CRSError for a code that does not exist, once for all scenes that state it."""
    CRS.from_user_input(crs)


def _extent(
    item: pystac.Item, assets: Mapping[str, Mapping[str, Any]]
) -> tuple[str | None, tuple[float, float, float, float] | None]:
    """CRS and outer bounds as the projection extension states them, of the asset with most of the scene."""
    found: str | None = None
    for asset in assets.values():
        place = {**item.properties, **asset}
        crs = place.get("proj:code") or (f"EPSG:{place['proj:epsg']}" if place.get("proj:epsg") else None)
        found = found or crs
        if crs:
            _known(crs)
        shape, transform = place.get("proj:shape"), place.get("proj:transform")
        if crs and shape and transform and not (transform[1] or transform[3]):
            x = transform[2] + np.array([0, shape[1]]) * transform[0]
            y = transform[5] + np.array([0, shape[0]]) * transform[4]
            return crs, (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    return found, None

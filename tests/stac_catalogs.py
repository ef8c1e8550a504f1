"""Small real STAC catalogues of GeoTIFFs, for tests: known values at a known place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer

LEFT, TOP, CRS = 300_000.0, 6_080_000.0, "EPSG:32719"
"""A corner in the Maule valley."""

BANDS_10M = ("blue", "green", "red", "nir")
BANDS_20M = ("rededge1", "rededge2", "rededge3", "nir08", "swir16", "swir22")


@dataclass
class Item:
    """One scene to write: `rasters` by asset key, and what its JSON says."""

    id: str
    day: str
    collection: str = "sentinel-2-l2a"
    rasters: Mapping[str, np.ndarray] = field(default_factory=dict)
    metres: Mapping[str, float] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    asset_fields: Mapping[str, Any] = field(default_factory=dict)
    left: float = LEFT
    top: float = TOP
    crs: str | None = CRS
    time: str = "14:40:00Z"


def optical(
    name: str, day: str, numbers: float | Mapping[str, Any] = 1000, *, pixels: int = 8, wide: int | None = None,
    scl: Any = 4, **more: Any,
) -> Item:  # fmt: skip
    """A Sentinel-2 scene of `pixels` x `wide` pixels: one digital number, or one (or an array) by band."""
    rasters = {}
    for band in (*BANDS_10M, *BANDS_20M):
        size = 1 if band in BANDS_10M else 2
        value = numbers.get(band, 1000) if isinstance(numbers, Mapping) else numbers
        shape = (pixels // size, (wide or pixels) // size)
        rasters[band] = np.broadcast_to(np.asarray(value, np.uint16), shape)
    rasters["scl"] = np.broadcast_to(np.asarray(scl, np.uint8), (pixels // 2, (wide or pixels) // 2))
    stated = {"raster:bands": [{"nodata": 0, "scale": 0.0001, "offset": 0}]}
    metres = dict.fromkeys((*BANDS_20M, "scl"), 20.0)
    return Item(name, day, rasters=rasters, metres=metres, asset_fields=stated, **more)


def radar(
    name: str, day: str, vv: Any, vh: Any, *, pixels: int = 8, wide: int | None = None, **more: Any
) -> Item:
    """A Sentinel-1 scene at 10 m in linear power."""
    shape = (pixels, wide or pixels)
    rasters = {k: np.broadcast_to(np.asarray(v, np.float32), shape) for k, v in (("vv", vv), ("vh", vh))}
    stated = {"raster:bands": [{"nodata": -32768}]}
    return Item(name, day, "sentinel-1-rtc", rasters=rasters, asset_fields=stated, **more)


def write_catalog(folder: Path, items: Sequence[Item]) -> Path:
    """Write the items as a static catalogue with one collection each; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted({item.collection for item in items})
    for name in names:
        mine = [item for item in items if item.collection == name]
        for item in mine:
            write_item(folder / name / item.id, item)
        links = [{"rel": "item", "href": f"./{item.id}/{item.id}.json"} for item in mine]
        _write_collection(folder / name, name, links)
    children = [{"rel": "child", "href": f"./{name}/collection.json"} for name in names]
    catalog = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "small",
        "description": "d",
        "links": children,
    }
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return folder


def write_item(folder: Path, item: Item) -> None:
    """Write one item with its rasters."""
    folder.mkdir(parents=True, exist_ok=True)
    assets: dict[str, Any] = {}
    for key, numbers in item.rasters.items():
        metres = item.metres.get(key, 10.0)
        transform = Affine(metres, 0, item.left, 0, -metres, item.top)
        write_raster(folder / f"{key}.tif", numbers, transform, item.crs)
        assets[key] = {
            "href": f"./{key}.tif", "type": "image/tiff; application=geotiff", "roles": ["data"],
            "proj:shape": list(numbers.shape), "proj:transform": list(transform)[:6], **item.asset_fields,
        }  # fmt: skip
    document = item_json(item, assets)
    (folder / f"{item.id}.json").write_text(json.dumps(document))


def item_json(item: Item, assets: Mapping[str, Any]) -> dict[str, Any]:
    """An item's JSON around given assets."""
    height, width = next(iter(item.rasters.values())).shape if item.rasters else (8, 8)
    metres = item.metres.get(next(iter(item.rasters), ""), 10.0)
    box = shapely.box(item.left, item.top - height * metres, item.left + width * metres, item.top)
    move = Transformer.from_crs(item.crs or CRS, "OGC:CRS84", always_xy=True).transform
    outline = shapely.transform(box, move, interleaved=False)
    stated = {"proj:epsg": int(item.crs.split(":")[1])} if item.crs else {}
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": item.id, "collection": item.collection,
        "geometry": shapely.geometry.mapping(outline), "bbox": list(outline.bounds),
        "properties": {"datetime": f"{item.day}T{item.time}", **stated, **item.properties},
        "assets": dict(assets), "links": [],
    }  # fmt: skip


def write_raster(path: Path, numbers: np.ndarray, transform: Affine, crs: str | None) -> None:
    """Write a one-band GeoTIFF without stated nodata."""
    profile = {
        "driver": "GTiff", "height": numbers.shape[0], "width": numbers.shape[1], "count": 1,
        "dtype": numbers.dtype.name, "transform": transform,
    }  # fmt: skip
    if crs is not None:
        profile["crs"] = crs
    with rasterio.open(path, "w", **profile) as target:
        target.write(numbers, 1)


def collection_json(name: str, links: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """A collection of all the world and time."""
    return {
        "type": "Collection", "stac_version": "1.0.0", "id": name, "description": "d", "license": "other",
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
        "links": [*links],
    }  # fmt: skip


def landing_json(root: str) -> dict[str, Any]:
    """The landing page of a STAC API that can search."""
    core = "https://api.stacspec.org/v1.0.0/"
    return {
        "type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "d",
        "conformsTo": [f"{core}core", f"{core}item-search", f"{core}collections"],
        "links": [
            {"rel": "self", "href": root}, {"rel": "root", "href": root},
            {"rel": "data", "href": f"{root}/collections"},
            {"rel": "search", "href": f"{root}/search", "method": "POST", "type": "application/geo+json"},
        ],
    }  # fmt: skip


def _write_collection(folder: Path, name: str, links: list[dict[str, str]]) -> None:
    (folder / "collection.json").write_text(json.dumps(collection_json(name, links)))

"""Writes rasters as cloud-optimised GeoTIFF and a static STAC catalogue of them, as Earth Search v1 names things."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine

__all__ = ["Asset", "CatalogWriter", "write_raster"]

Array = npt.NDArray[Any]
Json = dict[str, Any]

_EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
]


@dataclass(frozen=True, slots=True)
class Asset:
    """One raster of an item: its key, pixels (H, W), pixel size in m and fields of `raster:bands`."""

    key: str
    pixels: Array
    resolution: int
    nodata: float
    band: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)


def write_raster(path: Path, pixels: Array, transform: Affine, epsg: int, nodata: float) -> None:
    """One band (H, W) as a cloud-optimised GeoTIFF; the same pixels give the same bytes."""
    predictor = "FLOATING_POINT" if pixels.dtype.kind == "f" else "STANDARD"
    with rasterio.open(
        path, "w", driver="COG", height=pixels.shape[0], width=pixels.shape[1], count=1, dtype=pixels.dtype,
        crs=f"EPSG:{epsg}", transform=transform, nodata=nodata, compress="DEFLATE", predictor=predictor, level=4,
        blocksize=512, resampling="AVERAGE" if pixels.dtype != np.uint8 else "NEAREST",
    ) as raster:  # fmt: skip
        raster.write(pixels, 1)


@dataclass
class CatalogWriter:
    """A static catalogue in `root`: items are added collection by collection, `close` writes the links.

    `left` and `top` are the upper left corner in metres of `epsg`; `bbox` is west, south, east, north in degrees.
    """

    root: Path
    identifier: str
    description: str
    epsg: int
    left: float
    top: float
    bbox: tuple[float, float, float, float]
    _items: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def add(
        self, collection: str, identifier: str, time: datetime, properties: Json, assets: Sequence[Asset]
    ) -> None:
        """Write one item and its rasters."""
        folder = self.root / collection / identifier
        folder.mkdir(parents=True)
        for asset in assets:
            write_raster(
                folder / f"{asset.key}.tif", asset.pixels, self._transform(asset), self.epsg, asset.nodata
            )
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ")
        item = {
            "type": "Feature", "stac_version": "1.0.0", "stac_extensions": _EXTENSIONS, "id": identifier,
            "collection": collection, "geometry": self._footprint(), "bbox": list(self.bbox),
            "properties": {"datetime": stamp, "proj:epsg": self.epsg, **properties},
            "assets": {asset.key: self._asset(asset) for asset in assets},
            "links": [
                _link("root", "../../catalog.json"), _link("parent", "../collection.json"),
                _link("collection", "../collection.json"), _link("self", f"./{identifier}.json"),
            ],
        }  # fmt: skip
        _write(folder / f"{identifier}.json", item)
        self._items.setdefault(collection, []).append((identifier, stamp))

    def close(self, descriptions: Mapping[str, str]) -> None:
        """Write `catalog.json` and a `collection.json` for each collection that has items."""
        for collection, items in self._items.items():
            times = sorted(stamp for _, stamp in items)
            _write(self.root / collection / "collection.json", {
                "type": "Collection", "stac_version": "1.0.0", "id": collection,
                "description": descriptions[collection], "license": "Apache-2.0",
                "extent": {
                    "spatial": {"bbox": [list(self.bbox)]},
                    "temporal": {"interval": [[times[0], times[-1]]]},
                },
                "links": [
                    _link("root", "../catalog.json"), _link("parent", "../catalog.json"),
                    *({"rel": "item", "href": f"./{i}/{i}.json", "type": "application/geo+json"} for i, _ in items),
                ],
            })  # fmt: skip
        _write(self.root / "catalog.json", {
            "type": "Catalog", "stac_version": "1.0.0", "id": self.identifier, "description": self.description,
            "links": [
                _link("root", "./catalog.json"),
                *({"rel": "child", "href": f"./{c}/collection.json"} for c in self._items),
            ],
        })  # fmt: skip

    def _transform(self, asset: Asset) -> Affine:
        return Affine(asset.resolution, 0.0, self.left, 0.0, -asset.resolution, self.top)

    def _footprint(self) -> Json:
        west, south, east, north = self.bbox
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        return {"type": "Polygon", "coordinates": [ring]}

    def _asset(self, asset: Asset) -> Json:
        band = {
            "nodata": asset.nodata, "data_type": str(asset.pixels.dtype), "spatial_resolution": asset.resolution
        }  # fmt: skip
        return {
            "href": f"./{asset.key}.tif", "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"], "raster:bands": [{**band, **asset.band}], "proj:shape": list(asset.pixels.shape),
            "proj:transform": list(self._transform(asset))[:6], **asset.fields,
        }  # fmt: skip


def _link(rel: str, href: str) -> Json:
    return {"rel": rel, "href": href, "type": "application/json"}


def _write(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

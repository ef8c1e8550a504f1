"""What is known of a synthetic valley: its parcels and the area of each class."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import shapely

from surco.encoder.simulate.crops import CROPS
from surco.encoder.simulate.grid import Grid
from surco.encoder.simulate.landscape import Landscape

__all__ = ["parcels_geojson", "truth_of"]


def parcels_geojson(plan: Landscape, grid: Grid) -> str:
    """Parcels as GeoJSON in longitude and latitude: `id`, `crop` (class name), `ine` and `area_m2` on the grid."""
    features = []
    for number, (parcel, crop) in enumerate(zip(plan.parcels, plan.crops, strict=True), start=1):
        shape = shapely.set_precision(grid.to_lonlat(parcel.simplify(0.5)), 1e-7)
        features.append({
            "type": "Feature", "id": f"p{number:04d}", "geometry": json.loads(shapely.to_geojson(shape)),
            "properties": {
                "id": f"p{number:04d}", "crop": crop, "ine": CROPS[crop].ine, "area_m2": round(parcel.area, 1)
            },
        })  # fmt: skip
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n"


def truth_of(plan: Landscape, grid: Grid, arguments: Mapping[str, Any], scenes: Mapping[str, int]) -> str:
    """JSON of the arguments, the place, the legend with INE's level-3 names, and hectares by class."""
    area: dict[str, float] = defaultdict(float)
    for parcel, crop in zip(plan.parcels, plan.crops, strict=True):
        area[crop] += parcel.area / 1e4
    count = Counter(plan.crops)
    classes = {
        name: {"ine": CROPS[name].ine, "parcels": count[name], "hectares": round(area[name], 3)}
        for name in CROPS if name in count
    }  # fmt: skip
    content = {
        "arguments": dict(arguments), "epsg": grid.epsg, "bbox": list(grid.bbox), "scenes": dict(scenes),
        "hectares": round(grid.width * grid.height / 1e4, 3), "classes": classes,
    }  # fmt: skip
    return json.dumps(content, indent=1) + "\n"

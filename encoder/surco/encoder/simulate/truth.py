"""What is known of a synthetic valley: its parcels and the area of each class."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import shapely

from surco.encoder.simulate.crops import CROPS
from surco.encoder.simulate.grid import Grid
from surco.encoder.simulate.landscape import Landscape
from surco.encoder.simulate.yields import YIELDS, Yields

__all__ = ["parcels_geojson", "truth_of"]


def parcels_geojson(plan: Landscape, yields: Yields, grid: Grid) -> str:
    """Parcels as GeoJSON in longitude and latitude.

    Properties: `id`, `crop` (class name), `ine` (level 3), `area_m2` on the grid, `yield_t_ha` (null where the
    class has none).
    """
    features = []
    rows = zip(plan.parcels, plan.crops, yields.tonnes.tolist(), strict=True)
    for number, (parcel, crop, tonnes) in enumerate(rows, start=1):
        shape = shapely.set_precision(grid.to_lonlat(parcel.simplify(0.5)), 1e-7)
        features.append({
            "type": "Feature", "id": f"p{number:04d}", "geometry": json.loads(shapely.to_geojson(shape)),
            "properties": {
                "id": f"p{number:04d}", "crop": crop, "ine": CROPS[crop].ine, "area_m2": round(parcel.area, 1),
                "yield_t_ha": None if math.isnan(tonnes) else round(tonnes, 3),
            },
        })  # fmt: skip
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n"


def truth_of(
    plan: Landscape, yields: Yields, grid: Grid, arguments: Mapping[str, Any], scenes: Mapping[str, int]
) -> str:
    """JSON of the arguments, the place, the legend with INE's level-3 names, hectares and yields by class.

    A class's `yield` is the mean in t/ha over its area, the year's factor and the coefficient of variation of
    management: what no scene shows.
    """
    area: dict[str, float] = defaultdict(float)
    for parcel, crop in zip(plan.parcels, plan.crops, strict=True):
        area[crop] += parcel.area / 1e4
    count = Counter(plan.crops)
    classes = {
        name: {"ine": CROPS[name].ine, "parcels": count[name], "hectares": round(area[name], 3),
               "yield": _yield_of(name, plan, yields)}
        for name in CROPS if name in count
    }  # fmt: skip
    content = {
        "arguments": dict(arguments), "epsg": grid.epsg, "bbox": list(grid.bbox), "scenes": dict(scenes),
        "hectares": round(grid.width * grid.height / 1e4, 3), "classes": classes,
    }  # fmt: skip
    return json.dumps(content, indent=1) + "\n"


def _yield_of(name: str, plan: Landscape, yields: Yields) -> dict[str, float] | None:
    """Of one class; None where it has none."""
    if name not in YIELDS:
        return None
    rows = [(p.area, t) for p, c, t in zip(plan.parcels, plan.crops, yields.tonnes, strict=True) if c == name]
    mean = sum(a * t for a, t in rows) / sum(a for a, _ in rows)
    return {
        "mean_t_ha": round(float(mean), 3),
        "year_factor": round(yields.year[name], 4),
        "management_cv": YIELDS[name].spread,
    }

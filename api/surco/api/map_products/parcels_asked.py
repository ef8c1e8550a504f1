"""Parcels made on demand: where an area's pixels come from, and the process that finds fields in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pyproj
import shapely

from surco.api.map_products.field_search import SearchStep, searching
from surco.api.refusals import InvalidError, TooLargeError, UnknownError
from surco.embedstore import Sentence

__all__ = [
    "MOST_KM2",
    "MOST_SCENES_KM2",
    "ParcelsAsked",
    "finding_parcels",
    "found_parcels",
    "hectares_asked",
    "parcels_geojson",
    "source_asked",
]

MOST_KM2, MOST_SCENES_KM2 = 100.0, 25.0
"""Largest area in which fields are looked for: on pixel vectors that are there, and on scenes, encoded first."""
_PIXELS = "pixels"

Bbox = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ParcelsAsked:
    """What to find fields in, and how; `bbox` is west, south, east, north in degrees, `min_area` in m²."""

    bbox: Bbox
    season: str | None = None
    method: str = "network"
    adapter: str | None = None
    min_area: float = 500.0
    model: str = "surco-nano"


def hectares_asked(bbox: Bbox) -> float:
    """Hectares of a box; raises InvalidError where it is none."""
    west, south, east, north = bbox
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise InvalidError(
            f"Expected bbox as [west, south, east, north] in degrees, got {[*bbox]}. Longitude comes first."
        )
    area, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(shapely.box(*bbox))
    return abs(float(area)) / 1e4


def source_asked(asked: ParcelsAsked, store: Path, scenes: str | None) -> str:
    """Where the pixels of an area come from.

    Args:
        asked: the area.
        store: the store's folder; rasters of vectors may lie in its folder `pixels`.
        scenes: a STAC catalogue, folder or address; None for none.

    Returns:
        A raster of pixel vectors that holds some of the area, else `scenes`.

    Raises:
        UnknownError: neither pixels nor scenes of the area.
        TooLargeError: an area above the limit.
        InvalidError: scenes without a season.
    """
    source, most = _source(asked, store, scenes)
    square_km = hectares_asked(asked.bbox) / 100
    if square_km > most:
        raise TooLargeError(
            Sentence(
                f"Expected an area of at most {most:g} km² to find parcels in, got {square_km:,.1f}. Ask in "
                "parts, or use "
                "`surco boundaries`.",
                "fields-large",
                most=most,
                got=square_km,
            )
        )
    return source


def finding_parcels(
    asked: ParcelsAsked, source: str, store: Path, out: Path, limit_s: float
) -> Iterator[SearchStep]:
    """Find the parcels of an area and write them as fiboa GeoParquet; how far that is comes while it goes on.

    Closing the iterator ends the search.

    Args:
        asked: the area and the way.
        source: of `source_asked`.
        store: that holds the adapter.
        out: the `.parquet` to write.
        limit_s: seconds after which the process is ended.

    Raises:
        InvalidError: what the finder of parcels refuses.
        TimedOutError: it took longer than `limit_s`.
    """
    request = {
        "source": source,
        "season": asked.season,
        "model": asked.model,
        "bbox": ",".join(f"{side:.7f}" for side in asked.bbox),
        "out": str(out),
        "method": asked.method,
        "adapter": asked.adapter,
        "store": str(store),
        "min_area": asked.min_area,
    }
    answer = yield from searching(request, limit_s)
    if "refused" in answer:
        words = _without_folders(str(answer["refused"]), [source, str(store), str(out.parent)])
        code = answer.get("said")
        raise InvalidError(words if code is None else Sentence(words, code["code"], **code["values"]))


def found_parcels(asked: ParcelsAsked, source: str, store: Path, out: Path, limit_s: float) -> None:
    """As `finding_parcels`, to its end."""
    for _ in finding_parcels(asked, source, store, out, limit_s):
        pass


def parcels_geojson(path: Path) -> bytes:
    """A file of parcels as GeoJSON with fiboa's properties."""
    table = pq.read_table(path, partitioning=None)
    keys = table.schema.metadata or {}
    shapes = shapely.orient_polygons(shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False)))
    texts = shapely.to_geojson(shapely.transform(shapes, lambda xy: np.round(xy, 7))).tolist()
    rows = table.drop_columns(["geometry", "bbox"]).to_pylist()
    features = [
        {
            "type": "Feature",
            "id": row.pop("id"),
            "properties": {name: _plain(value) for name, value in row.items() if value is not None},
            "geometry": json.loads(text),
        }
        for row, text in zip(rows, texts, strict=True)
    ]
    known = {
        name: json.loads(keys[name.encode()]) for name in ("collection", "surco") if name.encode() in keys
    }
    collection = known.get("collection", {})
    about = {"schemas": collection["schemas"]} if "schemas" in collection else {}
    return json.dumps(
        {"type": "FeatureCollection", **about, "surco": known["surco"]["found"], "features": features},
        ensure_ascii=False,
    ).encode()


def _plain(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value


def _source(asked: ParcelsAsked, store: Path, scenes: str | None) -> tuple[str, float]:
    raster = _raster_of(asked, store / _PIXELS)
    if raster is not None:
        return str(raster), MOST_KM2
    if scenes is None:
        raise UnknownError(
            Sentence(
                "Expected pixel vectors or scenes of the area, got none on this "
                f"server{_season_words(asked)}. Put rasters "
                "of `surco boundaries --keep-pixels` into the store's folder `pixels`, or start the server "
                "with scenes.",
                "fields-unseen",
            )
        )
    if asked.season is None:
        raise InvalidError(
            Sentence(
                "Expected the season of the scenes, got none. Send season as 2024-25, or 2024-05/2025-04.",
                "fields-season",
            )
        )
    return scenes, MOST_SCENES_KM2


def _season_words(asked: ParcelsAsked) -> str:
    return "" if asked.season is None else f" of season {asked.season[:30]}"


def _raster_of(asked: ParcelsAsked, folder: Path) -> Path | None:
    """The raster of the season that holds most of the box; None where none holds any."""
    from surco.encoder.pixel_raster import read_pixel_note
    from surco.encoder.published.rasters import open_raster

    best: tuple[float, Path] | None = None
    box = shapely.box(*asked.bbox)
    for path in sorted(folder.glob("*.tif")) if folder.is_dir() else []:
        season = read_pixel_note(path).season
        if asked.season is not None and season is not None and season != asked.season:
            continue
        with open_raster(path) as raster:
            height, width = raster.shape
            t = raster.transform
            corners = sorted([t.c, t.c + width * t.a]), sorted([t.f, t.f + height * t.e])
            to_degrees = pyproj.Transformer.from_crs(raster.crs, "OGC:CRS84", always_xy=True)
            (left, right), (bottom, top) = corners
            bounds = to_degrees.transform_bounds(left, bottom, right, top)
        shared = float(shapely.area(shapely.intersection(box, shapely.box(*bounds))))
        if shared > 0 and (best is None or shared > best[0]):
            best = shared, path
    return None if best is None else best[1]


def _without_folders(sentence: str, paths: list[str]) -> str:
    """A sentence in which files are named as what they are, not where they lie."""
    for path in paths:
        if "://" not in path:
            sentence = sentence.replace(path, Path(path).name)
    return sentence

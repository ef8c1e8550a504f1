"""Synthetic valleys with known parcels, and the real Flanders patch, as pixel vectors: for training and evaluation.

    python scripts/boundary_valleys.py --out scratch/valleys [--only maule]

Each valley is drawn once by `surco simulate`'s generator, encoded once by surco-nano and kept as a `.npz` with its
vectors and the number of the parcel of each pixel. Valleys for training and for choosing settings lie in six regions
of Chile, those for testing in four others, with other seeds: crops, orchards, weather, relief and parcels are new.

What is a field: a parcel of a crop, orchard, vineyard or meadow. Woods, scrub, town blocks, water and bare ground are
no fields; the network has to leave them out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from rasterio.features import rasterize

from surco.adapters.boundaries import PixelVectors
from surco.embedstore import Season
from surco.encoder import Encoder, load_encoder
from surco.encoder.area import project
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import compose
from surco.encoder.encode_tile import encode_pixels
from surco.encoder.grid import make_grid
from surco.encoder.rasters import raster_settings
from surco.encoder.simulate import CROPS, orchard_hectares, place_at, simulate_scenes

__all__ = ["FLANDERS", "VALLEYS", "Valley", "load_valley", "make_valley", "valleys_of"]

FIELD_KINS = ("cereal", "broadleaf", "summer", "orchard", "vine", "evergreen_orchard", "meadow", "rangeland")
FLANDERS = "flanders"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Valley:
    """A place to draw: longitude and latitude of its middle, side in m, seed, first year of its season, and its use."""

    name: str
    center: tuple[float, float]
    size: float
    seed: int
    year: int
    use: str


VALLEYS = (
    Valley("coquimbo", (-71.20, -30.60), 2400.0, 411, 2020, "train"),
    Valley("coquimbo_2", (-70.90, -31.60), 2400.0, 412, 2021, "train"),
    Valley("santiago", (-70.90, -33.70), 2400.0, 413, 2022, "train"),
    Valley("santiago_2", (-71.20, -33.60), 2400.0, 414, 2020, "train"),
    Valley("ohiggins", (-71.20, -34.45), 2400.0, 415, 2021, "train"),
    Valley("ohiggins_2", (-71.00, -34.60), 2400.0, 416, 2022, "train"),
    Valley("biobio", (-72.30, -37.40), 2400.0, 417, 2021, "train"),
    Valley("biobio_2", (-72.10, -37.60), 2400.0, 418, 2022, "train"),
    Valley("araucania", (-72.60, -38.40), 2400.0, 419, 2020, "train"),
    Valley("araucania_2", (-72.40, -38.80), 2400.0, 420, 2023, "train"),
    Valley("los_lagos", (-73.00, -40.80), 2400.0, 421, 2022, "train"),
    Valley("small_1", (-71.10, -34.30), 1400.0, 422, 2023, "train"),
    Valley("small_2", (-72.50, -38.60), 1400.0, 423, 2021, "train"),
    Valley("ohiggins_3", (-71.30, -34.30), 2000.0, 431, 2019, "choose"),
    Valley("araucania_3", (-72.70, -38.70), 2000.0, 432, 2019, "choose"),
    Valley("valparaiso", (-71.15, -32.85), 2560.0, 941, 2018, "test"),
    Valley("maule", (-71.60, -35.50), 2560.0, 942, 2018, "test"),
    Valley("nuble", (-72.00, -36.60), 2560.0, 943, 2017, "test"),
    Valley("los_rios", (-72.90, -39.90), 2560.0, 944, 2017, "test"),
)


def valleys_of(use: str) -> list[str]:
    """Names of the valleys for "train", "choose" (of settings) or "test"."""
    return [v.name for v in VALLEYS if v.use == use]


def load_valley(folder: Path, name: str) -> tuple[PixelVectors, npt.NDArray[np.int32]]:
    """Pixel vectors and the parcel number (H, W), 0 = no field, of a valley that was made."""
    with np.load(folder / f"{name}.npz", allow_pickle=False) as kept:
        vectors = kept["vectors"].astype(np.float32)
        area = PixelVectors(
            vectors, kept["valid"], Affine(*kept["transform"]), str(kept["crs"]), str(kept["model_id"])
        )
        return area, kept["parcels"]


def make_valley(valley: Valley, out: Path, encoder: Encoder) -> None:
    """Draw and encode a valley; nothing where it is there."""
    if (out / f"{valley.name}.npz").exists():
        return
    place = place_at(*valley.center)
    season = Season(valley.year)
    with tempfile.TemporaryDirectory(dir=out) as work:
        drawn = simulate_scenes(
            Path(work) / "scenes",
            start=season.start,
            end=season.end,
            center=valley.center,
            size_m=(valley.size, valley.size),
            seed=valley.seed,
            climate=place.climate,
            elevation_m=place.elevation,
            orchards=orchard_hectares(place.code) or None,
        )
        parcels = [
            shapely.geometry.shape(f["geometry"])
            for f in json.loads(drawn.parcels.read_text())["features"]
            if CROPS[f["properties"]["crop"]].kin in FIELD_KINS
        ]
        _keep(out / f"{valley.name}.npz", drawn.path, season, encoder, parcels, "OGC:CRS84")


def make_flanders(out: Path, encoder: Encoder) -> None:
    """Encode the real patch of Flanders, season November 2018 to October 2019, with its declared parcels."""
    if (out / f"{FLANDERS}.npz").exists():
        return
    folder = SHARED / "stac" / "flanders_2019"
    content = json.loads((folder / "parcels.geojson").read_text())
    parcels = [shapely.geometry.shape(f["geometry"]) for f in content["features"]]
    season = Season.from_dates("2018-11-01/2019-10-31")
    _keep(out / f"{FLANDERS}.npz", folder, season, encoder, parcels, "EPSG:32631")


def _keep(
    path: Path, catalog: Path, season: Season, encoder: Encoder, parcels: list[shapely.Geometry], crs: str
) -> None:
    scenes = read_scenes(str(catalog), season.start, season.last_day, None)
    grid = make_grid(scenes)
    (window,) = grid.windows(max(grid.width, grid.height))
    with raster_settings():
        composite = compose(scenes, window, season)
    inside = np.ones(window.width * window.height, np.bool_)
    flat = encode_pixels(encoder, composite, window.lonlat(), inside)
    valid = np.isfinite(flat).all(axis=1).reshape(window.height, window.width)
    vectors = np.where(valid[..., None], flat.reshape(*valid.shape, -1), 0.0)
    numbered = [(project(p, crs, window.crs), i) for i, p in enumerate(parcels, start=1)]
    truth = rasterize(numbered, valid.shape, transform=window.transform, dtype="int32")
    # Two tenths of a thousand is what float16 rounds a number of a unit vector by: below any step between fields.
    np.savez(
        path.with_suffix(".part.npz"),
        vectors=vectors.astype(np.float16),
        valid=valid,
        parcels=truth,
        transform=np.array(window.transform[:6]),
        crs=np.array(window.crs),
        model_id=np.array(encoder.model_id),
    )
    path.with_suffix(".part.npz").rename(path)


def main() -> None:
    """Make all valleys, or those that were named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("scratch/valleys"))
    parser.add_argument("--only", nargs="*", help="names; all by default")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoder = load_encoder()
    for valley in VALLEYS:
        if not arguments.only or valley.name in arguments.only:
            make_valley(valley, arguments.out, encoder)
            print(date.today(), valley.name, flush=True)
    if (not arguments.only or FLANDERS in arguments.only) and (SHARED / "stac").exists():
        make_flanders(arguments.out, encoder)
        print(FLANDERS)


if __name__ == "__main__":
    main()

"""The vectors of every pixel of an area as one cloud-optimised GeoTIFF, by AlphaEarth's rule of one byte a number."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
import shapely
from affine import Affine
from rasterio.windows import Window as RasterWindow

from surco.embedstore import Season
from surco.encoder.area import read_area
from surco.encoder.catalog import read_scenes
from surco.encoder.composite import Composite, compose
from surco.encoder.encode_tile import encode_pixels
from surco.encoder.errors import CatalogError, EncoderError
from surco.encoder.grid import PIXEL_M, Grid, Window, make_grid
from surco.encoder.protocol import Encoder, Floats
from surco.encoder.published.geotiff import open_geotiff
from surco.encoder.rasters import raster_settings
from surco.encoder.reading import read_ahead
from surco.encoder.scenes import Scene

__all__ = ["PixelNote", "encode_raster", "quantize_squares", "read_pixel_note"]

NODATA = -128
TAG = "surco"
_BLOCK = 256
"""Side of a file's blocks, that of the windows composed at a time."""


@dataclass(frozen=True, slots=True)
class PixelNote:
    """What a raster of vectors says of itself; None where it does not.

    Attributes:
        model_id: whose vectors.
        season: name.
        observed: day of the last scene they have seen.
    """

    model_id: str | None
    season: str | None
    observed: date | None


def encode_raster(
    catalog: str | Path,
    season: Season,
    encoder: Encoder,
    out: Path,
    *,
    aoi: str | Path | Sequence[float] | shapely.Geometry | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> PixelNote:
    """Turn a season of scenes into a GeoTIFF of int8 bands, one a dimension, on the 10 m grid of the cells.

    q = sign(v) round(127.5 sqrt(|v|)) and -128 where nothing was seen (`published.geotiff` reads it back).
    Vectors come back within 0.01 of what they were, in each dimension.

    Args:
        catalog: a static STAC catalogue (folder, file, address) or the address of a STAC API.
        season: nothing after its `last_day` is read.
        encoder: turns series into vectors.
        out: the file; one of that name is replaced when the new one is complete.
        aoi: area in degrees, see `area.read_area`; None takes what the scenes cover.
        progress: called as `progress(done, total, text)`, in windows.

    Raises:
        EncoderError: a catalogue, scene, area or encoder that cannot be used, or no clear observation.
    """
    area = None if aoi is None else read_area(aoi)
    scenes = read_scenes(str(catalog), season.start, season.last_day, area)
    grid = make_grid(scenes, area)
    seen = [s.datetime.astimezone(UTC).date() for s in scenes if s.sensor != "dem"]
    within = [day for day in seen if season.start <= day <= season.last_day]
    note = PixelNote(encoder.model_id, season.name, max(within, default=season.last_day))
    draft = out.with_name(f".{out.stem}-{secrets.token_hex(4)}.tif")
    whole = draft.with_name(f"{draft.stem}-cog.tif")
    try:
        with raster_settings():
            _write(draft, scenes, season, encoder, grid, note, progress)
            rasterio.shutil.copy(
                draft, whole, driver="COG", compress="deflate", overviews="none", blocksize=_BLOCK
            )
        whole.replace(out)
    except OSError as error:
        raise EncoderError(
            f"Expected to be able to write {out}; got {error.strerror or error}. "
            "Choose another place, or free some room."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
        whole.unlink(missing_ok=True)
    return note


def quantize_squares(vectors: Floats) -> npt.NDArray[np.int8]:
    """AlphaEarth's rule for rows (N, D): q = sign(v) round(127.5 sqrt(|v|)), -128 in rows with NaN."""
    steps = np.rint(np.sqrt(np.abs(np.nan_to_num(vectors))) * 127.5).clip(max=127)
    q: npt.NDArray[np.int8] = (np.sign(np.nan_to_num(vectors)) * steps).astype(np.int8)
    q[~np.isfinite(vectors).all(axis=1)] = NODATA
    return q


def read_pixel_note(path: Path) -> PixelNote:
    """What a raster of vectors says of itself; of files by others nothing.

    Raises:
        RasterError: no such file, or no GeoTIFF.
    """
    with open_geotiff(path) as source:
        text = source.tags().get(TAG)
    try:
        said = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        said = {}
    return _note(said if isinstance(said, dict) else {})


def _note(said: Mapping[str, Any]) -> PixelNote:
    def word(name: str) -> str | None:
        value = said.get(name)
        return value if isinstance(value, str) else None

    observed = word("observed")
    try:
        day = None if observed is None else date.fromisoformat(observed)
    except ValueError:
        day = None
    return PixelNote(word("model_id"), word("season"), day)


def _write(
    path: Path,
    scenes: Sequence[Scene],
    season: Season,
    encoder: Encoder,
    grid: Grid,
    note: PixelNote,
    progress: Callable[[int, int, str], None] | None,
) -> None:
    windows = list(grid.windows(_BLOCK))
    profile = {
        "driver": "GTiff", "dtype": "int8", "count": encoder.dimension, "width": grid.width, "height": grid.height,
        "crs": grid.crs, "transform": Affine(PIXEL_M, 0.0, grid.left, 0.0, -PIXEL_M, grid.top), "nodata": NODATA,
        "tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "interleave": "pixel", "bigtiff": "if_safer",
    }  # fmt: skip
    seen = 0
    coming = read_ahead(windows, lambda window: compose(scenes, window, season))
    with rasterio.open(path, "w", **profile) as target, closing(coming):
        for number in range(len(windows)):
            if progress is not None:
                progress(number, len(windows), f"vectors, tile {number + 1} of {len(windows)}")
            window, composite = next(coming)
            q = quantize_squares(_vectors(window, composite, encoder, grid))
            seen += int((q[:, 0] != NODATA).sum())
            place = RasterWindow(window.column * _BLOCK, window.row * _BLOCK, window.width, window.height)
            target.write(q.T.reshape(-1, window.height, window.width), window=place)
        for row, column in _off_the_area(grid, windows):
            place = RasterWindow(column * _BLOCK, row * _BLOCK, _BLOCK, _BLOCK).crop(grid.height, grid.width)
            shape = (encoder.dimension, int(place.height), int(place.width))
            target.write(np.full(shape, NODATA, np.int8), window=place)
        told = {"model_id": note.model_id, "season": note.season, "observed": str(note.observed)}
        target.update_tags(**{TAG: json.dumps(told)})
    if not seen:
        raise CatalogError(
            f"Expected at least one clear observation in {season}; got {len(scenes)} scenes without "
            "a usable pixel in the area. Choose another season or area."
        )


def _vectors(window: Window, composite: Composite, encoder: Encoder, grid: Grid) -> Floats:
    return encode_pixels(encoder, composite, window.lonlat(), window.inside(grid.area).ravel())


def _off_the_area(grid: Grid, windows: Sequence[Window]) -> list[tuple[int, int]]:
    """Blocks of the file that no window fills; unwritten ones would read as zero, not as nothing."""
    filled = {(window.row, window.column) for window in windows}
    rows, columns = -(-grid.height // _BLOCK), -(-grid.width // _BLOCK)
    return [(r, c) for r in range(rows) for c in range(columns) if (r, c) not in filled]

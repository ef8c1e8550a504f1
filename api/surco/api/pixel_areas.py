"""The vectors of every pixel of an area, window by window: from a raster of vectors, or from scenes made one first."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

from surco.adapters.boundaries import PixelVectors
from surco.api.encoding import parse_area
from surco.api.errors import ApiError
from surco.api.refusals import SettingsError
from surco.embedstore import Season
from surco.encoder import load_encoder
from surco.encoder.area import project, read_area
from surco.encoder.pixel_raster import PixelNote, encode_raster, read_pixel_note
from surco.encoder.published.rasters import VectorRaster, open_raster

__all__ = ["PixelArea", "PixelRequest", "open_pixels"]

_RASTERS = (".tif", ".tiff", ".npy")
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class PixelRequest:
    """Where the vectors come from; fields as the commands' arguments of the same names.

    Attributes:
        source: a GeoTIFF of vectors (or TESSERA's `.npy`), else a STAC catalogue: folder, file or address.
        season: of the scenes; of a raster, where it does not say itself when it was seen.
        model: encoder of the scenes; of a raster that does not say it, the model its vectors are of.
        aoi: area as west,south,east,north in degrees, or a GeoJSON file; all there is if None.
        keep: raster to keep the scenes' vectors in; None throws them away.
    """

    source: str
    season: str | None = None
    model: str = "surco-nano"
    aoi: str | None = None
    keep: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PixelArea:
    """A rectangle of a raster of vectors, and what is known of them.

    Attributes:
        shape: (height, width) in pixels.
        transform: from the rectangle's columns and rows to `crs`.
        crs: projected, in metres.
        model_id: whose vectors.
        season: name.
        observed: day of the last scene they have seen.
    """

    raster: VectorRaster
    first: tuple[int, int]
    shape: tuple[int, int]
    transform: Affine
    crs: str
    area: shapely.Geometry | None
    model_id: str
    season: str
    observed: date

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.raster.dimension

    def read(self, rectangle: tuple[int, int, int, int]) -> PixelVectors:
        """The vectors of a rectangle: top, left, bottom, right in pixels of this area, the last two exclusive."""
        top, left, bottom, right = rectangle
        height, width = bottom - top, right - left
        rows = self.raster.read(self.first[0] + top, self.first[1] + left, height, width)
        a, b, c, d, e, f = self.transform[:6]
        moved = Affine(a, b, c + left * a + top * b, d, e, f + left * d + top * e)
        valid = np.isfinite(rows).all(axis=1).reshape(height, width) & self._inside(moved, height, width)
        vectors = np.where(valid[..., None], rows.reshape(height, width, -1), np.float32(0))
        return PixelVectors(vectors, valid, moved, self.crs, self.model_id)

    def _inside(
        self, transform: Affine, height: int, width: int
    ) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        if self.area is None:
            return np.ones((height, width), np.bool_)
        x = transform.c + (np.arange(width) + 0.5) * transform.a
        y = transform.f + (np.arange(height) + 0.5) * transform.e
        return np.asarray(shapely.intersects_xy(self.area, x[None, :], y[:, None]), np.bool_)


@contextmanager
def open_pixels(request: PixelRequest, folder: Path, progress: Progress | None = None) -> Iterator[PixelArea]:
    """The vectors of an area; those of a catalogue are encoded first, into `keep` or a file that goes again.

    Args:
        request: where from.
        folder: for that file, some 64 bytes a pixel.
        progress: called as `progress(done, total, text)` while scenes are encoded.

    Raises:
        ApiError: a season or area that cannot be read, a grid that is not in metres, an area beside the raster.
        EncoderError: scenes, a raster or an encoder that cannot be used.
        EmbedstoreError: a season that is none.
    """
    area = None if request.aoi is None else _area(request.aoi)
    with ExitStack() as opened:
        path = Path(request.source)
        if path.suffix.lower() in _RASTERS:
            _refuse_to_keep(request)
            note = _stated(
                request, PixelNote(None, None, None) if path.suffix == ".npy" else read_pixel_note(path)
            )
        else:
            path = request.keep or _draft(opened, folder)
            note = encode_raster(
                request.source,
                _season(request.season),
                load_encoder(request.model),
                path,
                aoi=area,
                progress=progress,
            )
        raster = opened.enter_context(open_raster(path))
        yield _placed(raster, area, note, request)


def _refuse_to_keep(request: PixelRequest) -> None:
    if request.keep is not None:
        raise SettingsError(
            f"Expected --keep-pixels with scenes only; got it with the raster {request.source}, whose vectors are kept "
            "already. Leave it out."
        )


def _draft(opened: ExitStack, folder: Path) -> Path:
    made = opened.enter_context(tempfile.TemporaryDirectory(prefix=".surco-pixels-", dir=folder))
    return Path(made) / "pixels.tif"


def _area(text: str) -> shapely.Geometry:
    return read_area(parse_area(text) or text)


def _season(text: str | None) -> Season:
    if text is None:
        raise ApiError(
            "Expected a season of the scenes, or of a raster that does not say when it was seen; got none. "
            "Pass --season 2024-05/2025-04, or 2024-25 from May."
        )
    return Season.from_dates(text) if "/" in text else Season.parse(text, start_month=5)


def _stated(request: PixelRequest, note: PixelNote) -> PixelNote:
    """A raster's own note, with what it does not say taken from the request."""
    if note.season is not None and note.observed is not None:
        return PixelNote(note.model_id or request.model, note.season, note.observed)
    season = _season(request.season)
    return PixelNote(note.model_id or request.model, season.name, season.last_day)


def _placed(
    raster: VectorRaster, area: shapely.Geometry | None, note: PixelNote, request: PixelRequest
) -> PixelArea:
    if CRS.from_user_input(raster.crs).axis_info[0].unit_name != "metre":
        raise ApiError(
            f"Expected vectors on a grid in metres; got {raster.crs} in {request.source}. "
            "Warp it to UTM, nearest neighbour."
        )
    shape = area if area is None else project(area, "OGC:CRS84", raster.crs)
    top, left, bottom, right = _rectangle(raster, shape)
    if top >= bottom or left >= right:
        raise ApiError(
            f"Expected an area on the raster {request.source}; got --aoi {request.aoi} beside it. "
            "Check the area: longitude comes first."
        )
    a, b, c, d, e, f = raster.transform[:6]
    moved = Affine(a, b, c + left * a + top * b, d, e, f + left * d + top * e)
    if note.model_id is None or note.season is None or note.observed is None:
        raise RuntimeError(f"a note without a model, season or day: {note}")
    return PixelArea(
        raster, (top, left), (bottom - top, right - left), moved, raster.crs, shape,
        note.model_id, note.season, note.observed,
    )  # fmt: skip


def _rectangle(raster: VectorRaster, area: shapely.Geometry | None) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of an area's pixels in a raster, the whole of it where there is no area."""
    height, width = raster.shape
    if area is None:
        return 0, 0, height, width
    west, south, east, north = area.bounds
    columns = sorted((side - raster.transform.c) / raster.transform.a for side in (west, east))
    rows = sorted((side - raster.transform.f) / raster.transform.e for side in (south, north))
    return (
        max(math.floor(rows[0]), 0), max(math.floor(columns[0]), 0),
        min(math.ceil(rows[1]), height), min(math.ceil(columns[1]), width),
    )  # fmt: skip

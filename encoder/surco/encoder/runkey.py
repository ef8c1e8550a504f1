"""The name of a run: equal for equal inputs, another when anything that shapes the tables changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from surco.embedstore import Season
from surco.encoder.grid import Grid
from surco.encoder.protocol import Encoder
from surco.encoder.scenes import Scene

__all__ = ["RECIPE", "describe_scene", "run_key"]

RECIPE = 2
"""Raised whenever composites, pooling or tables are made otherwise from the same scenes."""


def run_key(
    scenes: Sequence[Scene],
    season: Season,
    encoder: Encoder,
    grid: Grid,
    resolutions: Sequence[int],
    parcels: str,
    erode: float,
) -> str:
    """SHA-256 over everything a run is made from, 32 hexadecimal digits.

    Scenes on disk count with size and time of change, so that a raster replaced in place is noticed. Queries of
    addresses do not count: they carry signatures that differ each time.

    Args:
        scenes: of the run.
        season: with its `as_of`.
        encoder: its id and, where it has them, its card and the precision that it works in.
        grid: with the area.
        resolutions: of the cells.
        parcels: digest of the parcel file, empty without.
        erode: metres by which parcels are shrunk.
    """
    parts = {
        "recipe": RECIPE,
        "scenes": [describe_scene(scene) for scene in scenes],
        "season": [season.start.isoformat(), season.last_day.isoformat()],
        "model": [encoder.model_id, encoder.dimension, getattr(encoder, "card", None), *_digits(encoder)],
        "grid": [grid.crs, grid.left, grid.top, grid.width, grid.height, grid.area.wkb_hex],
        "resolutions": sorted(resolutions),
        "parcels": [parcels, float(erode) if parcels else 0.0],
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _digits(encoder: Encoder) -> list[str]:
    """Of an encoder that does not work in float32, what it works in."""
    digits = getattr(encoder, "digits", None)
    return [] if digits is None else [digits]


def describe_scene(scene: Scene) -> list[object]:
    """What of a scene shapes the tables, as JSON: its name and time, and each band's place and numbers."""
    bands = [
        [name, *_place(band.href), band.scale, band.offset, band.nodata, band.decibel]
        for name, band in sorted(scene.bands.items())
    ]
    return [scene.id, scene.collection, scene.datetime.isoformat(), bands]


def _place(href: str) -> list[object]:
    if href.startswith(("http://", "https://")):
        return [href.split("?")[0]]
    path = Path(href.removeprefix("file://"))
    if not path.is_file():
        return [href]
    state = path.stat()
    return [href, state.st_size, state.st_mtime_ns]

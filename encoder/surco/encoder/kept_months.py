"""Monthly composites kept on disk, so that a season that grows reads its new month and not the others again.

A file holds one month of one window, named by everything that it was made from: other scenes, or a raster replaced in
place, give another name. What does not fit into the room is dropped, the longest unused first.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from surco.embedstore import Season
from surco.encoder.channels import CHANNELS
from surco.encoder.composite import Composite, compose, touching
from surco.encoder.errors import EncoderError
from surco.encoder.grid import Window
from surco.encoder.reader import shared_reader
from surco.encoder.runkey import describe_scene
from surco.encoder.scenes import Scene
from surco.encoder.terrain import read_terrain
from surco.encoder.tile import Tile

__all__ = ["KeptMonths", "compose_kept"]

_FORMAT = 1
"""Raised whenever a month of the same scenes becomes another."""
_DIGEST = 64
_LOOKS_AFTER = 64
"""Months written between two looks at how much room is taken."""
_LEFT = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class _Month:
    """One month of a window: values (C, H, W) with NaN where not valid, views (2, H, W), and the mean date."""

    values: npt.NDArray[np.float32]
    views: npt.NDArray[np.uint16]
    day: np.datetime64


@dataclass(frozen=True, slots=True)
class KeptMonths:
    """A folder of months, of `most_bytes` at most; may be shared by processes and runs."""

    folder: Path
    most_bytes: int

    def get(self, key: str, window: Window) -> _Month | None:
        """A month, where it is there, whole."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        digest, payload = content[:_DIGEST], content[_DIGEST:]
        whole = hashlib.sha256(payload).hexdigest().encode() == digest
        return _unpacked(payload, window) if whole else None

    def put(self, key: str, month: _Month) -> None:
        """Keep a month: it is there as a whole or not at all.

        Raises:
            EncoderError: a folder that cannot be written.
        """
        path, payload = self._path(key), _packed(month)
        draft = path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(hashlib.sha256(payload).hexdigest().encode() + payload)
            draft.replace(path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise EncoderError(
                f"Expected a folder for composites that can be written; got {error.strerror} at {self.folder}. "
                "Name another with --keep-composites, or leave it out."
            ) from error
        if int(key[-4:], 16) % _LOOKS_AFTER == 0:
            self.make_room()

    def make_room(self) -> None:
        """Drop the months that were not used for longest, until what is left takes nine tenths of the room."""
        held = sorted(self._states(), key=lambda state: state[1])
        total = sum(size for size, _, _ in held)
        if total <= self.most_bytes:
            return
        for size, _, path in held:
            if total <= _LEFT * self.most_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size

    def _states(self) -> list[tuple[int, int, Path]]:
        found = []
        for path in self.folder.glob("*/*.month"):
            try:
                state = path.stat()
            except FileNotFoundError:
                continue  # another process made room meanwhile
            found.append((state.st_size, state.st_mtime_ns, path))
        return found

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.month"


def compose_kept(
    scenes: Sequence[Scene], window: Window, season: Season, kept: KeptMonths | None
) -> Composite:
    """As `composite.compose`, the same bits, reading only months whose scenes are not those of a month that is kept.

    Args:
        scenes: of the season, any order.
        window: of the grid.
        season: nothing after its `last_day` is read.
        kept: where months are kept; None reads all of them.

    Raises:
        SceneError: a scene that cannot be read or has no CRS.
        EncoderError: a folder that cannot be written.
    """
    if kept is None:
        return compose(scenes, window, season)
    near = touching(scenes, window)
    months = [_month(near, window, season, number, kept) for number in range(12)]
    values = np.stack([month.values for month in months])
    valid = np.isfinite(values)
    values[~valid] = 0.0
    views = np.stack([month.views for month in months]).sum(axis=0, dtype=np.uint16)
    static = read_terrain([scene for scene in near if scene.sensor == "dem"], window, shared_reader())
    dates = np.array([month.day for month in months], "datetime64[D]")
    return Composite(Tile(values, valid, dates, window.transform, window.crs, static), views[0], views[1])


def _month(near: Sequence[Scene], window: Window, season: Season, number: int, kept: KeptMonths) -> _Month:
    first, last = season.months()[number]
    until = min(last, season.last_day)
    mine = [s for s in near if s.sensor != "dem" and first <= s.datetime.astimezone(UTC).date() <= until]
    key = _key(mine, window, first.isoformat())
    known = kept.get(key, window) if mine else None
    if known is not None:
        return known
    made = compose(mine, window, season)
    values = np.where(made.tile.valid[number], made.tile.values[number], np.float32(np.nan))
    month = _Month(values, np.stack([made.n_optical, made.n_radar]), made.tile.dates[number])
    if mine:
        kept.put(key, month)
    return month


def _key(scenes: Sequence[Scene], window: Window, first: str) -> str:
    place = [window.crs, *window.transform[:6], window.width, window.height]
    ordered = sorted(scenes, key=lambda scene: (scene.datetime, scene.id))
    text = json.dumps([_FORMAT, place, first, [describe_scene(scene) for scene in ordered]], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _packed(month: _Month) -> bytes:
    """The date, then numbers with their bytes of one weight together, which compress to half as much."""
    body = _shuffled(month.values) + _shuffled(month.views)
    return str(month.day).encode() + bytes(pa.compress(body, codec="zstd", asbytes=True))


def _unpacked(payload: bytes, window: Window) -> _Month:
    shape = (window.height, window.width)
    pixels = shape[0] * shape[1]
    values, views = 4 * len(CHANNELS) * pixels, 4 * pixels
    body: Any = pa.decompress(payload[10:], values + views, codec="zstd", asbytes=True)
    return _Month(
        _plain(body[:values], np.float32).reshape(len(CHANNELS), *shape),
        _plain(body[values:], np.uint16).reshape(2, *shape),
        np.datetime64(payload[:10].decode(), "D"),
    )


def _shuffled(numbers: npt.NDArray[Any]) -> bytes:
    return np.ascontiguousarray(numbers).view(np.uint8).reshape(-1, numbers.itemsize).T.tobytes()


def _plain(content: bytes, kind: Any) -> npt.NDArray[Any]:
    size = np.dtype(kind).itemsize
    shuffled = np.frombuffer(content, np.uint8).reshape(size, -1)
    numbers: npt.NDArray[Any] = np.ascontiguousarray(shuffled.T).view(kind).ravel()
    return numbers

"""From a plan to pixels: mixed edges, variation within parcels, relief and the light on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.features import rasterize
from scipy import ndimage, sparse

from surco.encoder.simulate.fields import power_law_field, smooth_field
from surco.encoder.simulate.landscape import Landscape
from surco.encoder.simulate.management import Parcels

__all__ = ["GROUND_CLASSES", "Canvas", "Sun", "lay_out", "shifted", "two_vigours"]

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

GROUND_CLASSES = ("pasture", "bare", "native_deciduous_forest")
"""Classes of what lies between parcels: verges, roads, hedges. They follow the parcels in every table."""

_VIGOUR_STEP = (
    0.35  # natural logarithm of leaf area between the mean of a parcel and its best or poorest spot
)


@dataclass(frozen=True, slots=True)
class Sun:
    """Where the sun stands: zenith in degrees, azimuth in degrees clockwise from north."""

    zenith: float
    azimuth: float


@dataclass(frozen=True, slots=True)
class Canvas:
    """An area of H x W pixels of 10 m.

    `mixing` (H W, 2 E) says which share of a pixel each of E ground units has, in its poor and in its vigorous state;
    `texture` (H, W) is a fixed factor near one; `elevation` (H, W) in m.
    """

    shape: tuple[int, int]
    mixing: sparse.csr_array
    texture: Floats
    elevation: Floats

    def paint(self, table: Floats) -> Floats:
        """(C, H, W) from a table (2 E, C): first all units in poor, then all in vigorous state."""
        flat = self.mixing @ np.asarray(table, np.float32)
        return np.asarray(flat.T.reshape(-1, *self.shape), np.float32)

    def light(self, sun: Sun) -> Floats:
        """Factor (H, W) by which relief changes the direct light, damped for the diffuse part."""
        down, right = np.gradient(self.elevation, 10.0)
        zenith, azimuth = np.radians(sun.zenith), np.radians(sun.azimuth)
        towards = -right * np.sin(azimuth) + down * np.cos(azimuth)
        cosine = (np.cos(zenith) + np.sin(zenith) * towards) / np.sqrt(1.0 + down**2 + right**2)
        return np.asarray(np.clip(1.0 + 0.6 * (cosine / np.cos(zenith) - 1.0), 0.5, 1.5), np.float32)

    def slope(self) -> Floats:
        """Slope (H, W) in degrees."""
        down, right = np.gradient(self.elevation, 10.0)
        return np.asarray(np.degrees(np.arctan(np.hypot(down, right))), np.float32)


def two_vigours(parcels: Parcels) -> Parcels:
    """2 E parcels: each in a poor and in a vigorous state, between which its pixels lie."""
    once = np.arange(len(parcels))
    both = parcels.take(np.concatenate([once, once]))
    step = np.repeat([-_VIGOUR_STEP, _VIGOUR_STEP], len(parcels))
    traits = dict(both.traits)
    for name in ("lai", "base_lai", "grass"):
        traits[name] = traits[name] * np.exp(step)
    soil = both.soil * np.exp(-0.25 * step)[:, None]
    return replace(both, traits=traits, soil=soil.astype(np.float32))


def lay_out(plan: Landscape, width: float, height: float, base: float, rng: np.random.Generator) -> Canvas:
    """A plan of `width` by `height` m, drawn at 5 m and averaged to 10 m; `base` is the plain's elevation in m."""
    shape = (round(height / 10), round(width / 10))
    fine = (2 * shape[0], 2 * shape[1])
    units = _units(plan, fine, height)
    wander = 0.75 * smooth_field(fine, 14.0, rng) + 0.45 * power_law_field(fine, 1.2, rng)
    vigour = np.clip(0.5 + 0.2 * wander, 0.0, 1.0)
    mixing = _mixing(units, vigour, len(plan.parcels) + len(GROUND_CLASSES))
    towns = np.array([*(crop == "town" for crop in plan.crops), False, False, False])
    rough = np.where(towns[units[::2, ::2]], 0.22, 0.012)
    texture = np.exp(rough * rng.standard_normal(shape)).astype(np.float32)
    return Canvas(shape, mixing, texture, _relief(plan, shape, height, base, rng))


def _units(plan: Landscape, fine: tuple[int, int], height: float) -> Ints:
    """Number of the ground unit of every 5 m pixel."""
    count = len(plan.parcels)
    shapes = [(g, count + 1) for g in plan.roads] + [(g, count + 2) for g in plan.hedges]
    shapes += [(p, i) for i, p in enumerate(plan.parcels)]
    transform = Affine(5.0, 0.0, 0.0, 0.0, -5.0, height)
    kept = [(g, i) for g, i in shapes if not g.is_empty]
    return np.asarray(rasterize(kept, fine, fill=count, transform=transform, dtype="int32"), np.int64)


def _mixing(units: Ints, vigour: Floats, count: int) -> sparse.csr_array:
    """Shares of units and vigours in each 10 m pixel, a quarter for each of its 5 m pixels."""
    rows, columns = np.indices(units.shape)
    pixel = (rows // 2) * (units.shape[1] // 2) + columns // 2
    share = 0.25 * np.stack([1.0 - vigour, vigour])
    column = np.stack([units, units + count])
    index = (np.stack([pixel, pixel]).ravel(), column.ravel())
    out = sparse.coo_array((share.ravel().astype(np.float32), index), shape=(units.size // 4, 2 * count))
    return out.tocsr()


def _relief(
    plan: Landscape, shape: tuple[int, int], height: float, base: float, rng: np.random.Generator
) -> Floats:
    """A plain that rises gently to the east and hills that climb from their foot."""
    plain = base + 0.006 * 10.0 * np.arange(shape[1])[None, :] + 1.5 * smooth_field(shape, 60.0, rng)
    if plan.hills.is_empty:
        return np.asarray(plain, np.float32)
    transform = Affine(10.0, 0.0, 0.0, 0.0, -10.0, height)
    inside = rasterize([(plan.hills, 1)], shape, transform=transform, dtype="uint8")
    foot = 10.0 * ndimage.distance_transform_edt(inside)
    ridges = 1.0 + 0.45 * smooth_field(shape, 35.0, rng)
    rise = 0.3 * ndimage.gaussian_filter(foot, 3.0) * np.maximum(ridges, 0.1)
    return np.asarray(plain + rise, np.float32)


def shifted(image: Floats, rows: float, columns: float) -> Floats:
    """(C, H, W) moved by a part of a pixel (bilinear, edges repeated): the misregistration of a scene."""
    return _moved(_moved(image, rows, 1), columns, 2)


def _moved(image: Floats, step: float, axis: int) -> Floats:
    ahead = step > 0
    first = image.take([0] if ahead else [-1], axis=axis)
    length = image.shape[axis]
    inner = image.take(range(length - 1) if ahead else range(1, length), axis=axis)
    beside = np.concatenate([first, inner] if ahead else [inner, first], axis=axis)
    return image + np.float32(abs(step)) * (beside - image)

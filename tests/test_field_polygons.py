"""Fields as polygons: sizes in metres, no overlaps, no slivers, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from scipy.spatial import cKDTree

from surco.adapters import AdapterError
from surco.adapters.boundaries.field_objects import FieldObjects
from surco.adapters.boundaries.field_polygons import field_polygons

CRS = "EPSG:32719"


def objects(labels: np.ndarray, pixel: float = 10.0) -> FieldObjects:
    """Fields of some confidence on a grid of `pixel` metres."""
    confidence = np.linspace(0.5, 1.0, labels.max(initial=0), dtype=np.float32)
    return FieldObjects(labels.astype(np.int32), confidence, Affine(pixel, 0, 3e5, 0, -pixel, 6.08e6), CRS)


def noisy_fields(seed: int = 0) -> np.ndarray:
    """Fields around random places with crumbs, holes and a road through them."""
    rng = np.random.default_rng(seed)
    pixels = np.stack(np.mgrid[:120, :150], -1).reshape(-1, 2)
    labels = cKDTree(rng.uniform(0, 120, (60, 2))).query(pixels)[1].reshape(120, 150) + 1
    crumbs = rng.random(labels.shape) < 0.04
    labels[crumbs] = rng.integers(0, 60, int(crumbs.sum()))
    labels[60] = 0
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def test_outlines_are_clean() -> None:
    """Valid, no overlaps, edges shared, none small, none thin, no small hole, areas those of the pixels."""
    found = field_polygons(objects(noisy_fields()), min_area=500, min_width=10, max_hole=2000)
    assert 40 < len(found) < 80 and found.crs == CRS
    assert shapely.is_valid(found.geometry).all() and shapely.coverage_is_valid(found.geometry)
    area, length = shapely.area(found.geometry), shapely.length(found.geometry)
    assert area.min() > 400 and (2 * area / length).min() > 8
    holes = [ring for shape in found.geometry for ring in shape.interiors]
    assert all(shapely.Polygon(ring).area > 1000 for ring in holes)
    union = shapely.union_all(found.geometry)
    assert union.area == pytest.approx(area.sum()) == pytest.approx(120 * 150 * 100, rel=0.03)
    assert (found.confidence >= 0.5).all() and (found.confidence <= 1).all()


def test_sizes_are_metres() -> None:
    """What is small on a grid of 10 m is not on one of 30 m; width and holes likewise."""
    labels = np.zeros((20, 20), np.int32)
    labels[2:4, 2:4], labels[8:18, 8:18] = 1, 2
    labels[12:14, 12:14] = 0
    assert len(field_polygons(objects(labels))) == 1 < len(field_polygons(objects(labels, 30.0)))
    assert len(field_polygons(objects(labels), min_area=300)) == 2
    assert not field_polygons(objects(labels)).geometry[0].interiors
    assert len(field_polygons(objects(labels), max_hole=300).geometry[0].interiors) == 1
    assert len(field_polygons(objects(labels), min_area=0, min_width=30)) == 1


def test_no_field_gives_no_polygon() -> None:
    """An area without fields is an answer."""
    assert len(field_polygons(objects(np.zeros((5, 5), np.int32)))) == 0


@pytest.mark.parametrize("size", ["min_area", "min_width", "max_hole", "tolerance"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_sizes_below_nothing_are_refused(size: str, value: float) -> None:
    """In words that name the setting."""
    with pytest.raises(AdapterError, match=f"expected {size} of 0 or more"):
        field_polygons(objects(np.ones((5, 5), np.int32)), **{size: value})

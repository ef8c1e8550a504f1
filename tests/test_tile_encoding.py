"""Vector tiles are encoded as any decoder reads them, and pixels are painted as polygons lie."""

from __future__ import annotations

import io
from itertools import pairwise

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from surco.api.tiles.columns import Column
from surco.api.tiles.ground import painted_png
from surco.api.tiles.painting import painted
from surco.api.tiles.png import palette_png, rgba_png
from surco.api.tiles.shapes import Shapes
from surco.api.tiles.styles import ClassColours, Ramp
from surco.api.tiles.tile_tables import Pictured
from surco.api.tiles.varints import varint_bytes, varint_sizes, zigzag
from surco.api.tiles.vector_tile import EXTENT, layer, mended, snapped
from surco.viewer import rgb

SIZE = 1 << 20
NUMBERS = st.lists(st.integers(0, 2**63 - 1), max_size=40)


def varint(value: int) -> bytes:
    """One number, as the protocol's own text has it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def decoded(data: bytes) -> dict:
    """The layers of a tile, rows to the south."""
    return mapbox_vector_tile.decode(data, default_options={"y_coord_down": True})


def boxes(corners: list[tuple[int, int, int, int]]) -> Shapes:
    """Features of one rectangle each, in units."""
    return Shapes.of_polygons(np.array([shapely.box(*sides) for sides in corners], object))


@given(NUMBERS)
def test_varints_are_the_protocols(values: list[int]) -> None:
    """Any numbers are encoded as one by one, and their sizes are said before."""
    numbers = np.array(values, np.uint64)
    assert varint_bytes(numbers) == b"".join(map(varint, values))
    assert varint_sizes(numbers).tolist() == [len(varint(value)) for value in values]


@given(st.lists(st.integers(-(2**40), 2**40), max_size=20))
def test_zigzag_goes_back(values: list[int]) -> None:
    """Signed numbers come back from their zigzag, small ones as small ones."""
    coded = zigzag(np.array(values, np.int64)).astype(object)
    assert [int(code) >> 1 ^ -(int(code) & 1) for code in coded] == values
    assert all(code <= 2 * abs(value) for code, value in zip(coded, values, strict=True))


@st.composite
def polygon_sets(draw: st.DrawFn) -> np.ndarray:
    """Polygons and multipolygons, some with a hole, some tiny, some beyond the tile."""
    made = []
    for _ in range(draw(st.integers(1, 6))):
        x, y = draw(st.integers(-SIZE // 4, SIZE)), draw(st.integers(-SIZE // 4, SIZE))
        wide = draw(st.sampled_from([3, 400, SIZE // 8, SIZE]))
        outer = shapely.box(x, y, x + wide, y + wide)
        if draw(st.booleans()):
            outer = outer.difference(shapely.box(x + wide // 4, y + wide // 4, x + wide // 2, y + wide // 2))
        if draw(st.booleans()):
            outer = shapely.union(outer, shapely.box(x + 2 * wide, y, x + 3 * wide, y + wide // 2))
        made.append(outer)
    return np.array(made, object)


@settings(max_examples=60, deadline=None)
@given(polygon_sets(), st.data())
def test_features_come_back(polygons: np.ndarray, data: st.DataObject) -> None:
    """Geometries, holes and parts, ids and properties of every kind survive a decoder that is not ours."""
    count = len(polygons)
    words = data.draw(st.lists(st.text(max_size=8), min_size=1, max_size=3, unique=True))
    which = np.array(data.draw(st.lists(st.integers(-1, len(words) - 1), min_size=count, max_size=count)))
    numbers = np.round(data.draw(st.lists(st.floats(-1e6, 1e6), min_size=count, max_size=count)), 2)
    counts = np.array(data.draw(st.lists(st.integers(0, 2**50), min_size=count, max_size=count)))
    columns = [
        Column.texts("word", words, which),
        Column.numbers("number", np.array(numbers)),
        Column.counts("count", counts),
        Column.truths("odd", counts % 2 == 1, which >= 0),
    ]
    ids = np.arange(count).astype(np.uint64) + np.uint64(2**51)
    on_grid = mended(snapped(Shapes.of_polygons(polygons), SIZE))
    features = decoded(layer("things", on_grid, columns, ids))["things"]["features"]
    found = {feature["id"] - 2**51: feature for feature in features}
    assert sorted(found) == sorted(set(on_grid.owner.tolist()))
    for number, feature in found.items():
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.is_valid
        assert shape.area == pytest.approx(on_grid.polygons()[number].area)
        expected = {"number": numbers[number], "count": counts[number]}
        if which[number] >= 0:
            expected |= {"word": words[which[number]], "odd": counts[number] % 2 == 1}
        assert feature["properties"] == expected


def test_rings_turn_as_the_specification_says() -> None:
    """Outer rings have a positive area by the surveyor's formula in tile coordinates, holes a negative one."""
    ring = shapely.box(0, 0, 4_000, 4_000).difference(shapely.box(1_000, 1_000, 2_000, 2_000))
    for given_ring in (ring, ring.reverse()):
        areas = Shapes.of_polygons(np.array([given_ring], object)).signed_area()
        assert areas.tolist() == [16e6, -1e6]


def test_snapping_keeps_neighbours_together() -> None:
    """Polygons that share a side share it on the grid of both tiles, and no sliver is left between or upon them."""
    rng = np.random.default_rng(5)
    cuts = np.sort(rng.integers(0, 2 * SIZE, 40))
    sides = [(int(a), 0, int(b), SIZE // 2) for a, b in pairwise(cuts) if a < b]
    left = snapped(boxes(sides), SIZE)
    right = snapped(boxes([(a - SIZE, b, c - SIZE, d) for a, b, c, d in sides]), SIZE)
    assert (left.points[:, 0] - EXTENT == right.points[:, 0]).all()
    assert shapely.area(left.polygons()).sum() == shapely.union_all(left.polygons()).area


def test_what_collapses_is_dropped() -> None:
    """A feature below the grid has no ring, and a tile of nothing but those is empty."""
    tiny = snapped(boxes([(10, 10, 20, 20), (0, 0, SIZE // 2, SIZE // 2)]), SIZE)
    assert tiny.owner.tolist() == [1]
    features = decoded(layer("one", tiny, [Column.counts("n", np.array([3, 4]))]))["one"]["features"]
    assert [feature["properties"] for feature in features] == [{"n": 4}]


def test_numbers_that_are_not_known_are_absent() -> None:
    """NaN and infinity are no property, so that no client draws them as zero."""
    column = Column.numbers("value", np.array([np.nan, 1.5, np.inf, 1.5]))
    assert (column.count, column.which.tolist()) == (1, [-1, 0, -1, 0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-50, 320)] * 6), min_size=1, max_size=5))
def test_a_pixel_shows_the_polygon_that_holds_its_middle(triangles: list[tuple[float, ...]]) -> None:
    """Of triangles by chance, pixel by pixel, against shapely; the last of several that overlap counts."""
    unit = 1 << 12
    shapes = np.array([shapely.Polygon(np.round(np.reshape(t, (3, 2)) * unit)) for t in triangles], object)
    picture = painted(Shapes.of_polygons(shapes), 256 * unit, 256)
    rows, columns = np.mgrid[0:256:7, 0:256:7]
    middles = shapely.points((columns + 0.5) * unit, (rows + 0.5) * unit)
    expected = np.full(rows.shape, -1)
    unsure = np.zeros(rows.shape, bool)
    for number, shape in enumerate(shapes):
        expected[shapely.contains(shape, middles)] = number
        unsure |= shapely.distance(shape.boundary, middles) < 1e-6 * unit
    agree = picture[rows, columns] == expected
    assert (agree | unsure).all()


def test_neighbours_leave_no_pixel_between_them() -> None:
    """A square cut along slanted lines covers each of its pixels once."""
    parts = [
        shapely.Polygon([(0, 0), (70, 256), (0, 256)]),
        shapely.Polygon([(0, 0), (256, 0), (256, 256), (70, 256)]),
    ]
    unit = 1 << 8
    scaled = np.array([shapely.transform(part, lambda xy: xy * unit) for part in parts], object)
    assert (painted(Shapes.of_polygons(scaled), 256 * unit, 256) >= 0).all()


def test_holes_are_not_painted() -> None:
    """The even-odd rule leaves out what a ring cuts from another."""
    ring = shapely.box(0, 0, 256, 256).difference(shapely.box(64, 64, 128, 128))
    picture = painted(Shapes.of_polygons(np.array([ring], object)), 256, 256)
    assert (picture == -1).sum() == 64 * 64
    assert (picture[64:128, 64:128] == -1).all()


def test_pictures_open_elsewhere() -> None:
    """Pillow reads the pixels that were written, by palette and by colour."""
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 5, (64, 48)).astype(np.uint8)
    palette = rng.integers(0, 256, (5, 4)).astype(np.uint8)
    palette[:, 3] = [0, 255, 255, 128, 255]
    for data in (palette_png(picture, palette), rgba_png(palette[picture])):
        read = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
        assert (read == palette[picture]).all()


def test_more_classes_than_a_palette_holds() -> None:
    """A map of three hundred classes is drawn in the colours of all of them, and what has none is transparent."""
    colours = ClassColours.of("Class", [f"class {number}" for number in range(300)])
    codes = np.array([-1, 0, 254, 255, 299])
    which = np.array([[0, 1, 2], [3, 4, -1]])
    data = painted_png(colours, codes, Pictured(np.arange(5), which))
    read = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    expected = [(0, 0, 0, 0), *((*rgb(colours.chosen[code].colour), 255) for code in codes[1:])]
    assert [tuple(pixel) for pixel in read.reshape(-1, 4).tolist()] == [*expected, (0, 0, 0, 0)]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), min_size=1, max_size=30))
def test_ramps_keep_the_order_of_numbers(values: list[float]) -> None:
    """A larger number is never further down a ramp, NaN is transparent, and nothing else is."""
    numbers = np.array(values)
    places = Ramp("any", -5.0, 20.0).places(numbers).astype(int)
    assert ((places == 0) == np.isnan(numbers)).all()
    order = np.argsort(numbers[~np.isnan(numbers)])
    assert (np.diff(places[~np.isnan(numbers)][order]) >= 0).all()

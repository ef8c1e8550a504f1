"""The index of a table finds each cell in the tiles that it touches, anywhere on earth, and only there."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import h3
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from store_builders import cell_ids, parcels_batch, squares, unit_vectors
from tile_stores import cell_store

from surco.api import Settings
from surco.api.state.database import Database
from surco.api.tiles.addresses import TileAddress
from surco.api.tiles.cell_levels import cell_levels
from surco.api.tiles.mercator import (
    MOST_LATITUDE,
    WORLD,
    from_units,
    interleaved,
    ranges_of,
    separated,
    to_units,
)
from surco.api.tiles.parcel_levels import MOST_OF_A_TILE, parcel_levels
from surco.api.tiles.pixels import one_of_each
from surco.api.tiles.routes import warm_tiles
from surco.api.tiles.tile_tables import CellsTable, tile_table
from surco.api.web.server import Server
from surco.embedstore import Season, Store
from surco.embedstore.vector_sources import source_of

UNIT = st.integers(0, WORLD - 1)
EASTER_ISLAND = (-109.37, -27.12)
MARGIN = 64 / 4096


def table_of(path: Path, cells: list[int]) -> CellsTable:
    """The same as tiles see it."""
    table = tile_table(source_of(cell_store(path, cells), "cells"))
    assert isinstance(table, CellsTable)
    return table


def tile_at(lon: float, lat: float, zoom: int) -> TileAddress:
    """The tile of a place."""
    x, y = to_units(np.array([lon]), np.array([lat]))
    return TileAddress(zoom, int(x[0]) >> (32 - zoom), int(y[0]) >> (32 - zoom))


def around(tile: TileAddress, far: int = 1) -> list[TileAddress]:
    """The tile and its neighbours."""
    most = (1 << tile.z) - 1
    steps = product(range(-far, far + 1), repeat=2)
    return [TileAddress(tile.z, (tile.x + i) & most, tile.y + j) for i, j in steps if 0 <= tile.y + j <= most]


def mercator(cell: int) -> shapely.Polygon:
    """A cell's outline in units, by another library, with x from its centre on."""
    boundary = np.array(h3.cell_to_boundary(h3.int_to_str(int(cell))))
    start = h3.cell_to_latlng(h3.int_to_str(int(cell)))[1]
    lon = start + (boundary[:, 1] - start + 180) % 360 - 180
    y = (0.5 - np.arctanh(np.sin(np.radians(boundary[:, 0]))) / (2 * np.pi)) * WORLD
    return shapely.Polygon(np.stack([(lon + 180) / 360 * WORLD, y], axis=1))


def touches(cell: int, tile: TileAddress) -> tuple[bool, bool]:
    """Whether a cell touches a tile with its buffer, for certain and perhaps."""
    shape, margin = mercator(cell), tile.size * MARGIN
    found = [False, False]
    for turn in (-WORLD, 0, WORLD):
        west, north = tile.west + turn, tile.north
        for number, slack in enumerate((-tile.size / 1_000, tile.size / 1_000)):
            reach = margin + slack
            square = shapely.box(
                west - reach, north - reach, west + tile.size + reach, north + tile.size + reach
            )
            found[number] |= bool(square.intersects(shape))
    return found[0], found[1]


@given(st.lists(st.tuples(UNIT, UNIT), min_size=1, max_size=30))
def test_codes_hold_both_coordinates(places: list[tuple[int, int]]) -> None:
    """Both come back, and the first bits of a code are those of the tile that holds the place."""
    x, y = np.array(places, np.uint64).T
    codes = interleaved(x, y)
    assert [side.tolist() for side in separated(codes)] == [x.tolist(), y.tolist()]
    for zoom in (1, 9, 22):
        tiles = interleaved(x >> np.uint64(32 - zoom), y >> np.uint64(32 - zoom))
        assert (codes >> np.uint64(64 - 2 * zoom) == tiles).all()


@given(st.floats(-180, 179.999), st.floats(-85, 85))
def test_places_come_back(lon: float, lat: float) -> None:
    """Units are a centimetre or so; longitudes go round, latitudes beyond Mercator's end at its edge."""
    x, y = to_units(np.array([lon, lon + 360]), np.array([lat, lat]))
    apart = abs(int(x[0]) - int(x[1]))
    assert min(apart, WORLD - apart) <= 1  # the sum with 360 is rounded
    back = from_units(x.astype(float), y.astype(float))
    assert (back[0][0], back[1][0]) == pytest.approx((lon, lat), abs=1e-6)
    ends = to_units(np.zeros(2), np.array([90.0, -90.0]))[1].tolist()
    assert (
        ends == [0, WORLD - 1]
        or ends == to_units(np.zeros(2), np.array([MOST_LATITUDE, -MOST_LATITUDE]))[1].tolist()
    )


@settings(deadline=None)
@given(UNIT, UNIT, st.integers(1, 1 << 20), st.integers(12, 20), UNIT, UNIT)
def test_ranges_hold_a_box(west: int, north: int, size: int, zoom: int, x: int, y: int) -> None:
    """Every place in a box that may go round the world is in one of its ranges, which do not overlap."""
    ranges = ranges_of(west, north, west + size, north + size, zoom)
    assert (ranges[1:, 0] > ranges[:-1, 1]).all()
    places = [(x % size + west) % WORLD, min(y % size + north, WORLD - 1)]
    code = interleaved(*(np.array([place]) for place in places))[0]
    assert ((ranges[:, 0] <= code) & (code <= ranges[:, 1])).any()


def test_each_cell_is_in_the_tiles_it_touches(tmp_path: Path) -> None:
    """Exactly there: in each of nine tiles the cells whose outline touches it or its buffer, and no others."""
    cells = cell_ids(300)
    table = table_of(tmp_path / "store", cells)
    place = h3.cell_to_latlng(h3.int_to_str(cells[0]))[::-1]
    for tile in [tile for zoom in (11, 14, 16, 18) for tile in around(tile_at(*place, zoom))]:
        outlined = table.outlined(tile)
        found = {int(table.levels.keys[row]) for row in outlined.rows[np.unique(outlined.shapes.owner)]}
        sure = {cell for cell in cells if touches(cell, tile)[0]}
        perhaps = {cell for cell in cells if touches(cell, tile)[1]}
        # A hexagon's bounds may touch where it does not itself, as long as nothing is cut.
        bounds = {cell for cell in cells if shapely.box(*mercator(cell).bounds).intersects(_square(tile))}
        assert sure <= found <= perhaps | bounds


def _square(tile: TileAddress) -> shapely.Polygon:
    reach = tile.size * (MARGIN + 1e-3)
    return shapely.box(
        tile.west - reach, tile.north - reach, tile.west + tile.size + reach, tile.north + tile.size + reach
    )


def test_outlines_are_the_cells(tmp_path: Path) -> None:
    """Corners are those of another library to a hundred-thousandth of a cell's size, and neighbours share them."""
    cells = cell_ids(60)
    table = table_of(tmp_path / "store", cells)
    tile = tile_at(*h3.cell_to_latlng(h3.int_to_str(cells[0]))[::-1], 12)
    outlined = table.outlined(tile)
    for row, shape in zip(outlined.rows, outlined.shapes.polygons(), strict=True):
        expected = shapely.transform(
            mercator(int(table.levels.keys[row])), lambda xy: xy - [tile.west, tile.north]
        )
        assert shape.hausdorff_distance(shapely.MultiPolygon([expected])) < 4
    whole = shapely.union_all(outlined.shapes.polygons())
    assert shapely.area(outlined.shapes.polygons()).sum() == pytest.approx(whole.area, rel=1e-9)


@pytest.mark.parametrize("place", [EASTER_ISLAND, (180.0, -20.0), (-179.999, 60.0), (12.0, 82.5)])
def test_places_far_from_chile(tmp_path: Path, place: tuple[float, float]) -> None:
    """Easter Island, both sides of the antimeridian and the far north are whole in the tiles that show them."""
    cells = cell_ids(150, 9, *place)
    table = table_of(tmp_path / "store", cells)
    for zoom in (0, 1, 3, 7, 9):
        level = table.level_of(zoom)
        shown: set[str] = set()
        for tile in around(tile_at(*place, zoom)) if zoom else [TileAddress(0, 0, 0)]:
            rows = table.outlined(tile).rows
            shown |= {h3.cell_to_parent(h3.int_to_str(int(cell)), level) for cell in table.levels.keys[rows]}
            picture = table.pictured(tile, 256)
            assert (picture.which < len(picture.rows)).all()
        assert shown == {h3.cell_to_parent(h3.int_to_str(cell), level) for cell in cells}


def test_the_antimeridian_is_seen_from_both_sides(tmp_path: Path) -> None:
    """A cell across it is drawn in the world's last column and in its first, at coordinates that fit together."""
    cells = cell_ids(40, 5, 180.0, -20.0)
    table = table_of(tmp_path / "store", cells)
    row = tile_at(179.99, -20.0, 7).y
    west, east = (table.outlined(TileAddress(7, x, row)) for x in (127, 0))
    both = set(west.rows.tolist()) & set(east.rows.tolist())
    assert both
    for number in both:
        left = west.shapes.polygons()[west.rows.tolist().index(number)]
        right = east.shapes.polygons()[east.rows.tolist().index(number)]
        assert left.bounds[0] - right.bounds[0] == TileAddress(7, 0, 0).size


def test_pentagons_and_poles(tmp_path: Path) -> None:
    """A pentagon is drawn; what Mercator does not show is left out, and nothing fails."""
    pentagon = h3.str_to_int(
        next(cell for cell in h3.get_pentagons(5) if abs(h3.cell_to_latlng(cell)[0]) < 60)
    )
    near = [h3.str_to_int(cell) for cell in h3.grid_disk(h3.int_to_str(pentagon), 2)]
    pole = h3.str_to_int(h3.latlng_to_cell(89.9, 0, 5))
    table = table_of(tmp_path / "store", [*near, pole])
    lat, lon = h3.cell_to_latlng(h3.int_to_str(pentagon))
    outlined = table.outlined(tile_at(lon, lat, 7))
    assert pentagon in table.levels.keys[outlined.rows]
    shapes = outlined.shapes.polygons()
    assert shapely.is_valid(shapes).all()
    assert shapely.area(shapes).sum() == pytest.approx(shapely.union_all(shapes).area, rel=1e-4)
    assert sum(len(table.outlined(TileAddress(1, x, y)).rows) for x in (0, 1) for y in (0, 1)) >= 1


def test_parents_stand_for_the_rows_below_them(tmp_path: Path) -> None:
    """Each level's counts add up to the table, and the rows drawn for a parent are different ones below it."""
    table = table_of(tmp_path / "store", cell_ids(2_000))
    for resolution, level in enumerate(table.levels.levels):
        assert int(level.count.sum()) == 2_000
        cells = table.levels.cells(resolution, np.arange(len(level.code)))
        assert len(np.unique(cells)) == len(cells)
    place = h3.cell_to_latlng(h3.int_to_str(int(table.levels.keys[0])))[::-1]
    for zoom in (2, 6, 9, 10):
        outlined = table.outlined(tile_at(*place, zoom))
        assert outlined.below is not None
        assert len(np.unique(outlined.rows)) == len(outlined.rows)
        drawn = np.bincount(outlined.feature, minlength=outlined.shapes.count)
        assert ((drawn >= 1) & (drawn <= outlined.below)).all()
        level = table.level_of(zoom)
        names = [
            h3.cell_to_parent(h3.int_to_str(int(cell)), level) for cell in table.levels.keys[outlined.rows]
        ]
        assert len(set(zip(names, outlined.feature.tolist(), strict=True))) == outlined.shapes.count


def test_a_parent_says_the_same_in_both_tiles(tmp_path: Path) -> None:
    """What is drawn for a parent depends on the zoom alone, so that a hexagon across a border is of one colour."""
    table = table_of(tmp_path / "store", cell_ids(3_000))
    place = h3.cell_to_latlng(h3.int_to_str(int(table.levels.keys[1_500])))[::-1]
    said: dict[int, set[tuple[int, ...]]] = {}
    for tile in around(tile_at(*place, 10)):
        outlined = table.outlined(tile)
        assert outlined.ids is not None
        for number, name in enumerate(outlined.ids.tolist()):
            said.setdefault(name, set()).add(tuple(outlined.rows[outlined.feature == number].tolist()))
    assert all(len(rows) == 1 for rows in said.values())
    assert len(said) > 100


def test_pictures_show_the_cell_of_the_pixel(tmp_path: Path) -> None:
    """The cell at the pixel's middle; where cells are smaller than pixels, one whose middle is in it."""
    cells = cell_ids(4_000)
    table = table_of(tmp_path / "store", cells)
    place = h3.cell_to_latlng(h3.int_to_str(cells[0]))[::-1]
    for zoom in (4, 8, 9, 10, 12):
        tile = tile_at(*place, zoom)
        shown = table.pictured(tile, 256)
        pixels = np.argwhere(shown.which >= 0)
        assert len(pixels)
        for row, column in np.random.default_rng(0).permutation(pixels)[:200].tolist():
            cell = int(table.levels.keys[shown.rows[shown.which[row, column]]])
            at_middle, inside = _fits(cell, tile, column, row)
            assert at_middle if zoom >= 10 else at_middle or inside


def _fits(cell: int, tile: TileAddress, column: int, row: int) -> tuple[bool, bool]:
    """Whether the middle of a pixel is in a cell (or on its edge), and whether the cell's middle is in the pixel."""
    step = tile.size / 256
    middle = (tile.west + (column + 0.5) * step, tile.north + (row + 0.5) * step)
    lon, lat = from_units(np.array(middle[:1]), np.array(middle[1:]))
    name = h3.int_to_str(cell)
    holds = (
        h3.latlng_to_cell(lat[0], lon[0], 9) == name or mercator(cell).distance(shapely.Point(middle)) < 40
    )
    x, y = to_units(*(np.array([side]) for side in h3.cell_to_latlng(name)[::-1]))
    return holds, ((int(x[0]) - tile.west) // step, (int(y[0]) - tile.north) // step) == (column, row)


def test_no_pixel_between_cells_is_empty(tmp_path: Path) -> None:
    """Inside a disk of cells every pixel has one, whether they are painted or looked up."""
    cells = cell_ids(12_000)
    table = table_of(tmp_path / "store", cells)
    for zoom in (7, 8, 9, 10, 12):
        tile = tile_at(*h3.cell_to_latlng(h3.int_to_str(cells[0]))[::-1], zoom)
        which = table.pictured(tile, 256).which
        filled = np.argwhere(which >= 0)
        middle, reach = filled.mean(axis=0), np.sqrt(len(filled) / np.pi) * 0.8
        rows, columns = np.mgrid[0:256, 0:256]
        inside = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < reach**2
        assert inside.sum() > 20
        assert (which[inside] >= 0).all()


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1, max_size=60))
def test_one_place_is_chosen_for_each_pixel(places: list[tuple[int, int]]) -> None:
    """Of places by chance each pixel with any shows one of its own, and the others show none."""
    size = 1 << 16
    x, y = (np.array(side) * (size // 16) // 16 + size for side in zip(*places, strict=True))
    codes = np.sort(interleaved(x, y))
    picture = one_of_each(codes, size, size, size, 16)
    expected = {
        ((b - size) * 16 // size, (a - size) * 16 // size)
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    }
    assert {tuple(pixel) for pixel in np.argwhere(picture >= 0).tolist()} == expected
    across, down = separated(codes[picture[picture >= 0]])
    filled = np.argwhere(picture >= 0)
    assert ((down.astype(int) - size) * 16 // size == filled[:, 0]).all()
    assert ((across.astype(int) - size) * 16 // size == filled[:, 1]).all()


def test_a_large_table_keeps_its_index(tmp_path: Path) -> None:
    """A sidecar that the server makes as it starts is opened again, and made anew where a file was damaged."""
    store = cell_store(tmp_path / "store", cell_ids(100_500))
    source = source_of(store, "cells")
    folder = source.folder("cell-levels-1")
    warm_tiles(Server(Settings(store.path), Database.open(store.path, None))).join(60)
    assert (folder / "contents.json").exists()
    cell_levels.cache_clear()
    codes = cell_levels(source).levels[9].code.copy()
    written = (folder / "contents.json").stat().st_mtime_ns
    cell_levels.cache_clear()
    assert (cell_levels(source).levels[9].code == codes).all()
    assert (folder / "contents.json").stat().st_mtime_ns == written
    damaged = bytearray((folder / "first-9.npy").read_bytes())
    damaged[-1] ^= 255
    (folder / "first-9.npy").write_bytes(damaged)
    cell_levels.cache_clear()
    level = cell_levels(source).levels[9]
    assert (np.sort(level.first) == np.arange(100_500)).all()


def test_parcels_are_dropped_by_zoom_and_never_come_back(tmp_path: Path) -> None:
    """A tile holds the middles of at most so many parcels, the largest; what is drawn is at every higher zoom too."""
    shapes = np.concatenate(
        [squares(MOST_OF_A_TILE, -71.5, -35.4, 0.0004), squares(900, -71.49, -35.3, 0.0012)]
    )
    store = Store.create(tmp_path / "store")
    with store.transaction() as write:
        batch = parcels_batch(shapes, unit_vectors(len(shapes)), [None] * len(shapes))
        write.put_parcels([batch], model_id="test", season=Season(2024))
    levels = parcel_levels(source_of(store, "parcels"))
    drawn: set[int] = set()
    for zoom in (6, 8, 9, 10, 11, 12, 13, 14, 16):
        now = {
            int(row)
            for row, least in zip(levels.at(zoom).row, levels.at(zoom).least_zoom, strict=True)
            if least <= zoom
        }
        assert drawn <= now
        drawn = now
        x, y = separated(levels.code)
        kept = np.isin(levels.row, list(now))
        homes = interleaved(x[kept] >> (32 - zoom), y[kept] >> (32 - zoom))
        assert np.unique(homes, return_counts=True)[1].max(initial=0) <= MOST_OF_A_TILE
    assert len(drawn) == len(shapes)


def test_parcels_lie_where_they_were_surveyed(tmp_path: Path) -> None:
    """At the highest zooms an outline is the survey's to a few centimetres, at lower ones to a fraction of a pixel."""
    store = Store.create(tmp_path / "store")
    bent = shapely.Polygon(
        [(-71.5, -35.4), (-71.497, -35.4), (-71.4985, -35.39999), (-71.497, -35.397), (-71.5, -35.397)]
    )
    with store.transaction() as write:
        batch = parcels_batch(np.array([bent, bent.buffer(0.0001)], object), unit_vectors(2), [None, None])
        write.put_parcels([batch], model_id="test", season=Season(2024))
    levels = parcel_levels(source_of(store, "parcels"))
    expected = shapely.transform(bent, lambda xy: np.stack(to_units(*xy.T), axis=1).astype(float))
    for zoom in (12, 14, 16):
        tile = tile_at(-71.4999, -35.3985, zoom)
        rows, shapes = levels.at(zoom).shapes(zoom, tile.west, tile.north, tile.size, 0)
        found = shapes.polygons()[rows.tolist().index(0)]
        moved = shapely.transform(expected, lambda xy, tile=tile: xy - [tile.west, tile.north])
        allowed = 2 if zoom == 16 else tile.size / 512
        assert found.hausdorff_distance(moved) <= allowed

"""Scales of a table in the order of its vectors, and labels matched by them."""

from __future__ import annotations

from pathlib import Path

import h3
import numpy as np
import shapely
from store_builders import LAT, LON, MODEL, SEASON, cell_ids, cells_batch, small_store, unit_vectors

from surco.embedstore import Labels, Store, match_labels
from surco.embedstore.scales import row_scales
from surco.embedstore.vector_sources import source_of
from surco.embedstore.vectors import table_vectors


def test_scales_are_in_the_order_of_the_vectors_also_after_a_merge(tmp_path: Path) -> None:
    """Files that a merge carried over come first; rows still are what they were, by key."""
    store = Store.create(tmp_path / "s")
    cells, vectors = cell_ids(300), unit_vectors(300) * np.linspace(0.2, 1, 300, dtype=np.float32)[:, None]
    for part in (slice(150, 300), slice(0, 150)):
        with store.transaction() as tx:
            rows = cells_batch(cells[part], vectors[part])
            tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9, merge=True)
    source = source_of(store, "cells")
    held, scale = table_vectors(source), row_scales(source)
    order = np.argsort(cells)
    np.testing.assert_array_equal(held.keys.to_numpy(), np.array(cells, np.uint64)[order])
    assert np.abs(held.embedding * scale[:, None] - vectors[order]).max() < 0.005


def test_a_large_table_keeps_its_scales_beside_it(tmp_path: Path) -> None:
    """They are mapped from a file that the first call makes, and a version that changes something else shares them."""
    store = Store.create(tmp_path / "s")
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(100_000, 11), np.repeat(unit_vectors(1_000, 4), 100, axis=0))
        tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=11)
    source = source_of(store, "cells")
    scale = row_scales(source)
    assert isinstance(scale.base, np.memmap | np.ndarray) and not scale.flags.writeable
    assert (source.folder("scales") / "scale.npy").is_file()
    with store.transaction() as tx:
        tx.put_adapter("other", {"card.json": b"{}"})
    assert source_of(store, "cells") is source


def test_large_polygons_are_matched_as_small_ones_are(tmp_path: Path) -> None:
    """A polygon that is looked for among all rows takes the same cells as one that is filled with cells."""
    store = small_store(tmp_path / "s", 200)
    lat, lon = h3.cell_to_latlng(h3.int_to_str(cell_ids(1)[0]))
    small = shapely.box(lon - 0.01, lat - 0.006, lon + 0.01, lat + 0.006)
    # As wide as a country, but for a slit: its bounds hold more cells than a polygon is filled with.
    wide = shapely.union_all([small, shapely.box(LON + 20, LAT - 5, LON + 30, LAT + 5)])
    other = shapely.Point(h3.cell_to_latlng(h3.int_to_str(cell_ids(200)[150]))[::-1])
    found = []
    for shape in (small, wide):
        labels = Labels(np.array([shape, other]), ["a", "b"], ["1", "2"], Path("labels.geojson"))
        found.append(match_labels(store, labels, unit="cells"))
    assert found[0].ids == found[1].ids and len(found[0].ids) > 10
    np.testing.assert_array_equal(found[0].X, found[1].X)

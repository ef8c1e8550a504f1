"""Several areas in one table: writes that join it, and runs that know what is theirs."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import shapely
from stac_catalogs import CRS, LEFT, TOP, Item, optical, write_catalog
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, unit_vectors

from surco.embedstore import ModelMismatchError, SchemaError, Season, Store, run_sql
from surco.encoder import EncodeReport, encode_store
from surco.encoder.area import project
from surco.encoder.protocol import BandMeanEncoder, Floats


def put(store: Store, cells: list[int], seed: int = 0, season: Season = SEASON, **more: Any) -> None:
    """Cells with random vectors of a seed, joined to the table."""
    with store.transaction() as tx:
        tx.put_cells(
            [cells_batch(cells, unit_vectors(len(cells), more.pop("dimension", 64), seed))],
            model_id=MODEL, season=season, resolution=9, merge=True, **more,
        )  # fmt: skip


def vectors(store: Store) -> dict[int, list[int]]:
    """Stored vector of each cell."""
    rows = store.read("cells", columns=["h3", "embedding"])
    return dict(zip(rows["h3"].to_pylist(), rows["embedding"].to_pylist(), strict=True))


def test_another_area_joins_the_table(tmp_path: Path) -> None:
    """Cells far away leave the others' files untouched; all are read, by SQL too, and the box covers both."""
    store = Store.create(tmp_path / "s")
    near, far = cell_ids(40), cell_ids(30, lat=-30.0, lon=-70.7)
    put(store, near, 1, sources=["a"])
    before = {file: file.read_bytes() for file in store.tables()[0].files}
    put(store, far, 2, sources=["b"], meta={"x": 1})
    (info,) = store.tables()
    assert (info.rows, info.sources, info.meta) == (70, ("a", "b"), {"x": 1})
    assert set(before) < set(info.files) and all(f.read_bytes() == text for f, text in before.items())
    assert set(vectors(store)) == {*near, *far}
    assert info.bbox[1] < -35.4 and info.bbox[3] > -30.1
    assert run_sql(store, "select count(*) as n from cells")["n"].to_pylist() == [70]


def test_same_cells_are_replaced_and_sorted(tmp_path: Path) -> None:
    """Of cells in both writes the later stands, each once, in the order of their numbers."""
    store = Store.create(tmp_path / "s")
    cells = cell_ids(60)
    put(store, cells[:40], 1)
    first = vectors(store)
    put(store, cells[20:], 2)
    both = vectors(store)
    assert len(both) == 60
    assert all(both[c] == first[c] for c in cells[:20]) and all(both[c] != first[c] for c in cells[20:40])
    for file in store.tables()[0].files:
        assert np.all(np.diff(pq.read_table(file, columns=["h3"])["h3"].to_numpy().astype(np.int64)) > 0)


def test_without_merge_the_table_is_replaced(tmp_path: Path) -> None:
    """A write that does not ask to join replaces all, as ever."""
    store = Store.create(tmp_path / "s")
    put(store, cell_ids(40))
    far = cell_ids(5, lat=-30.0)
    with store.transaction() as tx:
        tx.put_cells([cells_batch(far, unit_vectors(5))], model_id=MODEL, season=SEASON, resolution=9)
    assert set(vectors(store)) == set(far)


def test_growing_seasons_count_by_the_earlier_day(tmp_path: Path) -> None:
    """A table of two days is `as_of` the earlier, until nothing of it is left."""
    store = Store.create(tmp_path / "s")
    near, far = cell_ids(10), cell_ids(10, lat=-30.0)
    put(store, near, season=Season(2024, as_of=date(2024, 10, 31)))
    put(store, far, season=Season(2024, as_of=date(2024, 12, 31)))
    assert store.tables()[0].as_of == date(2024, 10, 31)
    put(store, [*near, *far])
    assert store.tables()[0].as_of is None


def test_other_lengths_are_refused(tmp_path: Path) -> None:
    """Vectors of another length cannot join, in the same place or another; the store stays as it was."""
    store = Store.create(tmp_path / "s")
    put(store, cell_ids(40))
    for cells in (cell_ids(20), cell_ids(20, lat=-30.0)):
        with pytest.raises(ModelMismatchError, match="vectors of 64 values, as the table has elsewhere"):
            put(store, cells, dimension=32)
    assert (store.version, store.tables()[0].rows) == (1, 40)


def test_parcels_join_by_id(tmp_path: Path) -> None:
    """New ids are added, the same id in the same place is replaced, and one in another place is refused."""
    store = Store.create(tmp_path / "s")

    def write(ids: list[str], lon: float, seed: int) -> None:
        west = lon + 0.01 * np.array([ord(name) for name in ids])
        shapes = shapely.box(west, -35.4, west + 0.002, -35.398)
        batch = parcels_batch(shapes, unit_vectors(len(ids), seed=seed), [None] * len(ids))
        batch = batch.set_column(batch.schema.get_field_index("id"), batch.schema.field("id"), pa.array(ids))
        with store.transaction() as tx:
            tx.put_parcels([batch], model_id=MODEL, season=SEASON, merge=True)

    write(["a", "b", "c"], -71.5, 1)
    write(["x", "y"], -70.5, 2)
    write(["a"], -71.5, 3)
    rows = store.read("parcels")
    assert sorted(rows["id"].to_pylist()) == ["a", "b", "c", "x", "y"]
    with pytest.raises(SchemaError, match=r"1 ids that the table has elsewhere, the first a.*no other area"):
        write(["a", "z"], -70.0, 4)
    assert Store.open(store.path).read("parcels").equals(rows)


class Counts(BandMeanEncoder):
    """An encoder that counts its calls."""

    calls = 0

    def encode(self, *series: Any) -> Floats:
        """See `Encoder.encode`."""
        self.calls += 1
        return super().encode(*series)


def place(folder: Path, east: float, start: int) -> tuple[Path, Path]:
    """A catalogue of a small square so many metres to the east, and a parcel in it."""
    numbers = {"red": 500 + start, "nir": 3000 + start}
    items: list[Item] = [
        optical(f"s{east:.0f}-{d}", d, numbers, left=LEFT + east) for d in ("2024-05-03", "2024-09-11")
    ]
    catalog = write_catalog(folder / f"stac{east:.0f}-{start}", items)
    shape = project(shapely.box(LEFT + east, TOP - 80, LEFT + east + 60, TOP), CRS, "OGC:CRS84")
    feature = {
        "type": "Feature",
        "properties": {"id": f"p{east:.0f}"},
        "geometry": shapely.geometry.mapping(shape),
    }
    file = folder / f"{east:.0f}.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return Path(catalog), file


def test_runs_over_two_areas_share_a_store(tmp_path: Path) -> None:
    """Each area's run says what it wrote, finds it again and encodes nothing; a run on the same ground does encode."""
    store = Store.create(tmp_path / "store")
    one, two = place(tmp_path, 0, 0), place(tmp_path, 60_000, 0)

    def run(area: tuple[Path, Path], encoder: Counts) -> EncodeReport:
        return encode_store(area[0], SEASON, store, encoder, parcels=area[1])

    reports = [run(area, Counts()) for area in (one, two)]
    for resolution in (9, 11):
        assert store.find("cells", resolution=resolution).rows == sum(r.cells[resolution] for r in reports)
    assert sorted(store.read("parcels")["id"].to_pylist()) == ["p0", "p60000"]
    counting = Counts()
    for area, report in zip((one, two), reports, strict=True):
        again = run(area, counting)
        assert again.already and (again.cells, again.parcels) == (report.cells, report.parcels)
        assert again.pixels_seen == report.pixels_seen
    assert counting.calls == 0
    rows = store.read("cells", resolution=11)
    changed = (place(tmp_path, 0, 400)[0], one[1])
    assert not run(changed, counting).already and counting.calls == 1
    assert store.read("cells", resolution=11).num_rows == rows.num_rows
    assert run(two, counting).already and not run(one, counting).already
    assert pc.sum(store.read("cells", resolution=11)["n_pixels"]).as_py() == sum(
        r.pixels_seen for r in reports
    )

"""What a store refuses: each time a sentence that says what was expected and what came, and the store unchanged."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_builders import (
    MODEL,
    SEASON,
    cell_ids,
    cells_batch,
    parcels_batch,
    small_store,
    squares,
    unit_vectors,
)

from surco.embedstore import (
    EmbedstoreError,
    Season,
    Store,
    Transaction,
    fixed_size_column,
    nearest,
    quantize,
    verify,
)

NOBODY = "65534"


def contents(root: Path) -> dict[str, str]:
    """SHA-256 of every file of a store."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def replaced(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    """The batch with another column of that name, whatever its type."""
    place = batch.schema.get_field_index(name)
    return batch.set_column(place, pa.field(name, column.type), column)


def put(tx: Transaction, batch: pa.RecordBatch, resolution: int = 9, season: Season = SEASON) -> None:
    """Put cells."""
    tx.put_cells([batch], model_id=MODEL, season=season, resolution=resolution)


def cells(n: int = 4, dimension: int = 64, resolution: int = 9) -> pa.RecordBatch:
    """Rows of cells."""
    return cells_batch(cell_ids(n, resolution), unit_vectors(n, dimension))


def nan_scale(tx: Transaction) -> None:
    """A scale that is not a number."""
    put(tx, replaced(cells(), "embedding_scale", pa.array([1, np.nan, 1, 1], pa.float32())))


def null_in_vector(tx: Transaction) -> None:
    """A value missing in a vector."""
    put(tx, replaced(cells(1), "embedding", pa.array([[None] * 64], pa.list_(pa.int8(), 64))))


def float_vectors(tx: Transaction) -> None:
    """Vectors that were not quantised."""
    put(tx, replaced(cells(1), "embedding", pa.array(unit_vectors(1).tolist(), pa.list_(pa.float32(), 64))))


def repeated_cell(tx: Transaction) -> None:
    """The same cell in two batches."""
    tx.put_cells([cells(), cells(1)], model_id=MODEL, season=SEASON, resolution=9)


def repeated_parcel(tx: Transaction) -> None:
    """The same id in two batches."""
    rows = parcels_batch(squares(3), unit_vectors(3), ["a"] * 3)
    tx.put_parcels([rows, rows.slice(2)], model_id=MODEL, season=SEASON)


def no_cell(tx: Transaction) -> None:
    """A number that is no H3 cell."""
    put(tx, replaced(cells(1), "h3", pa.array([5], pa.uint64())))


WRITES: list[tuple[Callable[[Transaction], None], str]] = [
    (nan_scale, r"embedding_scale finite.*got nan in row 1"),
    (null_in_vector, r"a value in every row of column embedding.*64 nulls"),
    (float_vectors, r"fixed_size_list<int8>.*float"),
    (lambda tx: put(tx, cells(dimension=32)), r"64 values.*got vectors of 32"),
    (lambda tx: put(tx, cells(resolution=10)), r"H3 cells of resolution 9.*4 such rows"),
    (no_cell, r"H3 cells of resolution 9.*0x5 in row 0"),
    (repeated_cell, r"each h3 once.*1 repeated"),
    (repeated_parcel, r"each id once.*'p2'"),
    (lambda tx: put(tx, cells(), season=Season(2024, 11)), r"starts in month 5.*2024-11-01"),
    (lambda tx: put(tx, cells(), resolution=16), r"resolution from 0 to 15.*got 16"),
    (lambda tx: put(tx, cells().slice(0, 0)), r"at least one row of cells; got none"),
    (lambda tx: put(tx, cells().drop_columns(["n_pixels"])), r"missing \['n_pixels'\]"),
]


@pytest.mark.parametrize(("write", "message"), WRITES, ids=[str(n) for n in range(len(WRITES))])
def test_bad_rows_are_refused(tmp_path: Path, write: Callable[[Transaction], None], message: str) -> None:
    """Also behind good rows in the same transaction nothing of it stays."""
    store = small_store(tmp_path / "s", 20)
    before = contents(store.path)
    with pytest.raises(EmbedstoreError, match=message) as caught, store.transaction() as tx:
        tx.put_cells([cells(9, resolution=8)], model_id=MODEL, season=SEASON, resolution=8)
        write(tx)
    assert caught.value.remedy
    assert contents(store.path) == before
    assert Store.open(store.path).version == 1


READS: list[tuple[Callable[[Store], object], str]] = [
    (lambda s: s.read("cells", season="2031-32"), r"season 2031-32.*cells 2024-25 res 9"),
    (lambda s: s.read("cells", resolution=7), r"resolution 7"),
    (lambda s: s.read("cells", model_id="presto-1"), r"vectors of model presto-1.*surco-test-1"),
    (lambda s: nearest(s, np.ones(32), 3, table="cells"), r"64 values.*shape \(32,\)"),
    (lambda s: nearest(s, np.full(64, np.nan), 3, table="cells"), r"a finite vector of 64 values"),
    (lambda s: nearest(s, cell_ids(1, 10)[0], 3, table="cells"), r"h3 of cells 2024-25 res 9"),
    (lambda s: nearest(s, "p999", 3, table="parcels"), r"id of parcels.*'p999'"),
    (lambda s: nearest(s, "p1", 3, table="parcels", season="1999-00"), r"season 1999-00"),
    (lambda s: quantize([[1.0, float("nan")]]), r"finite vectors.*NaN or infinity in 1 of 1 rows"),
    (lambda s: Season.parse("2024-26"), r"two years that follow each other.*'2024-26'"),
]


@pytest.mark.parametrize(("ask", "message"), READS, ids=[str(n) for n in range(len(READS))])
def test_bad_questions_are_refused(tmp_path: Path, ask: Callable[[Store], object], message: str) -> None:
    """What is not there, and vectors that are none of the table's, are named with what there is."""
    store = small_store(tmp_path / "s", 20)
    with pytest.raises(EmbedstoreError, match=message):
        ask(store)


@settings(deadline=None, max_examples=30)
@given(place=st.integers(0, 19), value=st.sampled_from([np.nan, np.inf, -np.inf, -1.0]))
def test_no_scale_but_a_finite_one_gets_in(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: float
) -> None:
    """Wherever a scale is NaN, infinite or negative, the row is named and the store stays empty."""
    store = Store.create(tmp_path_factory.mktemp("scale") / "s")
    rows = cells(20)
    scale = rows.column("embedding_scale").to_numpy().copy()
    scale[place] = value
    with (
        pytest.raises(EmbedstoreError, match=f"in row {place}$|in row {place}[^0-9]"),
        store.transaction() as tx,
    ):
        put(tx, replaced(rows, "embedding_scale", pa.array(scale)))
    assert list(contents(store.path)) == ["store.json"]


def test_a_vector_of_nothing_is_stored_and_never_near(tmp_path: Path) -> None:
    """A row of zeros has no direction: it is kept, and no neighbour of anything."""
    store = Store.create(tmp_path / "s")
    rows = replaced(cells(3), "embedding", fixed_size_column(np.zeros((3, 64), np.int8)))
    with store.transaction() as tx:
        put(tx, rows)
    assert nearest(store, unit_vectors(1)[0], 3, table="cells").num_rows == 0


def limited(what: str, path: Path, *, limit: str = "", user: str = "") -> str:
    """What a process with a full or read-only disk was told."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("store_limited.py")), what, str(path), limit, user],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("limit", ["10", "1000", "2500", "8000", "40000"])
def test_a_full_disk_changes_nothing(tmp_path: Path, limit: str) -> None:
    """Wherever the room runs out, in cards, weights, rows or tables, the store says so and is as it was."""
    store = small_store(tmp_path / "s", 20)
    before = contents(store.path)
    told = limited("write", store.path, limit=limit)
    assert "Expected room on the disk of" in told and "surco store gc" in told
    assert contents(store.path) == before
    assert verify(store.path).damage == ()
    assert limited("write", store.path) == ""
    assert Store.open(store.path).version == 2


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A store of two versions that this process, or nobody where it is root, may read and not write."""
    if os.geteuid() == 0 and not may_become_nobody():
        pytest.skip("this root may not become another user, and root may write everywhere")
    store = small_store(tmp_path / "s", 20)
    with store.transaction() as tx:
        tx.put_adapter("crops", {"card.json": b"{}"})
    for folder in [store.path, *(path for path in store.path.rglob("*") if path.is_dir())]:
        folder.chmod(0o555)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == store.path.owner() and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
        else:
            break
    return store.path


def may_become_nobody() -> bool:
    """Whether a process may change its user here, and still run Python and see temporary files."""
    script = f"import os, surco.embedstore; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("what", ["write", "create", "staging", "rollback", "gc"])
def test_a_read_only_folder_is_named(locked: Path, what: str) -> None:
    """Every kind of write says that the store cannot be written, and leaves it; reading goes on."""
    user = NOBODY if os.geteuid() == 0 else ""
    before = contents(locked)
    told = limited(what, locked, user=user)
    assert "Expected a store that can be written at" in told, told
    assert str(locked) in told
    assert contents(locked) == before
    assert limited("read", locked, user=user) == "20\n"


def test_a_folder_that_may_not_be_entered_is_named(locked: Path) -> None:
    """No advice to remove what only lacks a right."""
    locked.parent.chmod(0o600 if os.geteuid() else 0o700)
    told = limited("read", locked, user=NOBODY if os.geteuid() == 0 else "")
    locked.parent.chmod(0o755)
    assert f"Expected a store that can be read at {locked}" in told and "Permission denied" in told, told
    assert "Give this user the right to read it" in told and "emove" not in told

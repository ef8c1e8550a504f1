"""The versions of a store: listing them, going back, reading every byte again, clearing up."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_builders import MODEL, SEASON, cell_ids, cells_batch, small_store, unit_vectors

from surco.api.cli import main
from surco.embedstore import (
    Season,
    Store,
    StoreConflictError,
    StoreError,
    collect_garbage,
    nearest,
    rollback,
    run_sql,
    verify,
    versions,
)
from surco.embedstore.blocks import BlockChecks, checksums_of
from surco.embedstore.locks import live_writers, maintenance
from surco.embedstore.versions import read_version


def put(store: Store, n: int, season: Season = SEASON) -> None:
    """Replace the cells of a season."""
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(n), unit_vectors(n))
        tx.put_cells([rows], model_id=MODEL, season=season, resolution=9)


def several(path: Path) -> Store:
    """Version 1: 50 cells, parcels, a model; 2: 80 cells; 3: an adapter; 4: a second season."""
    store = small_store(path, 50)
    put(store, 80)
    with store.transaction() as tx:
        tx.put_adapter("crops", {"card.json": b"{}"})
    put(store, 10, Season(2025))
    return store


def data_files(root: Path) -> set[str]:
    """Files of tables, models and adapters, relative."""
    folders = ("cells", "parcels", "models", "adapters")
    return {
        path.relative_to(root).as_posix()
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.is_file()
    }


def rows_of(root: Path) -> dict[tuple[str, str], int]:
    """Rows of each table and season, really read."""
    store = Store.open(root)
    return {
        (info.table, info.season): store.read(info.table, season=info.season).num_rows
        for info in store.tables()
    }


def test_the_log_says_what_each_version_changed(tmp_path: Path) -> None:
    """Newest first, with when, rows and changes."""
    before = datetime.now(UTC) - timedelta(seconds=2)
    store = several(tmp_path / "s")
    fourth, third, second, first = versions(store.path)
    assert [each.version for each in (fourth, third, second, first)] == [4, 3, 2, 1]
    assert first.changes == (
        f"cells {MODEL} 2024-25 res 9: 50 rows",
        f"parcels {MODEL} 2024-25: 40 rows",
        f"model {MODEL}",
    )
    assert second.changes == (f"cells {MODEL} 2024-25 res 9: 80 rows, 50 before",)
    assert third.changes == ("adapter crops",)
    assert (fourth.rows, fourth.changes) == (130, (f"cells {MODEL} 2025-26 res 9: 10 rows",))
    assert before < first.written <= fourth.written < datetime.now(UTC)


def test_the_log_of_an_older_writer_and_of_a_broken_version(tmp_path: Path) -> None:
    """Manifests without a date have that of their file; one that cannot be read is listed as such."""
    store = several(tmp_path / "s")
    manifest = store.path / "manifests" / "2.json"
    content = json.loads(manifest.read_text())
    for key in ("written", "restores", "catalogue"):
        content.pop(key)
    manifest.write_text(json.dumps(content))
    os.utime(manifest, (1e9, 1e9))
    (store.path / "manifests" / "3.json").write_text("{")
    fourth, third, second, _ = versions(store.path)
    assert second.written == datetime.fromtimestamp(1e9, UTC)
    assert (third.rows, fourth.changes) == (None, ("follows a version that cannot be read",))
    assert "cannot be read" in third.changes[0]
    assert Store.open(store.path).read("parcels").num_rows == 40


def test_going_back_makes_a_new_version(tmp_path: Path) -> None:
    """Version 5 equals version 1 in every row and file; versions 2 to 4 are still there, and so are their files."""
    store = several(tmp_path / "s")
    before = data_files(store.path)
    assert rollback(store.path, 1) == 5
    assert rows_of(store.path) == {("cells", "2024-25"): 50, ("parcels", "2024-25"): 40}
    assert Store.open(store.path).adapters() == []
    assert data_files(store.path) == before
    assert versions(store.path)[0].changes[0] == "back to version 1"
    assert rollback(store.path, 4) == 6
    assert rows_of(store.path)["cells", "2025-26"] == 10
    put(Store.open(store.path), 7)
    assert versions(store.path)[0].changes == (f"cells {MODEL} 2024-25 res 9: 7 rows, 80 before",)


def test_going_back_to_what_is_not_there_is_refused(tmp_path: Path) -> None:
    """The latest version, one that never was, and one that lacks a file leave the store as it is."""
    store = several(tmp_path / "s")
    with pytest.raises(StoreError, match=r"a version before 4.*got 4"):
        rollback(store.path, 4)
    with pytest.raises(StoreError, match=r"one of the versions 1-4 .*got 9"):
        rollback(store.path, 9)
    (lost,) = (file for file in (store.path / "cells").rglob("*.parquet") if "/000001-" in file.as_posix())
    lost.unlink()
    with pytest.raises(StoreError, match="no such file"):
        rollback(store.path, 1)
    with pytest.raises(StoreError, match="a store"):
        rollback(tmp_path / "nowhere", 1)
    assert versions(store.path)[0].version == 4


def test_a_broken_latest_version_can_be_left_behind(tmp_path: Path) -> None:
    """Where the latest manifest is damaged, going back makes the store readable again."""
    store = several(tmp_path / "s")
    (store.path / "manifests" / "4.json").write_text("{")
    with pytest.raises(StoreError, match=r"4\.json"):
        Store.open(store.path)
    assert rollback(store.path, 3) == 5
    assert rows_of(store.path)["cells", "2024-25"] == 80


def test_verify_reads_everything(tmp_path: Path) -> None:
    """A whole store has no damage; every byte of every file is counted, and progress ends at the end."""
    store = several(tmp_path / "s")
    told: list[tuple[int, int, str]] = []
    done = verify(store.path, every_version=True, progress=lambda *now: told.append(now))
    held = [store.path / name for name in data_files(store.path)]
    assert (done.damage, done.versions) == ((), (1, 2, 3, 4))
    assert done.files >= len(held)
    assert done.bytes >= sum(path.stat().st_size for path in held)
    assert told[-1][:2] == (done.bytes, done.bytes)
    assert verify(store.path).files < done.files


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_changed_bit_is_found_and_never_read_past(tmp_path: Path, data: st.DataObject) -> None:
    """Whichever bit of a table's file flips, verify names the file, and reading refuses or gives the right rows."""
    path = tmp_path / "s"
    store = Store.open(path) if path.exists() else small_store(path, 30)
    table = data.draw(st.sampled_from(["cells", "parcels"]))
    (file,) = store.find(table).files
    whole, truth = file.read_bytes(), store.read(table)
    place = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    file.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
    try:
        (damage,) = verify(path).damage
        assert (damage.path, damage.versions) == (file, (1,))
        assert "SHA-256" in damage.problem
        assert table_or_refusal(store, table, file) in (None, truth)
    finally:
        file.write_bytes(whole)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_sql_never_reads_past_a_changed_bit(tmp_path: Path, data: st.DataObject) -> None:
    """Whichever bit of a file of several blocks flips, SQL over all columns names the file."""
    path = tmp_path / "s"
    store = Store.open(path) if path.exists() else small_store(path, 1500)
    (file,) = store.find("cells").files
    whole = file.read_bytes()
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    file.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
    try:
        with pytest.raises(StoreError, match=file.name):
            run_sql(store, "SELECT * FROM cells")
    finally:
        file.write_bytes(whole)


@settings(deadline=None)
@given(
    size=st.integers(0, 300_000), reads=st.lists(st.tuples(st.integers(0, 310_000), st.integers(0, 200_000)))
)
def test_parts_are_read_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, size: int, reads: list[tuple[int, int]]
) -> None:
    """Any part of a whole file of any size is what `pread` gives, in whatever order parts are asked for."""
    path = tmp_path_factory.mktemp("blocks") / "f"
    path.write_bytes(np.random.default_rng(size).bytes(size))
    checks = BlockChecks(path, checksums_of(path)[1])
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for position, length in reads:
            expected = os.pread(descriptor, length, position)
            assert checks.read(descriptor, length, position) == expected
    finally:
        os.close(descriptor)


def test_a_store_of_the_first_format_is_read(tmp_path: Path) -> None:
    """Files without checksums of blocks are read as they are, by us and by SQL."""
    store = small_store(tmp_path / "s", 30)
    manifest = store.path / "manifests" / "1.json"
    content = json.loads(manifest.read_text()) | {"format": 1}
    for partition in content["partitions"]:
        for entry in partition["files"]:
            entry.pop("blocks")
    manifest.write_text(json.dumps(content))
    store = Store.open(store.path)
    assert run_sql(store, "SELECT sum(n_pixels) AS n FROM cells").to_pylist() == [{"n": 3000}]
    assert store.read("cells").num_rows == 30


def table_or_refusal(store: Store, table: str, file: Path) -> object:
    """The rows, or None where the error names the file."""
    try:
        return store.read(table)  # type: ignore[arg-type]
    except StoreError as error:
        assert str(file) in str(error)
        return None


@pytest.mark.parametrize("bit", [0, 7])
def test_a_renamed_column_is_not_read(bit: int, tmp_path: Path) -> None:
    """A flipped bit in the footer's names, which no page's checksum covers, is refused and named."""
    store = small_store(tmp_path / "s", 30)
    (file,) = store.find("cells").files
    content = bytearray(file.read_bytes())
    content[content.rindex(b"\x08geometry") + 1] ^= 1 << bit
    file.write_bytes(content)
    for read in (store.read, store.find, lambda table: nearest(store, unit_vectors(1)[0], 3, table=table)):
        with pytest.raises(StoreError, match=f"{file.name}.*surco store verify"):
            read("cells")
    with pytest.raises(StoreError, match=f"{file.name}.*surco store verify"):
        run_sql(store, "SELECT count(*) FROM cells")
    with pytest.raises(StoreError, match=f"{file.name}.*surco store verify"):
        store.tables()
    assert store.read("parcels").num_rows == store.find("parcels").rows


def test_a_damaged_page_stops_every_reader(tmp_path: Path) -> None:
    """Reading, searching and writing beside a damaged vector refuse with the file's name; the store stays."""
    store = small_store(tmp_path / "s", 200)
    (file,) = store.find("cells").files
    group = pq.read_metadata(file).row_group(0)
    chunks = [group.column(number) for number in range(group.num_columns)]
    (vectors,) = (chunk for chunk in chunks if chunk.path_in_schema.startswith("embedding."))
    content = bytearray(file.read_bytes())
    content[vectors.data_page_offset + vectors.total_compressed_size // 2] ^= 255
    file.write_bytes(content)
    with pytest.raises(StoreError, match=f"{file.name}.*surco store verify"):
        store.read("cells")
    with pytest.raises(StoreError, match=file.name):
        nearest(store, unit_vectors(1)[0], 3, table="cells")
    with pytest.raises(StoreError, match=rf"{file.name} is damaged near byte \d+.*surco store verify"):
        run_sql(store, "SELECT sum(list_sum(embedding)) FROM cells")
    with pytest.raises(StoreError, match=file.name), store.transaction() as tx:
        rows = cells_batch(cell_ids(3), unit_vectors(3))
        tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9, merge=True)
    assert Store.open(store.path).version == 1


def test_missing_and_cut_files_are_named(tmp_path: Path) -> None:
    """Verify goes on behind a missing file and names each: table, card, and a manifest that is no JSON."""
    store = several(tmp_path / "s")
    cells, parcels = (store.find(table, season="2024-25").files[0] for table in ("cells", "parcels"))
    cells.unlink()
    parcels.write_bytes(parcels.read_bytes()[:-7])
    (store.path / "manifests" / "2.json").write_text("[]")
    problems = {damage.path: damage for damage in verify(store.path, every_version=True).damage}
    assert problems[cells].problem.startswith("no such file")
    assert "bytes expected" in problems[parcels].problem
    assert problems[parcels].versions == (1, 3, 4)
    assert "no manifest" in problems[store.path / "manifests" / "2.json"].problem


def test_without_a_wish_every_version_is_kept(tmp_path: Path) -> None:
    """Clearing up a clean store finds nothing; a look changes nothing."""
    store = several(tmp_path / "s")
    before = data_files(store.path)
    done = collect_garbage(store.path, delete=True)
    assert (done.removed, done.kept, done.garbage) == ((), (1, 2, 3, 4), ())
    look = collect_garbage(store.path, keep=1)
    assert (look.removed, look.kept, look.deleted) == ((1, 2, 3), (4,), False)
    assert look.bytes > 0
    assert data_files(store.path) == before
    assert len(versions(store.path)) == 4


@settings(max_examples=15, deadline=None)
@given(keep=st.integers(1, 6), back=st.integers(1, 3))
def test_kept_versions_lose_nothing(tmp_path_factory: pytest.TempPathFactory, keep: int, back: int) -> None:
    """However many are kept, also across a rollback, each kept version is whole, and nothing else is left."""
    root = several(tmp_path_factory.mktemp("gc") / "s").path
    rollback(root, back)
    done = collect_garbage(root, keep=keep, delete=True)
    assert done.kept == tuple(range(1, 6))[-keep:]
    checked = verify(root, every_version=True)
    assert (checked.damage, checked.versions) == ((), done.kept)
    needed = {file.path for number in done.kept for file in read_version(root, number).files}
    assert data_files(root) <= needed
    assert collect_garbage(root, keep=keep).garbage == ()
    put(Store.open(root), 3)
    assert rows_of(root)["cells", "2024-25"] == 3


def test_young_versions_are_kept(tmp_path: Path) -> None:
    """With an age only what is older goes, and with both only what is older and beyond the number."""
    store = several(tmp_path / "s")
    for number in (1, 2):
        manifest = store.path / "manifests" / f"{number}.json"
        long_ago = json.loads(manifest.read_text()) | {"written": "2020-01-01T00:00:00+00:00"}
        manifest.write_text(json.dumps(long_ago))
    year = timedelta(days=365)
    assert collect_garbage(store.path, older_than=year).removed == (1, 2)
    assert collect_garbage(store.path, older_than=year, keep=3).removed == (1,)
    assert collect_garbage(store.path, older_than=timedelta(0)).removed == (1, 2, 3)
    with pytest.raises(StoreError, match="at least 1"):
        collect_garbage(store.path, keep=0)


def test_a_kept_version_that_cannot_be_read_stops_it(tmp_path: Path) -> None:
    """Where it is not known what a kept version needs nothing is removed; one that goes may be broken."""
    store = several(tmp_path / "s")
    (store.path / "manifests" / "2.json").write_text("{")
    before = data_files(store.path)
    with pytest.raises(StoreError, match=r"2\.json"):
        collect_garbage(store.path, keep=3, delete=True)
    assert data_files(store.path) == before
    assert collect_garbage(store.path, keep=2, delete=True).removed == (1, 2)
    assert verify(store.path, every_version=True).damage == ()


def test_what_others_put_there_and_staged_work_stay(tmp_path: Path) -> None:
    """Files that no writer of ours made, and the staged work of a stopped run, are no garbage; the latter on demand."""
    store = several(tmp_path / "s")
    (store.path / "cells" / "notes.txt").write_text("mine")
    (store.staging("run-1") / "tile.arrow").write_bytes(b"x" * 100)
    assert collect_garbage(store.path, keep=1, delete=True).removed == (1, 2, 3)
    assert (store.path / "cells" / "notes.txt").exists()
    assert (store.path / ".staging" / "run-1" / "tile.arrow").exists()
    (found,) = collect_garbage(store.path, staging=True, delete=True).garbage
    assert (found.why, found.bytes) == ("stopped run", 100)
    assert not (store.path / ".staging" / "run-1").exists()


def test_tiles_of_a_stopped_run_go_on_demand(tmp_path: Path) -> None:
    """Its finished tiles are given up with `staging` only; its plan and what is said of it stay."""
    store = several(tmp_path / "s")
    tiles = store.path / ".runs" / "a1b2" / "tiles"
    tiles.mkdir(parents=True)
    (tiles.parent / "plan.json").write_text("{}")
    (tiles / "19S-0025-0610.arrow").write_bytes(b"x" * 100)
    assert collect_garbage(store.path, delete=True).garbage == ()
    (found,) = collect_garbage(store.path, staging=True, delete=True).garbage
    assert (found.why, found.bytes, found.path) == ("stopped run", 100, tiles)
    assert [path.name for path in tiles.parent.iterdir()] == ["plan.json"]


def test_a_writer_at_work_is_left_alone(tmp_path: Path) -> None:
    """Files of a transaction that is going on are no garbage, whatever is kept; it ends well afterwards."""
    store = several(tmp_path / "s")
    with Store.open(store.path).transaction() as tx:
        tx.put_cells([cells_batch(cell_ids(9), unit_vectors(9))], model_id=MODEL, season=SEASON, resolution=9)
        assert len(live_writers(store.path)) == 1
        assert {each.why for each in collect_garbage(store.path, keep=1, delete=True).garbage} == {
            "old version"
        }
    assert rows_of(store.path)["cells", "2024-25"] == 9
    assert live_writers(store.path) == set()


def test_only_one_removes_or_restores(tmp_path: Path) -> None:
    """While versions are being removed or restored another process that wants to is told so."""
    store = several(tmp_path / "s")
    with maintenance(store.path):
        with pytest.raises(StoreConflictError, match="Wait until"):
            collect_garbage(store.path, keep=1, delete=True)
        with pytest.raises(StoreConflictError, match="Wait until"):
            rollback(store.path, 1)
    assert rollback(store.path, 1) == 5


def start(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a script of this folder and wait until it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(script)), *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path) -> None:
    """After kill -9 at random moments clearing up removes all that no version names, and every version stays whole."""
    store = small_store(tmp_path / "s", 20)
    moments = random.Random(3)  # noqa: S311 - moments, not secrets
    left = 0
    for _ in range(4):
        with start("store_writer.py", str(store.path)) as writer:
            time.sleep(moments.uniform(0.0, 0.2))
            writer.send_signal(signal.SIGKILL)
        left += len(collect_garbage(store.path, delete=True).garbage)
        assert verify(store.path, every_version=True).damage == ()
        assert collect_garbage(store.path).garbage == ()
        assert not list((store.path / ".writers").iterdir())
    assert left > 0
    assert rows_of(store.path)["parcels", "2024-25"] == 40


def test_clearing_up_beside_a_writer_breaks_nothing(tmp_path: Path) -> None:
    """While a writer makes version after version, clearing up again and again leaves every kept version whole."""
    store = small_store(tmp_path / "s", 20)
    removed = 0
    with start("store_writer.py", str(store.path)) as writer:
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            removed += len(collect_garbage(store.path, keep=2, delete=True).removed)
            assert verify(store.path).damage == ()
        assert writer.poll() is None
        writer.send_signal(signal.SIGKILL)
    collect_garbage(store.path, keep=2, delete=True)
    assert removed > 0
    assert verify(store.path, every_version=True).damage == ()


def test_clearing_up_may_be_killed(tmp_path: Path) -> None:
    """After kill -9 of a clearing up at random moments every version that is left is whole, and it can go on."""
    moments = random.Random(5)  # noqa: S311 - moments, not secrets
    for number in range(4):
        store = several(tmp_path / f"s{number}")
        with start("store_cleaner.py", str(store.path)) as cleaner:
            time.sleep(moments.uniform(0.0, 0.01))
            cleaner.send_signal(signal.SIGKILL)
        assert verify(store.path, every_version=True).damage == ()
        collect_garbage(store.path, keep=1, delete=True)
        assert rows_of(store.path)["cells", "2024-25"] == 80
        assert collect_garbage(store.path, keep=1).garbage == ()


def surco(*arguments: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    done = CliRunner().invoke(main, list(arguments))
    return done.exit_code, done.output


def test_commands_say_what_they_did(tmp_path: Path) -> None:
    """`surco store` lists, checks, goes back and clears up; a dry run changes nothing."""
    path = str(several(tmp_path / "s").path)
    code, text = surco("store", "log", path)
    assert code == 0 and text.index("     4  ") < text.index("     1  ") and "40 rows" in text
    code, text = surco("store", "verify", path, "--all")
    assert code == 0 and "all as they were written" in text
    assert surco("store", "rollback", path, "2")[0] == 0
    assert Store.open(path).adapters() == []
    code, text = surco("store", "gc", path, "--keep", "1")
    assert code == 0 and "4 versions would go, 1 kept" in text and "--delete" in text
    assert len(versions(path)) == 5
    code, text = surco("store", "gc", path, "--keep", "1", "--delete")
    assert code == 0 and "4 versions removed, 1 kept" in text
    assert surco("store", "verify", path, "--all")[0] == 0
    empty = str(Store.create(tmp_path / "empty").path)
    assert "empty" in surco("store", "log", empty)[1]


def test_the_command_names_damaged_files_and_ends_with_2(tmp_path: Path) -> None:
    """Each damaged file is named on its line; the exit code is 2."""
    store = several(tmp_path / "s")
    (file, *_) = store.find("parcels").files
    file.write_bytes(file.read_bytes()[::-1])
    code, text = surco("store", "verify", str(store.path))
    assert code == 2
    assert f"{file}: other content" in text.replace("\n", "") and "Restore" in text
    for command in (
        ["rollback", str(tmp_path), "1"],
        ["log", str(tmp_path)],
        ["rollback", str(store.path), "9"],
    ):
        code, text = surco("store", *command)
        assert (code, "Expected" in text) == (2, True)

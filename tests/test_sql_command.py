"""`surco sql`: one query, files, and the prompt on a real terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shapely
from click.testing import CliRunner, Result
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

from surco.adapters import CropTypeAdapter, save_adapter
from surco.api.cli import main
from surco.api.sql_prompt import Completer, prompt
from surco.embedstore import QueryError, Store, connect

CROPS = ["cherry", "maize", "vineyard"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 150 cells and 40 parcels with an adapter."""
    path = tmp_path_factory.mktemp("sql") / "store"
    store = Store.create(path)
    adapter = CropTypeAdapter().fit(unit_vectors(60, seed=5), CROPS * 20)
    with store.transaction() as tx:
        tx.put_cells(
            [cells_batch(cell_ids(150), unit_vectors(150))], model_id=MODEL, season=SEASON, resolution=9
        )
        parcels = parcels_batch(squares(40), unit_vectors(40, seed=1), ["maize", None] * 20)
        tx.put_parcels([parcels], model_id=MODEL, season=SEASON)
        tx.put_adapter(
            "crops", save_adapter(adapter, name="crops", model_id=MODEL, task="crop-type", training={})
        )
    return path


def surco(*words: object, typed: str | None = None) -> Result:
    """Run a command in this process; a bug shows its traceback."""
    return CliRunner().invoke(main, [str(word) for word in words], input=typed, catch_exceptions=False)


def test_a_query_is_an_argument_an_option_or_standard_input(store: Path) -> None:
    """Three ways to pass the same query, with the store's adapters in it, give the same rows."""
    query = "SELECT predict('crops', embedding, embedding_scale).label AS crop, count(*) AS n FROM cells GROUP BY 1"
    ways = [
        surco("sql", store, query, "--format", "json"),
        surco("sql", store, "-c", query, "--format", "json"),
        surco("sql", store, "--format", "json", typed=query),
    ]
    answers = [{row["crop"]: row["n"] for row in json.loads(each.stdout)} for each in ways]
    assert answers[0] == answers[1] == answers[2]
    assert sum(answers[0].values()) == 150


KINDS = (
    "SELECT sum(n_pixels) AS whole, 1.5::DECIMAL(4, 2) AS part, 'nan'::DOUBLE AS nan, INTERVAL 3 MONTH AS interval, "
    "{'a': [1, NULL]} AS struct, MAP {'x': 1} AS map, '\\xAA'::BLOB AS bytes, ST_Point(-71.5, -35.25) AS geometry, "
    "DATE '2024-05-01' AS day, 'x, \"y\"' AS text, NULL AS nothing FROM cells"
)


def test_json_and_csv_carry_every_kind_of_value(store: Path) -> None:
    """Numbers stay numbers, geometry is WKT, structs are objects, and what is no number of JSON is null."""
    (row,) = json.loads(surco("sql", store, KINDS, "--format", "json").stdout)
    assert row == {
        "whole": 15_000,
        "part": 1.5,
        "nan": None,
        "interval": row["interval"],
        "struct": {"a": [1, None]},
        "map": {"x": 1},
        "bytes": "aa",
        "geometry": "POINT (-71.5 -35.25)",
        "day": "2024-05-01",
        "text": 'x, "y"',
        "nothing": None,
    }
    (line,) = csv.DictReader(io.StringIO(surco("sql", store, KINDS, "--format", "csv").stdout))
    assert (line["whole"], line["geometry"], line["text"]) == ("15000", "POINT (-71.5 -35.25)", 'x, "y"')
    assert json.loads(line["struct"]) == {"a": [1, None]}
    assert "POINT (-71.5 -35.25)" in surco("sql", store, KINDS.replace("sum(n_pixels)", "1")).stdout


def test_no_rows_are_an_empty_answer(store: Path, tmp_path: Path) -> None:
    """An answer without rows is an empty array, a heading, and a file of no rows."""
    query = "SELECT h3, geometry, embedding FROM cells WHERE false"
    assert json.loads(surco("sql", store, query, "--format", "json").stdout) == []
    assert (
        surco("sql", store, query, "--format", "csv").stdout.replace('"', "").strip()
        == "h3,geometry,embedding"
    )
    surco("sql", store, query, "--out", tmp_path / "x.parquet")
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 0


def test_files_hold_the_answer(store: Path, tmp_path: Path) -> None:
    """CSV, JSON and Parquet by the file's ending or by --format; Parquet with geometry is GeoParquet."""
    query = 'SELECT id, geometry, "crop:name" FROM parcels ORDER BY id'
    for words in (["a.csv"], ["a.json"], ["a.parquet"], ["a.txt", "--format", "csv"]):
        done = surco("sql", store, query, "--out", tmp_path / words[0], *words[1:])
        assert done.exit_code == 0, done.output
        assert "40 rows" in done.stderr
        assert done.stdout == ""
    assert len(json.loads((tmp_path / "a.json").read_text())) == 40
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "a.txt").read_text()
    table = pq.read_table(tmp_path / "a.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["columns"]["geometry"]["geometry_types"] == ["Polygon"]
    shapes = shapely.from_wkb(table["geometry"].to_numpy())
    assert geo["columns"]["geometry"]["bbox"] == pytest.approx(shapely.total_bounds(shapes).tolist())
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "a.json", "a.parquet", "a.txt"}


def test_geometry_in_metres_is_not_called_degrees(store: Path, tmp_path: Path) -> None:
    """A column that is no longer in degrees is written without the `geo` key."""
    query = "SELECT ST_Transform(geometry, 'OGC:CRS84', 'EPSG:32719') AS geometry FROM cells"
    surco("sql", store, query, "--out", tmp_path / "m.parquet")
    assert b"geo" not in (pq.read_schema(tmp_path / "m.parquet").metadata or {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["SELECT 1", "-c", "SELECT 2"], "one query"),
        (["SELECT 1", "--format", "parquet"], "--out"),
        (["SELECT 1", "--out", "x.shp"], ".parquet"),
        (["SELECT 1", "--out", "nowhere/x.csv"], "nowhere"),
        (["SELECT nosuch FROM cells", "--out", "x.csv"], "nosuch"),
        (["SELECT * FROM nearest('nosuch', 3)"], "nosuch"),
        (["SELECT predict('nosuch', embedding, embedding_scale) FROM cells"], "crops"),
        (["COPY cells TO 'x.csv'"], "SELECT"),
        (["SELECT 1; SELECT 2"], "2 statements"),
        ([""], "0 statements"),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    """Exit code 2, one sentence without a stack, and no file."""
    monkeypatch.chdir(tmp_path)
    done = surco("sql", store, *words)
    assert done.exit_code == 2, done.output
    said = " ".join(done.stderr.split())
    assert message in said
    assert "Traceback" not in said
    assert ".py" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_only_by_a_whole_one(store: Path, tmp_path: Path) -> None:
    """A query that fails, and a folder that refuses, leave the file that was there."""
    target = tmp_path / "x.csv"
    target.write_text("before")
    assert surco("sql", store, "SELECT error('late') FROM cells", "--out", target).exit_code == 2
    assert target.read_text() == "before"
    (tmp_path / "folder.csv").mkdir()
    done = surco("sql", store, "SELECT 1 AS one", "--out", tmp_path / "folder.csv")
    assert done.exit_code == 2
    assert "folder.csv" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"x.csv", "folder.csv"}


def test_completion_knows_the_store(store: Path) -> None:
    """Tables, columns, functions and keywords complete, in the case that was begun."""
    with connect(Store.open(store)) as session:
        complete = Completer(session)
    assert complete.matches("parcels_l") == ["parcels_latest"]
    assert "embedding_scale" in complete.matches("embed")
    assert complete.matches("near") == ["nearest"]
    assert complete.matches("h3_d") == ["h3_disk"]
    assert "SELECT" in complete.matches("SEL")
    assert "select" in complete.matches("sel")
    assert [complete("parcels_", 0), complete("parcels_", 1)] == ["parcels_latest", None]
    assert complete("", 0) is None


def test_the_prompt_goes_on_after_an_error() -> None:
    """Lines join to a question at its semicolon, errors are said, Ctrl-C forgets, .quit leaves what follows unread."""
    asked: list[str] = []
    said: list[str] = []

    def ask(question: str) -> None:
        if "bad" in question:
            raise QueryError("good SQL", question, "Correct it.")
        asked.append(question)

    lines = [
        "SELECT",
        "  1;",
        "",
        "bad;",
        ".help",
        ".nosuch",
        "forgotten",
        None,
        ".tables",
        "SELECT 2;",
        ".quit",
        "no;",
    ]
    prompt(iter(lines), ask, said.append)
    assert [asked[0], asked[2]] == ["SELECT\n  1;", "SELECT 2;"]
    assert "duckdb_columns" in asked[1]
    assert len(asked) == 3
    assert "good SQL" in said[0]
    assert "semicolon" in said[1]
    assert ".nosuch" in said[2]
    prompt(iter(["SELECT 3"]), ask, said.append)
    assert asked[3] == "SELECT 3"


@contextmanager
def terminal(store: Path, home: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """`surco sql STORE` on a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"XDG_STATE_HOME": str(home), "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "surco.api.cli", "sql", str(store)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield ours, process
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def heard(ours: int, until: str, seconds: float = 30) -> str:
    """What the terminal shows, up to a pattern."""
    shown, end = "", time.monotonic() + seconds
    while not re.search(until, shown):
        ready, _, _ = select.select([ours], [], [], max(0, end - time.monotonic()))
        assert ready, f"{until!r} not in {shown!r}"
        shown += os.read(ours, 65_536).decode()
    return shown


def test_the_prompt_on_a_terminal(store: Path, tmp_path: Path) -> None:
    """Tab completes, a long query shows progress and stops at Ctrl-C, the history is kept, Ctrl-D leaves with 0."""
    with terminal(store, tmp_path) as (ours, process):
        assert "adapters crops" in heard(ours, "surco> ")
        os.write(ours, b"SELECT count(*) AS n FROM parcels_l\t;\n")
        assert re.search(r"\b40\b", heard(ours, r"1 rows, [^$]*surco> "))
        os.write(ours, b"SELECT count(*) FROM range(100000000000) a WHERE random() < 0;\n")
        heard(ours, "Ctrl-C stops it")
        process.send_signal(signal.SIGINT)
        heard(ours, "stopped[^$]*surco> ")
        os.write(ours, b".tables\n")
        assert "cells_latest" in heard(ours, "rows, [^$]*surco> ")
        os.write(ours, b"\x04")
        assert process.wait(20) == 0
    kept = (tmp_path / "surco/sql_history").read_text()
    assert "SELECT count(*) AS n FROM parcels_latest" in kept
    assert (tmp_path / "surco/sql_history").stat().st_mode & 0o077 == 0

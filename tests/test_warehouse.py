"""docs/warehouse.md: what can be run here is run and answers as the store does; the rest is parsed by its dialect."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path

import duckdb
import duckdb_extension_spatial
import pytest
from s3_server import SECRETS, S3Server
from warehouse_store import CELLS, Expected, blocks, warehouse_store

from surco.embedstore import Store, push

UNKNOWN = ("LOAD DATA", "CREATE VECTOR INDEX")
"""Statements of BigQuery that sqlglot only passes on."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three thousand cells and forty parcels, in their second version."""
    return warehouse_store(tmp_path_factory.mktemp("warehouse") / "store")


@pytest.fixture(scope="module")
def expected(store: Store) -> Expected:
    """What the store answers."""
    return Expected.of(store)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An S3 with the bucket of the page."""
    with S3Server() as server:
        for name, value in (
            SECRETS | {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": server.endpoint}
        ).items():
            monkeypatch.setenv(name, value)
        server.put("agency")
        yield server


def extension(package: str, name: str) -> str:
    """The file of an extension of DuckDB that a package brings."""
    found = importlib.util.find_spec(package)
    assert found is not None and found.origin is not None
    (file,) = Path(found.origin).parent.rglob(f"{name}.duckdb_extension")
    return str(file)


@pytest.mark.skipif(
    importlib.util.find_spec("duckdb_extension_httpfs") is None,
    reason="duckdb-extension-httpfs is not installed",
)
def test_duckdb_answers_over_the_object_store(server: S3Server, store: Store, expected: Expected) -> None:
    """Every block, in order: only files of the latest version are read, and the answers are the store's own."""
    push(store, "s3://agency/chile")
    push_again(store)
    secret = (
        f"KEY_ID '{SECRETS['AWS_ACCESS_KEY_ID']}', SECRET '{SECRETS['AWS_SECRET_ACCESS_KEY']}', "
        f"ENDPOINT '{server.endpoint.removeprefix('http://')}', USE_SSL false, URL_STYLE 'path', REGION 'us-east-1'"
    )
    answered = set()
    with duckdb.connect() as session:
        session.load_extension(extension("duckdb_extension_httpfs", "httpfs"))
        session.load_extension(extension(duckdb_extension_spatial.__name__, "spatial"))
        for block in blocks("duckdb"):
            text = block.text.replace("KEY_ID 'KEY', SECRET 'SECRET', REGION 'sa-east-1'", secret)
            rows = session.execute(expected.asked(text)).fetchall()
            assert expected.fault(block.answers, rows) is None
            answered.add(block.answers)
        assert session.execute("SELECT count(*) FROM cells").fetchone() == (CELLS,)
    assert answered >= {"comunas", "nearest", "inside"}


def push_again(store: Store) -> None:
    """Another version in the bucket, so that its folder has more files than the latest one names."""
    with store.transaction() as tx:
        tx.put_adapter("x", {"card.json": b"{}"})
    push(store, "s3://agency/chile")


@pytest.mark.parametrize(
    ("engine", "dialect"), [("bigquery", "bigquery"), ("spark", "spark"), ("sedona", "spark")]
)
def test_sql_of_elsewhere_is_sql(engine: str, dialect: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each statement parses in its dialect, none of them only as an unknown command."""
    sqlglot = pytest.importorskip("sqlglot", reason="sqlglot is not installed (development only)")
    found = blocks(engine)
    assert found
    with caplog.at_level(logging.WARNING, "sqlglot"):
        for block in found:
            for statement in sqlglot.parse(block.text, read=dialect, error_level=sqlglot.ErrorLevel.RAISE):
                words = statement.sql(comments=False)
                assert words.startswith(UNKNOWN) or not isinstance(statement, sqlglot.exp.Command), words


def test_parents_by_bits_are_parents() -> None:
    """The arithmetic that BigQuery is given for `h3_parent` is that of H3."""
    h3 = pytest.importorskip("h3")
    (block,) = (block for block in blocks("bigquery") if "FUNCTION chile.h3_parent" in block.text)
    formula = block.text.partition("AS (")[2].rpartition(");")[0].strip()
    cell = h3.str_to_int(h3.latlng_to_cell(-35.42, -71.55, 9))
    for res in (4, 5, 8):
        assert eval(formula, {"cell": cell, "res": res}) == h3.str_to_int(  # noqa: S307  # text of our own page
            h3.cell_to_parent(h3.int_to_str(cell), res)
        )


def test_frames_read_what_a_version_has(store: Store) -> None:
    """The lines for polars, pyarrow and GeoPandas run, and give the rows of one version."""
    for name in ("polars", "geopandas"):
        pytest.importorskip(name, reason=f"{name} is not installed (development only)")
    (block,) = blocks("python")
    names = {"files": [str(file) for file in store.find("cells").files]}
    exec(block.text, names)  # noqa: S102  # text of our own page
    assert len(names["seen"]) == len(names["table"]) == len(names["vectors"]) == CELLS
    assert names["vectors"].shape == (CELLS, 64)
    assert names["frame"].geometry.notna().all()

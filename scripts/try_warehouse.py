"""Run the SQL of docs/warehouse.md on a small store with Spark or SedonaDB, and compare the answers with our own.

By hand, in an environment with `pip install pyspark` (and Java) or `pip install sedonadb`, beside surco:
`python scripts/try_warehouse.py spark`. Not part of CI: Spark is half a gigabyte and needs Java.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from warehouse_store import Expected, blocks, warehouse_store  # noqa: E402  # of the tests, found by the line above

from surco.embedstore import Store  # noqa: E402

Rows = list[tuple[Any, ...]]


def spark_runner(store: Store) -> Callable[[str], Rows]:
    """Answers SQL by a local Spark over the visible files of a store."""
    from pyspark.sql import SparkSession

    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
    loopback = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    builder = SparkSession.builder.master("local[2]")
    for name, value in (quiet | loopback).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    for table in ("cells", "parcels"):
        files = [str(file) for file in store.find(table).files]
        spark.read.option("basePath", f"{store.path}/{table}").parquet(*files).createOrReplaceTempView(table)
    return lambda query: [tuple(row) for row in spark.sql(query).collect()]


def sedonadb_runner(store: Store) -> Callable[[str], Rows]:
    """Answers SQL by SedonaDB over the visible files of a store."""
    import sedonadb

    session = sedonadb.connect()
    for table in ("cells", "parcels"):
        session.read_parquet([str(file) for file in store.find(table).files]).to_view(table)

    def run(query: str) -> Rows:
        answer = pa.RecordBatchReader.from_stream(session.sql(query)).read_all()
        return [tuple(row.values()) for row in answer.to_pylist()]

    return run


def main() -> int:
    """Run every block of the engine; 1 where an answer differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=["spark", "sedonadb"])
    engine = parser.parse_args().engine
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        store = warehouse_store(Path(folder) / "store")
        expected = Expected.of(store)
        run = {"spark": spark_runner, "sedonadb": sedonadb_runner}[engine](store)
        for block in blocks(engine):
            fault = expected.fault(block.answers, run(expected.asked(block.text)))
            print(f"{block.answers or 'runs'}: {fault or 'as ours'}")
            failed += fault is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

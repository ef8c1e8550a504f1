"""Other ways to search the same vectors, each behind the same two calls; what is not installed says so.

Every peer gets the rows as `blocks` of (keys (M,) uint64, unit vectors (M, D) float32, class (M,) uint16) and answers
`search(query, k, only)` with keys, where `only` is the class that a row must have, or None. `effort` is what makes an
approximate one look at more; the benchmark raises it until recall is as good as ours.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import duckdb
import faiss
import numpy as np
import pyarrow as pa

from surco.embedstore.scan import available_threads

Blocks = Callable[[], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]


class Peer(Protocol):
    """One way to search."""

    name: str
    efforts: tuple[int, ...]
    filters: bool
    most: int
    """Rows that it takes in within some five minutes on two cores."""

    def build(self, blocks: Blocks, rows: int, folder: Path) -> float:
        """Take all rows in and return the bytes a row that it keeps for searching."""

    def search(self, query: np.ndarray, k: int, only: int | None, effort: int) -> list[int]:
        """Keys of the k nearest."""


class FaissFlat:
    """`IndexScalarQuantizer`, 8 bits a value: the bare scan."""

    name, efforts, filters, most = "FAISS SQ8 flat", (0,), True, 10**8

    def build(self, blocks: Blocks, rows: int, folder: Path) -> float:
        """Trained on two hundred thousand rows of all parts of the country."""
        step = max(1, rows // 200_000)
        sample = np.concatenate([vectors[::step] for _, vectors, _ in blocks()])
        faiss.omp_set_num_threads(available_threads())
        self._index = self._made(sample, rows)
        kept = []
        for keys, vectors, classes in blocks():
            self._index.add(vectors)
            kept.append((keys, classes))
        faiss.omp_set_num_threads(1)
        self._keys, self._classes = (np.concatenate(column) for column in zip(*kept, strict=True))
        return float(self._index.code_size + 8)

    def search(self, query: np.ndarray, k: int, only: int | None, effort: int) -> list[int]:
        """With an allow-list of rows for a filter."""
        given = {}
        if only is not None:
            rows = np.flatnonzero(self._classes == only).astype(np.int64)
            bitmap = np.packbits(np.isin(np.arange(len(self._classes)), rows), bitorder="little")
            given["sel"] = faiss.IDSelectorBitmap(bitmap)
        _, rows = self._index.search(query[None], k, params=self._parameters(effort, given))
        return self._keys[rows[0][rows[0] >= 0]].tolist()

    def _made(self, sample: np.ndarray, rows: int) -> Any:
        index = faiss.IndexScalarQuantizer(
            sample.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.train(sample)
        return index

    def _parameters(self, effort: int, given: dict[str, Any]) -> Any:
        return faiss.SearchParameters(**given)


class FaissLists(FaissFlat):
    """`IndexIVFScalarQuantizer` with as many lists as ours."""

    name, efforts = "FAISS IVF + SQ8", (8, 16, 32, 64, 128, 256)

    def build(self, blocks: Blocks, rows: int, folder: Path) -> float:
        """8 bytes an id beside the codes."""
        return super().build(blocks, rows, folder) + 8

    def _made(self, sample: np.ndarray, rows: int) -> Any:
        lists = 2 ** round(np.log2(1.5 * np.sqrt(rows)))
        self._coarse = faiss.IndexFlatIP(sample.shape[1])
        kind = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(
            self._coarse, sample.shape[1], lists, kind, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.max_points_per_centroid = 48
        index.train(sample)
        return index

    def _parameters(self, effort: int, given: dict[str, Any]) -> Any:
        return faiss.SearchParametersIVF(nprobe=effort, **given)


class Usearch:
    """An HNSW graph of int8 vectors; it has no filters."""

    name, efforts, filters, most = "usearch HNSW i8", (64, 128, 256, 512, 1024), False, 500_000

    def build(self, blocks: Blocks, rows: int, folder: Path) -> float:
        """On all cores."""
        from usearch.index import Index

        self._index: Any = None
        for keys, vectors, _ in blocks():
            if self._index is None:
                self._index = Index(ndim=vectors.shape[1], metric="cos", dtype="i8")
            self._index.add(keys, vectors)
        return float(self._index.memory_usage / rows)

    def search(self, query: np.ndarray, k: int, only: int | None, effort: int) -> list[int]:
        """`effort` is expansion_search."""
        self._index.expansion_search = effort
        return [int(key) for key in self._index.search(query, k).keys]


class Lance:
    """LanceDB with IVF and HNSW over 8-bit codes, compared again with the vectors; filters first."""

    name, efforts, filters, most = "LanceDB IVF_HNSW_SQ", (1, 2, 4, 8, 16, 32), True, 500_000
    indexed = True

    def build(self, blocks: Blocks, rows: int, folder: Path) -> float:
        """Bytes are those of its folder."""
        import lancedb

        dimension = next(iter(blocks()))[1].shape[1]
        schema = pa.schema(
            {"key": pa.uint64(), "kind": pa.uint16(), "vector": pa.list_(pa.float32(), dimension)}
        )
        batches = (
            pa.record_batch(
                [keys, kinds, pa.FixedSizeListArray.from_arrays(vectors.ravel(), dimension)], schema=schema
            )
            for keys, vectors, kinds in blocks()
        )
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        self._table = lancedb.connect(folder / self.name).create_table("t", reader)
        if self.indexed:
            from lancedb.index import HnswSq

            self._table.create_index("vector", config=HnswSq(distance_type="cosine"))
        return folder_bytes(folder / self.name) / rows

    def search(self, query: np.ndarray, k: int, only: int | None, effort: int) -> list[int]:
        """`effort` is how many partitions it looks at; four times k are compared again."""
        asked = self._table.search(query).distance_type("cosine").limit(k).select(["key", "_distance"])
        if self.indexed:
            asked = asked.nprobes(effort).ef(4 * k).refine_factor(4)
        if only is not None:
            asked = asked.where(f"kind = {only}", prefilter=True)
        return asked.to_arrow()["key"].to_pylist()


class LanceFlat(Lance):
    """LanceDB without an index."""

    name, efforts, indexed, most = "LanceDB flat", (0,), False, 10**8


class DuckdbGraph:
    """duckdb-vss: an HNSW graph of float32 in a table of DuckDB."""

    name, efforts, filters, most = "duckdb-vss HNSW", (64, 128, 256, 512), False, 60_000

    def build(self, blocks: Blocks, rows: int, folder: Path) -> float:
        """Bytes are the graph's and the vectors'."""
        import duckdb_extension_vss

        place = Path(duckdb_extension_vss.__path__[0])
        self._session = duckdb.connect()
        self._session.load_extension(
            str(place / "extensions" / f"v{duckdb.__version__}" / "vss.duckdb_extension")
        )
        dimension = next(iter(blocks()))[1].shape[1]
        self._dimension = dimension
        self._session.execute(f"CREATE TABLE t (key UBIGINT, kind USMALLINT, v FLOAT[{dimension}])")
        for keys, vectors, kinds in blocks():
            lists = pa.FixedSizeListArray.from_arrays(vectors.ravel(), dimension)
            self._session.register("block", pa.table([keys, kinds, lists], names=["key", "kind", "v"]))
            self._session.execute("INSERT INTO t SELECT * FROM block")
        self._session.execute("CREATE INDEX graph ON t USING HNSW (v) WITH (metric = 'cosine')")
        found = self._session.execute("SELECT approx_memory_usage FROM pragma_hnsw_index_info()").fetchone()
        return float(found[0]) / rows if found else float("nan")

    def search(self, query: np.ndarray, k: int, only: int | None, effort: int) -> list[int]:
        """`effort` is hnsw_ef_search."""
        self._session.execute(f"SET hnsw_ef_search = {effort}")
        values = ", ".join(f"{value:.9g}" for value in query.tolist())
        distance = f"array_cosine_distance(v, [{values}]::FLOAT[{self._dimension}])"
        rows = self._session.execute(f"SELECT key FROM t ORDER BY {distance} LIMIT {k}").fetchall()  # noqa: S608
        return [key for (key,) in rows]


class DuckdbFiles:
    """Plain SQL of DuckDB over the store's own files; made with their paths."""

    name, efforts, filters, most = "DuckDB SQL over Parquet", (0,), True, 10**8

    def __init__(self, files: list[Path]) -> None:
        self._files = [str(file) for file in files]

    def build(self, blocks: Blocks, rows: int, folder: Path) -> float:
        """Nothing to take in: bytes are those of the files."""
        self._session = duckdb.connect()
        return sum(Path(file).stat().st_size for file in self._files) / rows

    def search(self, query: np.ndarray, k: int, only: int | None, effort: int) -> list[int]:
        """Every row's cosine."""
        only_it = "true" if only is None else f"comuna = {only}"
        sql = (
            f"SELECT h3 FROM read_parquet($files) WHERE {only_it} ORDER BY "  # noqa: S608
            f"array_cosine_similarity(embedding::FLOAT[{len(query)}], $query::FLOAT[{len(query)}]) DESC LIMIT {k}"
        )
        rows = self._session.execute(sql, {"files": self._files, "query": query.tolist()}).fetchall()
        return [key for (key,) in rows]


def missing(module: str) -> str | None:
    """Why a peer is left out; None where it is installed."""
    return None if importlib.util.find_spec(module) else f"{module} is not installed"


def folder_bytes(folder: Path) -> int:
    """Of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

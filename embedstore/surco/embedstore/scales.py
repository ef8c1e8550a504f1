"""The scales of a table's vectors as an array beside those that a search runs over, mapped from a file and not loaded.

A search by cosine needs no scale, what predicts from vectors does: vector = embedding x scale.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.embedstore.files import read_rows
from surco.embedstore.sidecar import drop_older, ensure_sidecar
from surco.embedstore.vector_sources import Source

__all__ = ["row_scales"]

_SMALL = 100_000
_KEPT_VERSIONS = 2
_LOADING = threading.Lock()

Floats = npt.NDArray[np.float32]


def row_scales(source: Source) -> Floats:
    """(N,) scale of each row, in the order of `table_vectors`; 0 where nothing was observed. Kept for the next call.

    The first call makes a sidecar of four bytes a row; a small table's, or one of a store that cannot be written, are
    loaded.

    Raises:
        StoreError: a damaged file of the table.
    """
    with _LOADING:
        return _row_scales(source)


@lru_cache(maxsize=4)
def _row_scales(source: Source) -> Floats:
    if source.info.rows < _SMALL:
        return _read(source)
    folder = source.folder("scales")
    try:
        if ensure_sidecar(folder, lambda draft: _write(source, draft)):
            drop_older(folder, f"scales of {source.name}", _KEPT_VERSIONS)
    except OSError:
        return _read(source)
    try:
        mapped: Floats = np.load(folder / "scale.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
    except FileNotFoundError:
        # Another process has written two newer versions since, and removed this one's file.
        return _read(source)
    return mapped


def _write(source: Source, draft: Path) -> dict[str, Any]:
    np.save(draft / "scale.npy", _read(source), allow_pickle=False)
    return {"table": f"scales of {source.name}"}


def _read(source: Source) -> Floats:
    key = ["h3"] if source.table == "cells" else []
    tables = [read_rows(file, [*key, "embedding_scale"]) for file in source.info.files]
    scale = np.concatenate([table["embedding_scale"].to_numpy() for table in tables])
    scale = np.nan_to_num(np.asarray(scale, np.float32))
    if not key:
        return scale
    cells = np.concatenate([table["h3"].to_numpy() for table in tables])
    return scale if (cells[1:] > cells[:-1]).all() else scale[np.argsort(cells, kind="stable")]

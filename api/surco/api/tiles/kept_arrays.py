"""Arrays derived from a table's version: made once, then mapped from a sidecar; a small table's stay in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from surco.embedstore.sidecar import drop_older, ensure_sidecar
from surco.embedstore.vector_sources import Source

__all__ = ["Allocate", "Arrays", "kept_arrays"]

Arrays = Mapping[str, npt.NDArray[Any]]
Allocate = Callable[[str, Any, tuple[int, ...]], npt.NDArray[Any]]
"""Name, type and shape to a new array, to be filled."""

_SMALL = 100_000
_KEPT_VERSIONS = 2


def kept_arrays(source: Source, what: str, fill: Callable[[Allocate], None]) -> Arrays:
    """The arrays that `fill` makes of a table, by name.

    Args:
        source: the table at one version.
        what: names the sidecar; one name has always the same `fill`, and a new name where its arrays change.
        fill: asks for each array and writes into it.

    Raises:
        StoreError: a damaged file of the table.
    """
    if source.info.rows < _SMALL:
        return _loaded(fill)
    folder = source.folder(what)
    with _making(folder):
        try:
            if ensure_sidecar(folder, lambda draft: _write(source, what, fill, draft)):
                drop_older(folder, f"{what} of {source.name}", _KEPT_VERSIONS)
        except OSError:
            return _loaded(fill)
    return {file.stem: np.load(file, "r", False).view(np.ndarray) for file in folder.glob("*.npy")}


@lru_cache(maxsize=64)
def _making(folder: Path) -> threading.Lock:
    """A lock for each sidecar, so that none is made twice at the same time."""
    return threading.Lock()


def _loaded(fill: Callable[[Allocate], None]) -> Arrays:
    made: dict[str, npt.NDArray[Any]] = {}

    def allocate(name: str, kind: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        made[name] = np.empty(shape, kind)
        return made[name]

    fill(allocate)
    return made


def _write(source: Source, what: str, fill: Callable[[Allocate], None], draft: Path) -> dict[str, Any]:
    made: list[np.memmap[Any, Any]] = []

    def allocate(name: str, kind: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        if 0 in shape:
            np.save(draft / f"{name}.npy", np.empty(shape, kind))
            return np.empty(shape, kind)
        made.append(np.lib.format.open_memmap(draft / f"{name}.npy", "w+", kind, shape))
        return made[-1].view(np.ndarray)

    fill(allocate)
    for array in made:
        array.flush()
    return {"table": f"{what} of {source.name}"}

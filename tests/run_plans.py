"""Small plans over the synthetic country, and what a store holds in the end, for tests of runs."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surco.embedstore import Season, Store
from surco.encoder.composite import Composite
from surco.encoder.grid import Window
from surco.encoder.plan import LandTile, PlannedModel, RunPlan, SimulatedSource
from surco.encoder.protocol import BandMeanEncoder, Floats

SEASON = Season(2024)


def small_plan(tiles: int = 4, step: int = 640) -> RunPlan:
    """Tiles beside each other in the central valley, four windows each, of the synthetic country."""
    chosen = tuple(
        LandTile(19, 25 + number % 2, 610 - number // 2, step=step, occupied=0b0110_0110)
        for number in range(tiles)
    )
    model = PlannedModel.of("band-mean", BandMeanEncoder())
    return RunPlan("valley", SEASON, chosen, model, (11, 9), simulated=SimulatedSource(1))


def digests(store: Store) -> dict[str, str]:
    """SHA-256 of each file of the store's tables, by table and name; folders named by the write are left out."""
    found = {}
    for info in Store.open(store.path).tables():
        for file in info.files:
            path = file.relative_to(store.path)
            name = "/".join(part for part in path.parts if part != path.parent.name)
            found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def start_driver(store: Path, tiles: int, executor: str) -> subprocess.Popen[bytes]:
    """A process of its own that carries out `small_plan`."""
    script = f"""
        from run_plans import small_plan
        from surco.embedstore import Store
        from surco.encoder.runs import InProcess, LocalPool, run_plan
        if __name__ == "__main__":
            run_plan(small_plan({tiles}), Store.open({str(store)!r}), executor={executor})
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], env=environment)


class Slow(BandMeanEncoder):
    """An encoder that takes its time, so that something can happen meanwhile."""

    def encode(self, *series: Any) -> Floats:
        """See `Encoder.encode`."""
        time.sleep(0.4)
        return super().encode(*series)


class DiesOnce(BandMeanEncoder):
    """An encoder whose process is killed at its n-th call, as by a system out of memory, unless a file is there."""

    def __init__(self, call: int, file: Path) -> None:
        self._left, self._file = call, file

    def encode(self, *series: Any) -> Floats:
        """See `Encoder.encode`."""
        self._left -= 1
        if self._left < 0 and not self._file.exists():
            self._file.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(*series)


@dataclass(frozen=True)
class DeadlyToRead:
    """The synthetic country, but for one place: the process that reads a window there is killed."""

    bounds: tuple[float, float, float, float]

    def composite(self, tile: LandTile, window: Window, season: Season) -> Composite:
        """See `work.Observer`."""
        if window.bounds == self.bounds:
            os.kill(os.getpid(), signal.SIGKILL)
        return SimulatedSource(1).composite(tile, window, season)


class DiesOver(BandMeanEncoder):
    """An encoder whose process is killed over places west of a longitude, while a file is there."""

    def __init__(self, longitude: float, file: Path) -> None:
        self._longitude, self._file = longitude, file

    def encode(self, values: Any, valid: Any, dates: Any, lonlat: Any, static: Any) -> Floats:
        """See `Encoder.encode`."""
        if self._file.exists() and np.nanmin(lonlat[:, 0]) < self._longitude:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(values, valid, dates, lonlat, static)

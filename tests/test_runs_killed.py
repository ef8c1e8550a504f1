"""Runs whose workers and drivers are killed: the store holds the same bytes in the end."""

from __future__ import annotations

import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from run_plans import SEASON, DeadlyToRead, DiesOnce, DiesOver, digests, small_plan, start_driver

from surco.embedstore import Store
from surco.encoder.protocol import BandMeanEncoder
from surco.encoder.runs import (
    InProcess,
    LocalPool,
    Patience,
    RunError,
    RunFolder,
    find_run,
    run_plan,
    status_of,
)
from surco.encoder.runs.state import is_driven, read_state
from surco.encoder.runs.work import Failure, Recipe, Task, Work

TILES = 2


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the tables hold when nothing goes wrong, in one process."""
    store = Store.create(tmp_path_factory.mktemp("undisturbed") / "store")
    report = run_plan(small_plan(TILES), store, executor=InProcess())
    assert (report.tiles, report.holes, report.resumed) == (TILES, (), 0)
    return digests(store)


def test_a_killed_worker_is_replaced(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    """A worker dies in the middle of a tile: another one does its windows, and the run ends as if nothing had been."""
    store = Store.create(tmp_path / "store")
    dies = partial(DiesOnce, 3, tmp_path / "died")
    report = run_plan(small_plan(TILES), store, dies, executor=LocalPool(2))
    assert (tmp_path / "died").exists() and report.holes == ()
    assert digests(store) == undisturbed


def test_a_window_that_kills_workers_is_a_hole_until_it_can_be_done(
    tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    """A window over which workers die is given up with its tile; tried again, the store is as if nothing had been."""
    store, deadly = Store.create(tmp_path / "store"), tmp_path / "deadly"
    deadly.touch()
    plan = small_plan(TILES)
    edge = min(tile.bbox[0] for tile in plan.tiles) + 0.06
    dies = partial(DiesOver, edge, deadly)
    once = Patience(attempts=1)
    report = run_plan(plan, store, dies, executor=LocalPool(2), patience=once)
    west = {tile.name for tile in plan.tiles if tile.bbox[0] < edge}
    assert set(report.holes) == west and 0 < len(west) < TILES
    (note,) = store.tables()[0].meta["runs"]
    assert {hole["tile"] for hole in note["holes"]} == west
    assert all("3 workers died over it, the last with code -9." in hole["reason"] for hole in note["holes"])
    deadly.unlink()
    assert run_plan(plan, store, dies, executor=LocalPool(1)).already
    report = run_plan(plan, store, dies, executor=LocalPool(1), retry_failed=True)
    assert report.holes == () and report.resumed == TILES - len(west)
    assert digests(store) == undisturbed


def test_the_right_window_is_blamed() -> None:
    """A window that kills who reads it ahead of others is the one given up; those before it are done."""
    tiles = small_plan(4).tiles
    tasks = [
        Task(number, window)
        for number, tile in enumerate(tiles)
        for window in range(len(list(tile.windows())))
    ]
    deadly = list(tiles[1].windows())[2]
    work = Work(Recipe(SEASON, 11), tiles, lambda _: DeadlyToRead(deadly.bounds))
    outcomes = {
        each.task: each.outcome for each in LocalPool(1).results(work, BandMeanEncoder, tasks) if each
    }
    assert len(tasks) == 16 and outcomes.keys() == set(tasks)
    failed = {task: said for task, said in outcomes.items() if isinstance(said, Failure)}
    assert failed.keys() == {Task(1, 2), Task(1, 3)}, "the deadly one, and what is left of its piece"
    assert {said.reason for said in failed.values()} == {"3 workers died over it, the last with code -9."}


def test_drivers_killed_at_random(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    """However often the driver is killed, its workers end with it, no lock stays, and the next one goes on."""
    store = Store.create(tmp_path / "store")
    for seconds in np.random.default_rng(5).uniform(0.0, 2.0, 2):
        driver = start_driver(store.path, TILES, "LocalPool(1)")
        folder = wait_for_progress(store, driver)
        time.sleep(seconds)
        driver.send_signal(signal.SIGKILL)
        driver.wait(timeout=30)
        state = read_state(folder)
        assert state is not None and not is_driven(folder, state)
        assert status_of(folder).standing in ("stopped", "finished")
    report = run_plan(small_plan(TILES), store, executor=InProcess())
    assert report.holes == () and report.tiles == TILES
    assert digests(store) == undisturbed


def wait_for_progress(store: Store, driver: subprocess.Popen[bytes]) -> RunFolder:
    """The run's folder, once its driver has begun; or has ended, where one before it had done everything."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            folder = find_run(store, None)
        except RunError:
            time.sleep(0.05)
            continue
        state = read_state(folder)
        if state is not None and (is_driven(folder, state) or driver.poll() is not None):
            return folder
        time.sleep(0.05)
    raise TimeoutError("no driver began")

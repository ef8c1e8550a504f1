"""Tiles that cannot be read: tried again, given up, named everywhere, and done later to the same bytes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from run_plans import SEASON, digests
from stac_catalogs import LEFT, TOP, optical, radar, write_catalog

from surco.api.cli import main
from surco.api.quality.page import report_page
from surco.api.quality.picture import report_picture
from surco.api.quality.report import quality_report
from surco.embedstore import Store
from surco.encoder.catalog import read_scenes
from surco.encoder.plan import LandTile, PlannedModel, RunPlan, write_plan
from surco.encoder.protocol import BandMeanEncoder
from surco.encoder.runs import InProcess, LocalPool, Patience, RunError, list_runs, run_plan
from surco.encoder.runs.folder import run_folder

PATIENT = Patience(attempts=2, wait_s=0.2)
BROKEN = "19S-0030-0593"


def two_tiles(folder: Path) -> RunPlan:
    """A plan of two tiles, each with a strip of land that was seen."""
    items = [
        optical(f"s2-{place}-{day}", day, 1000 + 100 * place, wide=300, left=LEFT + 10_240 * place)
        for place in (0, 1)
        for day in ("2024-06-01", "2024-11-10")
    ]
    catalog = write_catalog(folder, [*items, radar("s1", "2024-07-07", 0.08, 0.02, wide=1600)])
    scenes = read_scenes(str(catalog), SEASON.start, SEASON.last_day, None)
    column, row = int(LEFT // 10_240), int(TOP // 10_240)
    tiles = tuple(LandTile(19, column + place, row, step=40, occupied=0b0110_0000) for place in (0, 1))
    model = PlannedModel.of("band-mean", BandMeanEncoder())
    return RunPlan("strip", SEASON, tiles, model, (11, 9), ("stac",), tuple(scenes))


def break_scene(folder: Path) -> tuple[Path, bytes, int]:
    """Make a raster of the second tile unreadable without its size or time telling; what gives it back."""
    (path,) = folder.rglob("s2-1-2024-11-10/nir.tif")
    good, when = path.read_bytes(), path.stat().st_mtime_ns
    path.write_bytes(b"junk" + good[4:])
    os.utime(path, ns=(when, when))
    return path, good, when


def test_a_tile_that_cannot_be_read(tmp_path: Path) -> None:
    """It is given up after some attempts, named with the reason, and done when it can be, as if nothing had been."""
    plan = two_tiles(tmp_path / "stac")
    whole, store = Store.create(tmp_path / "whole"), Store.create(tmp_path / "store")
    run_plan(plan, whole, executor=InProcess())
    path, good, when = break_scene(tmp_path / "stac")
    began = time.monotonic()
    report = run_plan(plan, store, executor=LocalPool(1), patience=PATIENT)
    assert report.holes == (BROKEN,) and time.monotonic() - began > PATIENT.wait_s
    (status,) = list_runs(store)
    assert status.standing == "holes" and [letter.tile for letter in status.failed] == [BROKEN]
    assert status.failed[0].attempts == 2 and "band nir of scene s2-1-2024-11-10" in status.failed[0].reason
    quality = quality_report(store, resolution=11)
    assert [hole["tile"] for hole in quality["failed_tiles"]] == [BROKEN]
    assert BROKEN in report_page(quality, "region") and report_picture(quality)[:4] == b"\x89PNG"
    path.write_bytes(good)
    os.utime(path, ns=(when, when))
    assert run_plan(plan, store, executor=InProcess()).already
    again = run_plan(plan, store, executor=InProcess(), retry_failed=True)
    assert (again.holes, again.resumed, again.already) == ((), 1, False)
    assert digests(store) == digests(whole)
    assert quality_report(store, resolution=11)["failed_tiles"] == [] and list_runs(store)[0].failed == ()
    assert not list(run_folder(store, plan.key).path.rglob("*.arrow"))


def test_no_tile_can_be_read(tmp_path: Path) -> None:
    """Then there is nothing to write: the run ends with the first reason, and the store is as it was."""
    plan = two_tiles(tmp_path / "stac")
    for path in (tmp_path / "stac").rglob("scl.tif"):
        when = path.stat().st_mtime_ns
        path.write_bytes(b"junk" + path.read_bytes()[4:])
        os.utime(path, ns=(when, when))
    store = Store.create(tmp_path / "store")
    with pytest.raises(RunError, match=r"Expected at least one tile that can be done; got 2 that cannot"):
        run_plan(plan, store, executor=InProcess(), patience=PATIENT)
    assert Store.open(store.path).tables() == [] and list_runs(store)[0].standing == "stopped"


def test_commands_name_the_hole(tmp_path: Path) -> None:
    """The commands exit with 3 and say which tile and why; after --retry-failed they exit with 0."""
    plan, store = two_tiles(tmp_path / "stac"), Store.create(tmp_path / "store")
    write_plan(plan, tmp_path / "plan.json")
    path, good, when = break_scene(tmp_path / "stac")
    run_plan(plan, store, executor=InProcess(), patience=PATIENT)
    asked = CliRunner()
    place = str(store.path)
    again = asked.invoke(main, ["encode", "--plan", str(tmp_path / "plan.json"), "--store", place])
    assert again.exit_code == 3 and BROKEN in again.output
    said = asked.invoke(main, ["run", "status", place])
    assert said.exit_code == 3 and "band nir of scene s2-1-2024-11-10" in said.output
    (listed,) = json.loads(asked.invoke(main, ["run", "list", place, "--json"]).output)
    assert listed["standing"] == "holes" and listed["failed"][0]["tile"] == BROKEN
    path.write_bytes(good)
    os.utime(path, ns=(when, when))
    done = asked.invoke(main, ["run", "resume", place, "--retry-failed", "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert asked.invoke(main, ["run", "status", place]).exit_code == 0

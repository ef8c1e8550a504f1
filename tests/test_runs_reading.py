"""What runs say that they read over a network, whoever read it: as much as the server sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from range_server import RangeServer
from run_plans import SEASON
from stac_catalogs import write_catalog
from test_updating import months

from surco.api.cli import main
from surco.embedstore import Store
from surco.encoder.catalog import read_scenes
from surco.encoder.plan import LandTile, PlannedModel, RunPlan, write_plan
from surco.encoder.protocol import BandMeanEncoder
from surco.encoder.runs import Executor, InProcess, LocalPool, run_plan
from surco.encoder.runs.cluster_stages import COUNTS, EncodeRows, pool_row, read_row
from surco.encoder.runs.stages import Stages
from surco.encoder.runs.work import Recipe


def plan_of(address: str) -> RunPlan:
    """One window over scenes at an address."""
    scenes = read_scenes(address, SEASON.start, SEASON.end)
    model = PlannedModel.of("band-mean", BandMeanEncoder())
    return RunPlan(
        "valley", SEASON, (LandTile(19, 29, 593, occupied=1 << 5),), model, (9,), scenes=tuple(scenes)
    )


@pytest.mark.parametrize("executor", [InProcess(), LocalPool(1)])
def test_a_run_counts_what_its_processes_read(tmp_path: Path, executor: Executor) -> None:
    """Report, state and `surco run status` have the bytes that the server sent, and its requests."""
    write_catalog(tmp_path / "stac", months())
    store = Store.create(tmp_path / "store")
    with RangeServer(tmp_path / "stac") as server:
        plan, before = plan_of(f"{server.address}/catalog.json"), len(server.asked)
        report = run_plan(plan, store, BandMeanEncoder, executor=executor)
        asked = server.asked[before:]
    assert report.reading.bytes_read == sum(each.sent for each in asked) > 0
    assert report.reading.requests == len(asked)
    said = CliRunner().invoke(main, ["run", "status", str(store.path), "--json"])
    told = json.loads(said.output)
    assert (told["bytes_read"], told["requests"], told["retries"]) == (
        report.reading.bytes_read,
        len(asked),
        0,
    )
    assert f"read {report.reading}" in CliRunner().invoke(main, ["run", "status", str(store.path)]).output


def test_the_command_says_it(tmp_path: Path) -> None:
    """`surco encode --plan` ends with what was read by its workers."""
    write_catalog(tmp_path / "stac", months())
    with RangeServer(tmp_path / "stac") as server:
        write_plan(plan_of(f"{server.address}/catalog.json"), tmp_path / "plan.json")
        done = CliRunner().invoke(main, [
            "encode", "--plan", str(tmp_path / "plan.json"), "--store", str(tmp_path / "s"), "--workers", "1",
        ])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "MB in" in done.output and "Read 0.0 MB in 0" not in done.output


class Held:
    """What a cluster's process fetches from the cluster's store, at hand."""

    def __init__(self, plan: RunPlan) -> None:
        self._plan, self._stages = plan, Stages(Recipe(SEASON, 9))

    def stages(self) -> Stages:
        """See `Shared.stages`."""
        return self._stages

    def tile(self, row: dict[str, int]) -> object:
        """See `Shared.tile`."""
        tile = self._plan.tiles[row["tile"]]
        return tile, self._plan.source(tile), list(tile.windows())[row["window"]]


def test_rows_of_a_cluster_keep_what_was_read(tmp_path: Path) -> None:
    """A row that was read says so to the end, through encoding and pooling."""
    write_catalog(tmp_path / "stac", months())
    with RangeServer(tmp_path / "stac") as server:
        plan, before = plan_of(f"{server.address}/catalog.json"), len(server.asked)
        held = Held(plan)
        row = read_row({"tile": 0, "window": 0}, held)  # type: ignore[arg-type]
        asked = server.asked[before:]
    batch = EncodeRows(BandMeanEncoder)({name: [value] for name, value in row.items()})
    done = pool_row({name: values[0] for name, values in batch.items()}, held)  # type: ignore[arg-type]
    assert not done["kind"] and done["body"] != row["body"]
    assert [done[name] for name in COUNTS] == [len(asked), sum(each.sent for each in asked), 0]

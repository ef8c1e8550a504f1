"""Runs on this machine that are stopped, spoilt, refused or short of room, and what is said of them."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner
from run_plans import digests, small_plan

from surco.api.cli import main
from surco.embedstore import Store
from surco.encoder.plan import write_plan
from surco.encoder.runs import CancelledRunError, InProcess, LocalPool, RunError, run_plan
from surco.encoder.runs.folder import run_folder, write_whole
from surco.encoder.runs.state import driving, read_state

PLAN = small_plan(2)


class Stopped(Exception):
    """What a test stops a run with."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the tables hold when nothing goes wrong."""
    store = Store.create(tmp_path_factory.mktemp("undisturbed") / "store")
    run_plan(PLAN, store, executor=InProcess())
    return digests(store)


def stop_at(tile: int) -> object:
    """A progress that ends the run behind some tile."""

    def stop(done: int, total: int, text: str) -> None:
        if done == tile:
            raise Stopped

    return stop


def test_a_spoilt_tile_is_done_again(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    """A finished tile whose file was altered after the run stopped is none: it is done again, not read."""
    store = Store.create(tmp_path / "store")
    with pytest.raises(Stopped):
        run_plan(PLAN, store, executor=InProcess(), progress=stop_at(1))
    assert Store.open(store.path).tables() == []
    (path,) = (run_folder(store, PLAN.key).path / "tiles").glob("*.arrow")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    report = run_plan(PLAN, store, executor=InProcess())
    assert report.resumed == 0 and digests(store) == undisturbed


def test_a_run_is_cancelled_and_gone_on_with(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    """Somebody's request stops it, with what is done kept; it says so, and goes on when asked to."""
    store = Store.create(tmp_path / "store")

    def cancel(done: int, total: int, text: str) -> None:
        if done == 1:
            said = CliRunner().invoke(main, ["run", "cancel", str(store.path)])
            assert said.exit_code == 0 and "stops within seconds" in said.output

    with pytest.raises(CancelledRunError, match="surco run resume goes on from there"):
        run_plan(PLAN, store, executor=InProcess(), progress=cancel)
    said = CliRunner().invoke(main, ["run", "status", str(store.path), "--json"])
    told = json.loads(said.output)
    assert said.exit_code == 4 and (told["standing"], told["tiles_done"], told["tiles"]) == (
        "cancelled",
        1,
        2,
    )
    done = CliRunner().invoke(main, ["run", "resume", str(store.path), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert digests(store) == undisturbed
    assert CliRunner().invoke(main, ["run", "status", str(store.path)]).exit_code == 0


def test_one_driver_at_a_time(tmp_path: Path) -> None:
    """A second driver is refused by name while the first lives; one of another machine by its fresh heartbeat."""
    store = Store.create(tmp_path / "store")
    folder = run_folder(store, PLAN.key)
    with (
        driving(folder, "a test"),
        pytest.raises(RunError, match=f"got process {os.getpid()} on .*, which is"),
    ):
        run_plan(PLAN, store, executor=InProcess())
    state = read_state(folder)
    assert state is not None and state.phase == "encoding"
    elsewhere = {**vars_of(state), "host": "elsewhere", "pid": 7}
    write_whole(folder.path / "state.json", elsewhere)
    with pytest.raises(RunError, match="got process 7 on elsewhere, which is"):
        run_plan(PLAN, store, executor=InProcess())
    write_whole(folder.path / "state.json", {**elsewhere, "heartbeat": state.heartbeat - 60})
    assert run_plan(PLAN, store, executor=InProcess()).tiles == 2


def vars_of(state: object) -> dict[str, object]:
    """The fields of a frozen, slotted value."""
    return {name: getattr(state, name) for name in state.__slots__}  # type: ignore[attr-defined]


def test_a_full_disk_ends_the_run_with_a_sentence(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    """Files may not grow as far as a tile needs: exit code 2, one sentence; with room again the run goes on."""
    store = Store.create(tmp_path / "store")
    write_plan(PLAN, tmp_path / "plan.json")
    script = f"""
        import resource
        from surco.api.cli import main
        if __name__ == "__main__":
            resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, {resource.RLIM_INFINITY}))
            main(["encode", "--plan", "plan.json", "--store", {str(store.path)!r}, "--workers", "1"])
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2 and "Expected room on the disk" in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr
    assert run_plan(PLAN, store, executor=InProcess()).holes == ()
    assert digests(store) == undisturbed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "--plan", "nowhere.json", "--store", "s"], "Expected a plan at nowhere.json"),
        (["encode", "--plan", "p", "--store", "s", "--res", "9"], "The plan says it"),
        (
            ["encode", "--plan", "p", "--store", "s", "--workers", "2", "--ray", "auto"],
            "--workers or --ray; got both",
        ),
        (["encode", "--store", "s"], "Expected --stac and --season, or --plan"),
        (["encode", "--stac", "c", "--season", "2024-25", "--store", "s", "--workers", "2"], "with --plan"),
        (
            [
                "encode",
                "--region",
                "CL-ML",
                "--aoi",
                "a",
                "--stac",
                "c",
                "--season",
                "2024-25",
                "--store",
                "s",
            ],
            "got aoi too",
        ),
        (["encode", "--plan", "p", "--region", "CL-ML", "--store", "s"], "got region too"),
        (["run", "status", "s"], "Expected a run in"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    """Exit code 2 and one sentence that says what to do."""
    monkeypatch.chdir(tmp_path)
    Store.create(tmp_path / "s")
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code == 2 and message in said.output.replace("\n", " ")


def test_no_workers_are_refused() -> None:
    """A pool has at least one process."""
    with pytest.raises(RunError, match="Expected at least 1 worker; got 0"):
        LocalPool(0)

"""A store is the same in a folder and at an address: written, read, contended for, cleared up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from store_builders import MODEL, SEASON, cell_ids, cells_batch, parcels_batch, squares, unit_vectors

pytest.importorskip("obstore", reason="obstore is not installed (extra `cloud`)")
pytest.importorskip("moto", reason="moto's server is not installed (dependency group `dev`)")

from s3_server import SECRETS, Answer, Request, S3Server

from surco.embedstore import (
    QueryError,
    Season,
    Store,
    StoreConflictError,
    StoreError,
    adapter_versions,
    collect_garbage,
    nearest,
    pull,
    push,
    rollback,
    run_sql,
    verify,
    versions,
)
from surco.embedstore.following import hold
from surco.embedstore.remote_files import Remote
from surco.embedstore.working_copy import origin_of, root_of


@pytest.fixture(scope="module")
def one_server() -> Iterator[S3Server]:
    """The server of all tests here."""
    with S3Server() as server:
        yield server


@pytest.fixture
def server(one_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server without a past, the environment that leads to it, and a cache of the test's own."""
    one_server.reset()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    there = {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": one_server.endpoint}
    for name, value in {**SECRETS, **there, "SURCO_CACHE": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    return one_server


@pytest.fixture
def url(server: S3Server, tmp_path: Path) -> str:
    """An address below a bucket of the test's own."""
    bucket = tmp_path.name.replace("_", "-").lower()[:60].strip("-") + "-b"
    server.put(bucket)
    return f"s3://{bucket}/agencies/valley"


@pytest.fixture(params=["folder", "address"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where a store is to be: a folder, or an address."""
    return tmp_path / "valley" if request.param == "folder" else request.getfixturevalue("url")


def fill(store: Store, n: int = 60, season: Season = SEASON, seed: int = 0, *, merge: bool = False) -> None:
    """Write n cells, 40 parcels, a card and an adapter."""
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(n), unit_vectors(n, seed=seed))
        tx.put_cells([rows], model_id=MODEL, season=season, resolution=9, merge=merge)
        crops = ["maize", "vineyard", None, "cherry"] * 10
        tx.put_parcels(
            [parcels_batch(squares(40), unit_vectors(40, seed=1), crops)], model_id=MODEL, season=season
        )
        tx.put_model(MODEL, {"title": "a test"})
        tx.put_adapter("crops", {"card.json": f'{{"seed": {seed}}}'.encode()})


def elsewhere(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """From now on as on another machine: with a cache that holds nothing."""
    monkeypatch.setenv("SURCO_CACHE", str(folder))


def test_what_is_written_is_read(place: str | Path) -> None:
    """Tables, cards, adapters, SQL and search of a store are the same wherever it lies."""
    store = Store.open_or_create(place)
    fill(store)
    again = Store.open(place)
    assert again.version == store.version == 1
    assert [(t.table, t.rows) for t in again.tables()] == [("cells", 60), ("parcels", 40)]
    assert again.read("cells").num_rows == 60
    assert again.model_card(MODEL) == {"title": "a test"}
    assert (again.adapter_dir("crops") / "card.json").read_bytes() == b'{"seed": 0}'
    counted = run_sql(again, "SELECT count(*) AS n, min(n_pixels) AS least FROM cells WHERE res = 9")
    assert counted.to_pylist() == [{"n": 60, "least": 100}]
    assert nearest(again, cell_ids(1)[0], 3, table="cells").num_rows == 3
    assert not verify(place, every_version=True).damage


def test_another_machine_reads_what_was_written(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty cache is filled by need: SQL over parcels fetches one file of cells, by which it knows the columns."""
    store = Store.create(url)
    fill(store)
    with store.transaction() as tx:
        far = [cell for lon in (-71.5, -70.5, -69.5) for cell in cell_ids(20, lon=lon)]
        rows = cells_batch(far, unit_vectors(60))
        tx.put_cells([rows], model_id=MODEL, season=SEASON, resolution=9)
    elsewhere(monkeypatch, tmp_path / "other")
    store = Store.open(url)
    assert run_sql(store, "SELECT count(*) AS n FROM parcels").to_pylist() == [{"n": 40}]
    assert len(store.find("cells").names) == 3
    assert len(list(store.path.glob("cells/**/*.parquet"))) == 1
    assert run_sql(store, "SELECT count(*) AS n FROM cells").to_pylist() == [{"n": 60}]
    assert store.read("cells").num_rows == 60


def test_a_merge_keeps_what_another_machine_wrote(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that stay are fetched where they are not here, and nothing of them is lost."""
    fill(Store.create(url), 80)
    elsewhere(monkeypatch, tmp_path / "other")
    fill(Store.open(url), 20, seed=7, merge=True)
    elsewhere(monkeypatch, tmp_path / "third")
    assert Store.open(url).read("cells").num_rows == 80


def test_of_two_writers_one_wins(place: str | Path) -> None:
    """The later of two writers upon one version gets a conflict, and nothing of it is seen or left."""
    store = Store.open_or_create(place)
    fill(store)
    late = Store.open(place)
    with (
        pytest.raises(StoreConflictError, match="another writer finished meanwhile"),
        late.transaction() as tx,
    ):
        tx.put_adapter("mine", {"card.json": b"{}"})
        fill(store, 30)
    assert Store.open(place).adapters() == ["crops"]
    assert Store.open(place).read("cells").num_rows == 30
    remote = origin_of(store.path)
    assert remote is None or not any("adapters/mine" in name for name in remote.sizes())


def test_a_transaction_follows_the_latest_version(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store object that was opened before another machine wrote builds on what that machine wrote."""
    here = tmp_path / "cache"
    store = Store.create(url)
    elsewhere(monkeypatch, tmp_path / "other")
    fill(Store.open(url))
    elsewhere(monkeypatch, here)
    with store.transaction() as tx:
        tx.put_adapter("mine", {"card.json": b"{}"})
    assert (store.version, store.adapters()) == (2, ["crops", "mine"])


def test_failures_in_the_block_leave_nothing(place: str | Path) -> None:
    """An error within a transaction leaves the store as it was."""
    store = Store.open_or_create(place)
    fill(store)
    with pytest.raises(RuntimeError), store.transaction() as tx:
        tx.put_adapter("mine", {"card.json": b"{}"})
        raise RuntimeError
    assert Store.open(place).version == 1
    assert collect_garbage(place, grace=timedelta(0)).garbage == ()


class _Victim:
    """A writer in a process of its own that is killed when a put of a kind comes in."""

    def __init__(self, server: S3Server, url: str, at: str, cache: Path) -> None:
        self._go = threading.Event()
        command = [sys.executable, Path(__file__).with_name("store_writer.py"), url]
        environment = {**os.environ, "SURCO_CACHE": str(cache)}

        def strike(request: Request) -> Answer | None:
            if request.method != "PUT" or at not in request.name:
                return None
            self._go.wait()
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            return ("500 Internal Server Error", b"")

        server.before = strike
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        self._go.set()
        assert self._process.wait(60) == -signal.SIGKILL
        server.wait_until_idle()
        server.reset()


@pytest.mark.parametrize("at", [".parquet", "manifests/2"])
def test_a_killed_writer_leaves_nothing_visible(
    server: S3Server, url: str, tmp_path: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while files go, or before the manifest is put: readers see the version before, and gc clears up."""
    fill(Store.create(url))
    before = sorted(Remote(url).sizes())
    _Victim(server, url, at, tmp_path / "victim")
    elsewhere(monkeypatch, tmp_path / "other")
    store = Store.open(url)
    assert store.version == 1 and store.read("cells").num_rows == 60
    assert not verify(url, every_version=True).damage
    assert collect_garbage(url).garbage == ()  # young: its writer may live on another machine
    done = collect_garbage(url, grace=timedelta(0), delete=True)
    assert {each.why for each in done.garbage} <= {"killed writer"}
    assert done.garbage or at == ".parquet"
    assert sorted(Remote(url).sizes()) == before
    fill(store, 30)
    assert Store.open(url).read("cells").num_rows == 30


def test_a_lost_answer_is_no_conflict(server: S3Server, url: str) -> None:
    """The manifest arrived and its answer did not: the write took place, once."""
    store = Store.create(url)

    def lose(request: Request) -> Answer | None:
        if request.method == "PUT" and "manifests/1" in request.name and request.conditional:
            server.reset()
            return ("500 Internal Server Error", b"")
        return None

    server.after = lose
    fill(store)
    assert Store.open(url).version == 1


def test_versions_go_and_come_back(place: str | Path) -> None:
    """The log, going back, and removing old versions work alike; what is kept stays whole."""
    store = Store.open_or_create(place)
    for n in (20, 30, 40):
        fill(store, n)
    assert [each.version for each in versions(place)] == [3, 2, 1]
    assert rollback(place, 1) == 4
    assert Store.open(place).read("cells").num_rows == 20
    assert [each.version for each in adapter_versions(place, "crops")] == [1, 2, 3]
    done = collect_garbage(place, keep=2, delete=True)
    assert (done.removed, done.kept) == ((1, 2), (3, 4))
    assert {each.why for each in done.garbage} == {"old version"}
    assert Store.open(place).read("cells").num_rows == 20
    assert not verify(place, every_version=True).damage
    assert collect_garbage(place, grace=timedelta(0)).garbage == ()


def test_only_one_clears_up_at_an_address(url: str) -> None:
    """Who finds the sign that another process removes versions stops, and is told how to go on."""
    fill(Store.create(url))
    Remote(url).create("maintenance.json", b'{"host": "another"}')
    with pytest.raises(
        StoreConflictError, match=r"another.*if it was killed, delete s3://.*maintenance\.json"
    ):
        collect_garbage(url)


def test_damage_at_the_address_is_named(
    server: S3Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was changed there is found by verify and refused by whoever needs it, in SQL too."""
    fill(Store.create(url))
    name = next(name for name in Remote(url).sizes() if name.startswith("parcels/"))
    content = bytearray(Remote(url).read(name) or b"")
    content[100] ^= 1
    Remote(url).send(name, bytes(content))
    assert [each.problem for each in verify(url).damage] == ["other content than was written (SHA-256)"]
    elsewhere(monkeypatch, tmp_path / "other")
    with pytest.raises(StoreError, match="other content"):
        Store.open(url).read("parcels")
    with pytest.raises(StoreError, match="other content"):
        run_sql(Store.open(url), "SELECT sum(comuna), count(embedding) FROM parcels")


def test_a_store_held_whole_needs_no_network(
    server: S3Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `hold` everything is read from the working copy, adapters of older versions too."""
    store = Store.create(url)
    fill(store, 20)
    fill(store, 30, seed=3)
    elsewhere(monkeypatch, tmp_path / "other")
    root = root_of(url)
    hold(root)
    server.before = lambda request: ("500 Internal Server Error", b"")
    held = Store.open(root)
    assert held.read("cells").num_rows == 30
    assert run_sql(held, "SELECT count(*) AS n FROM cells").to_pylist() == [{"n": 30}]
    assert [each.version for each in adapter_versions(root, "crops")] == [1, 2]


def test_addresses_can_be_pulled_into_and_pushed_from(url: str, tmp_path: Path) -> None:
    """Push and pull take an address in the place of a folder."""
    fill(Store.create(tmp_path / "here"))
    pull(f"file://{tmp_path / 'here'}", url)
    assert Store.open(url).read("cells").num_rows == 60
    assert not verify(url).damage
    push(Store.open(url), f"{url}-copy")
    assert Store.open(f"{url}-copy").read("parcels").num_rows == 40


def test_duckdb_alone_reads_the_tables(server: S3Server, url: str) -> None:
    """DuckDB with httpfs and none of our code reads what was written to an address."""
    fill(Store.create(url))
    with duckdb.connect() as session:
        folder = Path(pytest.importorskip("duckdb_extension_httpfs").__path__[0])
        session.load_extension(
            str(folder / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension")
        )
        secret = {"TYPE": "s3", "URL_STYLE": "path", "ENDPOINT": server.endpoint[7:]}
        secret |= {"KEY_ID": SECRETS["AWS_ACCESS_KEY_ID"], "SECRET": SECRETS["AWS_SECRET_ACCESS_KEY"]}
        told = ", ".join(f"{name} '{value}'" for name, value in secret.items())
        session.execute(f"CREATE SECRET ({told}, USE_SSL false)")
        asked = f"SELECT count(*), sum(n_pixels) FROM '{url}/cells/*/*/*/*/*.parquet'"  # noqa: S608
        rows = session.execute(asked).fetchall()
    assert rows == [(60, 6000)]


def test_queries_reach_no_network(url: str) -> None:
    """SQL over a store at an address can name no other address, and cannot write to its own."""
    fill(Store.create(url))
    store = Store.open(url)
    files = (f"{url}/cells/*/*/*/*/*.parquet", "http://127.0.0.1/x.parquet", f"{store.path}/.origin.json")
    for file in files:
        with pytest.raises(QueryError, match="SQL that DuckDB can run"):
            run_sql(store, f"SELECT * FROM '{file}'")  # noqa: S608


def test_an_address_without_a_store_is_said(url: str) -> None:
    """Opening what is not there names the address and how to make a store."""
    with pytest.raises(StoreError, match=r"agencies/valley.*surco encode"):
        Store.open(url)
    with pytest.raises(StoreError, match="an address where no store is"):
        Store.create(url)
        Store.create(url)


def test_a_removed_store_is_gone_here_too(url: str) -> None:
    """A store that somebody deletes at its address is not read from the working copy."""
    store = Store.create(url)
    fill(store)
    Remote(url).remove(sorted(Remote(url).sizes()))
    with pytest.raises(StoreError, match="a store"):
        store.transaction()
    with pytest.raises(StoreError, match="a store"):
        Store.open(url)


def test_the_command_takes_addresses(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`surco sql` and `surco store` take an address where they take a folder, and say it in errors."""
    from surco.api.cli import main

    fill(Store.create(url))
    fill(Store.open(url), 20)
    elsewhere(monkeypatch, tmp_path / "other")
    run = CliRunner().invoke
    asked = run(main, ["sql", url, "SELECT count(*) AS n FROM parcels", "--format", "csv"])
    assert (asked.exit_code, asked.stdout.split()) == (0, ['"n"', "40"]), asked.output
    for command in (["log"], ["verify", "--all"], ["gc"]):
        done = run(main, ["store", command[0], url, *command[1:]])
        assert done.exit_code == 0, done.output
    log = run(main, ["store", "log", url]).output.splitlines()
    assert [line.split()[0] for line in log if "rows" in line and not line.startswith("        ")] == [
        "2",
        "1",
    ]
    assert "all as they were written" in run(main, ["store", "verify", "--all", url]).output
    gone = run(main, ["store", "rollback", url, "1"])
    assert gone.exit_code == 0 and f"Version 3 of {url} equals" in gone.output, gone.output
    refused = run(main, ["sql", f"{url}-none", "SELECT 1"])
    assert refused.exit_code == 2 and f"{url}-none" in " ".join(refused.output.split()).replace(" ", "")


def test_a_backup_goes_to_an_address_and_comes_from_one(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store at an address is backed up to another one, and restored to a third."""
    from surco.api.backing_up.backing import back_up
    from surco.api.backing_up.restoring import check_backup, restore

    fill(Store.create(url))
    done = back_up(root_of(url), f"{url}-backups", None)
    assert done.files == len(check_backup(f"{url}-backups").files)
    elsewhere(monkeypatch, tmp_path / "other")
    restore(f"{url}-backups", root_of(f"{url}-again"), None)
    assert Store.open(f"{url}-again").read("cells").num_rows == 60
    assert not verify(f"{url}-again").damage

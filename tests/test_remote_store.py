"""Stores in an object store: pushed and pulled whole, by real requests to an S3 server on loopback."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from store_builders import MODEL, SEASON, cell_ids, cells_batch, small_store, unit_vectors

pytest.importorskip("obstore", reason="obstore is not installed (extra `cloud`)")
pytest.importorskip("moto", reason="moto's server is not installed (dependency group `dev`)")

from s3_server import SECRETS, Answer, Request, S3Server

from surco.api.cli import main
from surco.embedstore import (
    Season,
    Store,
    StoreConflictError,
    StoreError,
    collect_garbage,
    nearest,
    pull,
    push,
    run_sql,
    verify,
)
from surco.embedstore.manifest import FORMAT_VERSION
from surco.embedstore.remote_files import Remote

REFUSED = b"<Error><Code>AccessDenied</Code><AWSAccessKeyId>AKIAWHOREADSTHIS</AWSAccessKeyId></Error>"


@pytest.fixture(scope="module")
def one_server() -> Iterator[S3Server]:
    """The server of all tests here."""
    with S3Server() as server:
        yield server


@pytest.fixture
def server(one_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server without a past, and the environment that leads to it."""
    one_server.reset()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        **SECRETS,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": one_server.endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    return one_server


@pytest.fixture
def url(server: S3Server, tmp_path: Path) -> str:
    """An address below a bucket of the test's own."""
    bucket = tmp_path.name.replace("_", "-").lower()[:60].strip("-") + "-b"
    server.put(bucket)
    return f"s3://{bucket}/agencies/valley"


def put_cells(store: Store, n: int, season: Season = SEASON, model: str = MODEL) -> None:
    """Replace the cells of a season and model."""
    with store.transaction() as tx:
        rows = cells_batch(cell_ids(n), unit_vectors(n, seed=n))
        tx.put_cells([rows], model_id=model, season=season, resolution=9)


def put_years(store: Store) -> None:
    """Twelve more seasons in one version."""
    with store.transaction() as tx:
        for year in range(2010, 2022):
            rows = cells_batch(cell_ids(20), unit_vectors(20, seed=year))
            tx.put_cells([rows], model_id=MODEL, season=Season(year), resolution=9)


def several(path: Path) -> Store:
    """Two seasons, a second model, and an adapter."""
    store = small_store(path, 60)
    put_cells(store, 30, Season(2025))
    put_cells(store, 20, model="other-1")
    with store.transaction() as tx:
        tx.put_adapter("crops", {"card.json": b"{}", "weights.safetensors": b"w" * 100})
        tx.put_model("other-1", {"title": "another"})
    return store


def copy_of(store: Store, path: Path) -> Store:
    """The same store in another folder."""
    shutil.copytree(store.path, path)
    return Store.open(path)


def rows_of(store: Store) -> dict[tuple[str, str, str], int]:
    """Rows of each table, really read."""
    return {
        (t.table, t.model_id, t.season): store.read(t.table, season=t.season, model_id=t.model_id).num_rows
        for t in store.tables()
    }


class Copier:
    """A push or pull in a process of its own, started once the block is entered and killed by `strike` within it."""

    def __init__(self, server: S3Server, which: str, store: Path, url: str) -> None:
        self._server = server
        self._command = [sys.executable, Path(__file__).with_name("store_copier.py"), which, store, url]

    def __enter__(self) -> Self:
        self._go = threading.Event()
        return self

    def strike(self) -> Answer:
        """Kill it, and answer what nobody reads."""
        self._go.wait()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        return ("500 Internal Server Error", b"")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with subprocess.Popen(self._command, stderr=subprocess.DEVNULL) as self._process:
                self._go.set()
                assert self._process.wait(60) == -signal.SIGKILL
            self._server.wait_until_idle()


def data_puts(server: S3Server) -> list[str]:
    """Names of the tables', models', adapters' and catalogues' files that were put."""
    return [name for name in server.puts() if not name.endswith(("store.json", "valley/catalog.json")) and
            "/manifests/" not in name]  # fmt: skip


def test_what_was_pushed_comes_back_for_every_reader(url: str, tmp_path: Path) -> None:
    """Tables, cards, adapters and catalogue are the same; SQL and search answer alike, and all checksums are right."""
    store = several(tmp_path / "here")
    sent = push(store, url)
    got = pull(url, tmp_path / "there")
    copy = Store.open(tmp_path / "there")
    assert (sent.changed, sent.remote_version, got.files) == (True, 1, sent.files)
    assert sent.bytes == got.bytes > 10_000
    assert rows_of(copy) == rows_of(store) and len(rows_of(copy)) == 4
    assert copy.model_card(MODEL) == {"title": "a test"}
    assert (copy.adapter_dir("crops") / "weights.safetensors").read_bytes() == b"w" * 100
    question = "SELECT count(*) AS n, sum(n_pixels) AS p FROM cells"
    assert run_sql(copy, question).to_pylist() == run_sql(store, question).to_pylist()
    asked = {"table": "cells", "season": "2024-25", "model_id": MODEL}
    found, wanted = (nearest(each, cell_ids(1)[0], 5, **asked) for each in (copy, store))
    assert found.equals(wanted)
    assert (copy.path / "catalog.json").is_file()
    assert not verify(copy.path).damage


def test_only_what_is_missing_is_sent_and_fetched(server: S3Server, url: str, tmp_path: Path) -> None:
    """A second version costs its own files, a third push or pull of the same nothing."""
    store = small_store(tmp_path / "here", 50)
    push(store, url)
    pull(url, tmp_path / "there")
    put_cells(store, 20, Season(2025))
    server.reset()
    second = push(store, url)
    assert second.changed and second.remote_version == 2
    assert [n for n in data_puts(server) if n.endswith(".parquet")] == [
        n for n in data_puts(server) if "season=2025-26" in n
    ]
    fetched = pull(url, tmp_path / "there")
    assert (fetched.files, fetched.bytes) == (second.files, second.bytes)
    server.reset()
    again = push(store, url)
    back = pull(url, tmp_path / "there")
    assert not (again.changed or back.changed or again.files or back.files)
    assert data_puts(server) == []


def test_plain_readers_read_the_tables_at_their_address(server: S3Server, url: str, tmp_path: Path) -> None:
    """A pyarrow of one's own reads a file straight from the bucket by the name that the manifest has."""
    store = small_store(tmp_path / "here", 50)
    push(store, url)
    there = pyarrow.fs.S3FileSystem(
        access_key=SECRETS["AWS_ACCESS_KEY_ID"],
        secret_key=SECRETS["AWS_SECRET_ACCESS_KEY"],
        endpoint_override=server.endpoint,
        region="us-east-1",
    )
    (file,) = store.find("cells").files
    name = f"{url.removeprefix('s3://')}/{file.relative_to(store.path).as_posix()}"
    assert pq.read_table(name, filesystem=there, partitioning=None).num_rows == 50


@pytest.mark.skipif(
    importlib.util.find_spec("duckdb_extension_httpfs") is None,
    reason="duckdb-extension-httpfs is not installed",
)
def test_duckdb_reads_the_tables_at_their_address(server: S3Server, url: str, tmp_path: Path) -> None:
    """A DuckDB of one's own counts rows in the bucket, by season, without our code."""
    package = importlib.util.find_spec("duckdb_extension_httpfs")
    assert package is not None and package.origin is not None
    (extension,) = Path(package.origin).parent.rglob("httpfs.duckdb_extension")
    store = small_store(tmp_path / "here", 50)
    push(store, url)
    session = duckdb.connect()
    session.load_extension(str(extension))
    session.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{SECRETS['AWS_ACCESS_KEY_ID']}', "
        f"SECRET '{SECRETS['AWS_SECRET_ACCESS_KEY']}', REGION 'us-east-1', "
        f"ENDPOINT '{server.endpoint.removeprefix('http://')}', USE_SSL false, URL_STYLE 'path')"
    )
    query = f"SELECT season, count(*) FROM read_parquet('{url}/cells/**/*.parquet', hive_partitioning=true) GROUP BY 1"  # noqa: S608
    assert session.execute(query).fetchall() == [("2024-25", 50)]


@pytest.mark.parametrize("begun", [True, False])
def test_of_two_pushers_exactly_one_wins(url: str, tmp_path: Path, begun: bool) -> None:
    """Both build on the same version, or on nothing, and push at once: one version more, all of it the winner's."""
    base = small_store(tmp_path / "base", 30)
    if begun:
        push(base, url)
    rivals = [copy_of(base, tmp_path / name) for name in ("a", "b")]
    for each, n in zip(rivals, (40, 41), strict=True):
        put_cells(each, n)
    ready, ends = threading.Barrier(2), list[object]([None, None])

    def go(which: int) -> None:
        ready.wait()
        try:
            ends[which] = push(rivals[which], url)
        except StoreConflictError as error:
            ends[which] = error

    threads = [threading.Thread(target=go, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lost = [isinstance(end, StoreConflictError) for end in ends]
    assert sorted(lost) == [False, True]
    assert pull(url, tmp_path / "c").remote_version == 1 + begun
    assert Store.open(tmp_path / "c").read("cells").num_rows == (40, 41)[lost.index(False)]


def test_a_number_taken_at_the_last_moment_is_a_conflict(server: S3Server, url: str, tmp_path: Path) -> None:
    """The put of the manifest is conditional: what another put there a moment before stays, and ours is not seen."""
    base = small_store(tmp_path / "base", 30)
    push(base, url)
    other = copy_of(base, tmp_path / "other")
    put_cells(other, 40)
    put_cells(base, 50)
    taken = (other.path / "manifests/2.json").read_bytes()

    def hurry(request: Request) -> None:
        if request.method == "PUT" and request.name.endswith("manifests/2.json"):
            assert request.conditional
            server.put(request.name, taken)

    server.before = hurry
    with pytest.raises(StoreConflictError, match="another writer finished meanwhile"):
        push(base, url)
    assert Remote(url).read("manifests/2.json") == taken


@pytest.mark.parametrize("took_place", [True, False])
def test_a_lost_answer_is_no_conflict(server: S3Server, url: str, tmp_path: Path, took_place: bool) -> None:
    """The number is taken by an earlier try of our own, or by another's put that failed (S3's 409): both end well."""
    answers = iter([("500 Internal Server Error", b"") if took_place else ("409 Conflict", b"")])

    def once(request: Request) -> Answer | None:
        return next(answers, None) if _is_manifest(request) else None

    if took_place:
        server.after = once
    else:
        server.before = once
    assert push(small_store(tmp_path / "here", 20), url).changed
    assert sum(name.endswith("manifests/1.json") for name in server.puts()) == 2


def test_who_builds_on_another_version_is_refused(server: S3Server, url: str, tmp_path: Path) -> None:
    """A store that never had what is there does not replace it, unless told to; then both are kept."""
    push(small_store(tmp_path / "first", 30), url)
    second = small_store(tmp_path / "second", 40)
    server.reset()
    with pytest.raises(StoreConflictError, match=r"version 1 of s3://.* another store wrote"):
        push(second, url)
    assert data_puts(server) == []
    assert push(second, url, replace_others=True).remote_version == 2
    for number, rows in ((1, 30), (2, 40)):
        pull(url, tmp_path / f"v{number}", version=number)
        assert Store.open(tmp_path / f"v{number}").read("cells").num_rows == rows


def test_an_older_version_does_not_go_over_a_newer_one(url: str, tmp_path: Path) -> None:
    """A reader that still holds version 1 cannot push it once version 2 is there."""
    store = small_store(tmp_path / "here", 30)
    held = Store.open(store.path)
    put_cells(store, 40)
    push(store, url)
    with pytest.raises(StoreConflictError):
        push(held, url)


def test_copies_take_turns(url: str, tmp_path: Path) -> None:
    """Pull, write, push from two places in turn, also where one place has written twice and cleared up."""
    first = small_store(tmp_path / "first", 30)
    push(first, url)
    pull(url, tmp_path / "second")
    second = Store.open(tmp_path / "second")
    put_cells(second, 35)
    put_cells(second, 40)
    assert push(second, url).remote_version == 2
    pull(url, first.path)
    first = Store.open(first.path)
    assert first.read("cells").num_rows == 40
    put_cells(first, 45)
    assert push(first, url).remote_version == 3
    pull(url, second.path)
    collect_garbage(second.path, keep=1, delete=True)
    assert Store.open(second.path).read("cells").num_rows == 45
    assert not verify(second.path).damage


@pytest.mark.parametrize("moment", ["a file", "before the manifest", "after the manifest"])
def test_a_killed_push_leaves_nothing_half_and_goes_on(
    server: S3Server, url: str, tmp_path: Path, moment: str
) -> None:
    """Killed at a request: the old version is what readers get, or the new one whole; the next goes on."""
    store = small_store(tmp_path / "here", 30)
    push(store, url)
    put_years(store)
    server.reset()
    with Copier(server, "push", store.path, url) as copier:
        if moment == "a file":
            server.before = lambda r: (
                copier.strike() if _is_file(r, "PUT") and _count(server, "PUT") == 5 else None
            )
        elif moment == "before the manifest":
            server.before = lambda r: copier.strike() if _is_manifest(r) else None
        else:
            server.after = lambda r: copier.strike() if _is_manifest(r) else None
    arrived = set(Remote(url).sizes())
    server.reset()
    pull(url, tmp_path / "between")
    between = Store.open(tmp_path / "between")
    assert len(between.tables()) == (14 if moment == "after the manifest" else 2)
    assert not verify(between.path).damage
    done = push(store, url)
    assert done.changed == (moment != "after the manifest")
    sent = {name.split("valley/", 1)[1] for name in data_puts(server)}
    assert not sent & arrived
    assert len(sent) == done.files and (moment == "a file") == bool(sent)
    pull(url, tmp_path / "after")
    assert len(Store.open(tmp_path / "after").tables()) == 14
    here, there = (tmp_path / "after/catalog.json").read_bytes(), Remote(url).read("catalog.json")
    assert there is not None and json.loads(there)["links"] == json.loads(here)["links"]


def test_a_killed_pull_leaves_nothing_half_and_goes_on(server: S3Server, url: str, tmp_path: Path) -> None:
    """Killed in the middle: the version here stays, and the next pull fetches only what is missing."""
    store = small_store(tmp_path / "here", 30)
    push(store, url)
    pull(url, tmp_path / "there")
    put_years(store)
    whole = push(store, url).files
    server.reset()
    # Eight are under way at once: the tenth is asked for when two are in place.
    with Copier(server, "pull", tmp_path / "there", url) as copier:
        server.before = lambda r: (
            copier.strike() if _is_file(r, "GET") and _count(server, "GET") == 10 else None
        )
    assert len(Store.open(tmp_path / "there").tables()) == 2
    server.reset()
    done = pull(url, tmp_path / "there")
    assert done.changed and 0 < done.files < whole
    assert len(Store.open(tmp_path / "there").tables()) == 14
    assert not verify(tmp_path / "there").damage
    assert not list((tmp_path / "there/.staging").iterdir())


def _is_file(request: Request, method: str) -> bool:
    return request.method == method and request.name.endswith(".parquet")


def _count(server: S3Server, method: str) -> int:
    return sum(_is_file(each, method) for each in server.seen)


def _is_manifest(request: Request) -> bool:
    return request.method == "PUT" and "/manifests/" in request.name


def test_a_reader_keeps_its_version_while_another_is_pushed(url: str, tmp_path: Path) -> None:
    """What was opened or pulled stays; the older version can still be pulled by its number."""
    store = small_store(tmp_path / "here", 30)
    push(store, url)
    pull(url, tmp_path / "there")
    reader = Store.open(tmp_path / "there")
    put_cells(store, 50)
    push(store, url)
    pull(url, tmp_path / "there")
    assert reader.read("cells").num_rows == 30
    assert Store.open(tmp_path / "there").read("cells").num_rows == 50
    pull(url, tmp_path / "old", version=1)
    assert Store.open(tmp_path / "old").read("cells").num_rows == 30


def test_a_damaged_object_is_named_and_nothing_shows(server: S3Server, url: str, tmp_path: Path) -> None:
    """Other content, another size, none at all: the address is named, the store here stays as it was."""
    store = small_store(tmp_path / "here", 30)
    push(store, url)
    pull(url, tmp_path / "there")
    put_cells(store, 50)
    push(store, url)
    (file,) = store.find("cells").files
    name = file.relative_to(store.path).as_posix()
    content = file.read_bytes()
    for damage, came in (
        (content[:-9] + bytes(9), "other content"),
        (content[:-1], f"{len(content) - 1} bytes"),
    ):
        Remote(url).send(name, damage)
        with pytest.raises(StoreError) as raised:
            pull(url, tmp_path / "there")
        assert f"{url}/{name}" in raised.value.expected and raised.value.came == came
        assert Store.open(tmp_path / "there").read("cells").num_rows == 30
        assert list((tmp_path / "there/.staging").iterdir()) == []
    assert push(store, url).files == 1
    assert pull(url, tmp_path / "there").changed


def test_a_pull_mends_what_is_damaged_here(url: str, tmp_path: Path) -> None:
    """A file whose bytes changed on this disk is fetched again, though no version is new."""
    push(small_store(tmp_path / "here", 30), url)
    pull(url, tmp_path / "there")
    (file,) = Store.open(tmp_path / "there").find("cells").files
    file.write_bytes(bytes(file.stat().st_size))
    assert verify(tmp_path / "there").damage
    done = pull(url, tmp_path / "there")
    assert (done.changed, done.files) == (False, 1)
    assert not verify(tmp_path / "there").damage


def test_some_seasons_and_models_come_alone(server: S3Server, url: str, tmp_path: Path) -> None:
    """Only their files are fetched; a second pull adds to the first; the copy has a catalogue of what it holds."""
    push(several(tmp_path / "here"), url)
    server.reset()
    pull(url, tmp_path / "there", seasons=["2025-26"])
    fetched = [each.name for each in server.seen if each.method == "GET" and each.name.endswith(".parquet")]
    assert fetched and all("season=2025-26" in name for name in fetched)
    assert rows_of(Store.open(tmp_path / "there")) == {("cells", MODEL, "2025-26"): 30}
    pull(url, tmp_path / "there", models=["other-1"], seasons=["2024-25"])
    both = Store.open(tmp_path / "there")
    assert rows_of(both) == {("cells", MODEL, "2025-26"): 30, ("cells", "other-1", "2024-25"): 20}
    assert both.adapters() == ["crops"] and both.model_card("other-1") == {"title": "another"}
    assert run_sql(both, "SELECT count(*) AS n FROM cells").to_pylist() == [{"n": 50}]
    assert not verify(both.path).damage
    with pytest.raises(StoreConflictError):
        push(both, url)
    pull(url, tmp_path / "there")
    assert len(Store.open(tmp_path / "there").tables()) == 4
    with pytest.raises(StoreError, match=r"seasons among \['2024-25', '2025-26'\]"):
        pull(url, tmp_path / "there", seasons=["1999-00"])
    with pytest.raises(StoreError, match=r"a table of \['2025-26'\]"):
        pull(url, tmp_path / "there", seasons=["2025-26"], models=["other-1"])
    with pytest.raises(StoreError, match=r"one of the versions 1 to 1"):
        pull(url, tmp_path / "there", version=7)


def test_a_pull_takes_nothing_away_that_is_only_here(url: str, tmp_path: Path) -> None:
    """Tables written here and never pushed are not replaced."""
    push(small_store(tmp_path / "here", 30), url)
    pull(url, tmp_path / "there")
    put_cells(Store.open(tmp_path / "there"), 77)
    with pytest.raises(StoreConflictError, match="never pushed"):
        pull(url, tmp_path / "there")
    assert Store.open(tmp_path / "there").read("cells").num_rows == 77


def test_busy_servers_are_asked_again(server: S3Server, url: str, tmp_path: Path) -> None:
    """503 on every third request is ridden out; 503 on all of them is an error that says so, and nothing is visible."""
    store = small_store(tmp_path / "here", 30)
    slow: Answer = ("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")
    server.before = lambda _: slow if len(server.seen) % 3 == 0 else None
    assert push(store, url).changed
    assert pull(url, tmp_path / "there").changed
    server.before = lambda _: slow
    with pytest.raises(StoreError, match=r"got status 503 SlowDown\. .*repeat"):
        Remote(url, retries=2).read("store.json")


def test_a_server_that_ignores_conditions_is_not_trusted(server: S3Server, url: str, tmp_path: Path) -> None:
    """Where a put writes over a file in spite of If-None-Match, two writers could undo each other: refused."""
    server.conditions = False
    with pytest.raises(StoreError, match="honours conditional puts"):
        push(small_store(tmp_path / "here", 30), url)
    assert data_puts(server) == []


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no bucket", "a bucket named nobody-has-this"),
        ("no rights", r"the right to .*; got a refusal \(403 AccessDenied\)"),
        ("not a store", "got no store.json"),
        ("newer format", "Update surco"),
        ("newer manifest", "Update surco"),
        ("broken manifest", r"manifests/1\.json that cannot be read"),
        ("another start month", "seasons start in month"),
    ],
)
def test_refusals_say_what_to_do_and_no_secret(
    server: S3Server, url: str, tmp_path: Path, case: str, message: str
) -> None:
    """Each has its own sentence; neither it nor its traceback has the key, its id or the endpoint."""
    path, target = tmp_path / "there", url
    if case not in ("not a store", "no bucket"):
        push(small_store(tmp_path / "here", 10), url)
    if case == "no bucket":
        target = "s3://nobody-has-this/x"
    elif case == "no rights":
        server.before = lambda _: ("403 Forbidden", REFUSED)
    elif case == "newer format":
        Remote(url).send("store.json", b'{"format": "surco-store", "version": 99, "start_month": 5}')
    elif case == "newer manifest":
        Remote(url).send("manifests/2.json", b'{"format": %d}' % (FORMAT_VERSION + 1))
    elif case == "broken manifest":
        Remote(url).send("manifests/1.json", b"{")
    elif case == "another start month":
        Store.create(path, start_month=1)
    with pytest.raises(StoreError, match=message) as raised:
        pull(target, path)
    told = "".join(traceback.format_exception(raised.value))
    assert not [secret for secret in (*SECRETS.values(), "127.0.0.1") if secret in told]


@pytest.mark.parametrize(
    ("without", "message"),
    [((), "got no connection"), (tuple(SECRETS), "credentials to read .*; got none in the environment")],
)
def test_nobody_there_and_nothing_to_sign_with(
    monkeypatch: pytest.MonkeyPatch, without: tuple[str, ...], message: str
) -> None:
    """A server that is gone and credentials that are missing are told apart; neither shows the endpoint."""
    nobody = "http://127.0.0.1:9"
    for name, value in {**SECRETS, "AWS_ENDPOINT_URL": nobody, "AWS_METADATA_ENDPOINT": nobody}.items():
        monkeypatch.setenv(name, value)
    for name in without:
        monkeypatch.delenv(name)
    with pytest.raises(StoreError, match=message) as raised:
        Remote("s3://bucket/x", retries=1).read("store.json")
    told = "".join(traceback.format_exception(raised.value))
    assert not [secret for secret in (*SECRETS.values(), "127.0.0.1") if secret in told]


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIAWHOREADSTHIS:never-to-be-shown@bucket/x",
        "s3://bucket/x?secret=never-to-be-shown",
        "https://bucket.example/never-to-be-shown",
        "s3:///x",
        "s3://bucket/../other",
        "file://host/never-to-be-shown",
        "s3://[never-to-be-shown",
        "never-to-be-shown:x",
    ],
)
def test_addresses_carry_no_credentials(tmp_path: Path, address: str) -> None:
    """Only bucket and path are taken; the refusal does not repeat the address."""
    with pytest.raises(StoreError, match="an address s3://BUCKET/PATH") as raised:
        pull(address, tmp_path / "there")
    assert "never-to-be-shown" not in "".join(traceback.format_exception(raised.value))


def test_without_obstore_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is an extra: all else works without it."""
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(StoreError, match=r"pip install 'surco\[cloud\]'"):
        pull("s3://bucket/x", tmp_path / "there")


def test_a_manifest_from_elsewhere_stays_in_its_folders(server: S3Server, url: str, tmp_path: Path) -> None:
    """One that names the store's own files, or files outside, is refused before anything is written."""
    store = small_store(tmp_path / "here", 10)
    push(store, url)
    manifest = (store.path / "manifests/1.json").read_text(encoding="utf-8")
    (file,) = store.find("cells").files
    name = file.relative_to(store.path).as_posix()
    assert name in manifest
    for evil in ("store.json", "manifests/9/9.json", "../x/y/z", ".writers/a/b", "cells/.a/b", "other/a/b"):
        Remote(url).send("manifests/1.json", manifest.replace(name, evil).encode())
        with pytest.raises(StoreError, match="do not use it"):
            pull(url, tmp_path / "there")
    for good, evil in (
        ('"table": "cells"', '"table": "cells; x"'),
        ('"bytes": ', '"bytes": -'),
        ('"res', '"x'),
    ):
        Remote(url).send("manifests/1.json", manifest.replace(good, evil).encode())
        with pytest.raises(StoreError):
            pull(url, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_a_folder_of_another_disk_serves_as_well(tmp_path: Path) -> None:
    """file:// is pushed to and pulled from; what it holds is a store that opens where it lies."""
    store = several(tmp_path / "here")
    address = f"file://{tmp_path}/disk/valley"
    assert push(store, address).changed and not push(store, address).changed
    assert pull(address, tmp_path / "there").changed
    assert rows_of(Store.open(tmp_path / "there")) == rows_of(Store.open(tmp_path / "disk/valley"))
    with pytest.raises(StoreError, match="a folder /"):
        pull(f"file://{tmp_path}/nowhere", tmp_path / "x")
    assert not (tmp_path / "nowhere").exists()


def test_the_commands_push_and_pull(url: str, tmp_path: Path) -> None:
    """`surco store push` and `pull` say what became which version, and end with 2 where they are refused."""
    small_store(tmp_path / "here", 30)
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    pushed = CliRunner().invoke(main, ["store", "push", here, url])
    assert f"Version 1 of {here} is now version 1 of {url}." in pushed.stdout, pushed.output
    pulled = CliRunner().invoke(main, ["store", "pull", url, there, "--season", "2024-25", "--model", MODEL])
    assert f"of version 1 of {url} is now version 1 of {there}." in pulled.stdout, pulled.output
    refused = CliRunner().invoke(main, ["store", "pull", url, there, "--version", "9"])
    assert refused.exit_code == 2 and "Error: Expected one of the versions 1 to 1" in refused.stderr

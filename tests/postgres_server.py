"""A PostgreSQL for tests: the one that `SURCO_TEST_POSTGRES` names, or one of our own from Debian's programs."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

_DEBIAN = Path("/usr/lib/postgresql")


@contextmanager
def postgres_database() -> Iterator[str]:
    """URL of an empty database on a server for this block alone; skips the test where there is no PostgreSQL."""
    with postgres_server() as server, empty_database(server) as url:
        yield url


@contextmanager
def postgres_server() -> Iterator[str]:
    """URL of a server whose user may create databases; skips the test where there is no PostgreSQL.

    The server is that of `SURCO_TEST_POSTGRES`. Without it one is started on a free port of 127.0.0.1, in a temporary
    folder, by the user postgres where we are root, which initdb refuses.
    """
    named = os.environ.get("SURCO_TEST_POSTGRES")
    if named:
        yield named
        return
    with _own_server() as server:
        yield server


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """URL of an empty database of a server, dropped afterwards."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    name = f"surco_test_{uuid4().hex[:12]}"
    plain = server.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    try:
        yield f"{plain.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(plain, autocommit=True) as admin:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def running_cluster(folder: Path, *settings: str, port: int | None = None) -> Iterator[str]:
    """URL of a server of our own over `folder`/data, stopped at the end; made where it is not there.

    Without a `port` it takes a free one. `settings` are as `-c` takes them, such as "work_mem=64MB". Nothing is synced
    to the disk: not for data to keep.
    Skips the test where there is no PostgreSQL.
    """
    programs = _programs()
    if programs is None:
        pytest.skip("there is no initdb: install postgresql, or name a server in SURCO_TEST_POSTGRES")
    user, data = _user(), folder / "data"
    as_user = partial(subprocess.run, check=True, capture_output=True, user=user, group=user and _group())
    if not data.exists():
        if user is not None:
            os.chown(folder, user, _group())
        as_user(
            [programs / "initdb", "-D", data, *["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]]
        )
    port = port or _free_port()
    given = ("listen_addresses=127.0.0.1", "fsync=off", "max_connections=60", *settings)
    options = " ".join([f"-p {port} -k {folder}", *(f"-c {setting}" for setting in given)])
    log = folder / "log"
    as_user([programs / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "-t", "30", "start"])
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        as_user([programs / "pg_ctl", "-D", data, "-m", "fast", "-w", "stop"])


@contextmanager
def _own_server() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="surco-postgres-"))
    try:
        with running_cluster(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """Folder of initdb and pg_ctl: Debian's newest, else where the path finds them."""
    found = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    return Path(there).resolve().parent if there else None


def _user() -> int | None:
    """The user to run as: postgres where we are root, else ourselves."""
    return pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None


def _group() -> int:
    return pwd.getpwnam("postgres").pw_gid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""The state's database: SQLite in the store's folder, or PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.schema import CreateTable

from surco.api.refusals import StateError
from surco.api.state.migrating import migrate
from surco.api.state.tables import RATES
from surco.embedstore.working_copy import state_folder

__all__ = ["CONNECTIONS", "Database"]

_BUSY_MS = 15_000
_CONNECT_S = 5
CONNECTIONS = 30
"""Connections to PostgreSQL that one process holds at most, where nothing else is said."""


class Database:
    """A database of the state's tables, at their latest migration.

    Every read and write is one short transaction. What `writing` has committed is on disk: SQLite keeps a write-ahead
    log and forces it at each commit, so that a killed server loses nothing that it has acknowledged.
    """

    def __init__(self, engine: Engine, counters: Engine) -> None:
        self._engine = engine
        self._counters = counters

    @classmethod
    def open(
        cls,
        store: Path,
        url: str | None = None,
        connections: int = CONNECTIONS,
        *,
        revision: str | None = None,
    ) -> Database:
        """Open the database, and make or migrate its tables.

        Args:
            store: the store's folder; without `url` the state is `.server/state.sqlite` in it (see `state_folder`).
            url: as SQLAlchemy writes it, "postgresql://user@host/name" or "sqlite:////path".
            connections: held at most, of PostgreSQL, which has a hundred for everybody unless told otherwise.
            revision: the migration to bring it to; None is the latest.

        Raises:
            StateError: a URL that cannot be read, no such server, or a database of a newer Surco. The message never
                repeats the URL's password.
        """
        engine = (
            _sqlite(state_folder(store) / "state.sqlite")
            if url is None
            else _by_url(url, max(2, connections))
        )
        try:
            migrate(engine, revision)
            counters = _counters(engine)
        except (OperationalError, DBAPIError) as error:
            raise StateError(
                f"Expected to open the database {engine.url.render_as_string()}, got: "
                f"{str(error.orig).strip().splitlines()[0]}. Start it, or correct SURCO_DATABASE_URL."
            ) from error
        return cls(engine, counters)

    @property
    def kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that reads one state of all tables, whatever others write meanwhile."""
        with self._engine.connect() as connection:
            if self.kind == "postgresql":  # SQLite's transactions never read anything else
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end of the block, rolled back where it raises.

        On SQLite it takes the write lock at its start, so that what it reads first cannot change before it writes.
        """
        with self._engine.connect().execution_options(surco_writes=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def counting(self) -> Iterator[Connection]:
        """As `writing`, for `RATES` alone: it waits for no writer of anything else, and a power cut may lose it."""
        with self._counters.connect().execution_options(surco_writes=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        self._counters.dispose()


def _counters(engine: Engine) -> Engine:
    """The engine itself; for SQLite, which has one writer at a time, that of a file beside it."""
    if engine.dialect.name != "sqlite":
        return engine
    path = Path(str(engine.url.database))
    counters = _sqlite(path.with_name(f"{path.stem}-rates.sqlite"), durable=False)
    with counters.connect().execution_options(surco_writes=True) as connection, connection.begin():
        connection.execute(CreateTable(RATES, if_not_exists=True))
    return counters


def _by_url(text: str, connections: int) -> Engine:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise StateError(
            "Expected a database URL such as postgresql://user@host/name, got one that cannot be read. "
            "Correct SURCO_DATABASE_URL."
        ) from error
    if url.get_backend_name() == "sqlite":
        if not url.database:
            raise StateError(
                "Expected a file in the SQLite URL, got none. Write sqlite:////folder/state.sqlite."
            )
        return _sqlite(Path(url.database))
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    try:
        return create_engine(
            url,
            pool_size=connections // 2,
            max_overflow=connections - connections // 2,
            pool_pre_ping=True,
            connect_args={"connect_timeout": _CONNECT_S} if url.get_backend_name() == "postgresql" else {},
        )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StateError(
            f"Expected SQLite or PostgreSQL, got a URL of {url.drivername!r}. For PostgreSQL install surco[postgres]."
        ) from error


def _sqlite(path: Path, *, durable: bool = True) -> Engine:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"Expected to write the server's state to {path}, got: {error.strerror}. "
            "Name another database in SURCO_DATABASE_URL."
        ) from error
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_MS / 1000})
    event.listen(engine, "connect", _on_connect if durable else _on_connect_of_counters)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, record: Any) -> None:
    # The driver would begin transactions by itself, and too late: `_on_begin` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_connect_of_counters(connection: Any, record: Any) -> None:
    _on_connect(connection, record)
    # No commit waits for the disk; the write-ahead log keeps the file whole even so.
    connection.execute("PRAGMA synchronous=NORMAL")


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("surco_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

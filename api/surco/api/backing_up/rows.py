"""Rows of the server's database as lines of JSON, the same for SQLite and PostgreSQL, and back into tables."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, insert, inspect, select, text

from surco.api.refusals import BackupError
from surco.api.state.label_tables import LABELS

__all__ = ["put_rows", "refuse_rows", "revision_of", "state_tables", "take_rows"]

_BATCH = 1_000
_STATE: MetaData = LABELS.metadata
"""All tables of the state, those of labels too."""


def state_tables(connection: Connection) -> list[str]:
    """Names of the state's tables that the database has, those that others point to first."""
    held = set(inspect(connection).get_table_names())
    return [table.name for table in _STATE.sorted_tables if table.name in held]


def revision_of(connection: Connection) -> str:
    """The migration that the database is at."""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def take_rows(connection: Connection, name: str, path: Path) -> int:
    """Write all rows of a table to `path`, one JSON object a line, gzipped, and return how many.

    Times are UTC, `{"time": …}`; bytes `{"base64": …}`. The same rows make the same bytes.
    """
    table = _reflected(connection, name)
    ordered = select(table).order_by(*table.primary_key.columns)
    count = 0
    with path.open("wb") as out, gzip.GzipFile("", "wb", 6, out, mtime=0) as lines:
        for row in connection.execution_options(yield_per=_BATCH).execute(ordered).mappings():
            content = {column: _plain(value) for column, value in row.items()}
            lines.write(json.dumps(content, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def put_rows(connection: Connection, name: str, path: Path) -> int:
    """Insert the rows that `take_rows` wrote into an empty table of the same migration, and return how many."""
    table = _reflected(connection, name)
    count = 0
    with gzip.open(path, "rb") as lines:
        rows = ({column: _value(held) for column, held in json.loads(line).items()} for line in lines)
        while batch := list(islice(rows, _BATCH)):
            connection.execute(insert(table), batch)
            count += len(batch)
    _count_on(connection, table)
    return count


def refuse_rows(connection: Connection, names: Sequence[str]) -> None:
    """Raise BackupError where any of the tables has a row."""
    for name in names:
        if connection.execute(select(func.count()).select_from(_reflected(connection, name))).scalar_one():
            raise BackupError(
                f"Expected a new or empty database to restore to, got one with rows in {name!r}. Name another one."
            )


def _reflected(connection: Connection, name: str) -> Table:
    """The table as the database has it, which may be of an older migration than `_STATE`."""
    return Table(name, MetaData(), autoload_with=connection, resolve_fks=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        # SQLite forgets the zone; what we wrote was UTC.
        moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        return {"time": moment.isoformat()}
    if isinstance(value, bytes | memoryview):
        return {"base64": base64.b64encode(bytes(value)).decode()}
    return value


def _value(held: Any) -> Any:
    if not isinstance(held, Mapping):
        return held
    if "time" in held:
        return datetime.fromisoformat(held["time"])
    return base64.b64decode(held["base64"], validate=True)


def _count_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that came with numbers; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        asked = text("SELECT pg_get_serial_sequence(:name, :column)")
        sequence = connection.execute(asked, {"name": table.name, "column": column.name}).scalar_one()
        last = connection.execute(select(func.max(column))).scalar_one() if sequence else None
        if last is not None:
            connection.execute(text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})

"""Bringing a database to the latest migration, once, however many servers start at the same time."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from surco.api.refusals import StateError

__all__ = ["migrate"]

_LOCK = 0x5C0_4C0  # any number that no other program on the same database uses


def migrate(engine: Engine, revision: str | None = None) -> None:
    """Run what is missing of `surco/api/state/migrations`, all or nothing.

    Args:
        engine: of the database.
        revision: how far, where it is not there yet or farther; None is the latest.

    Raises:
        StateError: a database that a newer Surco has migrated.
    """
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with as_file(files("surco.api.state") / "migrations") as folder:
        script = ScriptDirectory(str(folder))
        wanted = revision or script.get_current_head()
        if wanted not in {each.revision for each in script.walk_revisions()}:
            raise StateError(
                f"Expected rows of this Surco's database or an older one's, got migration {wanted!r}, which it does "
                "not know. Install the newer Surco that wrote them."
            )
        options = {"surco_writes": True}
        with engine.connect().execution_options(**options) as connection, connection.begin():
            _one_at_a_time(connection)
            context = MigrationContext.configure(connection)
            present = context.get_current_revision()
            before = {each.revision for each in script.iterate_revisions(wanted, "base")} - {wanted}
            if present in (None, *before) or (revision is None and present != wanted):
                _upgrade(connection, script, present, folder, wanted)


def _upgrade(
    connection: Connection, script: Any, present: str | None, folder: Path, wanted: str | None
) -> None:
    from alembic.config import Config
    from alembic.operations import Operations
    from alembic.runtime.environment import EnvironmentContext

    known = {revision.revision for revision in script.walk_revisions()}
    if present is not None and present not in known:
        raise StateError(
            f"Expected a database of this Surco or an older one, got migration {present!r}, which it does not know. "
            "Install the newer Surco that wrote it."
        )

    def steps(revision: Any, context: Any) -> Any:
        return script._upgrade_revs(wanted, revision)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, transactional_ddl=False)
        with Operations.context(environment.get_context()):
            environment.run_migrations()


def _one_at_a_time(connection: Connection) -> None:
    """SQLite holds its write lock already; PostgreSQL is asked for one that ends with the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})

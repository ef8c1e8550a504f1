"""Commands that copy a store and its server's database to a place of backups, and make both of one again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.api.options import STORE, STORE_PATH
from surco.api.progress import progress_bar
from surco.api.refusals import BackupError
from surco.api.serving_commands import DATABASE_URL
from surco.embedstore.working_copy import shown, state_folder

if TYPE_CHECKING:
    from surco.api.state.database import Database

__all__ = ["backup", "restore_"]

_DATABASE = click.option(
    "--database",
    help=f"Its URL, without a password; one with a password is taken from {DATABASE_URL} only.",
)
_NO_DATABASE = click.option("--no-database", is_flag=True, help="The store alone.")


@click.command()
@STORE
@click.option("--out", required=True, help="Folder, s3://BUCKET/PATH, or a new .tar file.")
@_DATABASE
@_NO_DATABASE
def backup(store: Path, out: str, database: str | None, no_database: bool) -> None:
    """Copy the latest version of STORE and the database of its server; what is there already is not sent again."""
    from surco.api.backing_up.backing import back_up

    held = None if no_database else _held(store, _url(database))
    try:
        with progress_bar("backup") as report:
            done = back_up(store, out, held, progress=lambda *now: report(now[0] >> 20, now[1] >> 20, now[2]))
    finally:
        if held is not None:
            held.close()
    rows = "no database" if held is None else f"{done.rows:,} rows of its database"
    click.echo(f"Backup {done.name} of {shown(store)}: version {done.version}, {rows}.")
    click.echo(f"{done.files} files, {done.bytes / 1e6:,.1f} MB, sent to {out}.")


@click.command("restore")
@click.argument("source", metavar="FROM")
@click.option("--store", type=STORE_PATH, help="New store, a folder or an address.")
@click.option("--backup", "name", help="Name of the backup; the latest if left out.")
@click.option("--check", is_flag=True, help="Only read every byte of it and compare.")
@click.option("--list", "listed", is_flag=True, help="Only name the backups that there are.")
@_DATABASE
@_NO_DATABASE
def restore_(
    source: str,
    store: Path | None,
    name: str | None,
    check: bool,
    listed: bool,
    database: str | None,
    no_database: bool,
) -> None:
    """Make a store and its server's database of a backup in FROM (folder, s3://BUCKET/PATH, .tar file)."""
    from surco.api.backing_up.restoring import check_backup, list_backups, restore

    if listed:
        for each, held in list_backups(source):
            rows = sum(table.rows for table in held.tables)
            click.echo(f"{each}  version {held.version}  {len(held.files)} files  {rows:,} rows")
        return
    with progress_bar("check" if check else "restore") as report:

        def told(done: int, total: int, what: str) -> None:
            report(done >> 20, total >> 20, what)

        if check:
            checked = check_backup(source, name, progress=told)
            size = sum(entry.bytes for entry in checked.objects())
            click.echo(f"{len(checked.objects())} files, {size / 1e6:,.1f} MB, all as they were written.")
            return
        if store is None:
            raise BackupError("Expected where to restore to, got no --store. Name a new folder or address.")
        made = restore(source, store, _url(database), name, with_database=not no_database, progress=told)
    click.echo(f"Version {made.version} of {shown(store)}: {made.files} files, {made.bytes / 1e6:,.1f} MB.")
    click.echo(f"{made.rows:,} rows of its database.")


def _url(given: str | None) -> str | None:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if given is None:
        return os.environ.get(DATABASE_URL)
    try:
        secret = make_url(given).password is not None
    except ArgumentError:
        secret = False
    if secret:
        raise BackupError(
            f"Expected a database URL without a password on the command line, got one with it. Set {DATABASE_URL}."
        )
    return given


def _held(store: Path, url: str | None) -> Database | None:
    """The database; None where there is none: no URL, and no server has ever run over the store."""
    from surco.api.state.database import Database

    if url is None and not (state_folder(store.absolute()) / "state.sqlite").exists():
        return None
    return Database.open(store.absolute(), url)

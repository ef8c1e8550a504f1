"""Commands that look after a store: its versions, its checksums, going back, and what can be removed."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import click

from surco.api.errors import ApiError
from surco.api.options import STORE_PATH
from surco.api.progress import progress_bar
from surco.api.remote_commands import pull_store, push_store
from surco.embedstore import Collected, Damage, collect_garbage, rollback, upgrade, verify, versions
from surco.embedstore.working_copy import shown

__all__ = ["store"]

STORE = click.argument("path", metavar="STORE", type=STORE_PATH)


@click.group()
def store() -> None:
    """Look after a store: versions, checksums, going back, clearing up."""


@store.command("log")
@STORE
def log(path: Path) -> None:
    """List the versions, newest first: number, when, rows, and what changed."""
    found = versions(path)
    for each in found:
        rows = "?" if each.rows is None else f"{each.rows:,}"
        click.echo(f"{each.version:>6}  {each.written:%Y-%m-%d %H:%M:%S}Z  {rows:>13} rows")
        for change in each.changes:
            click.echo(f"        {change}")
    if not found:
        click.echo(f"{shown(path)} is empty: nothing was written to it yet.")


@store.command("verify")
@STORE
@click.option("--all", "every", is_flag=True, help="All kept versions, not only the latest.")
def verify_(path: Path, every: bool) -> None:
    """Read every file again and compare its SHA-256; damaged files are named, and the exit code is 2."""
    with progress_bar("verify") as report:
        done = verify(
            path, every_version=every, progress=lambda *now: report(now[0] >> 20, now[1] >> 20, now[2])
        )
    for each in done.damage:
        click.echo(_damage(each))
    if done.damage:
        raise ApiError(
            f"Expected {done.files} files as they were written in {path}; got {len(done.damage)} that are not. "
            "Restore them from a copy, go back to a version without them (`surco store rollback`), or encode again."
        )
    click.echo(f"{done.files} files, {_size(done.bytes)}, all as they were written.")


@store.command("rollback")
@STORE
@click.argument("version", type=click.IntRange(min=1))
def rollback_(path: Path, version: int) -> None:
    """Make a new version that equals an older one; nothing is deleted."""
    number = rollback(path, version)
    click.echo(f"Version {number} of {shown(path)} equals version {version}. The versions between are kept.")


@store.command("gc")
@STORE
@click.option("--keep", type=click.IntRange(min=1), help="Keep the newest N versions; all if left out.")
@click.option("--older-than", type=click.FloatRange(min=0.0), help="Keep versions younger than DAYS.")
@click.option("--staging", is_flag=True, help="Also remove staged work of stopped runs; none may be running.")
@click.option(
    "--grace",
    type=click.FloatRange(min=0.0),
    default=24.0,
    show_default=True,
    help="Hours for which an address keeps files of writes that may be under way on another machine.",
)
@click.option(
    "--delete/--dry-run", default=False, show_default=True, help="Remove, or only say what would be."
)
def gc(
    path: Path, keep: int | None, older_than: float | None, staging: bool, grace: float, delete: bool
) -> None:
    """Remove what no kept version needs: old versions where asked for, and what killed writers left."""
    age = None if older_than is None else timedelta(days=older_than)
    done = collect_garbage(
        path, keep=keep, older_than=age, staging=staging, grace=timedelta(hours=grace), delete=delete
    )
    click.echo(_collected(done))


@store.command("upgrade")
@STORE
def upgrade_(path: Path) -> None:
    """Write tables of an older surco again, as one new version, so that SQL notices damage in them, too."""
    with progress_bar("upgrade") as report:
        done = upgrade(path, progress=report)
    if not done.tables:
        click.echo(f"{shown(path)} is of the present format; nothing to do.")
        return
    click.echo(
        f"Version {done.after} of {shown(path)} has {done.rows:,} rows of version {done.before} written again:"
    )
    click.echo("\n".join(done.tables))


store.add_command(push_store)
store.add_command(pull_store)


def _damage(damage: Damage) -> str:
    numbers = ", ".join(str(number) for number in damage.versions)
    return f"{damage.path}: {damage.problem} (version {numbers})"


def _collected(done: Collected) -> str:
    verb = "removed" if done.deleted else "would go"
    reasons = Counter(each.why for each in done.garbage)
    sizes = {why: sum(each.bytes for each in done.garbage if each.why == why) for why in reasons}
    lines = [f"{count} of {why}, {_size(sizes[why])}, {verb}" for why, count in sorted(reasons.items())]
    lines += [f"{len(done.removed)} versions {verb}, {len(done.kept)} kept; {_size(done.bytes)} in all."]
    if not done.deleted and (done.garbage or done.removed):
        lines.append("Nothing was changed; --delete removes it.")
    return "\n".join(lines)


def _size(amount: int) -> str:
    return f"{amount / 1e6:,.1f} MB"

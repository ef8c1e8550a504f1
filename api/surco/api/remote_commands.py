"""Commands that copy a store to an object store and back."""

from __future__ import annotations

from pathlib import Path

import click

from surco.api.options import STORE_PATH
from surco.api.progress import progress_bar
from surco.embedstore import Store, Transfer, pull, push
from surco.embedstore.working_copy import shown

__all__ = ["pull_store", "push_store"]

STORE = click.argument("path", metavar="STORE", type=STORE_PATH)
URL = click.argument("url", metavar="URL")


@click.command("push")
@STORE
@URL
@click.option(
    "--replace", is_flag=True, help="Go ahead although the latest version there is none of this store."
)
def push_store(path: Path, url: str, replace: bool) -> None:
    """Copy the latest version to URL (s3://BUCKET/PATH or file:///FOLDER), visible there all at once.

    Credentials, region and endpoint come from the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...).
    """
    with progress_bar("push") as report:
        done = push(
            Store.open(path),
            url,
            replace_others=replace,
            progress=lambda *now: report(now[0] >> 20, now[1] >> 20, now[2]),
        )
    verb = "is now" if done.changed else "was already"
    click.echo(
        f"Version {done.local_version} of {shown(path)} {verb} version {done.remote_version} of {done.url}."
    )
    click.echo(f"{_moved(done)} sent.")


@click.command("pull")
@URL
@STORE
@click.option("--version", type=click.IntRange(min=1), help="A version there; the latest if left out.")
@click.option("--season", "seasons", multiple=True, help="Only this season; may be repeated.")
@click.option("--model", "models", multiple=True, help="Only this model; may be repeated.")
def pull_store(
    url: str, path: Path, version: int | None, seasons: tuple[str, ...], models: tuple[str, ...]
) -> None:
    """Copy a version from URL into STORE: what is missing or damaged here, each file checked."""
    with progress_bar("pull") as report:
        done = pull(
            url,
            path,
            version=version,
            seasons=seasons,
            models=models,
            progress=lambda *now: report(now[0] >> 20, now[1] >> 20, now[2]),
        )
    verb = "is now" if done.changed else "was already"
    what = "What was asked for of version" if seasons or models else "Version"
    click.echo(
        f"{what} {done.remote_version} of {done.url} {verb} version {done.local_version} of {shown(path)}."
    )
    click.echo(f"{_moved(done)} fetched.")


def _moved(done: Transfer) -> str:
    return f"{done.files} files, {done.bytes / 1e6:,.1f} MB,"

"""Commands that look after runs: list, status, resume, cancel."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from surco.api.options import STORE
from surco.api.planned_runs import CODES, HowToRun, carry_out, describe_holes, describe_run, run_line
from surco.api.progress import progress_bar
from surco.embedstore import Store
from surco.encoder.plan import RunPlan
from surco.encoder.runs import CancelledRunError, RunFolder, find_run, list_runs, status_of

__all__ = ["RAY", "RETRY_FAILED", "WORKERS", "finish", "run"]

_EVERY_S = 1.0
_COLUMNS = ("run", "stands", "tiles", "windows", "rate", "left")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KEY = click.argument("key", required=False)
WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes that do the work; one for each core if left out."
)
RAY = click.option("--ray", metavar="ADDRESS", help="A Ray cluster does the work: its address, or auto.")
RETRY_FAILED = click.option(
    "--retry-failed", is_flag=True, help="Try again the tiles that could not be done."
)


@click.group()
def run() -> None:
    """Look after the runs of plans (surco encode --plan): how far they are, stop them, go on with them."""


@run.command("list")
@STORE
@_JSON
def list_(store: Path, as_json: bool) -> None:
    """List the runs of a store, the one begun last first."""
    found = list_runs(Store.open(store))
    if as_json:
        click.echo(json.dumps([each.document() for each in found], indent=1, ensure_ascii=False))
        return
    table = Table(*_COLUMNS)
    for each in found:
        table.add_row(*run_line(each))
    Console(soft_wrap=True).print(table if found else "No runs.")


@run.command()
@STORE
@_KEY
@_JSON
@click.option("--watch", is_flag=True, help="Go on showing it until the run ends.")
@click.pass_context
def status(ctx: click.Context, store: Path, key: str | None, as_json: bool, watch: bool) -> None:
    """Say how a run stands: progress, rate, time left, and tiles that could not be done with the reasons.

    Exits with 0 while it runs and when it is finished, 3 where tiles could not be done, 4 where it was stopped.
    """
    folder = find_run(Store.open(store), key)
    if watch:
        _watch(folder, as_json)
    found = status_of(folder)
    if as_json:
        click.echo(json.dumps(found.document(), indent=1, ensure_ascii=False))
    else:
        click.echo(describe_run(found))
    ctx.exit(CODES[found.standing])


@run.command()
@STORE
@_KEY
@WORKERS
@RAY
@RETRY_FAILED
@click.pass_context
def resume(
    ctx: click.Context, store: Path, key: str | None, workers: int | None, ray: str | None, retry_failed: bool
) -> None:
    """Go on with a run that was stopped, by whatever; the same plan is not needed, the store keeps it."""
    folder = find_run(Store.open(store), key)
    finish(ctx, folder.path / "plan.json", store, HowToRun(workers, ray, retry_failed))


@run.command()
@STORE
@_KEY
def cancel(store: Path, key: str | None) -> None:
    """Stop a run within seconds; what is done is kept, and surco run resume goes on with it."""
    folder = find_run(Store.open(store), key)
    folder.cancel()
    standing = status_of(folder).standing
    click.echo(
        f"Run {folder.key[:12]} {'stops within seconds' if standing == 'running' else f'is {standing}'}."
    )


def finish(ctx: click.Context, plan: Path | RunPlan, store: Path, how: HowToRun) -> None:
    """Carry out a plan to its end with a bar, say what was done, and exit with the code of how it stands."""
    from surco.api.encoding import describe_report

    try:
        with progress_bar("tiles") as report:
            done = carry_out(plan, store, how, report)
    except CancelledRunError as error:
        click.echo(str(error), err=True)
        ctx.exit(CODES["cancelled"])
    click.echo(describe_report(done, store))
    if done.holes:
        click.echo(describe_holes(done, store), err=True)
        ctx.exit(CODES["holes"])


def _watch(folder: RunFolder, as_json: bool) -> None:
    if as_json:
        while (found := status_of(folder)).standing == "running":
            click.echo(json.dumps(found.document(), ensure_ascii=False))
            time.sleep(_EVERY_S)
        return
    with Live(console=Console(soft_wrap=True), auto_refresh=False, transient=True) as live:
        while (found := status_of(folder)).standing == "running":
            live.update(Text(describe_run(found)), refresh=True)
            time.sleep(_EVERY_S)

"""The `surco` command. Each command is a thin door: it reads arguments, calls a room, prints what came back.

Errors that a user can cause are printed as one sentence and end with exit code 2; anything else is a bug and shows
its traceback.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import click

from surco.adapters import AdapterError
from surco.api.adapter_commands import adapters
from surco.api.area_commands import areas
from surco.api.asking_commands import demo, map_
from surco.api.backup_commands import backup, restore_
from surco.api.boundary_commands import boundaries
from surco.api.client_teaching_commands import at
from surco.api.diff_commands import diff
from surco.api.disaggregating_commands import disaggregate
from surco.api.encode_command import encode
from surco.api.errors import ApiError
from surco.api.evaluation_commands import evaluate
from surco.api.forecasting_commands import forecast
from surco.api.importing_commands import import_embeddings
from surco.api.index_commands import index
from surco.api.label_commands import labels
from surco.api.making_commands import embed, pretrain, simulate
from surco.api.meta_commands import meta_train_
from surco.api.next_label_commands import next_label
from surco.api.parcel_commands import parcels
from surco.api.plan_commands import plan
from surco.api.progress import console, plain
from surco.api.quality_commands import quality
from surco.api.run_commands import run
from surco.api.segment_commands import segment
from surco.api.serving_commands import keys, serve
from surco.api.sql_commands import sql
from surco.api.store_commands import store
from surco.api.tuning_commands import fine_tune_
from surco.embedstore import EmbedstoreError
from surco.embedstore.working_copy import with_addresses
from surco.encoder import EncoderError
from surco.viewer import ViewerError

__all__ = ["main"]

ROOM_ERRORS = (AdapterError, ApiError, EmbedstoreError, EncoderError, ViewerError)


class _Root(click.Group):
    """Turns the rooms' errors into a sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ROOM_ERRORS as error:
            console().print(f"[bold red]Error:[/] {plain(with_addresses(str(error)))}", highlight=False)
            ctx.exit(2)


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("surco"), prog_name="surco")
def main() -> None:
    """Surco: embeddings of the land as a database."""


for command in (
    plan,
    encode,
    run,
    embed,
    import_embeddings,
    parcels,
    pretrain,
    fine_tune_,
    simulate,
    forecast,
    meta_train_,
    adapters,
    labels,
    map_,
    disaggregate,
    evaluate,
    next_label,
    areas,
    boundaries,
    segment,
    sql,
    index,
    quality,
    diff,
    store,
    backup,
    restore_,
    serve,
    keys,
    at,
    demo,
):
    main.add_command(command)


if __name__ == "__main__":
    sys.exit(main())

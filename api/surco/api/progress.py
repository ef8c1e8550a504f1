"""Progress on the terminal: one bar a task, drawn by rich, silent where nobody watches."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["console", "noting", "plain", "progress_bar"]

Report = Callable[[int, int, str], None]


def console() -> Console:
    """Where people read; results of commands go to standard output, so this is standard error."""
    return Console(stderr=True, soft_wrap=True, width=None if sys.stderr.isatty() else 110)


def plain(text: str) -> str:
    """Text with its square brackets kept from rich, which would read them as marks."""
    return text.replace("[", r"\[")


@contextmanager
def progress_bar(title: str) -> Iterator[Report]:
    """A bar as a callable `(done, total, text)`.

    Where standard error is no terminal it prints a line at each tenth instead, so that a log stays short.
    """
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[text]}"),
    )
    with Progress(*columns, console=console()) as bar:
        task = bar.add_task(title, total=None, text="")
        yield lambda done, total, text: bar.update(task, completed=done, total=total, text=text)


def _lines(title: str) -> Report:
    last = -1

    def report(done: int, total: int, text: str) -> None:
        nonlocal last
        tenth = 10 * done // max(total, 1)
        if tenth != last:
            last = tenth
            print(f"{title}: {done}/{total} {text}".rstrip(), file=sys.stderr, flush=True)

    return report


@contextmanager
def noting(category: type[Warning]) -> Iterator[None]:
    """Warnings of a category inside the block become notes for people after it, each once."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", category)
        yield
    for text in dict.fromkeys(str(note.message) for note in notes):
        console().print(f"[yellow]Note:[/] {plain(text)}", highlight=False)

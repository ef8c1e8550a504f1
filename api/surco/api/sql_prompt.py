# ruff: noqa: S608 - the queries are made of this module's own constants
"""A prompt for SQL: history, completion, statements over several lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb

from surco.api.errors import ApiError
from surco.embedstore import EmbedstoreError

__all__ = ["Completer", "history_file", "prompt", "with_history"]

_HELP = """\
End a question with a semicolon; it may take several lines. Tab completes names. Ctrl-C stops a query, Ctrl-D leaves.
  .tables      what can be asked about; DESCRIBE cells; lists the columns of one
  .functions   what this store adds to SQL
  .help        this
  .quit        leave"""
_TABLES = (
    "SELECT table_name AS name, string_agg(column_name, ', ' ORDER BY column_index) AS columns "
    "FROM duckdb_columns() WHERE NOT internal AND NOT starts_with(table_name, 'no_') GROUP BY 1 ORDER BY 1"
)
# DuckDB counts functions written in Python among its own.
_ADDED = (
    "function_type IN ('macro', 'table_macro') AND NOT internal OR function_name IN "
    "('h3_children', 'h3_disk', 'h3_hectares', 'h3_parent', 'h3_parse')"
)
_FUNCTIONS = (
    "SELECT DISTINCT function_name AS name, array_to_string(CASE function_type WHEN 'scalar' THEN parameter_types "
    f"ELSE parameters END, ', ') AS parameters FROM duckdb_functions() WHERE {_ADDED} ORDER BY ALL"
)
_WORDS = (
    "SELECT table_name FROM duckdb_columns() WHERE NOT internal AND NOT starts_with(table_name, 'no_') "
    "UNION SELECT column_name FROM duckdb_columns() WHERE NOT internal "
    f"UNION SELECT function_name FROM duckdb_functions() WHERE {_ADDED} "
    "UNION SELECT upper(keyword_name) FROM duckdb_keywords() "
    "UNION SELECT unnest(['count', 'sum', 'avg', 'min', 'max', 'median', '.tables', '.functions', '.help', '.quit'])"
)
# All but letters, digits, underscore and the full stop of commands.
_DELIMITERS = " \t\n\"'`@$><=;|&{}()[],+-*/%!?:"


class Completer:
    """Names that a word may become, as readline asks for them: the first, the second, and so on, then None."""

    def __init__(self, session: duckdb.DuckDBPyConnection) -> None:
        self._words = sorted((str(row[0]) for row in session.execute(_WORDS).fetchall()), key=str.lower)

    def matches(self, text: str) -> list[str]:
        """Words that begin so, upper and lower case alike; keywords in the case of what was typed."""
        found = [word for word in self._words if word.lower().startswith(text.lower())]
        return [word.lower() if word.isupper() and not text[:1].isupper() else word for word in found]

    def __call__(self, text: str, state: int) -> str | None:
        """The match of that number."""
        found = self.matches(text) if text else []
        return found[state] if state < len(found) else None


def prompt(lines: Iterable[str | None], ask: Callable[[str], None], say: Callable[[str], None]) -> None:
    """Answer what is typed until `.quit` or the end of the lines.

    Args:
        lines: what is typed; None forgets the question that was begun.
        ask: runs one query and shows its rows; EmbedstoreError and ApiError are said, and the prompt goes on.
        say: shows a text.
    """
    typed: list[str] = []
    for line in lines:
        if line is None:
            typed = []
            continue
        word = line.strip()
        if not typed and word in (".quit", ".exit", "quit", "exit"):
            return
        if not typed and (word.startswith(".") or not word):
            _answer(_command(word), ask, say)
            continue
        typed.append(line)
        if word.endswith(";"):
            _answer("\n".join(typed), ask, say)
            typed = []
    if typed:
        _answer("\n".join(typed), ask, say)


def history_file() -> Path:
    """Where questions are kept: below $XDG_STATE_HOME, or ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local/state") / "surco/sql_history"


def with_history(completer: Completer) -> Callable[[], None] | None:
    """Give `input` history and completion, and return what keeps the history; None where Python has no readline."""
    try:
        import readline
    except ImportError:
        return None
    file = history_file()
    readline.set_completer(completer)
    readline.set_completer_delims(_DELIMITERS)
    readline.parse_and_bind("tab: complete")
    readline.set_history_length(1000)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        readline.read_history_file(file)
    except OSError:
        return None
    return lambda: readline.write_history_file(file)


def _command(word: str) -> str:
    """The query behind a command; its text where it is none."""
    return {".tables": _TABLES, ".functions": _FUNCTIONS}.get(word, word)


def _answer(text: str, ask: Callable[[str], None], say: Callable[[str], None]) -> None:
    if not text:
        return
    if text.startswith("."):
        say(_HELP if text == ".help" else f"Expected .tables, .functions, .help or .quit; got {text}.")
        return
    try:
        ask(text)
    except (ApiError, EmbedstoreError) as error:
        say(str(error))

"""What went wrong with a query, in words for the one who asked: no stack, no path of the server, a kind of fault."""

from __future__ import annotations

import builtins
import re
from pathlib import Path
from typing import Final

from surco.api.errors import ApiError
from surco.api.sql_box.frames import Fault
from surco.embedstore import StoreError
from surco.embedstore.blocks import DAMAGED

__all__ = ["fault_of", "ruins_session", "too_many_bytes", "too_many_rows"]

_LONGEST: Final = 2000
_FROM_FUNCTION = re.compile(r"executing the UDF: (?:\w+\.)*(\w+): (.*?)\s*(?:\n\nAt:|$)", re.DOTALL)
_STACK = re.compile(
    r"\n\n?(?:At:|Stack Trace:|This error signals|Possible solutions:|To disable|For more information).*",
    re.DOTALL,
)
# An absolute path is not of the query's making where it has a folder that only servers have.
_PATH = re.compile(
    r"(?:/(?:home|root|usr|opt|var|srv|tmp|work|mnt|data|etc|proc|private|Users)/)[^\s'\"`:,;)]*"
)
_MEMORY = ("Out of Memory", "bad allocation", "bad_alloc", "MemoryError", "malloc of size", "realloc of size")
_INTERRUPTED = ("INTERRUPT Error", "Interrupted!")
_RUINED = ("INTERNAL Error", "FATAL Error", "has been invalidated")


def fault_of(error: BaseException, query: str, store: Path) -> Fault:
    """The fault that an exception of a query is; of the store's folder only the last part is said."""
    text = (str(error) or type(error).__name__).replace(str(store), store.name)
    raised = _FROM_FUNCTION.search(text)
    if isinstance(error, ApiError):
        return Fault("invalid", _cleaned(text, query))
    if isinstance(error, MemoryError) or any(word in text for word in _MEMORY):
        return Fault("memory", "")
    if any(word in text for word in _INTERRUPTED):
        return Fault("stopped", "")
    if DAMAGED in text or isinstance(error, StoreError):
        return Fault("store", _cleaned(text, query))
    if any(word in text for word in _RUINED) or (raised and hasattr(builtins, raised[1])):
        return Fault("broken", _STACK.sub("", text)[:_LONGEST])  # for the server's log, not for the client
    if raised:
        return Fault("invalid", _cleaned(f"A function of the query says: {raised[2]}", query))
    said = _cleaned(text, query)
    return Fault("invalid", f"Expected SQL that DuckDB can run. It says: {said}")


def ruins_session(fault: Fault) -> bool:
    """Whether no further query can be trusted to the process that met this fault.

    Of a query that found no memory DuckDB keeps what it had reserved, and later ones would be refused for it.
    """
    return fault.kind in ("broken", "memory")


def too_many_rows(most: int) -> Fault:
    """An answer longer than the server sends."""
    return Fault(
        "rows",
        f"Expected an answer of at most {most:,} rows, got more. Ask with LIMIT or `limit`, count by group, or filter.",
    )


def too_many_bytes(most: int) -> Fault:
    """An answer larger than the server sends."""
    return Fault(
        "bytes",
        f"Expected an answer of at most {most:,} bytes, got more. Select fewer columns or rows, or ask for Parquet.",
    )


def _cleaned(text: str, query: str) -> str:
    """A message without stacks and advice for who runs DuckDB, and without paths that the query did not name."""
    short = _STACK.sub("", text)

    def hidden(path: re.Match[str]) -> str:
        return path[0] if path[0] in query else "(a path)"

    return _PATH.sub(hidden, short)[:_LONGEST].strip()

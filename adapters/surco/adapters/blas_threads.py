"""How many threads adapters use: products of small blocks on one thread of BLAS each, blocks on several.

BLAS shares even a product of a few thousand rows among its threads, which takes up to hundreds of times as long where
other work keeps the cores busy.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache

from joblib import cpu_count
from threadpoolctl import ThreadpoolController

__all__ = ["single_threaded", "usable_threads"]

_MOST_THREADS = 8  # from there on memory is slower than the cores


def single_threaded() -> AbstractContextManager[object]:
    """A context in which each product of matrices stays on the thread that asks for it."""
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def usable_threads() -> int:
    """Threads that the process may use: `OMP_NUM_THREADS` where it is set, or its cores; at most eight."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(_MOST_THREADS, int(asked) if asked.isdigit() and int(asked) else int(cpu_count()))

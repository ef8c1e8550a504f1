"""Carrying out a plan: on this machine or a cluster, never the same tile twice, whatever dies on the way."""

from surco.encoder.runs.errors import CancelledRunError, RunError
from surco.encoder.runs.folder import DeadLetter, RunFolder
from surco.encoder.runs.local import InProcess, LocalPool
from surco.encoder.runs.planned import run_plan
from surco.encoder.runs.rounds import Patience
from surco.encoder.runs.state import RunState
from surco.encoder.runs.status import RunStatus, find_run, list_runs, status_of
from surco.encoder.runs.work import Executor, MakeEncoder

__all__ = [
    "CancelledRunError",
    "DeadLetter",
    "Executor",
    "InProcess",
    "LocalPool",
    "MakeEncoder",
    "Patience",
    "RunError",
    "RunFolder",
    "RunState",
    "RunStatus",
    "find_run",
    "list_runs",
    "run_plan",
    "status_of",
]

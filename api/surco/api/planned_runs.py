"""`surco encode --plan` and `surco run`: how runs are carried out, and how they stand in words."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from surco.api.errors import ApiError
from surco.embedstore import Store
from surco.encoder import EncodeReport
from surco.encoder.kept_months import KeptMonths
from surco.encoder.plan import RunPlan, read_plan
from surco.encoder.runs import Executor, LocalPool, RunStatus, run_plan

__all__ = ["CODES", "HowToRun", "carry_out", "describe_holes", "describe_run", "run_line"]

Report = Callable[[int, int, str], None]
CODES = {"running": 0, "finished": 0, "planned": 0, "holes": 3, "cancelled": 4, "stopped": 4}
"""Exit codes by how a run stands; 2 is an error, as of every command."""
_LISTED = 10


@dataclass(frozen=True, slots=True)
class HowToRun:
    """What does the windows: processes of this machine (None: one for each core), or a Ray cluster."""

    workers: int | None = None
    ray: str | None = None
    retry_failed: bool = False
    force: bool = False
    kept: KeptMonths | None = None

    def executor(self) -> Executor:
        """As `run_plan` takes it; raises ApiError where both are named, RunError without Ray."""
        if self.ray is None:
            return LocalPool(self.workers or len(os.sched_getaffinity(0)))
        if self.workers is not None:
            raise ApiError(
                "Expected --workers or --ray; got both. A Ray cluster has its own workers: leave out --workers."
            )
        from surco.encoder.runs.cluster import RayExecutor

        return RayExecutor(self.ray)


def carry_out(
    plan: Path | RunPlan, store: Path, how: HowToRun, progress: Report | None = None
) -> EncodeReport:
    """Carry out a plan, or the plan in a file, into a store, which is made where there is none.

    Raises:
        ApiError: see `HowToRun.executor`.
        EncoderError: see `encoder.runs.run_plan`.
        EmbedstoreError: a store that cannot be written.
    """
    executor = how.executor()
    wanted = read_plan(plan) if isinstance(plan, Path) else plan
    return run_plan(
        wanted,
        Store.open_or_create(store, wanted.season.start_month),
        executor=executor,
        retry_failed=how.retry_failed,
        force=how.force,
        kept=how.kept,
        progress=progress,
    )


def describe_holes(report: EncodeReport, store: Path) -> str:
    """What is to be known of tiles that could not be done; empty where all were."""
    if not report.holes:
        return ""
    shown = ", ".join(report.holes[:_LISTED]) + (", …" if len(report.holes) > _LISTED else "")
    return (
        f"{len(report.holes)} tiles could not be done and have no rows: {shown}. "
        f"Why: surco run status {store}. Again: the same command with --retry-failed."
    )


def run_line(status: RunStatus) -> tuple[str, ...]:
    """A run in a few words: key, how it stands, tiles, rate, time left."""
    state = status.state
    if state is None:
        return status.key[:12], status.standing, "", "", "", ""
    left = status.seconds_left
    return (
        status.key[:12],
        status.standing if status.standing != "running" else f"running ({state.phase})",
        f"{state.tiles_done:,} of {state.tiles:,}"
        + (f", {len(status.failed)} failed" if status.failed else ""),
        f"{state.windows_done:,} of {state.windows:,}",
        f"{state.rate:.2f}/s",
        "" if left is None else _duration(left),
    )


def describe_run(status: RunStatus) -> str:
    """All of how a run stands, for people."""
    lines = [" · ".join(part for part in run_line(status) if part)]
    state = status.state
    if state is not None:
        age = time.time() - state.heartbeat
        lines.append(
            f"by process {state.pid} on {state.host}, {state.executor}; heard of {_duration(age)} ago, "
            f"begun {_duration(state.heartbeat - state.started)} before"
        )
        if state.requests:
            lines.append(f"read {state.reading}")
        if state.message and status.standing != "running":
            lines.append(f"ended with: {state.message}")
    lines += [
        f"{letter.tile} could not be done ({letter.kind}, tried {letter.attempts} times): {letter.reason}"
        for letter in status.failed[:_LISTED]
    ]
    if len(status.failed) > _LISTED:
        lines.append(f"and {len(status.failed) - _LISTED} more; all with --json")
    if status.standing in ("cancelled", "stopped"):
        lines.append("Go on: surco run resume STORE")
    elif status.failed and status.standing != "running":
        lines.append("Try those again: surco run resume STORE --retry-failed")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    )

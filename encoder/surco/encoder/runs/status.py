"""How runs stand: what their folders say, with what is left and how long it will take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from surco.embedstore import Store
from surco.encoder.runs.errors import RunError
from surco.encoder.runs.folder import DeadLetter, RunFolder, run_folders
from surco.encoder.runs.state import RunState, is_driven, read_state

__all__ = ["RunStatus", "find_run", "list_runs", "status_of"]

Standing = Literal["running", "finished", "holes", "cancelled", "stopped", "planned"]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How a run stands.

    Attributes:
        key: of the run.
        standing: `running`; `finished`, all in the store; `holes`, in the store but for tiles that were given up;
            `cancelled`, somebody stopped it; `stopped`, by an error or a dead driver; `planned`, never begun.
        state: as the driver wrote it last; None where none ever began.
        failed: tiles that were given up.
    """

    key: str
    standing: Standing
    state: RunState | None
    failed: tuple[DeadLetter, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        state = self.state
        told: dict[str, Any] = {"key": self.key, "standing": self.standing}
        if state is not None:
            told |= {
                "phase": state.phase, "tiles": state.tiles, "tiles_done": state.tiles_done,
                "windows": state.windows, "windows_done": state.windows_done,
                "windows_per_second": round(state.rate, 3), "seconds_left": self.seconds_left,
                "requests": state.requests, "bytes_read": state.bytes_read, "retries": state.retries,
                "seconds": round(state.heartbeat - state.started, 1),
                "heartbeat_age": round(time.time() - state.heartbeat, 1),
                "host": state.host, "pid": state.pid, "executor": state.executor, "message": state.message,
            }  # fmt: skip
        told["failed"] = [
            {"tile": each.tile, "kind": each.kind, "attempts": each.attempts, "reason": each.reason}
            for each in self.failed
        ]
        return told

    @property
    def seconds_left(self) -> float | None:
        """Until all windows are done, where it runs and something is known of it."""
        left = self.state.seconds_left if self.state is not None and self.standing == "running" else None
        return None if left is None else round(left, 1)


def status_of(folder: RunFolder) -> RunStatus:
    """How a run stands now."""
    state, failed = read_state(folder), tuple(folder.dead_letters())
    return RunStatus(folder.key, _standing(folder, state, bool(failed)), state, failed)


def list_runs(store: Store) -> list[RunStatus]:
    """All runs of a store, the one begun last first."""
    return [status_of(folder) for folder in run_folders(store)]


def find_run(store: Store, key: str | None) -> RunFolder:
    """The folder of a run by the start of its key, or of the one begun last.

    Raises:
        RunError: there is none, or several begin so.
    """
    folders = list(run_folders(store))
    found = folders[:1] if key is None else [each for each in folders if each.key.startswith(key)]
    if len(found) != 1:
        known = ", ".join(each.key[:12] for each in folders) or "none"
        raise RunError(
            f"Expected {'a run' if key is None else f'one run {key}'} in {store.path}; got {len(found)} of its runs: "
            f"{known}. Begin one with surco encode --plan, or give more of the key."
        )
    return found[0]


def _standing(folder: RunFolder, state: RunState | None, failed: bool) -> Standing:
    if state is None:
        return "planned"
    if is_driven(folder, state):
        return "running"
    if state.phase == "finished":
        return "holes" if failed else "finished"
    return "cancelled" if state.phase == "cancelled" or folder.cancelled else "stopped"

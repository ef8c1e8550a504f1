"""A run's folder: what it is, how far it is, which tiles are done, and which could not be done.

```
plan.json     what is to be done
state.json    who does it, and how far it is
tiles/        a file for each finished tile: `staging`
parts/        finished windows of tiles that are not
failed/       a file for each tile that could not be done: why
cancel        there while somebody wants the run stopped
driver.lock   held by the process that does it
```
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from surco.embedstore import Store
from surco.embedstore.disk import writing_to
from surco.embedstore.names import check_name
from surco.encoder.runs.errors import RunError
from surco.encoder.staging import Staging

__all__ = ["DeadLetter", "RunFolder", "run_folder", "run_folders", "write_whole"]

RUNS = ".runs"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A tile that could not be done.

    Attributes:
        tile: its name.
        windows: numbers of those of its windows that failed.
        kind: `scene` (something could not be read) or `worker` (workers died over it).
        reason: in words, of the last failure.
        attempts: how often the window was tried that was tried most.
        when: of the last failure, ISO 8601, UTC.
    """

    tile: str
    windows: tuple[int, ...]
    kind: str
    reason: str
    attempts: int
    when: str


class RunFolder:
    """The folder of one run.

    Args:
        path: of the folder, made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with writing_to(path):
            for name in ("tiles", "parts", "failed"):
                (path / name).mkdir(parents=True, exist_ok=True)
        self.tiles = Staging(path / "tiles")
        self.parts = Staging(path / "parts")

    @property
    def key(self) -> str:
        """Of the run."""
        return self.path.name

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants the run stopped."""
        return (self.path / "cancel").exists()

    def cancel(self) -> None:
        """Ask the run to stop; its driver does within seconds."""
        with writing_to(self.path):
            (self.path / "cancel").touch()

    def uncancel(self) -> None:
        """Take back that the run is to stop."""
        (self.path / "cancel").unlink(missing_ok=True)

    def dead_letters(self) -> list[DeadLetter]:
        """Tiles that could not be done, by name."""
        found = []
        for path in sorted((self.path / "failed").glob("*.json")):
            said = _read_json(path)
            found.append(DeadLetter(**{**said, "windows": tuple(said["windows"])}))
        return found

    def bury(self, letter: DeadLetter) -> None:
        """Write that a tile could not be done."""
        write_whole(self.path / "failed" / f"{letter.tile}.json", asdict(letter))

    def revive(self, tile: str) -> None:
        """Forget that a tile could not be done."""
        (self.path / "failed" / f"{tile}.json").unlink(missing_ok=True)

    def clear_tiles(self) -> None:
        """Remove what finished tiles left behind, once their rows are in the store."""
        for folder in ("tiles", "parts"):
            for path in (self.path / folder).iterdir():
                path.unlink()


def run_folder(store: Store, key: str) -> RunFolder:
    """The folder of a plan's run, made where it is not there; no reader of the store sees it."""
    return RunFolder(store.path / RUNS / check_name(key, "key of a run"))


def run_folders(store: Store) -> Iterator[RunFolder]:
    """The folders of all plans' runs of a store, the one begun last first."""
    plans = (store.path / RUNS).glob("*/plan.json")
    for plan in sorted(plans, key=lambda path: path.stat().st_mtime, reverse=True):
        yield RunFolder(plan.parent)


def write_whole(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file under a temporary name, then give it its own: no reader sees half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with writing_to(path.parent):
        try:
            draft.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise RunError(
            f"Expected JSON in {path}; got something else ({error}). Remove the file: its tile is then done again."
        ) from error
    return found

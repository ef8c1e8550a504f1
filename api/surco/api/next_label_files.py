"""Label files of a campaign: several read as one, with the arm and the round that chose each place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from surco.adapters.next_label import ARMS, CHANCE
from surco.api.fitting import Unit
from surco.embedstore import Examples, LabelError, Labels, Store, match_labels, read_label_column, read_labels

__all__ = ["LabelFiles", "matched", "read_label_files"]

_MOST_ROUND = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class LabelFiles:
    """Labels of all files, and of each feature what chose it.

    Attributes:
        labels: N features.
        arm: (N,) an arm or `CHANCE`; "" where the file does not say.
        round: (N,) from 1; 0 where the file does not say.
    """

    labels: Labels
    arm: npt.NDArray[np.str_]
    round: npt.NDArray[np.int64]


def read_label_files(paths: Sequence[Path], class_column: str | None) -> LabelFiles | None:
    """Read label files as one; None where there is no file.

    Raises:
        LabelError: as `read_labels`; a round that is no whole number.
    """
    if not paths:
        return None
    parts = [read_labels(path, class_column) for path in paths]
    labels = Labels(
        np.concatenate([part.geometry for part in parts]),
        [name for part in parts for name in part.label],
        [name for part in parts for name in part.id],
        parts[0].path,
    )
    arms = [arm for path, part in zip(paths, parts, strict=True) for arm in _column(path, "arm", len(part))]
    rounds = [
        _round(text, path)
        for path, part in zip(paths, parts, strict=True)
        for text in _column(path, "round", len(part))
    ]
    known = np.array([arm if arm in (*ARMS, CHANCE) else "" for arm in arms], np.str_)
    return LabelFiles(labels, known, np.array(rounds, np.int64))


def matched(
    store: Store, files: LabelFiles, *, season: str | None, unit: Unit, model_id: str | None
) -> Examples:
    """The rows that the labels name; one class is enough here. Errors as `match_labels`."""
    return match_labels(store, files.labels, season=season, unit=unit, model_id=model_id, least_classes=1)


def _column(path: Path, name: str, rows: int) -> list[str]:
    """A property of a file that was read before, as text; empty where no feature has it."""
    try:
        return read_label_column(path, name)
    except LabelError:
        return [""] * rows


def _round(text: str, path: Path) -> int:
    if not text:
        return 0
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else _MOST_ROUND + 1
    if number > _MOST_ROUND:
        raise LabelError(
            f"a round as this command wrote it, 1 to {_MOST_ROUND}",
            f"{text[:40]!r} in {path}",
            "Leave `round` as it was, or remove it from all features.",
        )
    return number

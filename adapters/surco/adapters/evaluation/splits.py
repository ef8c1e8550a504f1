"""How labels are held out: whole spatial blocks, whole regions, whole seasons; no block on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from surco.adapters.errors import LabelsError
from surco.adapters.evaluation.labelled import Labelled

__all__ = ["Split", "leave_each_out", "spatial_blocks", "untestable"]

Codes = npt.NDArray[np.intp]
_LEAST_GROUPS = 3
_LEAST_RESAMPLED = 5  # as in `scores`: with fewer held-out parts the blocks inside them are resampled


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows are tested together, by an adapter that saw none of them.

    Attributes:
        what: what is held out: "block", "region", "season" and so on.
        words: the split in a sentence.
        part: (N,) part in which each row is tested, -1 where it is never tested.
        names: of the parts.
        resampled: (N,) what is drawn with replacement for intervals.
        resampled_words: what that is.
        apart: keep blocks of the test out of training. Not where seasons are left out: the same field in another
            season is what a map of the next season learns from.
    """

    what: str
    words: str
    part: Codes
    names: tuple[str, ...]
    resampled: Codes
    resampled_words: str
    apart: bool = True

    def folds(self, groups: Codes) -> Iterator[tuple[str, Codes, Codes]]:
        """Name, training rows and test rows of each part; where `apart`, the test's blocks train nothing."""
        for number, name in enumerate(self.names):
            test = np.flatnonzero(self.part == number)
            out = np.isin(groups, groups[test]) if self.apart else self.part == number
            yield name, np.flatnonzero(~out), test


def spatial_blocks(data: Labelled, folds: int = 5) -> Split:
    """Whole blocks held out in `folds` parts of nearly equal size.

    Raises:
        LabelsError: under three blocks, or no two classes that occur in two blocks each.
    """
    n_groups = len(np.unique(data.groups))
    why_not = untestable(data.codes, data.groups, len(data.classes))
    if why_not:
        raise LabelsError(f"expected labels in several places of each class; got {why_not}")
    parts = min(folds, n_groups)
    part = np.empty(len(data), np.intp)
    for number, (_, test) in enumerate(GroupKFold(parts).split(data.vectors, groups=data.groups)):
        part[test] = number
    return Split(
        "block",
        f"{parts} folds of whole spatial blocks: {len(data)} labels in {n_groups} blocks, "
        "no block in both training and test",
        part,
        tuple(f"fold {i + 1}" for i in range(parts)),
        data.groups,
        "blocks",
    )


def leave_each_out(data: Labelled, what: str = "region", values: npt.NDArray[np.str_] | None = None) -> Split:
    """Each region, season or other value held out in turn; rows without one train only.

    Args:
        data: rows with `regions`, where `values` is None.
        what: the word for a value: "region", "comuna", "season".
        values: (N,) value of each row, empty where it is unknown.

    Raises:
        LabelsError: no values, or fewer than two.
    """
    held = data.regions if values is None else values
    names = tuple(sorted(set(held.tolist()) - {""})) if held is not None else ()
    if held is None or len(names) < 2:
        raise LabelsError(
            f"expected labels in at least two {what}s, to leave each out in turn; got "
            f"{names[0] if names else 'none'}: label elsewhere too, or split by blocks"
        )
    part = np.array([names.index(v) if v else -1 for v in held.tolist()], np.intp)
    many, apart = len(names) >= _LEAST_RESAMPLED, what != "season"
    return Split(
        what,
        f"each of {len(names)} {what}s left out in turn, learned from the others"
        + ("" if apart else "; places may be the same"),
        part,
        names,
        part if many else data.groups,
        f"{what}s" if many else "blocks",
        apart,
    )


def untestable(codes: Codes, blocks: Codes, n_classes: int) -> str | None:
    """Why labels cannot be cross-validated by block, or None where they can."""
    n_groups = len(np.unique(blocks))
    if n_groups < _LEAST_GROUPS:
        return (
            f"{len(codes)} labels in {n_groups} spatial group(s); at least {_LEAST_GROUPS} groups are "
            "needed to hold any out. Label places farther apart"
        )
    spread = [len(np.unique(blocks[codes == c])) for c in range(n_classes)]
    if sum(s >= 2 for s in spread) < 2:
        return (
            f"fewer than two of {n_classes} classes occur in two spatial groups or more, so no class "
            "could be learned in one place and tested in another. Label each class in several places"
        )
    return None

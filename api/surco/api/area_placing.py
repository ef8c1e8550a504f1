"""Where a sample's places lie on a map, and whether the sample was drawn from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from surco.adapters import ReferenceSample
from surco.api.area_frames import Frame
from surco.api.area_samples import FilledSample
from surco.api.maps import Places
from surco.api.refusals import SampleError
from surco.embedstore import Sentence

__all__ = ["locate", "training_ids", "training_note"]

_TOLERANCE = 0.1
_CHANCE_LIMIT = 3.0


def locate(sample: FilledSample, frame: Frame) -> tuple[ReferenceSample, list[str]]:
    """The sample on the map, and notes for the reader.

    Places that a plan drew and the file no longer has count as missing at random within their stratum.

    Raises:
        SampleError: ids that are not on the map, a stratum without a place left, or inclusion probabilities that do not
            add up to the map: the sample was drawn from another.
        AreasError: a sample that no estimate can be made from.
    """
    rows = _rows(sample, frame.places)
    chance, notes = _present(sample)
    notes += _other_classes(sample, frame)
    _require_population(sample.path, 1 / chance, frame)
    season = sample.origin.get("season")
    if isinstance(season, str) and season != frame.places.season:
        notes.append(
            Sentence(
                f"The sample was drawn from the map of {season[:40]}, and is used for {frame.places.season}.",
                "sample-season",
                drawn=season[:40],
                used=frame.places.season,
            )
        )
    return ReferenceSample(rows, sample.reference, chance, sample.stratum), notes


def training_note(sample: FilledSample, frame: Frame) -> list[str]:
    """What the sample shares with the labels that the adapter was fitted on.

    A random sample meets some of them by chance, which harms nothing. One that is made of them is no random sample.

    Raises:
        SampleError: more of the adapter's training places than chance allows: the expanded count of them exceeds the
            true one by three standard errors, or they are most of the sample.
    """
    training = frame.card.get("training")
    facts = training if isinstance(training, dict) else {}
    if facts.get("unit") != frame.places.unit or facts.get("season") != frame.places.season:
        other = f"{facts.get('unit')} of {facts.get('season')}"
        note = Sentence(
            f"The adapter was fitted on {other[:60]}: whether the sample meets its labels was not looked at.",
            "sample-other-training",
        )
        return [note] if facts.get("ids") else []
    listed = training_ids(frame.card, frame.places.unit)
    trained = {name for name in frame.places.id.tolist() if name in listed}
    met = np.array([each in trained for each in _ids(sample, frame.places.unit)])
    if not met.any():
        return []
    expanded = 1 / sample.inclusion_probability[met]
    error = np.sqrt((expanded * (expanded - 1)).sum())
    if expanded.sum() - len(trained) > _CHANCE_LIMIT * error or (met.mean() > 0.5 and error > 0):
        raise SampleError(
            Sentence(
                f"Expected a sample drawn at random, got {int(met.sum())} of {len(sample)} places in "
                f"{sample.path} among "
                f"the {len(trained)} that the adapter was fitted on. Labels allow no interval: draw by `surco "
                "areas plan`.",
                "sample-trained",
                count=int(met.sum()),
                of=len(sample),
            )
        )
    return [
        Sentence(
            f"{int(met.sum())} of the sampled places trained the adapter too, as chance would have it.",
            "sample-met-training",
            count=int(met.sum()),
        )
    ]


def _ids(sample: FilledSample, unit: str) -> list[str]:
    return [each.lower() for each in sample.id] if unit == "cells" else list(sample.id)


def _rows(sample: FilledSample, places: Places) -> npt.NDArray[np.int64]:
    row = {name: position for position, name in enumerate(places.id.tolist())}
    ids = _ids(sample, places.unit)
    missing = [each for each in ids if each not in row]
    if missing:
        raise SampleError(
            Sentence(
                f"Expected ids of observed {places.unit} of {places.season}, got {len(missing)} others in "
                f"{sample.path}, "
                f"such as {missing[0][:60]!r}. Use the unit, resolution and season that the sample was drawn from.",
                "sample-elsewhere",
                count=len(missing),
                such=missing[0][:60],
            )
        )
    return np.array([row[each] for each in ids], np.int64)


def _present(sample: FilledSample) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Inclusion probabilities corrected for drawn places that are no longer in the file."""
    planned, chance = sample.planned(), sample.inclusion_probability.copy()
    there = Counter(sample.stratum.tolist())
    empty = [name for name in planned if name not in there]
    if empty:
        raise SampleError(
            Sentence(
                f"Expected sampled places of every stratum in {sample.path}, got none of {empty[0][:60]!r}. "
                "Restore them: what is not sampled is not estimated.",
                "sample-stratum-gone",
                stratum=empty[0][:60],
            )
        )
    gone = {name: max(count - there[name], 0) for name, count in planned.items()}
    missing = sum(gone.values())
    kept = {name: 1 - count / max(planned[name], 1) for name, count in gone.items()}
    chance *= np.array([kept.get(name, 1.0) for name in sample.stratum.tolist()])
    drawn = Sentence(
        f"{missing} of {sum(planned.values())} drawn places are not in the file and count as missing at random.",
        "sample-missing",
        count=missing,
        drawn=sum(planned.values()),
    )
    return chance, [drawn] if missing else []


def _other_classes(sample: FilledSample, frame: Frame) -> list[str]:
    """A note on classes that the map does not have; without strata they are refused, as slips of the pen."""
    names = frame.area_map.classes
    unknown = sorted(set(sample.reference.tolist()) - set(names))
    if unknown and (sample.stratum == "").all():
        raise SampleError(
            Sentence(
                f"Expected the map's classes {', '.join(names)} in a sample without strata, got "
                f"{unknown[0]!r} in {sample.path}. Correct the spelling, or say each place's stratum.",
                "sample-spelling",
                name=unknown[0],
            )
        )
    words = f"{', '.join(unknown[:10])}{' and others' if len(unknown) > 10 else ''}"
    return (
        [
            Sentence(
                f"Classes of the sample that the map does not have: {words}. Check their spelling.",
                "sample-classes",
                names=words,
            )
        ]
        if unknown
        else []
    )


def _require_population(path: Path, expanded: npt.NDArray[np.float64], frame: Frame) -> None:
    """A sample stands for as many places as its inverse inclusion probabilities add up to."""
    total = float(expanded.sum())
    sizes = frame.population or (len(frame.share), int((frame.share > 0).sum()))
    if not any(abs(total / size - 1) <= _TOLERANCE for size in sizes):
        raise SampleError(
            Sentence(
                f"Expected a sample of {' or '.join(f'{size:,}' for size in dict.fromkeys(sizes))} "
                f"{frame.places.unit}, "
                f"got inclusion probabilities in {path} that add up to {total:,.0f}. Ask about the area, unit and "
                "season that the sample was drawn from.",
                "sample-population",
            )
        )


def training_ids(card: Mapping[str, object], unit: str) -> set[str]:
    """Ids, as the map has them, of the places that an adapter was fitted on; a card has cells as decimal numbers."""
    training = card.get("training")
    ids = training.get("ids") if isinstance(training, dict) else None
    if not isinstance(ids, list):
        return set()
    names = [str(each) for each in ids]
    return {f"{int(name):x}" if unit == "cells" and name.isdecimal() else name for name in names}

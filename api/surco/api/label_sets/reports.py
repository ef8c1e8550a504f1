"""What several people's labels of the same places tell: agreement, conflicts, consensus, as values for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from surco.api.label_sets.agreement import (
    alpha,
    class_agreement,
    fleiss,
    pair_agreement,
    percent,
    value_alpha,
)
from surco.api.label_sets.consensus import Method, class_consensus, modelled, value_consensus
from surco.api.label_sets.judgements import Judgements, judgements_of
from surco.api.label_sets.labels import Label
from surco.api.label_sets.sets import LabelSet
from surco.api.label_sets.shapes import geojson_of

__all__ = ["Words", "agreement_report", "consensus_places", "words_of"]

_MOST_CLASSES = 500
_MOST_LIKELY = 10
_NEVER = 1e-6
_APART = 0.1
"""Values of one place conflict where they are apart by more than this share of their mean."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Labels of a set as judgements, with what each says.

    Attributes:
        present: the set.
        labels: N labels.
        judged: their judgements.
        said: (J,) class of each judgement, or its value.
        names: of K classes; empty for values.
    """

    present: LabelSet
    labels: Sequence[Label]
    judged: Judgements
    said: npt.NDArray[Any]
    names: list[str]

    def counts(self) -> npt.NDArray[np.float64]:
        """(P, K) how many people say each class of each place."""
        found = np.zeros((len(self.judged.first), len(self.names)))
        np.add.at(found, (self.judged.place, self.said), 1.0)
        return found


def words_of(present: LabelSet, labels: Sequence[Label], near_m: float) -> Words:
    """Group labels by place and number what they say."""
    judged = judgements_of(labels, near_m)
    if present.kind == "value":
        values = np.array([labels[at].said["value"] for at in judged.label], np.float64)
        return Words(present, labels, judged, values, [])
    names = sorted({str(labels[at].said["class"]) for at in judged.label})
    number = {name: at for at, name in enumerate(names)}
    said = np.array([number[str(labels[at].said["class"])] for at in judged.label], np.int64)
    return Words(present, labels, judged, said, names)


def agreement_report(words: Words, most: int) -> dict[str, Any]:
    """How far people agree, by class, person and pair, and the places where they do not, at most `most`."""
    judged = words.judged
    voters = np.bincount(judged.place, minlength=len(judged.first))
    report = {
        "labels": len(words.labels),
        "places": len(judged.first),
        "places_of_several": int((voters >= 2).sum()),
        "people": len(judged.people),
        "repeated": judged.repeated,
    }
    return report | (_of_values(words, most) if words.present.kind == "value" else _of_classes(words, most))


def consensus_places(words: Words, method: Method) -> list[dict[str, Any]]:
    """Every place with what people together say of it, how sure that is, and who said what, as GeoJSON features."""
    judged = words.judged
    voters = np.bincount(judged.place, minlength=len(judged.first))
    if words.present.kind == "value":
        agreed = value_consensus(judged.place, judged.who, words.said, method)
        errors = [None if np.isnan(each) else round(float(each), 6) for each in agreed.standard_error]
        found: list[dict[str, Any]] = [
            {"value": round(float(value), 9), "standard_error": error}
            for value, error in zip(agreed.value, errors, strict=True)
        ]
    else:
        chosen = class_consensus(judged.place, judged.who, words.said, len(words.names), method)
        found = [
            {
                "class": words.names[at] if at >= 0 else None,
                "probability": round(float(row.max()), 6),
                "entropy": round(float(entropy), 6),
                "probabilities": _likely(row, words.names),
            }
            for at, row, entropy in zip(chosen.chosen, chosen.probability, chosen.entropy, strict=True)
        ]
    votes = _votes(words)
    return [
        _feature(words, place, {**what, "judgements": int(voters[place]), "votes": votes[place]})
        for place, what in enumerate(found)
    ]


def _of_classes(words: Words, most: int) -> dict[str, Any]:
    judged, counts = words.judged, words.counts()
    common = np.argsort(-counts.sum(axis=0), kind="stable")[:_MOST_CLASSES]
    by_class = class_agreement(counts, words.names)
    method: Method = "dawid-skene" if modelled(len(judged.people), len(words.names)) else "majority"
    trust = class_consensus(judged.place, judged.who, words.said, len(words.names), method).trust
    pairs = pair_agreement(judged.place, judged.who, words.said, judged.people)
    torn = np.flatnonzero((counts > 0).sum(axis=1) > 1)
    # The most divided first: where even the commonest class has few of the votes.
    torn = torn[np.argsort(counts[torn].max(axis=1) / counts[torn].sum(axis=1), kind="stable")]
    return {
        "agreement": _rounded(percent(counts)),
        "krippendorff_alpha": alpha(counts).as_dict(),
        "fleiss_kappa": _rounded(fleiss(counts)),
        "classes": [
            {
                "class": one.name,
                "judgements": one.judgements,
                "agreement": _rounded(one.agreement),
                "krippendorff_alpha": one.alpha.as_dict(),
            }
            for one in (by_class[at] for at in common)
        ],
        "who": _people(words, trust),
        "pairs": [
            {
                "who": [one.one, one.other],
                "places": one.places,
                "agreement": _rounded(one.agreement),
                "cohen_kappa": _rounded(one.kappa),
            }
            for one in pairs
        ],
        **_conflicts(words, torn, most),
    }


def _of_values(words: Words, most: int) -> dict[str, Any]:
    judged, values = words.judged, words.said
    places = len(judged.first)
    low, high = np.full(places, np.inf), np.full(places, -np.inf)
    np.minimum.at(low, judged.place, values)
    np.maximum.at(high, judged.place, values)
    apart = (high - low) / np.maximum(np.abs(high + low) / 2, 1e-12)
    torn = np.flatnonzero(apart > _APART)
    spread = value_consensus(judged.place, judged.who, values, "dawid-skene").spread
    return {
        "krippendorff_alpha": value_alpha(judged.place, values).as_dict(),
        "who": _people(words, spread, "error"),
        **_conflicts(words, torn[np.argsort(-apart[torn], kind="stable")], most),
    }


def _people(words: Words, score: npt.NDArray[np.float64], name: str = "trust") -> list[dict[str, Any]]:
    said = np.bincount(words.judged.who, minlength=len(words.judged.people))
    order = np.argsort(-said, kind="stable")[:_MOST_CLASSES]
    return [
        {"who": words.judged.people[at], "judgements": int(said[at]), name: _rounded(float(score[at]))}
        for at in order
    ]


def _conflicts(words: Words, torn: npt.NDArray[np.int64], most: int) -> dict[str, Any]:
    votes = _votes(words)
    shown = [_feature(words, int(place), {"votes": votes[int(place)]}) for place in torn[:most]]
    return {"conflict_count": len(torn), "conflicts": {"type": "FeatureCollection", "features": shown}}


def _votes(words: Words) -> list[list[dict[str, Any]]]:
    """Of each place: who says what, and the id of the label."""
    found: list[list[dict[str, Any]]] = [[] for _ in words.judged.first]
    for at, place, who in zip(words.judged.label, words.judged.place, words.judged.who, strict=True):
        label = words.labels[at]
        found[place].append(
            {
                "who": words.judged.people[who],
                words.present.kind: label.said[words.present.kind],
                "label": label.id,
            }
        )
    return found


def _feature(words: Words, place: int, properties: dict[str, Any]) -> dict[str, Any]:
    label = words.labels[words.judged.first[place]]
    named = {"place": label.said["place"], "season": label.said["season"] or words.present.season}
    about = {name: value for name, value in named.items() if value is not None}
    shape = msgspec.Raw(geojson_of(label.wkb).encode())
    return {"type": "Feature", "id": label.id, "geometry": shape, "properties": about | properties}


def _likely(row: npt.NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    """The ten likeliest classes."""
    order = np.argsort(-row, kind="stable")[:_MOST_LIKELY].tolist()
    return {names[at]: round(float(row[at]), 6) for at in order if row[at] > _NEVER}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

"""Fits and cards as the JSON that clients read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from surco.adapters.label_quality import LabelReport
from surco.api.fits.making import Made
from surco.api.fits.shelf import Shelved
from surco.api.fitting import Fit
from surco.api.yield_fitting import YieldFit
from surco.embedstore import Examples, Sentence, coded

__all__ = ["told_card", "told_fit", "told_version"]

_SHOWN_SUSPECTS = 20
_SHOWN_LABELS = 100
_CALIBRATION = (
    "points of the reliability diagram of held-out labels: of rows about as sure, how many were right"
)
_COVERAGE = (
    "share of held-out values inside their interval, and the intervals' mean width in the target's unit"
)


def told_fit(made: Made, shelved: Shelved) -> dict[str, Any]:
    """What `POST /adapters` answers."""
    fit = made.fit
    found = _classes(fit) if isinstance(fit, Fit) else _values(fit)
    examples = fit.report.examples
    about = {
        "places": len(examples.y),
        "unit": examples.unit,
        "unmatched": list(examples.unmatched[:_SHOWN_LABELS]),
        "unmatched_count": len(examples.unmatched),
        "conflicts": _conflicts(examples),
        "conflicts_count": len(examples.conflicts),
    }
    card = told_card(shelved)
    scores = card["card"]["training"]["cross_validation"]
    blocks = card["card"]["training"].get("blocks")
    return card | {
        "scores": {**scores, "blocks": blocks},
        **found,
        "labels": about | found.pop("labels"),
        "fit_ms": round(fit.report.fit_ms, 1),
    }


def told_card(shelved: Shelved, owned: tuple[str | None, str | None] | None = None) -> dict[str, Any]:
    """An adapter for lists and by itself: its card, without the ids of the places that it learned from.

    Args:
        shelved: the adapter.
        owned: its owner and label set; None where it was not made over HTTP.
    """
    training = dict(shelved.card["training"])
    ids = training.pop("ids", None)
    card = {**shelved.card, "training": training | ({"places": len(ids)} if isinstance(ids, list) else {})}
    owner, label_set = owned or (None, None)
    address = f"/adapters/{shelved.name}"
    return {
        "name": shelved.name,
        "version": shelved.version,
        "task": shelved.card["task"],
        "model": shelved.card["model_id"],
        "created": shelved.card.get("created"),
        "classes": _names(shelved.card),
        "owner": owner,
        "label_set": label_set,
        "card": card,
        "links": [
            {"rel": "self", "href": address, "type": "application/json"},
            {"rel": "versions", "href": f"{address}/versions", "type": "application/json"},
            {"rel": "next", "href": f"{address}/next", "type": "application/geo+json"},
            {"rel": "predict", "href": f"{address}/predict", "type": "application/json"},
            {"rel": "bundle", "href": f"{address}/bundle", "type": "application/zip"},
        ],
    }


def told_version(shelved: Shelved, present: int) -> dict[str, Any]:
    """A line of the list of versions."""
    training = shelved.card["training"]
    return {
        "version": shelved.version,
        "present": shelved.version == present,
        "created": shelved.card.get("created"),
        "task": shelved.card["task"],
        "model": shelved.card["model_id"],
        "season": training.get("season"),
        "classes": _names(shelved.card),
        "weights_sha256": shelved.card["weights_sha256"],
        "href": f"/adapters/{shelved.name}?version={shelved.version}",
    }


def _classes(fit: Fit) -> dict[str, Any]:
    report = fit.report
    scores = report.validation.scores
    return {
        "calibration": {
            "method": _CALIBRATION,
            "ece": None if scores is None else asdict(scores.ece),
            "bins": [asdict(point) for point in report.validation.reliability],
        },
        "areas": fit.areas.as_dict(),
        "warnings": _warnings(report.quality),
        "suspects": _suspects(report.quality),
        "labels": {"classes": report.counts},
    }


def _values(fit: YieldFit) -> dict[str, Any]:
    report = fit.report
    scores = report.evaluation.scores
    return {
        "calibration": {
            "method": _COVERAGE,
            "asked": 0.9,
            "coverage": None if scores is None or scores.coverage is None else asdict(scores.coverage),
            "width": None if scores is None or scores.width is None else asdict(scores.width),
        },
        "areas": None,
        "warnings": _value_warnings(report.examples),
        "suspects": None,
        "labels": {
            "target": report.target,
            "target_unit": report.target_unit,
            "least": float(report.values.min()),
            "mean": float(report.values.mean()),
            "most": float(report.values.max()),
        },
    }


def _warnings(quality: LabelReport) -> list[dict[str, Any]]:
    """What is wrong with the labels, in sentences."""
    return [
        {
            "kind": each.kind,
            "text": str(each.text),
            "labels": [str(name) for name in each.labels[:_SHOWN_LABELS]],
            **(coded(each.text) or {}),
        }
        for each in quality.findings
    ]


def _suspects(quality: LabelReport) -> dict[str, Any] | None:
    """The labels that are most probably wrong; None where they were not judged."""
    found = quality.suspects
    if found is None:
        return None
    flagged = [
        {
            "label": str(one.feature),
            "given": one.given,
            "likely": one.likely,
            "given_probability": round(one.given_probability, 4),
            "likely_probability": round(one.likely_probability, 4),
        }
        for one in found.ranked
        if one.flagged
    ]
    return {
        "judged": len(found.ranked),
        "flagged": len(flagged),
        "note": found.note,
        "worst": flagged[:_SHOWN_SUSPECTS],
    }


def _value_warnings(examples: Examples) -> list[dict[str, Any]]:
    said = []
    if examples.conflicts:
        text = Sentence(
            f"{len(examples.conflicts)} {examples.unit} have two values and were left out.",
            "value-torn",
            count=len(examples.conflicts),
        )
        said.append({"kind": "contradiction: place", "text": str(text), "labels": [], **(coded(text) or {})})
    if examples.unmatched:
        text = Sentence(
            f"{len(examples.unmatched)} labels name no {examples.unit} of the store.",
            "label-outside",
            count=len(examples.unmatched),
        )
        which = list(examples.unmatched[:_SHOWN_LABELS])
        said.append({"kind": "outside", "text": str(text), "labels": which, **(coded(text) or {})})
    return said


def _conflicts(examples: Examples) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{one.id:x}" if isinstance(one.id, int) else one.id,
            "said": list(one.labels),
            "labels": list(one.features),
        }
        for one in examples.conflicts[:_SHOWN_LABELS]
    ]


def _names(card: Mapping[str, Any]) -> list[str]:
    classes = card.get("classes")
    return [str(name) for name in classes] if isinstance(classes, list) else []

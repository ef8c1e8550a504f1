"""An evaluation as one HTML file: no network, no script, light and dark, readable on a phone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from surco.adapters.evaluation.findings import Evaluation
from surco.adapters.evaluation.report_sections import (
    belief,
    comparison,
    confusions,
    curves,
    method,
    regions,
)
from surco.adapters.evaluation.report_words import cannot_say, finding, verdict
from surco.adapters.scores import Estimate

__all__ = ["About", "report_page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class About:
    """What the report is about.

    Attributes:
        title: of the page.
        name: of the adapter, as a sentence names it.
        facts: about the data, (what, value).
        warnings: sentences that the first screen must not lack, such as that the encoder knows these labels.
        credits: whom the data is owed to.
    """

    title: str
    name: str = "the adapter"
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    credits: str = ""


def report_page(found: Evaluation, about: About) -> str:
    """The report as HTML.

    Args:
        found: of `evaluate` or `evaluate_fitted`.
        about: texts from outside; every one is escaped.
    """
    style = (files("surco.adapters.evaluation") / "report.css").read_text(encoding="utf-8")
    sections = "".join(_sections(found, about))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(about.title)}</title><style>{style}</style></head>"
        f"<body><main>{sections}</main></body></html>\n"
    )


def _sections(found: Evaluation, about: About) -> Iterator[str]:
    yield _first(found, about)
    yield _section("Beside the plain classifiers", "Junto a los clasificadores simples", *comparison(found))
    if found.curves is not None:
        yield _section("How many labels are enough", "Cuántas etiquetas bastan", *curves(found))
    if found.fairness is not None:
        yield _section("Region by region", "Región por región", *regions(found))
    yield _section("Which class is taken for which", "Qué clase se confunde con cuál", *confusions(found))
    yield _section(
        "Can its probabilities be believed?", "¿Se puede creer en sus probabilidades?", *belief(found)
    )
    yield _section("How this was measured", "Cómo se midió", *method(found, about.facts, about.credits))


def _first(found: Evaluation, about: About) -> str:
    scores = found.entry().scores
    best = found.entry(found.best)
    tiles = [
        ("macro-F1", scores.macro_f1, "every class counts alike"),
        ("accuracy", scores.accuracy, "share of labels that are right"),
        ("calibration error", scores.ece, "how far probabilities are off"),
        (f"{found.best}", best.scores.macro_f1, "macro-F1 of the best baseline"),
    ]
    boxes = "".join(
        f"<div><small>{escape(name)}</small><b>{value.value:.2f}</b><small>{_span(value)}</small>"
        f"<small>{escape(what)}</small></div>"
        for name, value, what in tiles
    )
    limits = "".join(f"<li>{escape(text)}</li>" for text in cannot_say(found))
    warned = "".join(f'<p class="warning">{escape(text)}</p>' for text in about.warnings)
    return (
        f'<section class="first"><p class="meta">Evaluation · Evaluación</p><h1>{escape(about.title)}</h1>'
        f'<p class="lead">{escape(finding(found, about.name))} {escape(verdict(found))}</p>{warned}'
        f'<div class="tiles">{boxes}</div><h3>What this report cannot say</h3><ul>{limits}</ul></section>'
    )


def _span(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "too few places for an interval"
    return f"{estimate.low:.2f} to {estimate.high:.2f}"


def _section(title: str, spanish: str, *parts: str) -> str:
    return (
        f'<section><h2>{escape(title)}<span lang="es">{escape(spanish)}</span></h2>{"".join(parts)}</section>'
    )

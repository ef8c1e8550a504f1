"""An adapter's card for people: what it tells apart, from how many labels, how well, and who is to be credited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from surco.adapters import read_card
from surco.embedstore import Store

__all__ = ["card_lines", "plain_text"]

_LONGEST = 200
_SHOWN = 12
_CREDITS = ("title", "licence", "license", "credits", "credit", "sources", "data")
_SCORES = (("accuracy", "accuracy"), ("macro_f1", "macro-F1"), ("ece", "ECE"), ("r2", "R²"), ("rmse", "RMSE"))


def card_lines(store: Store, name: str) -> Iterator[str]:
    """What the card of a stored adapter says, line by line.

    Cards come from anyone: whatever they hold is shown as short plain text, and what cannot be read is left out.

    Raises:
        EmbedstoreError: no such adapter.
        AdapterError: a damaged card.
    """
    card = read_card(store.adapter_dir(name))
    yield f"Adapter {plain_text(name)}: {card['task']}, for vectors of {plain_text(card['model_id'])}"
    yield f"  made       {plain_text(card.get('created', 'unknown'))}"
    yield from _classes(card)
    yield from _training(card["training"])
    settings = ", ".join(f"{plain_text(k)} {plain_text(v)}" for k, v in card["parameters"].items() if v != "")
    yield f"  settings   {settings}"
    yield from _model(store, str(card["model_id"]))


def plain_text(value: object) -> str:
    """A value as one short line without control characters, which could write to the terminal."""
    text = value if isinstance(value, str) else str(value)
    kept = "".join(c if c.isprintable() else " " for c in text)
    return kept if len(kept) <= _LONGEST else f"{kept[: _LONGEST - 1]}…"


def _classes(card: Mapping[str, Any]) -> Iterator[str]:
    classes, counts = card.get("classes"), card.get("labels_per_class")
    if not isinstance(classes, list) or not isinstance(counts, list) or len(classes) != len(counts):
        return
    pairs = sorted(zip(counts, classes, strict=True), key=lambda p: (-_number(p[0]), str(p[1])))
    yield f"  classes    {len(classes)}, from {sum(_number(c) for c in counts):.0f} labels"
    yield from (f"    {_number(count):>8.0f}  {plain_text(name)}" for count, name in pairs)


def _training(training: Mapping[str, Any]) -> Iterator[str]:
    ids = training.get("ids")
    known = {k: training.get(k) for k in ("labels", "unit", "season", "as_of", "target")}
    said = ", ".join(f"{k} {plain_text(v)}" for k, v in known.items() if isinstance(v, str | int | float))
    if isinstance(ids, list):
        said += f", {len(ids)} places"
    if said:
        yield f"  learned    {said}"
    for key in ("cross_validation", "evaluation"):
        found = training.get(key)
        if isinstance(found, dict):
            yield from _validation(found)


def _validation(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"  held out   {plain_text(found.get('split', 'unknown'))}"
    baselines = found.get("baselines")
    named = baselines.items() if isinstance(baselines, dict) else ()
    for name, scores in [("this adapter", found.get("scores")), *list(named)[:_SHOWN]]:
        if isinstance(scores, dict):
            figures = "   ".join(f"{label} {_score(scores[k])}" for k, label in _SCORES if k in scores)
            yield f"    {plain_text(name):22} {figures}"


def _model(store: Store, model_id: str) -> Iterator[str]:
    if model_id not in store.models():
        return
    card = store.model_card(model_id)
    for key in _CREDITS:
        value = card.get(key)
        if isinstance(value, str | list) and value:
            text = value if isinstance(value, str) else ", ".join(map(plain_text, value))
            yield f"  {key:10} {plain_text(text)}  (of {plain_text(model_id)})"


def _score(value: object) -> str:
    """A score of a card: a number, or a value with its interval."""
    if not isinstance(value, dict):
        return f"{_number(value):.2f}"
    low, high = value.get("low"), value.get("high")
    text = f"{_number(value.get('value')):.2f}"
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return text
    return f"{text} [{low:.2f}, {high:.2f}]"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")

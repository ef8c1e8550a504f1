"""Adapters as files: weights in safetensors, everything else in a JSON card, bound to one encoder.

Files may come from anyone: nothing in them is executed, names no class path, and every value is checked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from surco.adapters.crop_type_adapter import CropTypeAdapter
from surco.adapters.errors import CardError, UnfittedError
from surco.adapters.linear_head import LinearHead
from surco.adapters.temperatures import Temperatures

__all__ = ["CARD_FILE", "FORMAT_VERSION", "WEIGHTS_FILE", "load_adapter", "read_card", "save_adapter"]

WEIGHTS_FILE = "adapter.safetensors"
CARD_FILE = "card.json"
FORMAT_VERSION = 1
_FORMAT = "surco-adapter"
_MOST_BYTES = (
    64 << 20
)  # 2048 dimensions and 10,000 classes are 80 MB; a crop map has a few hundred classes at most
_NAME = re.compile(r"[\w][\w .-]{0,99}")
_KINDS: dict[str, tuple[str, type]] = {
    "U": ("text", str),
    "i": ("integer", int),
    "u": ("integer", int),
    "b": ("truth", bool),
}


def save_adapter(
    adapter: CropTypeAdapter, *, name: str, model_id: str, task: str, training: Mapping[str, object]
) -> dict[str, bytes]:
    """The files of a fitted adapter, by name.

    Args:
        adapter: a fitted adapter.
        name: letters, digits, space, dot, dash, underscore; at most 100.
        model_id: the encoder whose vectors it was fitted on.
        task: what it does, `adapter.task`.
        training: JSON values for the reader: sources, seasons, scores beside baselines (`CrossValidation.as_dict()`).

    Raises:
        UnfittedError: the adapter has learned nothing.
        CardError: a name, task, model or training record that cannot be written.
    """
    if not hasattr(adapter, "head_"):
        raise UnfittedError("expected a fitted adapter; got one that is not fitted: call fit before saving")
    if task != adapter.task or not _NAME.fullmatch(name) or not model_id:
        raise CardError(
            f"expected a name of letters and digits, a model id and the task {adapter.task!r}; got {name!r}, "
            f"{model_id!r}, {task!r}: correct them"
        )
    weights = safetensors.numpy.save({"weights": adapter.head_.weights, "bias": adapter.head_.bias})
    classes, kind = _written_classes(adapter.classes_)
    card = {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "task": task,
        "name": name,
        "model_id": model_id,
        "dimension": adapter.n_features_in_,
        "classes": classes,
        "class_kind": kind,
        "labels_per_class": adapter.labels_per_class_.tolist(),
        "parameters": adapter.get_params(),
        "temperatures": [adapter.temperatures_.logistic, adapter.temperatures_.discriminant],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "training": dict(training),
    }
    return {WEIGHTS_FILE: weights, CARD_FILE: _json(card)}


def read_card(source: Mapping[str, bytes] | Path) -> dict[str, Any]:
    """An adapter's card without its weights: name, task, model id, classes, labels per class, training record.

    Raises:
        CardError: missing files, or a card that is damaged or of another format version.
    """
    return _card(_files(source)[CARD_FILE])


def load_adapter(source: Mapping[str, bytes] | Path, model_id: str | None = None) -> CropTypeAdapter:
    """Read an adapter back; it predicts exactly what was saved.

    Args:
        source: the files by name, or the folder they lie in.
        model_id: the encoder of the vectors it will be asked about; None skips the comparison.

    Raises:
        CardError: missing or damaged files, another format version, an adapter of another encoder.
    """
    files = _files(source)
    card = _card(files[CARD_FILE])
    if model_id is not None and card["model_id"] != model_id:
        raise CardError(
            f"expected an adapter for vectors of model {model_id!r}; got adapter {card['name']!r} of model "
            f"{card['model_id']!r}: encode with that model, or fit the labels again on these vectors"
        )
    return _restored(card, files[WEIGHTS_FILE])


def _json(card: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(card, ensure_ascii=False, allow_nan=False, indent=1).encode()
    except (TypeError, ValueError) as error:
        raise CardError(
            f"expected a training record of plain JSON values; got {error}: use text, finite numbers, lists and objects"
        ) from error


def _written_classes(classes: np.ndarray[Any, Any]) -> tuple[list[Any], str]:
    values = [str(c) for c in classes] if classes.dtype.kind == "O" else classes.tolist()
    kind = _KINDS.get("U" if classes.dtype.kind == "O" else classes.dtype.kind)
    if kind is None:
        raise CardError(
            f"expected classes that are names or whole numbers; got {classes.dtype}: fit again with such classes"
        )
    return values, kind[0]


def _files(source: Mapping[str, bytes] | Path) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for name in (WEIGHTS_FILE, CARD_FILE):
        if isinstance(source, Path):
            path = source / name
            if not path.is_file():
                raise CardError(f"expected the file {name} in {source}; got none: check the adapter's folder")
            size = path.stat().st_size
        else:
            if name not in source:
                raise CardError(
                    f"expected the files {WEIGHTS_FILE} and {CARD_FILE}; got no {name}: pass both"
                )
            size = len(source[name])
        if size > _MOST_BYTES:
            raise CardError(f"expected {name} of at most {_MOST_BYTES} bytes; got {size}: this is no adapter")
        found[name] = (source / name).read_bytes() if isinstance(source, Path) else source[name]
    return found


def _card(data: bytes) -> dict[str, Any]:
    try:
        card = json.loads(data)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CardError(f"expected {CARD_FILE} to be JSON; got {error}: copy the adapter again") from error
    if not isinstance(card, dict) or card.get("format") != _FORMAT:
        raise CardError(f"expected {CARD_FILE} of the format {_FORMAT!r}; got another: this is no adapter")
    if card.get("format_version") != FORMAT_VERSION:
        raise CardError(
            f"expected adapter format version {FORMAT_VERSION}; got {card.get('format_version')!r}: "
            "use the version of surco that wrote it, or fit the labels again"
        )
    if card.get("task") != CropTypeAdapter.task:
        raise CardError(
            f"expected an adapter for the task {CropTypeAdapter.task!r}; got {card.get('task')!r}: "
            "use the version of surco that wrote it"
        )
    _require_fields(card)
    return card


def _require_fields(card: Mapping[str, Any]) -> None:
    kinds = dict(_KINDS.values())
    classes, counts = card.get("classes"), card.get("labels_per_class")
    of = (
        kinds.get(card.get("class_kind", ""), type(None))
        if isinstance(card.get("class_kind"), str)
        else type(None)
    )
    sound = (
        all(isinstance(card.get(f), str) for f in ("name", "model_id", "weights_sha256"))
        and type(card.get("dimension")) is int
        and isinstance(classes, list)
        and isinstance(counts, list)
        and len(classes) == len(counts) >= 2
        and all(type(c) is of for c in classes)
        and all(a < b for a, b in pairwise(classes))
        and all(type(c) is int and c >= 0 for c in counts)
        and _are_numbers(card.get("temperatures"), 2)
        and _are_parameters(card.get("parameters"))
    )
    if not sound:
        raise CardError(
            f"expected {CARD_FILE} with all its fields; got fields missing or damaged: copy the adapter again"
        )


def _are_numbers(values: object, how_many: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == how_many
        and all(isinstance(v, int | float) and np.isfinite(v) for v in values)
    )


def _are_parameters(values: object) -> bool:
    known = CropTypeAdapter().get_params()
    return (
        isinstance(values, dict)
        and set(values) <= set(known)
        and all(isinstance(v, str | int | float) for v in values.values())
    )


def _restored(card: Mapping[str, Any], data: bytes) -> CropTypeAdapter:
    if hashlib.sha256(data).hexdigest() != card["weights_sha256"]:
        raise CardError(
            f"expected {WEIGHTS_FILE} with the SHA-256 its card names; got another: copy the adapter again, whole"
        )
    try:
        tensors = safetensors.numpy.load(data)
    except SafetensorError as error:
        raise CardError(
            f"expected {WEIGHTS_FILE} in safetensors format; got {error}: copy the adapter again"
        ) from error
    weights, bias = tensors.get("weights"), tensors.get("bias")
    shape = (card["dimension"], len(card["classes"]))
    fits = (
        weights is not None
        and bias is not None
        and weights.dtype == bias.dtype == np.float32
        and weights.shape == shape
        and bias.shape == shape[1:]
        and bool(np.isfinite(weights).all() and np.isfinite(bias).all())
    )
    if not fits or weights is None or bias is None:
        raise CardError(
            f"expected finite float32 weights {shape} and bias {shape[1:]}, as the card says; got others: "
            "copy the adapter again"
        )
    adapter = CropTypeAdapter(**card["parameters"])
    adapter.head_ = LinearHead(weights, bias)
    adapter.classes_ = np.array(card["classes"])
    adapter.n_features_in_ = card["dimension"]
    adapter.labels_per_class_ = np.array(card["labels_per_class"])
    adapter.temperatures_ = Temperatures(*map(float, card["temperatures"]))
    return adapter

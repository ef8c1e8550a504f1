"""Adapters as files: weights in safetensors, everything else in a JSON card, bound to one encoder.

Files may come from anyone: nothing in them is executed, names no class path, and every value is checked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from surco.adapters.contract import Adapter, Learned, require_sound
from surco.adapters.errors import CardError

__all__ = [
    "ADAPTERS",
    "CARD_FILE",
    "FORMAT_VERSION",
    "WEIGHTS_FILE",
    "load_adapter",
    "read_card",
    "save_adapter",
]

WEIGHTS_FILE = "adapter.safetensors"
CARD_FILE = "card.json"
FORMAT_VERSION = 2
ADAPTERS: Mapping[str, str] = {
    "boundary": "surco.adapters.boundaries.boundary_adapter:BoundaryAdapter",
    "crop-type": "surco.adapters.crop_type_adapter:CropTypeAdapter",
    "segmentation": "surco.adapters.segmentation_adapter:SegmentationAdapter",
    "yield": "surco.adapters.yield_adapter:YieldAdapter",
}
"""Which class a card's task means. The files name tasks, never classes: nothing in them decides what is imported."""
_FORMAT = "surco-adapter"
_MOST_BYTES = (
    64 << 20
)  # 2048 dimensions and 10,000 classes are 80 MB; a crop map has a few hundred classes at most
_ENVELOPE = frozenset(
    (
        "format",
        "format_version",
        "task",
        "name",
        "model_id",
        "dimension",
        "parameters",
        "created",
        "weights_sha256",
        "training",
    )
)
_NAME = re.compile(r"[\w][\w .-]{0,99}")


def save_adapter(
    adapter: Adapter, *, name: str, model_id: str, task: str, training: Mapping[str, object]
) -> dict[str, bytes]:
    """The files of a fitted adapter, by name.

    Args:
        adapter: a fitted adapter.
        name: letters, digits, space, dot, dash, underscore; at most 100.
        model_id: the encoder whose vectors it was fitted on.
        task: what it does, `adapter.task`, a key of `ADAPTERS`.
        training: JSON values for the reader: sources, seasons, scores beside baselines (`CrossValidation.as_dict()`).

    Raises:
        UnfittedError: the adapter has learned nothing.
        CardError: a name, task, model or training record that cannot be written.
    """
    learned = adapter.learned()
    if task != adapter.task or not _NAME.fullmatch(name) or not model_id:
        raise CardError(
            f"expected a name of letters and digits, a model id and the task {adapter.task!r}; got {name!r}, "
            f"{model_id!r}, {task!r}: correct them"
        )
    weights = safetensors.numpy.save({k: np.ascontiguousarray(v) for k, v in learned.tensors.items()})
    card = {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "task": task,
        "name": name,
        "model_id": model_id,
        "dimension": int(adapter.n_features_in_),
        **learned.facts,
        "parameters": adapter.get_params(),
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


def load_adapter(
    source: Mapping[str, bytes] | Path, model_id: str | None = None, task: str | None = None
) -> Any:
    """Read an adapter back; it predicts exactly what was saved. Its class is the one of its card's task.

    Args:
        source: the files by name, or the folder they lie in.
        model_id: the encoder of the vectors it will be asked about; None skips the comparison.
        task: what it is needed for, a key of `ADAPTERS`; None takes any.

    Raises:
        CardError: missing or damaged files, another format version, an adapter of another encoder or task.
    """
    files = _files(source)
    card = _card(files[CARD_FILE])
    if model_id is not None and card["model_id"] != model_id:
        raise CardError(
            f"expected an adapter for vectors of model {model_id!r}; got adapter {card['name']!r} of model "
            f"{card['model_id']!r}: encode with that model, or fit the labels again on these vectors"
        )
    if task is not None and card["task"] != task:
        raise CardError(
            f"expected an adapter for the task {task!r}; got adapter {card['name']!r} for {card['task']!r}: "
            "name another adapter, or use the command for its task"
        )
    return _restored(card, files[WEIGHTS_FILE])


def _json(card: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(card, ensure_ascii=False, allow_nan=False, indent=1).encode()
    except (TypeError, ValueError) as error:
        raise CardError(
            f"expected a training record of plain JSON values; got {error}: use text, finite numbers, lists and objects"
        ) from error


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
    if card.get("task") not in ADAPTERS:
        raise CardError(
            f"expected an adapter for one of the tasks {', '.join(ADAPTERS)}; got {card.get('task')!r}: "
            "use the version of surco that wrote it"
        )
    _require_fields(card)
    return card


def _require_fields(card: Mapping[str, Any]) -> None:
    require_sound(
        all(isinstance(card.get(f), str) for f in ("name", "model_id", "weights_sha256"))
        and type(card.get("dimension")) is int
        and isinstance(card.get("training"), dict)
        and _are_parameters(card.get("parameters"))
    )


def _are_parameters(values: object) -> bool:
    return isinstance(values, dict) and all(
        v is None or (isinstance(v, str | int | float) and (isinstance(v, str) or np.isfinite(v)))
        for v in values.values()
    )


def _restored(card: Mapping[str, Any], data: bytes) -> Adapter:
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
    kind = _adapter_class(card["task"])
    known = signature(kind.__init__).parameters
    require_sound(all(name in known for name in card["parameters"]))
    facts = {key: value for key, value in card.items() if key not in _ENVELOPE}
    restored: Adapter = kind.restored(card["parameters"], Learned(tensors, facts), card["dimension"])
    return restored


def _adapter_class(task: str) -> Any:
    module, name = ADAPTERS[task].split(":")
    return getattr(import_module(module), name)

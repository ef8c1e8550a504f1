"""Models and adapters that came, went or are others."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from surco.embedstore.changes.sides import Side
from surco.embedstore.store import Store

__all__ = ["BundleChange", "changed_bundles"]


@dataclass(frozen=True, slots=True)
class BundleChange:
    """A model's card or an adapter: its name, and what became of it."""

    kind: Literal["model", "adapter"]
    name: str
    change: Literal["added", "removed", "changed"]


def changed_bundles(first: Side, second: Side) -> list[BundleChange]:
    """Model cards and adapters that are not the same on both sides, by kind and name.

    Raises:
        StoreError: a damaged file.
    """
    found: list[BundleChange] = []
    for kind, digests in (("model", _models), ("adapter", _adapters)):
        before, after = digests(first.store), digests(second.store)
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                change = "added" if name not in before else "removed" if name not in after else "changed"
                found.append(BundleChange(kind, name, change))  # type: ignore[arg-type]
    return found


def _models(store: Store) -> dict[str, str]:
    cards = {name: json.dumps(store.model_card(name), sort_keys=True) for name in store.cards()}
    return {name: hashlib.sha256(card.encode()).hexdigest() for name, card in cards.items()}


def _adapters(store: Store) -> dict[str, str]:
    return {name: _folder(store.adapter_dir(name)) for name in store.adapters()}


def _folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()

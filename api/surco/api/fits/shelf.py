"""A store's adapters and their versions, read once: files of adapters are never edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surco.adapters import load_adapter, read_card
from surco.api.kept import Kept
from surco.api.refusals import UnknownError
from surco.embedstore import Sentence, Store, adapter_versions

__all__ = ["Shelf", "Shelved"]

_KEPT_CARDS = 512
_KEPT_LOADED = 32


@dataclass(frozen=True, slots=True)
class Shelved:
    """One version of an adapter: its name, the store's version that brought it, its files' folder, and its card."""

    name: str
    version: int
    folder: Path
    card: Mapping[str, Any]


class Shelf:
    """Cards and adapters by folder."""

    def __init__(self) -> None:
        self._cards: Kept[dict[str, Any]] = Kept(_KEPT_CARDS)
        self._loaded: Kept[Any] = Kept(_KEPT_LOADED)

    def find(self, store: Store, name: str, version: int | None = None) -> Shelved:
        """An adapter of the store, or an earlier version of it.

        Raises:
            UnknownError: no such adapter or version.
            CardError: damaged files.
        """
        if name not in store.adapters():
            some = ", ".join(store.adapters()[:8]) or "(none yet)"
            raise UnknownError(
                Sentence(
                    f"Expected the name of an adapter, such as {some}, got {name[:60]!r}. Name one of them.",
                    "adapter-unknown",
                    name=name[:60],
                )
            )
        folder = store.adapter_folder(name)
        present = Shelved(name, _number(folder), folder, self.card(folder))
        if version in (None, present.version):
            return present
        there = adapter_versions(store.path, name)
        found = next((each for each in there if each.version == version), None)
        if found is None:
            numbers = ", ".join(str(each.version) for each in there)
            raise UnknownError(
                f"Expected one of the versions {numbers} of adapter {name!r}, got {version}. Name one of them."
            )
        return Shelved(name, found.version, found.folder, self.card(found.folder))

    def named(self, store: Store, text: str) -> Shelved:
        """As `find`, by text: `name`, or `name@version`. Raises as `find`."""
        name, _, number = text.partition("@")
        if number and not (number.isascii() and number.isdigit() and len(number) < 10):
            raise UnknownError(
                f"Expected name@version such as {name[:60]}@3, got {text[:80]!r}. Write a whole number."
            )
        return self.find(store, name, int(number) if number else None)

    def versions(self, store: Store, name: str) -> list[Shelved]:
        """All versions of an adapter of the store, the oldest first; raises as `find`."""
        present = self.find(store, name)
        there = {each.folder: each.version for each in adapter_versions(store.path, name)}
        # One that was pulled from elsewhere is numbered as it is there, and this store has no version of that number.
        folders = there | {present.folder: present.version}
        return [Shelved(name, number, folder, self.card(folder)) for folder, number in folders.items()]

    def card(self, folder: Path) -> dict[str, Any]:
        """The card of the files in a folder."""
        return self._cards.get(folder, lambda: read_card(folder))

    def adapter(self, shelved: Shelved, task: str | None = None) -> Any:
        """The adapter itself, for a task or any.

        Raises:
            CardError: damaged files, or an adapter for another task.
        """
        key = (shelved.folder, task)
        return self._loaded.get(key, lambda: load_adapter(shelved.folder, task=task))


def _number(folder: Path) -> int:
    """The version of the store that a folder was written for."""
    return int(folder.name.partition("-")[0])

"""What every route needs of the server: its settings, its database, the store at its latest version."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from surco.api.settings import Settings
from surco.api.state.database import Database
from surco.embedstore import Store
from surco.embedstore.versions import version_numbers

__all__ = ["Server"]


@dataclass(frozen=True, slots=True)
class Server:
    """One application's settings, database and store."""

    settings: Settings
    database: Database
    _opened: list[Store] = field(default_factory=list, compare=False, repr=False)
    _at_close: list[Callable[[], None]] = field(default_factory=list, compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def store(self) -> Store:
        """The store at its latest version: read again only where there is a newer one. Never write through it.

        Raises:
            StoreError: no store, or a broken one.
        """
        number = (version_numbers(self.settings.store.absolute()) or [0])[-1]
        with self._lock:
            if not self._opened or self._opened[0].version != number:
                self._opened[:] = [Store.open(self.settings.store)]
            return self._opened[0]

    def at_close(self, close: Callable[[], None]) -> None:
        """Have something ended when the server ends, before the database is closed."""
        self._at_close.append(close)

    def close(self) -> None:
        """End what was begun: last begun, first ended; the database last of all."""
        while self._at_close:
            self._at_close.pop()()
        self.database.close()

"""What all handlers of adapters share, made once by the application."""

from __future__ import annotations

from dataclasses import dataclass, field

from surco.api.fits.grounds import Grounds
from surco.api.fits.parcel_rows import ParcelRows
from surco.api.fits.publishing import Publisher
from surco.api.fits.shelf import Shelf
from surco.api.kept import Kept
from surco.api.search.gate import Gate
from surco.api.web.server import Server
from surco.embedstore.vector_sources import Source

__all__ = ["Workshop"]

_KEPT = 3
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Workshop:
    """The server, its writer of adapters, the tables and adapters that it keeps, and how much it does at once."""

    server: Server
    publisher: Publisher
    grounds: Grounds = field(default_factory=Grounds)
    shelf: Shelf = field(default_factory=Shelf)
    fits: Gate = field(default_factory=lambda: Gate("fits", places=_AT_ONCE, waiting=24, patience_s=60.0))
    choices: Gate = field(default_factory=lambda: Gate("choices of places", places=2, waiting=14))
    _parcels: Kept[ParcelRows] = field(default_factory=lambda: Kept(_KEPT), repr=False)

    def parcels(self, source: Source) -> ParcelRows:
        """Where the parcels of a table lie."""
        return self._parcels.get((source.root, source.digest), lambda: ParcelRows.of(source))

    @classmethod
    def of(cls, server: Server) -> Workshop:
        """A workshop over the server's store."""
        return cls(server, Publisher(server.settings.store))

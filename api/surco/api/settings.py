"""What a server needs to know, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from surco.api.refusals import SettingsError

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one application over one store.

    Attributes:
        store: the store's folder.
        adapter: name of the adapter that is shown first; None for the first by name.
        season: name of the season that is shown first; None for the latest.
        area: name of the place on the page; None for the store's folder name.
        host: address to listen on.
        port: port to listen on.
        basemap: raster tile address with `{z}`, `{x}` and `{y}` (https, or a path of ours), or None for a plain ground.
        max_places: most cells or parcels of one map that a page is sent.
        max_similar: most neighbours of one answer.

    Raises:
        SettingsError: a basemap address that is no tile address, or a limit below one.
    """

    store: Path
    adapter: str | None = None
    season: str | None = None
    area: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    basemap: str | None = None
    max_places: int = 250_000
    max_similar: int = 200

    def __post_init__(self) -> None:
        if self.max_places < 1 or self.max_similar < 1:
            raise SettingsError(
                f"Expected limits of at least 1, got max_places={self.max_places} and max_similar={self.max_similar}. "
                "Raise them."
            )
        if self.basemap is None:
            return
        parts = urlsplit(self.basemap)
        whole = all(mark in self.basemap for mark in ("{z}", "{x}", "{y}"))
        plain = not set(parts.netloc) & set(" ;,'\"")
        if (
            not whole
            or not plain
            or (parts.scheme not in ("http", "https") and not self.basemap.startswith("/"))
        ):
            raise SettingsError(
                f"Expected a tile address with {{z}}, {{x}} and {{y}}, got basemap={self.basemap!r}. "
                "Write https://host/{z}/{x}/{y}.png."
            )

    @property
    def area_name(self) -> str:
        """Name of the place: `area`, or the store's folder name in words."""
        return self.area or self.store.absolute().name.replace("_", " ").replace("-", " ").capitalize()

    @property
    def basemap_origin(self) -> str | None:
        """Scheme and host of the basemap where it is not our own; the page's policy then allows pictures from there."""
        parts = urlsplit(self.basemap or "")
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None

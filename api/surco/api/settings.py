"""What a server needs to know, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from surco.api.refusals import SettingsError
from surco.api.scopes import SCOPES

__all__ = ["LOOPBACK", "Settings"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Names of this machine to itself."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one application over one store.

    Attributes:
        store: the store's folder; of a store at an address its working copy.
        adapter: name of the adapter that is shown first; None for the first by name that has vectors in the
            season shown.
        season: name of the season that is shown first; None for the latest.
        area: name of the place on the page; None for the store's folder name.
        host: address to listen on.
        port: port to listen on.
        basemap: raster tile address with `{z}`, `{x}` and `{y}` (https, or a path of ours), or None for a plain ground.
        max_similar: most neighbours of one answer.
        max_asked: most places or ids of one question for embeddings.
        max_embeddings: most rows of one answer of embeddings.
        tile_cache: bytes of drawn map tiles that one process keeps in memory.
        database: URL of the database of keys, labels and audit; None for SQLite in the store's folder. It may hold a
            password, so `surco serve` reads it from the environment (`SURCO_DATABASE_URL`) only.
        anonymous: what callers without an API key may do, of "read", "label", "train", "admin"; empty for nothing.
        cors_origins: origins whose pages may use the answers (`https://host`); none unless set.
        allowed_hosts: values of the Host header that are answered; empty for all.
        database_connections: to PostgreSQL that one process holds at most.
        requests_per_minute: of one key or address, in all processes of one database together.
        writes_per_minute: of these, POST, PUT, PATCH and DELETE.
        max_body: bytes of one request's body, uploads aside.
        sql_timeout_s: seconds of work for one query of `/sql`; a client's slowness in reading does not count.
        sql_stream_s: seconds until the last byte of an answer is sent.
        sql_rows: most rows of an answer.
        sql_bytes: most bytes of an answer.
        sql_memory: bytes that a query's process may take beyond the 250 MB that it stands on.
        sql_threads: processors of one query.
        sql_workers: queries at once of one process of the server, each in a process of its own.
        sql_line: queries of one process of the server that may wait for a free one.
        sql_wait_s: seconds that one waits before it is told to come again.
        sql_query_bytes: longest query.
        sql_seconds: seconds of work that one key or address is given an hour.
        max_upload: bytes of an uploaded label file, and ten times as many of what a zip holds.
        max_upload_labels: labels of one upload.
        upload_seconds: of one upload's reading, after which it is ended.
        labels_per_key: labels, and earlier revisions that are kept of them, of one key or address.
        adapters_per_key: adapters that one key may own, or all callers without a key together.
        max_fit_labels: labels of one fit.
        max_fit_places: cells that the labels of one fit name.
        follow_s: seconds between looks for a new version, of a store at an address.
        scenes: STAC catalogue, folder or address, in which `/boundaries` finds parcels; None for pixel vectors only.

    Raises:
        SettingsError: a basemap address that is no tile address, a limit below one, a scope or an origin that is none.
    """

    store: Path
    adapter: str | None = None
    season: str | None = None
    area: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    basemap: str | None = None
    max_similar: int = 200
    max_asked: int = 10_000
    max_embeddings: int = 1_000_000
    tile_cache: int = 128 << 20
    database: str | None = field(default=None, repr=False)
    anonymous: tuple[str, ...] = ("read",)
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    database_connections: int = 30
    requests_per_minute: int = 6_000
    writes_per_minute: int = 600
    max_body: int = 10_000_000
    sql_timeout_s: float = 30.0
    sql_stream_s: float = 600.0
    sql_rows: int = 10_000_000
    sql_bytes: int = 2_000_000_000
    sql_memory: int = 768_000_000
    sql_threads: int = 1
    sql_workers: int = 2
    sql_line: int = 16
    sql_wait_s: float = 10.0
    sql_query_bytes: int = 100_000
    sql_seconds: float = 1_800.0
    max_upload: int = 256 << 20
    max_upload_labels: int = 500_000
    upload_seconds: int = 120
    labels_per_key: int = 2_000_000
    adapters_per_key: int = 200
    max_fit_labels: int = 20_000
    max_fit_places: int = 20_000
    scenes: str | None = None
    follow_s: float = 5.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name != "port" and isinstance(value, int | float) and value <= 0:
                raise SettingsError(f"Expected limits above 0, got {each.name}={value}. Raise it.")
        if unknown := sorted(set(self.anonymous) - set(SCOPES)):
            raise SettingsError(
                f"Expected what callers without a key may do to be of {', '.join(SCOPES)}, got {unknown[0]!r}. "
                "Name these only, or none."
            )
        self._check_origins()
        self._check_basemap()

    def _check_origins(self) -> None:
        for origin in self.cors_origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != origin:
                raise SettingsError(
                    f"Expected origins such as https://maps.example.cl, got {origin!r}. Name each one; there is no '*'."
                )

    def _check_basemap(self) -> None:
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

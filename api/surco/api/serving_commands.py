"""Commands of who runs a server: serve a store, make and revoke API keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surco.api.options import PORT, SEASON, STORE
from surco.api.scopes import SCOPES
from surco.api.serving import serve_store
from surco.api.settings import LOOPBACK, Settings
from surco.embedstore import Store

if TYPE_CHECKING:
    from surco.api.state.database import Database
    from surco.api.state.keys import KeyInfo
    from surco.api.web.callers import Caller

__all__ = ["DATABASE_URL", "keys", "serve"]

DATABASE_URL = "SURCO_DATABASE_URL"
"""Environment variable with the database of keys, labels and audit; unset it is SQLite in the store's folder."""

_NONE = "none"


@click.command()
@STORE
@click.option("--host", default="127.0.0.1", show_default=True)
@PORT
@click.option("--adapter", help="Adapter to show first.")
@SEASON
@click.option("--area", help="Name of the place, for the page's title.")
@click.option("--basemap", help="URL template of raster tiles, if you want one: {z}/{x}/{y}.")
@click.option(
    "--anonymous",
    default="read",
    show_default=True,
    help=f"What callers without a key may do: {', '.join(SCOPES)} with commas between, or {_NONE}.",
)
@click.option("--cors-origin", multiple=True, help="Origin whose pages may use the answers; may be repeated.")
@click.option("--allowed-host", multiple=True, help="Value of Host to answer; all, but on 127.0.0.1 its own.")
@click.option("--scenes", help="STAC catalogue to find fields in: a folder, or the address of an API.")
@click.option("--requests-per-minute", type=click.IntRange(1), default=6_000, show_default=True)
@click.option("--writes-per-minute", type=click.IntRange(1), default=600, show_default=True)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that answer on the port; a dead one is replaced.",
)
def serve(
    store: Path,
    host: str,
    port: int,
    adapter: str | None,
    season: str | None,
    area: str | None,
    basemap: str | None,
    anonymous: str,
    cors_origin: tuple[str, ...],
    allowed_host: tuple[str, ...],
    scenes: str | None,
    requests_per_minute: int,
    writes_per_minute: int,
    workers: int,
) -> None:
    """Serve the viewer and the API of a store."""
    scopes = () if anonymous == _NONE else tuple(part.strip() for part in anonymous.split(","))
    serve_store(
        Settings(
            store,
            adapter,
            season,
            area,
            host,
            port,
            basemap,
            database=os.environ.get(DATABASE_URL),
            anonymous=scopes,
            cors_origins=cors_origin,
            # A page of another site could else reach a server on this machine under a name of its own.
            allowed_hosts=allowed_host or (LOOPBACK if host in LOOPBACK else ()),
            scenes=scenes,
            requests_per_minute=requests_per_minute,
            writes_per_minute=writes_per_minute,
        ),
        workers,
    )


@click.group()
def keys() -> None:
    """API keys of a store's server."""


@keys.command("add")
@STORE
@click.option("--name", required=True, help="Whose key it is, or what for.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="May be repeated; read if left out."
)
@click.option("--days", type=int, help="Until it expires; never if left out.")
def add(store: Path, name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a key and print it, this once."""
    from surco.api.state.audit import record
    from surco.api.state.keys import add_key

    with _database(store).writing() as connection:
        info, secret = add_key(connection, name, scopes or ("read",), days)
        record(connection, _operator(), "key.add", info.id, {"name": info.name, "scopes": info.scopes})
    click.echo(f"{_line(info)}\nThe key, which is not shown again:\n{secret}")


@keys.command("list")
@STORE
def list_(store: Path) -> None:
    """Name every key, what it may do, and whether it still counts."""
    from surco.api.state.keys import keys as all_keys

    with _database(store).reading() as connection:
        found = all_keys(connection)
    click.echo("\n".join(_line(info) for info in found) or "No keys yet. `surco keys add` makes one.")


@keys.command("revoke")
@STORE
@click.argument("key_id")
def revoke(store: Path, key_id: str) -> None:
    """Let a key open nothing from now on."""
    from surco.api.state.audit import record
    from surco.api.state.keys import revoke_key

    with _database(store).writing() as connection:
        info = revoke_key(connection, key_id)
        record(connection, _operator(), "key.revoke", info.id, {"name": info.name})
    click.echo(_line(info))


def _database(store: Path) -> Database:
    from surco.api.state.database import Database  # a database is what these commands alone need

    return Database.open(Store.open(store).path, os.environ.get(DATABASE_URL))


def _operator() -> Caller:
    from surco.api.web.callers import Caller

    return Caller.of(None, "command line", frozenset({"admin"}), "local")


def _line(info: KeyInfo) -> str:
    ends = f"until {info.expires_at:%Y-%m-%d}" if info.expires_at else "without an end"
    state = ends if info.active else "revoked" if info.revoked_at else "expired"
    return f"{info.id}  {info.name}  {','.join(info.scopes)}  {state}"

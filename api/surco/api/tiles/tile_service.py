"""Tiles over HTTP: opened layers, drawn tiles, what a client has already, and for how long it may keep it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol, TypeVar, cast

from litestar import Request, Response

from surco.api.refusals import BusyError, UnknownError
from surco.api.tiles.addresses import MEDIA_TYPES, Form, TileAddress
from surco.api.tiles.tile_cache import TileCache
from surco.api.web.server import Server
from surco.embedstore import Store
from surco.embedstore.scan import available_threads

__all__ = ["Asked", "TileService", "Tiled"]

_LAYERS = 32
_MOST_WAITING = 256
_PATIENCE_S = 60.0
_SHORT_S = 60
_LONG_S = 31_536_000
_SMALL = 1_000
_GZIP_LEVEL = 1


class Tiled(Protocol):
    """What tiles are drawn of; `digest` is another one for any other content."""

    @property
    def digest(self) -> str:
        """In hex."""
        ...

    def style_of(self, style: str | None) -> str:
        """A style of pictures, the default for None; raises UnknownError where there is no such style."""
        ...

    def vector(self, tile: TileAddress) -> bytes:
        """A vector tile; nothing where no feature is in it."""
        ...

    def picture(self, tile: TileAddress, style: str | None, pixels: int) -> bytes:
        """A picture of so many pixels a side."""
        ...


Layer = TypeVar("Layer", bound=Tiled)


@dataclass(frozen=True, slots=True)
class Asked:
    """A tile as a request names it: `scale` 2 is a picture of 512 pixels, `pin` the digest that a client holds to."""

    tile: TileAddress
    form: Form
    scale: int = 1
    style: str | None = None
    pin: str | None = None


class TileService:
    """Draws on as many threads as the process has cores, so that a tile that is begun is soon done.

    Args:
        server: whose store it is.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._opening = ThreadPoolExecutor(2, thread_name_prefix="tile-layers")
        self._drawing = ThreadPoolExecutor(available_threads(), thread_name_prefix="tiles")
        self._layers: OrderedDict[tuple[Hashable, ...], Future[Any]] = OrderedDict()
        self._lock = Lock()
        self.cache = TileCache(self._drawing, server.settings.tile_cache)

    async def layer(self, key: tuple[Hashable, ...], open_: Callable[[Store], Layer]) -> Layer:
        """A layer of the store's latest version, opened where it is not yet.

        Args:
            key: names the layer among those of a version.
            open_: opens it.

        Raises:
            BusyError: the table's index is being made, and takes longer than a client waits.
        """
        store = self._server.store()
        future = cast("Future[Layer]", self._layer((store.version, *key), lambda: open_(store)))
        if future.done():
            return future.result()
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), _PATIENCE_S)
        except TimeoutError:
            raise BusyError(
                f"Expected the table's tile index within {_PATIENCE_S:.0f} s, got none yet: it is made once for each "
                "version of a table. Ask again in a minute."
            ) from None

    async def answer(self, request: Request[Any, Any, Any], layer: Tiled, asked: Asked) -> Response[bytes]:
        """A tile: 304 where the client has it, 204 where a vector tile is empty, gzip where the client takes it.

        Raises:
            UnknownError: a style that there is not, or a pin to content that is neither the present one nor held yet.
            BusyError: too many tiles are in line.
        """
        if asked.pin is not None and asked.pin != layer.digest:
            layer = self._earlier(layer, asked.pin)
        if asked.form == "png":
            layer.style_of(asked.style)
        zipped = asked.form == "mvt" and "gzip" in request.headers.get("accept-encoding", "")
        key = (
            layer.digest,
            asked.tile,
            asked.form,
            asked.scale,
            asked.style if asked.form == "png" else None,
            zipped,
        )
        headers = _headers(key, asked.pin is not None, request)
        if _known(request, headers["etag"]):
            return Response(b"", status_code=304, headers=headers)
        body = self.cache.kept(key)
        if body is None:
            body = await self._drawn(key, lambda: self._draw(layer, asked, zipped))
        if not body:
            return Response(b"", status_code=204, headers=headers)
        if body[:2] == b"\x1f\x8b":
            headers["content-encoding"] = "gzip"
        return Response(body, media_type=MEDIA_TYPES[asked.form], headers=headers)

    async def _drawn(self, key: Hashable, draw: Callable[[], bytes]) -> bytes:
        if self.cache.waiting > _MOST_WAITING:
            raise BusyError(
                f"Expected at most {_MOST_WAITING} tiles in line, got more. Ask again in a few seconds."
            )
        return await asyncio.shield(asyncio.wrap_future(self.cache.get(key, draw)))

    def _draw(self, layer: Tiled, asked: Asked, zipped: bool) -> bytes:
        if asked.form == "png":
            return layer.picture(asked.tile, asked.style, 256 * asked.scale)
        body = layer.vector(asked.tile)
        return gzip.compress(body, _GZIP_LEVEL, mtime=0) if zipped and len(body) > _SMALL else body

    def _earlier(self, layer: Tiled, pin: str) -> Tiled:
        """The same layer as it was: a page asks for the rest of a map while the next label has already replaced it."""
        with self._lock:
            opened = {key: each.result() for key, each in self._layers.items() if _is_open(each)}
        names = [key[1:] for key, each in opened.items() if each is layer]
        for key, each in opened.items():
            if key[1:] in names and each.digest == pin:
                return cast("Tiled", each)
        raise UnknownError(
            f"Expected v={layer.digest}, which names the present content, got v={pin[:40]!r}. "
            "Take the address again from tilejson, or leave v out."
        )

    def _layer(self, key: tuple[Hashable, ...], open_: Callable[[], Any]) -> Future[Any]:
        with self._lock:
            future = self._layers.get(key)
            # What failed once may work the next time: a damaged file that was restored.
            if future is None or (future.done() and future.exception() is not None):
                future = self._layers[key] = self._opening.submit(open_)
            self._layers.move_to_end(key)
            while len(self._layers) > _LAYERS:
                self._layers.popitem(last=False)
            return future


def _is_open(future: Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _headers(key: Hashable, pinned: bool, request: Request[Any, Any, Any]) -> dict[str, str]:
    tag = hashlib.sha256(repr(key).encode()).hexdigest()[:32]
    # What a key was needed for is not for caches that others share.
    reach = "private" if request.user.key_id else "public"
    life = f"max-age={_LONG_S}, immutable" if pinned else f"max-age={_SHORT_S}"
    return {"etag": f'"{tag}"', "cache-control": f"{reach}, {life}", "vary": "accept, accept-encoding"}


def _known(request: Request[Any, Any, Any], etag: str) -> bool:
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return etag in known or "*" in known

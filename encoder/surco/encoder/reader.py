"""Who reads: threads, kept pages and kept connections of one process, and what they cost."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar

import rasterio

from surco.encoder.errors import EncoderError
from surco.encoder.providers import Access
from surco.encoder.reading.addresses import is_remote
from surco.encoder.reading.counts import Counter, ReadCounts
from surco.encoder.reading.pages import Pages
from surco.encoder.reading.ranges import Ranges
from surco.encoder.reading.remote_raster import open_remote
from surco.encoder.reading.transport import Patience, Transport

__all__ = ["RASTER_OPTIONS", "ReadSettings", "Reader", "shared_reader"]

T = TypeVar("T")

RASTER_OPTIONS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 256}
"""GDAL as it should be while scenes are read: no listing of folders, a bounded cache."""

_CACHE_MB = "SURCO_READ_CACHE_MB"


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How much is read at a time.

    Attributes:
        scenes: of one window that are worked on at a time; twice as many wait, each 3 MB at most.
        bands: rasters that are open at a time, over all windows.
        cache_bytes: of compressed pages to keep. Neighbouring windows share the blocks of a raster: a cache that holds
            a season's blocks of one place (some 200 MB) asks for each once.
        patience: with servers.
    """

    scenes: int = 16
    bands: int = 48
    cache_bytes: int = 512_000_000
    patience: Patience = field(default_factory=Patience)


class Reader:
    """Opens rasters near and far, many at a time. One serves any number of threads; it belongs to one process."""

    def __init__(self, settings: ReadSettings | None = None, access: Access | None = None) -> None:
        self.settings = settings or ReadSettings()
        self._counter = Counter()
        self._transport = Transport(self.settings.patience, self._counter, 2 * self.settings.bands)
        self._access = access or Access()
        self._scenes = _threads(self.settings.scenes, "scene")
        self._bands = _threads(self.settings.bands, "band")
        self._requests = _threads(self.settings.bands, "request")
        ranges = Ranges(self._transport, lambda href, old: self._access.signed(href, old, self._transport))
        self._pages = Pages(ranges, self.settings.cache_bytes, self._requests)

    @property
    def counts(self) -> ReadCounts:
        """What reading cost since this reader was made."""
        return self._counter.counts

    def open(self, href: str, public: bool, **options: Any) -> AbstractContextManager[rasterio.DatasetReader]:
        """Open a raster: a path, or an address.

        Args:
            href: as in the catalogue.
            public: it may lead to addresses of the public network only.
            options: of `rasterio.open`.

        Raises:
            ReadFailure: bytes could not be had.
            RasterioError: no raster of that kind.
        """
        if is_remote(href):
            return open_remote(self._pages, href, public, **options)
        source: AbstractContextManager[rasterio.DatasetReader] = rasterio.open(href, **options)
        return source

    def forget(self, href: str) -> None:
        """Read a file anew from here on."""
        self._pages.forget(href)

    def in_order(self, tasks: Iterable[Callable[[], T]]) -> Generator[T]:
        """Results of tasks, in order, while later ones are at work. A failure ends it where its turn comes."""
        waiting: deque[Future[T]] = deque()
        try:
            for task in tasks:
                waiting.append(self._scenes.submit(task))
                if len(waiting) > 2 * self.settings.scenes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def together(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """Results of tasks that read one raster each, in order."""
        futures = [self._bands.submit(task) for task in tasks]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """End threads and connections; what is under way comes to its end first."""
        for pool in (self._scenes, self._bands, self._requests):
            pool.shutdown(cancel_futures=True)
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def shared_reader() -> Reader:
    """The reader of this process, made when it is first wanted; a forked process makes its own.

    `SURCO_READ_CACHE_MB` in the environment sets how many megabytes of pages it keeps.

    Raises:
        EncoderError: the variable is not a number of megabytes.
    """
    return _reader_of(os.getpid())


@cache
def _reader_of(process: int) -> Reader:
    stated = os.environ.get(_CACHE_MB, "")
    if stated and not (stated.isdigit() and int(stated) > 0):
        raise EncoderError(
            f"Expected megabytes in {_CACHE_MB}; got {stated!r}. Write a whole number, such as 512."
        )
    return Reader(ReadSettings(cache_bytes=int(stated) * 1_000_000) if stated else ReadSettings())


def _threads(count: int, name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, f"surco-{name}", initializer=_settle)


def _settle() -> None:
    """Options of GDAL hold for a thread; it keeps them to its end."""
    rasterio.Env(**RASTER_OPTIONS).__enter__()

"""A raster elsewhere, opened by GDAL through our own ranges.

GDAL decodes and warps; what it asks of the file comes from `Pages`. So it never sees a signature, and never gets
bytes that were not checked: where an answer is short it takes what its buffer held before for data. Its calls cannot
bear an exception either. A failure is therefore kept, and raised once GDAL has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import rasterio
from rasterio.abc import MultiByteRangeResourceContainer

from surco.encoder.reading.addresses import bare
from surco.encoder.reading.failures import ReadFailure
from surco.encoder.reading.pages import Pages

__all__ = ["open_remote"]

T = TypeVar("T")

_OPTIONS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_NUM_THREADS": "1"}
"""One thread: others of GDAL's cannot open what rasterio opens for this one, and leave blocks of a JPEG 2000 empty
without a word."""


@contextmanager
def open_remote(pages: Pages, href: str, public: bool, **options: Any) -> Iterator[rasterio.DatasetReader]:
    """Open a raster by its address, with the options of `rasterio.open`.

    Raises:
        ReadFailure: bytes could not be had, while it was opened or read.
        RasterioError: the bytes are no raster of that kind.
    """
    name = PurePosixPath(urlsplit(href).path).name or "raster"
    container = _Container(pages, href, public, name)
    try:
        with rasterio.Env(**_OPTIONS), rasterio.open(name, opener=container, **options) as source:
            yield source
    except Exception:
        if container.failure is not None:
            raise container.failure from None
        raise
    if container.failure is not None:
        raise container.failure


class _Container(MultiByteRangeResourceContainer):  # type: ignore[misc]  # rasterio has no types
    """The one file that GDAL sees. It looks for others beside it, of metadata and masks: there are none."""

    def __init__(self, pages: Pages, href: str, public: bool, name: str) -> None:
        self._pages, self._href, self._public, self._name = pages, href, public, name
        self.failure: Exception | None = None

    def spans(self, spans: list[tuple[int, int]]) -> list[bytes]:
        """Bytes; of a failure zeros, which are never used."""
        nothing = [bytes(size) for _, size in spans]
        return self._kept(lambda: self._pages.read(self._href, spans, public=self._public), nothing)

    def whole(self, spans: list[tuple[int, int]]) -> list[bytes]:
        """The same, where the file's own index says that they are there: one that ends before is broken."""
        found = self.spans(spans)
        if self.failure is None and any(
            len(part) < size for part, (_, size) in zip(found, spans, strict=True)
        ):
            self.failure = ReadFailure(
                f"a file that ends before the blocks that it names: {bare(self._href)}"
            )
        return [part.ljust(size, b"\0") for part, (_, size) in zip(found, spans, strict=True)]

    def size(self, path: str) -> int:
        """Bytes of the file."""
        return self._kept(lambda: self._pages.size(self._href, public=self._public), 0)

    def _kept(self, work: Callable[[], T], otherwise: T) -> T:
        if self.failure is not None:
            return otherwise
        try:
            return work()
        except Exception as failure:
            self.failure = failure
            return otherwise

    def open(self, path: str, mode: str = "r", **options: object) -> _File:
        """The file, to be read from its beginning."""
        if not self.isfile(path):
            raise FileNotFoundError(path)
        return _File(self)

    def isfile(self, path: str) -> bool:
        """Whether it is the one."""
        return PurePosixPath(path).name == self._name

    def isdir(self, path: str) -> bool:
        """It is none."""
        return False

    def ls(self, path: str) -> list[str]:
        """Nothing lies beside it."""
        return []

    def mtime(self, path: str) -> int:
        """Of no meaning here: a file that changes is noticed by its tag."""
        return 0

    def rm(self, path: str) -> None:
        """Nothing is removed elsewhere."""


class _File:
    """What GDAL reads, seeks and closes."""

    def __init__(self, container: _Container) -> None:
        self._container = container
        self._place = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, size: int = -1) -> bytes:
        """Bytes from where it stands; less only at the end of the file."""
        wanted = self._container.size("") - self._place if size < 0 else size
        (content,) = self._container.spans([(self._place, wanted)])
        self._place += len(content)
        return content

    def get_byte_ranges(self, offsets: list[int], sizes: list[int]) -> list[bytes]:
        """Several spans at once: the blocks of a window."""
        return self._container.whole(list(zip(offsets, sizes, strict=True)))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, as files do."""
        base = (0, self._place, self._container.size("") if whence == 2 else 0)[whence]
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        """Where it stands."""
        return self._place

    def close(self) -> None:
        """Nothing is held open."""

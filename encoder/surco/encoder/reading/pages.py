"""Files elsewhere as pages of 16 KiB in memory: each asked for once, by however many threads it is wanted."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from surco.encoder.reading.addresses import bare
from surco.encoder.reading.failures import ChangedFailure
from surco.encoder.reading.ranges import Part, Ranges

__all__ = ["PAGE", "Pages"]

PAGE = 1 << 14
_HEAD_PAGES = 2
"""Read at once when a file is first met: 32 KiB hold the header and the index of most cloud-optimised GeoTIFFs."""
_RUN_PAGES = 128
"""Pages of one request: 2 MiB. More are asked for side by side."""

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Version:
    total: int
    tag: str


class Pages:
    """The pages of many files, the least lately used dropped first.

    Args:
        ranges: where they come from.
        limit: bytes of pages to keep.
        helpers: runs the further requests where a read needs several; its work never waits for other work of it.
    """

    def __init__(self, ranges: Ranges, limit: int, helpers: Executor) -> None:
        self._ranges = ranges
        self._limit = limit
        self._helpers = helpers
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._held = 0
        self._coming: dict[_Key, Future[bytes]] = {}
        self._versions: OrderedDict[str, _Version] = OrderedDict()

    def size(self, href: str, *, public: bool) -> int:
        """Bytes of a file.

        Raises:
            ReadFailure: it cannot be read.
        """
        return self._version(href, public).total

    def read(self, href: str, spans: Sequence[tuple[int, int]], *, public: bool) -> list[bytes]:
        """Read spans of a file, each (offset, size); one that reaches beyond the end comes shorter.

        Raises:
            ReadFailure: it cannot be read, or is another file than before.
        """
        total = self._version(href, public).total
        ends = [(start, min(start + size, total)) for start, size in spans]
        wanted = {page for start, stop in ends if stop > start for page in _numbers(start, stop)}
        have = self._gather(href, sorted(wanted), public)
        return [_cut(have, start, stop) for start, stop in ends]

    def forget(self, href: str) -> None:
        """Drop what is kept of a file, so that it is read anew."""
        with self._lock:
            self._versions.pop(href, None)
            for key in [key for key in self._kept if key[0] == href]:
                self._held -= len(self._kept.pop(key))

    def _version(self, href: str, public: bool) -> _Version:
        while True:
            with self._lock:
                known = self._versions.get(href)
                if known is not None:
                    return known
                for number in range(_HEAD_PAGES):
                    self._held -= len(self._kept.pop((href, number), b""))
            self._gather(href, range(_HEAD_PAGES), public)

    def _gather(self, href: str, numbers: Iterable[int], public: bool) -> dict[int, bytes]:
        """These pages: kept ones, ones that another thread asked for already, and the rest asked for now."""
        have: dict[int, bytes] = {}
        awaited: dict[int, Future[bytes]] = {}
        mine: list[int] = []
        with self._lock:
            for number in numbers:
                key = (href, number)
                if key in self._kept:
                    self._kept.move_to_end(key)
                    have[number] = self._kept[key]
                    continue
                if key not in self._coming:
                    self._coming[key] = Future()
                    mine.append(number)
                awaited[number] = self._coming[key]
        runs = list(_runs(mine))
        for run in runs[1:]:
            self._helpers.submit(self._load, href, run, public)
        for run in runs[:1]:
            self._load(href, run, public)
        return have | {number: future.result() for number, future in awaited.items()}

    def _load(self, href: str, run: range, public: bool) -> None:
        """Ask for neighbouring pages and hand them, or the failure, to all who wait for them."""
        try:
            part = self._ranges.fetch(href, run.start * PAGE, run.stop * PAGE, public=public)
            pages = {number: part.content[(number - run.start) * PAGE :][:PAGE] for number in run}
            self._check(href, part)
        except BaseException as failure:
            with self._lock:
                waiting = [self._coming.pop((href, number)) for number in run]
            for future in waiting:
                future.set_exception(failure)
            return
        with self._lock:
            waiting = [self._coming.pop((href, number)) for number in run]
            for number, content in pages.items():
                self._keep((href, number), content)
        for future, content in zip(waiting, pages.values(), strict=True):
            future.set_result(content)

    def _check(self, href: str, part: Part) -> None:
        """Whether a part is of the file that the others are of; the first says which that is."""
        found = _Version(part.total, part.tag)
        with self._lock:
            known = self._versions.setdefault(href, found)
            self._versions.move_to_end(href)
            while len(self._versions) > self._limit // PAGE + 1:
                self._versions.popitem(last=False)
        if known != found:
            raise ChangedFailure(f"another file than a moment ago at {bare(href)}")

    def _keep(self, key: _Key, content: bytes) -> None:
        self._kept[key] = content
        self._held += len(content)
        while self._held > self._limit:
            self._held -= len(self._kept.popitem(last=False)[1])


def _numbers(start: int, stop: int) -> range:
    return range(start // PAGE, (stop - 1) // PAGE + 1)


def _runs(numbers: Sequence[int]) -> Iterator[range]:
    """Rising numbers as stretches of neighbours, none longer than `_RUN_PAGES`."""
    begin = 0
    for place in range(1, len(numbers) + 1):
        whole = place - begin == _RUN_PAGES
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1 or whole:
            yield range(numbers[begin], numbers[place - 1] + 1)
            begin = place


def _cut(pages: dict[int, bytes], start: int, stop: int) -> bytes:
    if stop <= start:
        return b""
    numbers = _numbers(start, stop)
    joined = b"".join(pages[number] for number in numbers)
    return joined[start - numbers.start * PAGE : stop - numbers.start * PAGE]

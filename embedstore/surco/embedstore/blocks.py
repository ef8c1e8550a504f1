"""Checksums of a file's blocks, so that whoever reads a part of it can check that part.

Parquet's own page checksums are compared by pyarrow and not by DuckDB, which would read past damage without a word.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

__all__ = ["DAMAGED", "BlockChecks", "checksums_of"]

DAMAGED = "is damaged near byte"
"""By these words in its message an error is known after it has gone through DuckDB, which keeps nothing else of it."""

_BLOCK = 1 << 16


def checksums_of(path: Path) -> tuple[str, str]:
    """SHA-256 of a file, and the CRC-32 of each of its blocks of 64 KiB one after the other, both in hex."""
    digest = hashlib.sha256()
    blocks: list[int] = []
    with path.open("rb") as file:
        while content := file.read(_BLOCK):
            digest.update(content)
            blocks.append(zlib.crc32(content))
    return digest.hexdigest(), np.array(blocks, ">u4").tobytes().hex()


class BlockChecks:
    """Reads parts of one file, whose blocks are compared with their checksums when they are read first.

    Args:
        path: of the file, for the message.
        blocks: as `checksums_of` gives them; None where an older surco wrote the file, which is then not checked.
        bring: brings the file to its path where it is not there yet.
    """

    def __init__(self, path: Path, blocks: str | None, bring: Callable[[], object] | None = None) -> None:
        self.path = path
        self._bring = bring
        self._checksums = np.frombuffer(bytes.fromhex(blocks or ""), ">u4").tolist()
        # One byte a block: threads may set the same one twice, and nothing else happens.
        self._seen = bytearray(b"\0" * len(self._checksums) if blocks is not None else b"")

    def here(self) -> Path:
        """The path, with the file in it; raises what `bring` raises."""
        if self._bring is not None:
            self._bring()
        return self.path

    def read(self, descriptor: int, size: int, position: int) -> bytes:
        """As `os.pread`.

        Raises:
            OSError: a block is not what was written.
        """
        first, last = position // _BLOCK, -(-(position + size) // _BLOCK)
        if self._seen.find(0, first, last) < 0:
            return os.pread(descriptor, size, position)
        start = first * _BLOCK
        content = os.pread(descriptor, (last - first) * _BLOCK, start)
        view = memoryview(content)
        for number in range(first, min(last, len(self._seen))):
            if not self._seen[number]:
                offset = number * _BLOCK - start
                self._check(number, view[offset : offset + _BLOCK])
        return content[position - start : position - start + size]

    def check_footer(self) -> None:
        """Compare the blocks of a Parquet file's footer, which no checksum of its pages covers.

        A flipped bit there may rename a column or move a chunk, and what is read then is wrong without a word.

        Raises:
            OSError: a block is not what was written, or the file ends otherwise than a Parquet file.
        """
        with self.here().open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(self.read(file.fileno(), 8, max(size - 8, 0))[:4], "little")
            if length + 8 > size:
                raise OSError(f"{self.path} {DAMAGED} {size - 8}")
            self.read(file.fileno(), length + 8, size - length - 8)

    def _check(self, number: int, block: memoryview) -> None:
        if zlib.crc32(block) != self._checksums[number]:
            raise OSError(f"{self.path} {DAMAGED} {number * _BLOCK}")
        self._seen[number] = 1

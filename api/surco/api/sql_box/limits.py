"""What one query, and all of one caller's, may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from surco.api.settings import Settings

__all__ = ["SqlLimits"]


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """Limits of SQL; see `Settings` for what each means."""

    timeout_s: float
    stream_s: float
    rows: int
    bytes: int
    memory: int
    threads: int
    workers: int
    line: int
    wait_s: float
    query_bytes: int
    seconds_per_hour: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of a server's settings."""
        return cls(
            timeout_s=settings.sql_timeout_s,
            stream_s=settings.sql_stream_s,
            rows=settings.sql_rows,
            bytes=settings.sql_bytes,
            memory=settings.sql_memory,
            threads=settings.sql_threads,
            workers=settings.sql_workers,
            line=settings.sql_line,
            wait_s=settings.sql_wait_s,
            query_bytes=settings.sql_query_bytes,
            seconds_per_hour=settings.sql_seconds,
        )

    @property
    def cpu_s(self) -> int:
        """Seconds of processor time after which the kernel ends a query that the server failed to stop."""
        return math.ceil(self.timeout_s * max(self.threads, 1)) + 10

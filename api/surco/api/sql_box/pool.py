"""The worker processes: started when the first query comes, kept warm, replaced where one is dead or worn."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

from surco.api.sql_box.frames import Start
from surco.api.sql_box.process import WorkerProcess

__all__ = ["Pool"]


class Pool:
    """Warm workers.

    Args:
        start: what each is for.
        size: how many are kept.
    """

    def __init__(self, start: Start, size: int) -> None:
        self._start = start
        self._size = size
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._out = 0
        # One thread that lives as long as this: the kernel ends a worker with the thread that started it.
        self._starter = ThreadPoolExecutor(1, "surco-sql-starter")
        self._all: set[WorkerProcess] = set()
        self._end = weakref.finalize(self, _end, self._starter, self._all)

    async def take(self) -> WorkerProcess:
        """A living worker, the one that was used last if there is one; it may still be opening the store."""
        with self._lock:
            self._out += 1
            while self._idle:
                worker = self._idle.pop()
                if worker.alive and worker.sees_all:
                    return worker
                self._starter.submit(worker.bury)
        try:
            return await asyncio.wrap_future(self._starter.submit(self._started))
        except BaseException:
            with self._lock:
                self._out -= 1
            raise

    def give_back(self, worker: WorkerProcess) -> None:
        """Keep a worker for the next query, or replace it where it is dead, unsettled or worn."""
        healthy = worker.alive and worker.ready and not worker.worn
        with self._lock:
            self._out -= 1
            if healthy:
                self._idle.append(worker)
        if not healthy and self._end.alive:
            # The memory of a large process takes a moment to be given back: not on the event loop.
            worker.kill()
            self._starter.submit(worker.bury)
        self.fill()

    def fill(self) -> None:
        """Start what is missing, in the background, so that the next query finds it."""
        if self._end.alive:
            self._starter.submit(self._fill)

    def close(self) -> None:
        """End every worker."""
        self._end()

    @property
    def pids(self) -> list[int]:
        """Of the workers that live."""
        return sorted(worker.pid for worker in list(self._all) if worker.alive)

    def _started(self) -> WorkerProcess:
        worker = WorkerProcess(self._start)
        with self._lock:
            self._all -= {each for each in self._all if not each.alive}  # buried, or about to be
            self._all.add(worker)
        return worker

    def _fill(self) -> None:
        try:
            while self._end.alive:
                with self._lock:
                    if len(self._idle) + self._out >= self._size:
                        return
                worker = self._started()
                with self._lock:
                    self._idle.insert(0, worker)
        except OSError:
            # The next query tries again, and tells.
            logging.getLogger("surco.api").exception("no process for SQL could be started")


def _end(starter: ThreadPoolExecutor, workers: set[WorkerProcess]) -> None:
    starter.shutdown(wait=False, cancel_futures=True)
    for worker in list(workers):
        worker.bury()

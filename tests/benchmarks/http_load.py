"""Load of several client processes upon one server: answers a second, latencies, errors, time-outs.

Alone it is one of these clients: it reads what to ask as a line of JSON from stdin, and begins with the next line.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import cycle

TIMED_OUT = -1
"""In place of a status: no answer came in time."""


@dataclass(frozen=True)
class Answer:
    """What one request took in seconds, when it ended, its status or `TIMED_OUT`, its bytes, and the path's number."""

    took: float
    ended: float
    status: int
    size: int
    number: int

    @property
    def good(self) -> bool:
        """Whether it is a page or a tile (204: there is nothing in the tile)."""
        return self.status in (200, 204)


@dataclass(frozen=True)
class Load:
    """All answers of a server, and the seconds from the common start until the last of them."""

    answers: list[Answer]
    seconds: float

    @property
    def a_second(self) -> float:
        """Good answers a second."""
        return sum(answer.good for answer in self.answers) / self.seconds


def load(
    port: int, paths: list[str], *, clients: int, seconds: float, timeout: float, again: bool = False
) -> Load:
    """Ask a server on 127.0.0.1 for `paths`, dealt out to client processes that ask one after the other.

    Args:
        port: where it listens.
        paths: what to ask, each once; with `again` from the first once more after the last.
        clients: processes, each with one connection.
        seconds: after these nobody asks anew; what was asked is waited for.
        timeout: seconds without a byte after which a request has failed.
        again: ask until the seconds are over.
    """
    shares = [list(range(len(paths)))[number::clients] for number in range(min(clients, len(paths)))]
    command = [sys.executable, "-S", __file__]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in shares
    ]
    for client, share in zip(started, shares, strict=True):
        asked = [(number, paths[number]) for number in share]
        _tell(client, json.dumps([port, asked, seconds, timeout, again]))
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for client in started:
        _tell(client, "go")
    found = [Answer(*each) for client in started for each in json.loads(client.communicate()[0])]
    return Load(found, max(answer.ended for answer in found) - began)


def _tell(client: subprocess.Popen[str], line: str) -> None:
    assert client.stdin is not None
    client.stdin.write(line + "\n")
    client.stdin.flush()


def _ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, int]:
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, len(response.read())
    except TimeoutError:
        connection.close()
        return TIMED_OUT, 0
    except (http.client.HTTPException, OSError):
        connection.close()
        return 0, 0


def _client() -> None:
    port, asked, seconds, timeout, again = json.loads(sys.stdin.readline())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    print("ready", flush=True)
    sys.stdin.readline()
    start, answers = time.perf_counter(), []
    for number, path in cycle(asked) if again else asked:
        began = time.perf_counter()
        if began - start > seconds:
            break
        status, size = _ask(connection, path)
        ended = time.perf_counter()
        answers.append((ended - began, ended, status, size, number))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    _client()

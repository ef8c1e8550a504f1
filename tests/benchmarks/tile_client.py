"""Run as a process of its own: ask for addresses one after the other; seconds, status and bytes of each as JSON lines.

Reads `PORT`, then a path a line, from stdin; begins when a last line `go` comes.
"""

from __future__ import annotations

import http.client
import json
import sys
import time


def main() -> None:
    """Ask for all of them on one connection."""
    port, *paths = [line.strip() for line in iter(sys.stdin.readline, "go\n")]
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=120)
    connection.connect()
    connection.sock.setsockopt(6, 1, 1)
    answers = []
    for path in paths:
        began = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        size = len(response.read())
        answers.append((time.perf_counter() - began, response.status, size))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()

"""Throwing random queries at a running server, and what must hold whatever they are."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
from sql_fuzz import fuzzed_queries

from surco.api.sql_box.cage import memory_in_use
from surco.api.sql_box.encoders import FORMATS

__all__ = ["Fuzzed", "fuzz"]

_SLOWEST_S = 30.0
_EXPECTED = {200, 400, 413, 503, 504}


@dataclass
class Fuzzed:
    """What came of it: answers by status (0: a transfer that broke off), the slowest, and the growth of the server."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    grown: int = 0
    faults: list[str] = field(default_factory=list)


def fuzz(url: str, seed: int, seconds: float) -> Fuzzed:
    """Ask random queries for a while, in random formats.

    A fault is a status that none may have (500 before all), a refusal that is no problem document, or an answer that
    took much longer than the server gives.
    """
    found, chance, until = Fuzzed(), random.Random(seed), time.monotonic() + seconds  # noqa: S311
    before = memory_in_use()
    with httpx.Client(base_url=url, timeout=2 * _SLOWEST_S) as client:
        for query in fuzzed_queries(seed):
            if time.monotonic() > until:
                break
            began = time.monotonic()
            status = _ask(client, query, chance.choice(list(FORMATS)), found)
            took = time.monotonic() - began
            found.statuses[status] += 1
            found.slowest_s = max(found.slowest_s, took)
            if took > _SLOWEST_S:
                found.faults.append(f"{took:.1f} s: {query!r}")
        if client.post("/sql", json={"query": "SELECT 1"}).status_code != 200:
            found.faults.append("the server answers no more")
    found.grown = memory_in_use() - before
    return found


def _ask(client: httpx.Client, query: str, form: str, found: Fuzzed) -> int:
    try:
        answer = client.post("/sql", params={"f": form}, json={"query": query})
    except httpx.RemoteProtocolError:
        return 0
    except httpx.HTTPError as error:
        found.faults.append(f"{error!r}: {query!r}")
        return -1
    problem = answer.headers["content-type"] == "application/problem+json"
    if answer.status_code not in _EXPECTED or (answer.status_code != 200) != problem:
        found.faults.append(f"{answer.status_code} {answer.text[:300]}: {query!r}")
    return answer.status_code

"""Throughput, latency and memory of one server process and of several over the same store.

Alone: `python tests/benchmarks/bench_processes.py STORE [--workers 1 2] [--seconds 10]`. Clients ask on the same
machine, so that on two cores they take a good part of what the servers could use: the figures compare, they are no
limits.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from http_load import Load, load
from process_servers import Server, serving

from surco.embedstore import Store

CLIENTS = 8
PATHS = 4_000


def questions(store: Store, seed: int = 0) -> dict[str, list[str]]:
    """Paths by kind: pages of features in small boxes, an answer that costs nothing, similar places."""
    rng = np.random.default_rng(seed)
    west, south, east, north = store.find("cells").bbox
    lon, lat = rng.uniform(west, east, PATHS), rng.uniform(south, north, PATHS)
    boxes = [f"{x:.4f},{y:.4f},{x + 0.1:.4f},{y + 0.1:.4f}" for x, y in zip(lon, lat, strict=True)]
    keys = rng.choice(store.read("cells", columns=["h3"])["h3"].to_numpy(), PATHS)
    return {
        "whoami": ["/whoami"] * PATHS,
        "items": [f"/collections/cells/items?limit=100&bbox={box}" for box in boxes],
        "search": [f"/search?id={key:x}&k=20" for key in keys.tolist()],
    }


def memory(server: Server) -> Iterator[tuple[int, int, int]]:
    """Of each process: private, shared and mapped megabytes, as `/proc` counts them (its part of what is shared)."""
    for pid in server.workers() or [server.process.pid]:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        found = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines}
        yield found["Anonymous"], found["Pss"], found["Rss"]


def told(workers: int, kind: str, found: Load) -> str:
    """A line of the report."""
    took = sorted(answer.took for answer in found.answers if answer.good)
    bad = len(found.answers) - len(took)
    p50, p95 = (1e3 * took[int(share * (len(took) - 1))] for share in (0.5, 0.95))
    return f"{workers} | {kind} | {found.a_second:.0f}/s | {p50:.1f} / {p95:.1f} ms | {bad} bad"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    asked = questions(Store.open(given.store))
    print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    for workers in given.workers:
        options = ("--workers", str(workers), "--requests-per-minute", "100000000")
        with serving(given.store, os.environ.get("SURCO_BENCH_DATABASE"), *options) as server:
            port = int(server.url.rpartition(":")[2])
            for kind, paths in asked.items():
                load(port, paths[:200], clients=CLIENTS, seconds=3, timeout=60)
                print(
                    told(
                        workers,
                        kind,
                        load(port, paths, clients=CLIENTS, seconds=given.seconds, timeout=60, again=True),
                    )
                )
            for anonymous, proportional, resident in memory(server):
                parts = f"{anonymous} MB of its own, {proportional} MB with its part of what is mapped"
                print(f"{workers} | a process: {parts}, {resident} MB in all")
    print(f"load after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

"""`items?bbox&limit=100` of a country's cells, by eight clients of one server process: latency and memory.

Alone: `python tests/benchmarks/bench_ogc.py STORE [--clients 8] [--seconds 15]` over a store of `national_store.py`.
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import h3ronpy.vector
import pyarrow as pa
from ogc_server import process_of, running

from surco.embedstore import Store

SIZES = (0.02, 0.1, 0.5)


@dataclass
class Client:
    """One connection that asks one question after the other."""

    address: str
    seed: int
    times: list[float] = field(default_factory=list)
    features: int = 0

    def ask(self, questions: list[str], until: float) -> None:
        """Ask until the clock says so; a refusal ends the run."""
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        order = np.random.default_rng(self.seed).permutation(len(questions))
        turn = 0
        while time.perf_counter() < until:
            began = time.perf_counter()
            connection.request("GET", questions[order[turn % len(order)]])
            response = connection.getresponse()
            body = response.read()
            self.times.append(time.perf_counter() - began)
            assert response.status == 200, body[:500]
            self.features += body.count(b'"type":"Feature"')
            turn += 1


def boxes(store: Store, count: int, sizes: Sequence[float] = SIZES) -> list[str]:
    """Boxes of `sizes` degrees, three by themselves, around cells by chance."""
    rng = np.random.default_rng(7)
    cells = store.read("cells", columns=["h3"])["h3"].combine_chunks()
    places = pa.record_batch(
        h3ronpy.vector.cells_to_coordinates(cells.take(rng.integers(0, len(cells), count)))
    )
    chosen = rng.choice(sizes, count)
    return [
        f"{lon - half:.5f},{lat - half:.5f},{lon + half:.5f},{lat + half:.5f}"
        for lon, lat, half in zip(places["lng"].to_numpy(), places["lat"].to_numpy(), chosen / 2, strict=True)
    ]


def kinds(store: Store, count: int) -> dict[str, list[str]]:
    """Questions by what they ask."""

    def items(collection: str, **parameters: str) -> str:
        return f"/collections/{collection}/items?{urlencode({'limit': '100', **parameters})}"

    found = boxes(store, count)
    asked = {
        "bbox": [items("cells", bbox=box) for box in found],
        "bbox, filter": [items("cells", bbox=box, filter="n_pixels > 1000") for box in found],
        "comuna": [items("cells", filter=f"comuna_name = '{name}'") for name in ("Talca", "Arica", "Aysén")],
    }
    for adapter in store.adapters():
        asked[f"bbox, map {adapter}"] = [items(f"map-{adapter}", bbox=box) for box in found]
    return asked


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory of a process, and the part of it that is no mapped file."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    held = {line.split(":")[0]: float(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}
    return held["VmRSS"], held["RssAnon"]


def processor_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run each kind and print a line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15)
    given = parser.parse_args()
    store = Store.open(given.store)
    with running(given.store) as address:
        for name, questions in kinds(store, 2_000).items():
            began = time.perf_counter()
            Client(address, 0).ask(questions[:1], time.perf_counter() + 0.001)
            first = time.perf_counter() - began
            clients = [Client(address, seed) for seed in range(given.clients)]
            used = processor_s(process_of(address))
            until = time.perf_counter() + given.seconds
            threads = [threading.Thread(target=client.ask, args=(questions, until)) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            times = np.array([each for client in clients for each in client.times]) * 1e3
            p50, p95, p99 = np.percentile(times, [50, 95, 99])
            mean = sum(client.features for client in clients) / len(times)
            used = (processor_s(process_of(address)) - used) / len(times) * 1e3
            resident, own = memory_mib(process_of(address))
            print(
                f"{name:24} {len(times) / given.seconds:5.0f}/s  p50 {p50:6.1f}  p95 {p95:6.1f}  p99 {p99:6.1f} ms  "
                f"processor {used:5.2f} ms  {mean:5.1f} features  first {first * 1e3:5.0f} ms  "
                f"memory {resident:5.0f} MiB ({own:.0f} own)",
                flush=True,
            )


if __name__ == "__main__":
    main()

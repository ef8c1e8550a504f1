"""The server beside its peers in one run, in turns: pages of a box and vector tiles of a country's map.

Surco computes classes and probabilities when it is asked. tipg on PostGIS has them ready in an indexed table, pygeoapi
in a Parquet file (its tiles come from the same PostGIS). `scripts/install_bench_peers.sh FOLDER`, then

    SURCO_BENCH_STORE=national.store SURCO_BENCH_PEERS_DIR=FOLDER python -m pytest -s \
        --override-ini=python_files='bench_*.py' tests/benchmarks/bench_peers_http.py

The first run fills FOLDER with the peers' rows, the next ones take them from there. One server at a time, one process
(PostgreSQL has its own), eight client processes; new boxes and tiles in each round, servers started anew, and what is
asked first, to warm them, is not counted. `SURCO_BENCH_SECONDS` (6) is the most time for each kind of question.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from benchmarks import postgis_peer, pygeoapi_peer
from benchmarks.bench_ogc import boxes
from benchmarks.bench_tiles import country_tiles, tiles_adapter
from benchmarks.http_load import Load, load
from benchmarks.national_store import write_national
from benchmarks.peer_report import Rounds, print_peers
from benchmarks.peer_rows import map_rows
from benchmarks.peer_servers import PeerServer, surco_server
from benchmarks.postgis_peer import postmaster

from surco.embedstore import Store

ROWS = int(os.environ.get("SURCO_BENCH_ROWS", "200000"))
FOLDER = Path(os.environ.get("SURCO_BENCH_PEERS_DIR", "/var/tmp/surco-peers"))  # noqa: S108
SECONDS = float(os.environ.get("SURCO_BENCH_SECONDS", "6"))
ADAPTER = "bench-tiles"
CLIENTS, ROUNDS, TIMEOUT = 8, 3, 30.0
BOXES, A_ZOOM = 4_000, 24
ITEMS, LOW, HIGH, KEPT = "items", "tiles z4-z9", "tiles z10-z14", "tiles z10-z14, again"
WARM_ITEMS, WARM_TILES = "items to warm", "tiles to warm"
KINDS = (ITEMS, LOW, HIGH)
# tipg cuts a tile off at 10,000 places: many of z4 to z9 have more.
ZOOMS = {LOW: range(4, 10), HIGH: range(10, 15), KEPT: range(10, 15)}

Asked: TypeAlias = str | tuple[int, int, int]
"""A box, or zoom, column and row of a tile."""


@dataclass(frozen=True)
class Peer:
    """A server, and how each kind of question is written for it."""

    name: str
    start: Callable[[], AbstractContextManager[PeerServer]]
    items: Callable[[str], str]
    tile: Callable[[int, int, int], str]
    kinds: tuple[str, ...]

    def path(self, asked: Asked) -> str:
        """Address of a page of a box, or of a tile."""
        return self.items(asked) if isinstance(asked, str) else self.tile(*asked)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A country's cells with the map of ten crops."""
    named = os.environ.get("SURCO_BENCH_STORE")
    store = Store.open(named) if named else write_national(tmp_path_factory.mktemp("bench") / "store", ROWS)
    if ADAPTER not in store.adapters():
        with store.transaction() as write:
            write.put_adapter(ADAPTER, tiles_adapter(store))
    return store


@pytest.fixture(scope="module")
def peers(store: Store) -> Iterator[list[Peer]]:
    """Surco and its peers over the same rows; skips where a peer is not installed."""
    for name in ("tipg", "pygeoapi"):
        if not (FOLDER / name / "bin" / "python").exists():
            pytest.skip(f"{name} is not in {FOLDER}: run scripts/install_bench_peers.sh {FOLDER}")
    rows = map_rows(store, ADAPTER, FOLDER)
    season = store.find("cells").season
    with postgis_peer.postgis(rows, FOLDER) as url:
        yield [
            Peer(
                "Surco",
                partial(surco_server, store.path),
                f"/collections/map-{ADAPTER}/items?limit=100&bbox={{}}".format,
                f"/maps/{ADAPTER}/{season}/tiles/{{}}/{{}}/{{}}.mvt".format,
                (*KINDS, KEPT),
            ),
            Peer(
                "tipg",
                partial(postgis_peer.tipg_server, url, FOLDER),
                postgis_peer.items,
                postgis_peer.tile,
                KINDS,
            ),
            Peer(
                "pygeoapi",
                partial(pygeoapi_peer.pygeoapi_server, pygeoapi_peer.features(rows), FOLDER),
                pygeoapi_peer.items,
                pygeoapi_peer.tile,
                (ITEMS,),
            ),
            # Its tiles have every place that they touch: those of low zooms are not drawn in minutes.
            Peer(
                "pygeoapi, PostGIS",
                partial(pygeoapi_peer.pygeoapi_server, pygeoapi_peer.tiles(url), FOLDER, [postmaster(url)]),
                pygeoapi_peer.items,
                pygeoapi_peer.tile,
                (HIGH,),
            ),
        ]


@pytest.fixture(scope="module")
def questions(store: Store) -> dict[str, list[list[Asked]]]:
    """Of each kind and round, the same for every peer: boxes around cells by chance, tiles where cells are."""
    some = boxes(store, BOXES * ROUNDS + 64)
    return {
        ITEMS: [some[number : BOXES * ROUNDS : ROUNDS] for number in range(ROUNDS)],
        WARM_ITEMS: [some[BOXES * ROUNDS :]],
        WARM_TILES: [country_tiles(store, range(15, 16), 64, seed=99)],
        **{
            kind: [country_tiles(store, zooms, A_ZOOM, seed=number) for number in range(ROUNDS)]
            for kind, zooms in ZOOMS.items()
        },
    }


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], Rounds]:
    """What the rounds measure, by kind and peer."""
    return {}


def test_same_answers(store: Store, peers: list[Peer]) -> None:
    """All serve the same places and classes: what is compared is one thing."""
    box = boxes(store, 1, sizes=(0.02,))[0]
    surco, tipg, pygeoapi = (_classes(peer, box) for peer in peers if ITEMS in peer.kinds)
    assert surco == tipg
    # pygeoapi takes what lies inside the box, not what meets it.
    assert len(pygeoapi) > 5
    assert pygeoapi.items() <= surco.items()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_side_by_side(
    peers: list[Peer],
    questions: dict[str, list[list[Asked]]],
    found: dict[tuple[str, str], Rounds],
    number: int,
) -> None:
    """A round of all servers in turns; Surco answers everything."""
    before = os.getloadavg()
    # Who begins changes, so that what the machine does besides meets all alike.
    for peer in peers[number:] + peers[:number]:
        with peer.start() as server:
            for warm in {WARM_ITEMS if kind == ITEMS else WARM_TILES for kind in peer.kinds}:
                _load(server, peer, questions[warm][0], seconds=2)
            for kind in peer.kinds:
                used = server.processor_s()
                done = _load(server, peer, questions[kind][number], again=kind == ITEMS)
                rounds = found.setdefault((kind, peer.name), Rounds())
                rounds.add(done, server.processor_s() - used, server.memory_mb())
    print(f"\n  round {number + 1}: load of the machine before {before}, after {os.getloadavg()}")
    assert not sum(rounds.failed for (_, name), rounds in found.items() if name == "Surco")


def test_report(store: Store, found: dict[tuple[str, str], Rounds]) -> None:
    """The table of the rounds before."""
    print_peers(f"{store.find('cells').rows:,} cells, {CLIENTS} clients, median of {ROUNDS} rounds", found)
    assert found


def _classes(peer: Peer, box: str) -> dict[int, str]:
    """Class of each place in a box that holds fewer than a page's."""
    with peer.start() as server:
        answer = httpx.get(server.address + peer.items(box), timeout=TIMEOUT).raise_for_status().json()
    rows = [feature["properties"] for feature in answer["features"]]
    return {row["h3"] if isinstance(row["h3"], int) else int(row["h3"], 16): row["class"] for row in rows}


def _load(
    server: PeerServer, peer: Peer, asked: list[Asked], *, seconds: float = SECONDS, again: bool = False
) -> Load:
    paths = [peer.path(each) for each in asked]
    return load(server.port, paths, clients=CLIENTS, seconds=seconds, timeout=TIMEOUT, again=again)

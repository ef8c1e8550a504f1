"""A run on a Ray cluster of several nodes on this machine, some of which are killed: the bytes of a local run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_plans import Slow, digests, small_plan

from surco.embedstore import Store
from surco.encoder.runs import InProcess, run_plan
from surco.encoder.runs.cluster import RayExecutor

pytestmark = [
    pytest.mark.slow,
    # Ray warns of its own use of itself.
    pytest.mark.filterwarnings(r"ignore:::ray\..*"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

TILES = 6
_NODE = {"num_cpus": 2, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the tables hold when one process does everything."""
    store = Store.create(tmp_path_factory.mktemp("undisturbed") / "store")
    run_plan(small_plan(TILES), store, executor=InProcess())
    return digests(store)


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head that does no work, and two nodes that do."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Nodes find the encoder of this test as they would find an installed one.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80 << 20})
    for _ in range(2):
        made.add_node(**_NODE)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def test_nodes_killed_during_a_run(tmp_path: Path, cluster: Any, undisturbed: dict[str, str]) -> None:
    """Both nodes are killed one after the other while they work, others join: nothing is lost, no byte differs."""
    store, nodes = Store.create(tmp_path / "store"), list(cluster.worker_nodes)

    def kill_some(done: int, total: int, text: str) -> None:
        if nodes and done >= 3 - len(nodes):
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            cluster.add_node(**_NODE)

    executor = RayExecutor(cluster.address, silence_s=60.0, batch_windows=2)
    report = run_plan(small_plan(TILES), store, Slow, executor=executor, progress=kill_some)
    assert not nodes and report.holes == () and report.tiles == TILES
    assert digests(store) == undisturbed

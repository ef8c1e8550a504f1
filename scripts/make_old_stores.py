"""Make the stores of tests/old_stores as older surco wrote them, by running that surco's own code.

    python scripts/make_old_stores.py tests/old_stores

Each commit's tree is taken from git into a temporary folder, which goes before the present code on Python's path. The
tests' own `store_builders` of that commit make the store (ten cells, forty parcels, a card), its `Transaction` a second
version with an adapter; where that surco had a server with a database, a key is added. Two runs differ in names and
times only. Nothing here is needed to use surco or to run its tests: it says where the fixtures come from.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("encoder", "embedstore", "adapters", "api", "viewer", "tests")
COMMITS = {
    "first": "cc7e7fd",  # the first store that there was: format 1, no catalogue, no time in its manifests
    "format-1": "49bb445",  # the last of format 1
    "format-2-state-1": "62d25ec",  # format 2, database at migration 0001
    "format-2-state-2": "2c71d06",  # format 2, database at migration 0002
}
WRITE = """
import sys
from pathlib import Path
from store_builders import small_store
store = small_store(Path(sys.argv[1]), 10)
with store.transaction() as tx:
    tx.put_adapter("crops", {"card.json": b'{"format": 1}', "weights.safetensors": bytes(8)})
try:
    from surco.api.state.database import Database
    from surco.api.state.keys import add_key
except ImportError:
    raise SystemExit(0)
database = Database.open(Path(sys.argv[1]))
with database.writing() as connection:
    info, secret = add_key(connection, "an old key", ("read", "label"), None)
database.close()
Path(sys.argv[1], "old.key").write_text(secret)
"""


def main(out: Path) -> None:
    """Make `<name>.tar.xz` of each commit in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for name, commit in COMMITS.items():
        with tempfile.TemporaryDirectory() as folder:
            tree, store = Path(folder, "tree"), Path(folder, "store")
            take(commit, tree)
            path = os.pathsep.join(str(tree / room) for room in ROOMS)
            environment = {**os.environ, "PYTHONPATH": path}
            subprocess.run([sys.executable, "-c", WRITE, store], env=environment, check=True)
            with tarfile.open(out / f"{name}.tar.xz", "w:xz", preset=9) as packed:
                packed.add(store, "store", filter=plain)
        print(f"{name}: {commit}, {(out / f'{name}.tar.xz').stat().st_size:,} bytes")


def take(commit: str, tree: Path) -> None:
    """Write a commit's tree to a folder."""
    tree.mkdir()
    git = shutil.which("git") or "git"
    made = subprocess.run([git, "archive", commit, *ROOMS], cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extractall(tree, filter="data")


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the name of who made it."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The examples of docs/labels-api.md run as they stand, on a real server."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
from label_reader import zipped
from label_server import LON, point, serving
from test_label_survival import server
from test_label_uploads import shapefile

from surco.api.state.database import Database
from surco.api.state.keys import add_key
from surco.embedstore import Store

PAGE = (Path(__file__).parents[1] / "docs/labels-api.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first example in a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_examples_run(tmp_path: Path) -> None:
    """Curl makes a set, uploads a shapefile, asks for agreement and exports; Python adds, changes and looks back."""
    store = Store.create(tmp_path / "store").path
    database = Database.open(store)
    with database.writing() as connection:
        _, key = add_key(connection, "ana", ("label",))
    database.close()
    (tmp_path / "predios.zip").write_bytes(zipped(shapefile(tmp_path / "shp")))
    with server(store, None) as (client, _):
        url, headers = str(client.base_url), {"authorization": f"Bearer {key}"}
        set_id = client.post("/labels", json={"name": "Maule"}, headers=headers).json()["id"]
        client.post(f"/labels/{set_id}/items", json=point("trigo", LON + 1), headers=headers)
        environment = {**os.environ, "URL": url.rstrip("/"), "KEY": key, "SET": set_id}
        told = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", block("sh").replace("curl -s", "curl -sf")],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
        )
        assert told.returncode == 0, told.stdout + told.stderr
        assert b'"taken":1' in told.stdout and b"krippendorff_alpha" in told.stdout
        assert pq.read_table(tmp_path / "labels.parquet")["class"].to_pylist() == ["trigo", "trigo"]
        names = {"URL": url, "KEY": key}
        exec(compile(block("python"), "labels-api.md", "exec"), names)  # noqa: S102
        assert names["changed"].json()["properties"]["class"] == "avena"  # type: ignore[attr-defined]
        assert names["past"][0]["label"]["properties"]["class"] == "trigo"  # type: ignore[index]
        names["client"].close()  # type: ignore[attr-defined]


def test_every_route_and_parameter_is_described(tmp_path: Path) -> None:
    """The page names each last part of the routes and each query parameter."""
    with serving(tmp_path) as (client, _):
        document = client.get("/openapi.json").json()
    for path, item in document["paths"].items():
        if not path.startswith("/labels"):
            continue
        last = [part for part in path.split("/") if part and "{" not in part][-1]
        assert last in PAGE, path
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    assert parameter["name"] in PAGE, (path, parameter["name"])
